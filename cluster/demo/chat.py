"""The demo's domain: one chat with its messages, a few tasks and notifications, as a service would hold them in its
database. What changes becomes domain events; only when the bus has taken them, it has changed.

Every message and task carries a version that grows with each change, so that a page that loads the state and listens to
events at the same time knows which of two is newer.  Thread: any; one lock.  In memory: it ends with the process."""
import collections
import datetime
import threading
import uuid

from refused import Refused

USERS = {"ann": "Ann", "ben": "Ben"}
BOT = "robin"
STATUSES = ("todo", "doing", "done")
MESSAGES_MAX = 200
NOTIFICATIONS_MAX = 20
TEXT_MAX = 2000  # characters
NOTE_MAX = 140

_GREETINGS = (
    ("ben", "Morning! Is the release still on for today?"),
    ("ann", "Yes. The checklist is up there, three things left."),
)
_TASKS = (("notes", "Write the release notes", "doing", "ann"), ("failover", "Try the failover", "todo", "ben"),
          ("invite", "Invite the first team", "todo", None))  # fmt: skip


class Chat:
    def __init__(self, chat_id, publish):
        """`publish(events)`: takes dicts of the domain event envelope, all or none; raises when it cannot."""
        self.id = chat_id
        self._publish = publish
        self._lock = threading.Lock()
        self._messages = collections.OrderedDict()
        self._tasks = {}
        self._notifications = {user: collections.deque(maxlen=NOTIFICATIONS_MAX) for user in USERS}
        for author, text in _GREETINGS:
            self._keep(self._new_message(author, text))
        for task_id, title, status, assignee in _TASKS:
            self._tasks[task_id] = {"chat_id": chat_id, "task_id": task_id, "title": title, "status": status,
                                    "assignee_id": assignee, "version": 1}  # fmt: skip

    def history(self, user):
        """What a page shows when it opens: the last messages, the tasks, and the user's own notifications."""
        known(user)
        with self._lock:
            return {"messages": list(self._messages.values()), "tasks": list(self._tasks.values()),
                    "notifications": list(self._notifications[user])}  # fmt: skip

    def post(self, user, text):
        known(user)
        return self._post(user, checked_text(text))

    def post_by_bot(self, text):
        return self._post(BOT, text)

    def _post(self, author, text):
        message = self._new_message(author, text)
        with self._lock:
            notes = [self._note(user, "mention", f"{name_of(author)} mentioned you: {message['content']}", author)
                     for user in USERS if user != author and f"@{user}" in message["content"].lower()]  # fmt: skip
            self._send(author, [("message.posted", message)], notes)
            self._keep(message)
        return message

    def edit(self, user, message_id, text):
        text = checked_text(text)
        with self._lock:
            changed = {**self._own_message(user, message_id), "content": text, "edited": True}
            return self._replace_message(user, "message.edited", changed)

    def delete(self, user, message_id):
        with self._lock:
            changed = {**self._own_message(user, message_id), "content": "", "deleted": True}
            return self._replace_message(user, "message.deleted", changed)

    def change_task(self, user, task_id, status=None, assignee=None):
        """`assignee`: a user, or "" for nobody. None leaves as it is."""
        known(user)
        if status is not None and status not in STATUSES:
            raise Refused(400, "INVALID_STATUS", f"status must be one of {', '.join(STATUSES)}")
        if assignee:
            known(assignee)
        with self._lock:
            if task_id not in self._tasks:
                raise Refused(404, "NO_SUCH_TASK", "there is no such task")
            old = self._tasks[task_id]
            new = {**old, "version": old["version"] + 1, "changed_by": user}
            new["status"] = old["status"] if status is None else status
            new["assignee_id"] = old["assignee_id"] if assignee is None else assignee or None
            self._send(user, [("task.updated", new)], self._notes_about(user, old, new))
            self._tasks[task_id] = new
        return new

    # -- with the lock held

    def _own_message(self, user, message_id):
        known(user)
        message = self._messages.get(message_id)
        if message is None or message["deleted"]:
            raise Refused(404, "NO_SUCH_MESSAGE", "there is no such message (any more)")
        if message["author_id"] != user:
            raise Refused(403, "NOT_YOURS", "only its author may change a message")
        return message

    def _replace_message(self, user, event_type, changed):
        changed["version"] += 1
        self._send(user, [(event_type, changed)], [])
        self._messages[changed["message_id"]] = changed
        return changed

    def _notes_about(self, actor, old, new):
        """Whom a changed task concerns, but for who changed it."""
        user = new["assignee_id"]
        if user is None or user == actor:
            return []
        if user != old["assignee_id"]:
            return [self._note(user, "assigned", f"{name_of(actor)} gave you “{new['title']}”", actor)]
        if new["status"] != old["status"]:
            words = {"todo": "to do", "doing": "doing", "done": "done"}[new["status"]]
            return [self._note(user, "status", f"{name_of(actor)} set “{new['title']}” to {words}", actor)]
        return []

    def _note(self, user, kind, text, actor):
        text = text if len(text) <= NOTE_MAX else text[: NOTE_MAX - 1] + "…"
        return {"user_id": user, "notification_id": str(uuid.uuid4()), "kind": kind, "text": text, "actor_id": actor, "at": now()}

    def _send(self, actor, events, notes):
        pairs = [*events, *(("notification.created", note) for note in notes)]
        self._publish([envelope(event_type, payload, actor) for event_type, payload in pairs])
        for note in notes:
            self._notifications[note["user_id"]].append(note)

    def _keep(self, message):
        self._messages[message["message_id"]] = message
        while len(self._messages) > MESSAGES_MAX:
            self._messages.popitem(last=False)

    def _new_message(self, author, text):
        return {"chat_id": self.id, "message_id": str(uuid.uuid4()), "author_id": author, "content": text, "at": now(),
                "edited": False, "deleted": False, "version": 1}  # fmt: skip


def known(user):
    if user not in USERS:
        raise Refused(400, "NO_SUCH_USER", f"the demo's users are {' and '.join(USERS)}")


def name_of(user):
    return USERS.get(user, user.capitalize())


def checked_text(text):
    text = text.strip()
    if not text:
        raise Refused(400, "EMPTY_TEXT", "a message needs a text")
    if len(text) > TEXT_MAX:
        raise Refused(413, "TEXT_TOO_LONG", f"a message may have {TEXT_MAX} characters, this one has {len(text)}")
    return text


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(event_type, payload, actor):
    """A domain event as proto/README.md describes it under Publishing."""
    return {"id": str(uuid.uuid4()), "event_type": event_type, "occurred_at": now(), "version": 1,
            "metadata": {"user_id": actor}, "payload": payload}  # fmt: skip
