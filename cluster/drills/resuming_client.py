"""A client of the protocol that reconnects and resumes, as a browser's would: one of the many of a drill.

It keeps a cursor {epoch, seq} for each chat and for its user's notifications, sends one batch `subscribe.chat`
with `since` for all of its chats after each reconnect, ignores `seq` <= cursor (proto/README.md: Resume), and tells the ledgers what
its application gets to see. Thread: the swarm's."""
import json
import random

from websocket import Connection, upgrade_request

CONNECT_SECONDS = 5  # for TCP and the upgrade
ACK_SECONDS = 12  # for the answers to the subscribes; a node itself gives up after rooms.join_timeout_ms
SILENCE_SECONDS = 4  # without a word from the node: ask; as long again without an answer: go elsewhere
BACKOFF_SECONDS = (0.1, 1.0)  # full jitter
TYPING_SECONDS = 20  # on average


class Subscription:
    """A chat (`chat` is its id) or the user's notifications (None)."""

    __slots__ = ("chat", "ledger", "epoch", "seq", "is_acked", "target")

    def __init__(self, chat, ledger):
        self.chat = chat
        self.ledger = ledger
        self.epoch = None  # until the first position is known
        self.seq = 0
        self.is_acked = False  # on this connection
        self.target = None  # seq to reach after a resume

    def since(self):
        return {"epoch": self.epoch, "seq": self.seq}


class ResumingClient:
    def __init__(self, swarm, user, token, ledgers):
        """`ledgers`: chat id, or None for the notifications -> ledger."""
        self.swarm = swarm
        self.user = user
        self.token = token
        self.subscriptions = {chat: Subscription(chat, ledger) for chat, ledger in ledgers.items()}
        self.chats = [chat for chat in self.subscriptions if chat]
        self.connection = None
        self.is_over = False  # was told not to come back, or the drill has ended
        self._retry_after = None
        self._lost_at = None
        self._asked_at = None
        self._behind = set()  # subscriptions that have not caught up since the connection was made

    # -- connecting

    def connect(self):
        if self.is_over or self.connection:
            return
        loop = self.swarm.loop
        host, port, path = random.choice(self.swarm.nodes)
        connection = Connection(self, upgrade_request(host, port, path, self.token), loop.time())
        self.connection = connection
        self._retry_after = None
        task = loop.create_task(loop.create_connection(lambda: connection, host, port))
        task.add_done_callback(lambda done: self._connected(connection, done))

    def _connected(self, connection, done):
        if done.cancelled() or done.exception():
            self.swarm.counts["connects failed"] += 1
            self.on_lost(connection)
        elif self.connection is not connection:  # given up meanwhile
            connection.abort()

    def on_open(self, connection):
        self.swarm.counts["connects"] += 1
        self._behind = set(self.subscriptions.values())
        for subscription in self._behind:
            subscription.is_acked = False
            subscription.target = None
            if self.swarm.is_careless:
                subscription.epoch = None
        self._asked_at = connection.heard_at
        self._subscribe(connection, self.chats)

    def on_refused(self, _, status):
        self.swarm.counts[f"refused {status}"] += 1

    def on_lost(self, connection):
        if connection is not self.connection:
            return
        if connection.close_code and connection.close_code >= 1000:
            self.swarm.counts[f"closed {connection.close_code}"] += 1
        self._go_offline(random.uniform(*BACKOFF_SECONDS) if self._retry_after is None else self._retry_after)

    def cut(self, offline_s):
        """Hard, as by a lost network. False when there was nothing to cut."""
        connection = self.connection
        if not connection or not connection.is_open:
            return False
        self._go_offline(offline_s)
        connection.abort()
        return True

    def _give_up(self, why):
        self.swarm.counts[why] += 1
        connection = self.connection
        self._go_offline(random.uniform(*BACKOFF_SECONDS))
        connection.abort()

    def _go_offline(self, seconds):
        self.connection = None
        self._asked_at = None
        if self._lost_at is None:
            self._lost_at = self.swarm.loop.time()
        if not self.is_over:
            self.swarm.loop.call_later(seconds, self.connect)

    def end(self):
        self.is_over = True
        if self.connection:
            self.connection.abort()

    def has_caught_up(self):
        return self._lost_at is None

    def sweep(self, now):
        """Every `sweep_s` seconds: what has taken too long."""
        connection = self.connection
        if not connection:
            return
        if not connection.is_open:
            if now - connection.born_at > CONNECT_SECONDS:
                self._give_up("no answer to the upgrade")
        elif connection.pinged_at and now - connection.pinged_at > SILENCE_SECONDS:
            self._give_up("silent nodes left")
        elif self._asked_at and now - self._asked_at > ACK_SECONDS:
            self._give_up("left without all acks")
        elif not connection.pinged_at and now - connection.heard_at > SILENCE_SECONDS:
            self._send(connection, type="ping")
            connection.pinged_at = now
        elif self.swarm.does_type and random.random() < self.swarm.sweep_s / TYPING_SECONDS:
            chat = random.choice(self.chats)
            if self.subscriptions[chat].is_acked:
                self._send(connection, type="chat.typing", chat_id=chat)

    # -- speaking

    def _send(self, connection, **message):
        connection.send_text(json.dumps(message).encode())

    def _subscribe(self, connection, chats):
        if connection is not self.connection or not connection.is_open:
            return
        wanted = []
        for chat in chats:
            subscription = self.subscriptions[chat]
            known = {"since": subscription.since()} if subscription.epoch else {}
            wanted.append({"chat_id": chat, **known})
        self._send(connection, type="subscribe.chat", chats=wanted)

    def _resume_notifications(self, connection):
        if connection is self.connection and connection.is_open:
            since = self.subscriptions[None].since()
            self._send(connection, type="notifications.resume", since=since)

    # -- listening

    def on_text(self, connection, data):
        if connection is not self.connection:
            return
        message = json.loads(data.decode())
        handler = self._HANDLERS.get(message["type"])
        if handler:
            handler(self, connection, message)
        else:
            self.swarm.counts["other messages"] += 1

    def _on_event(self, connection, message):
        subscription = self.subscriptions.get(message.get("chat_id"))
        if subscription is None:
            self.swarm.counts["uninvited events"] += 1
            return
        epoch, seq = message["epoch"], message["seq"]
        if epoch == subscription.epoch:
            if seq <= subscription.seq:
                self.swarm.counts["repeated by the server"] += 1
                return
            is_next = seq == subscription.seq + 1
        else:
            is_next = subscription.seq == 0 and seq == 1  # the first event of an empty room
        if not is_next:
            # Live notifications may overtake the answer to notifications.resume, which brings them again in order.
            if subscription.chat is None and not subscription.is_acked:
                self.swarm.counts["notifications before their resume"] += 1
                return
            self.swarm.counts["holes"] += 1
        subscription.epoch, subscription.seq = epoch, seq
        n = self.swarm.number_of(subscription.ledger.channel, message)
        if n is not None:
            subscription.ledger.deliver(n, epoch, seq, connection.heard_at)
        if subscription.target is not None and seq >= subscription.target:
            self._caught_up(subscription, connection)

    def _on_connected(self, connection, message):
        subscription = self.subscriptions.get(None)
        if subscription is None:
            return
        if subscription.epoch is None:
            position = message.get("notifications", {"epoch": "0", "seq": 0})
            subscription.epoch, subscription.seq = position["epoch"], position["seq"]
        self._resume_notifications(connection)

    def _on_ack(self, connection, message):
        if message["action"] not in ("subscribed", "notifications"):
            return
        subscription = self.subscriptions[message.get("chat_id")]
        epoch, seq = message["epoch"], message["seq"]
        subscription.is_acked = True
        if all(other.is_acked for other in self.subscriptions.values()):
            self._asked_at = None
        if subscription.epoch is None:
            subscription.epoch, subscription.seq = epoch, seq
        # Without `recovered`: a node that does not say so for notifications yet.
        elif not message.get("recovered", (epoch, seq) == (subscription.epoch, subscription.seq)):
            self.swarm.counts["recovered:false"] += 1
            self._jump(subscription, epoch, seq, connection.heard_at)
        elif epoch != subscription.epoch and subscription.seq or seq < subscription.seq:
            self.swarm.counts["contradictory acks"] += 1
        if seq <= subscription.seq:
            self._caught_up(subscription, connection)
        else:
            subscription.target = seq

    def _jump(self, subscription, epoch, seq, now):
        """The honest report: what lies before this position is to be reloaded."""
        if epoch == subscription.epoch and seq < subscription.seq:
            self.swarm.counts["positions that went back"] += 1
        subscription.ledger.report(epoch, seq, now)
        subscription.epoch, subscription.seq = epoch, seq

    def _caught_up(self, subscription, connection):
        subscription.target = None
        self._behind.discard(subscription)
        if not self._behind and self._lost_at is not None:
            self.swarm.recovered(self._lost_at, connection.heard_at)
            self._lost_at = None

    def _on_error(self, connection, message):
        code = message["code"]
        self.swarm.counts[f"error {code}"] += 1
        subscription = self.subscriptions.get(message.get("chat_id"))
        if code == "POSITION_LOST":
            self._jump(subscription, message["epoch"], message["seq"], connection.heard_at)
            self._caught_up(subscription, connection)
        elif not message["temporary"]:
            self.swarm.complain(f"{self.user}: {json.dumps(message)}")
        elif subscription and not subscription.is_acked:
            delay = random.uniform(*BACKOFF_SECONDS)
            if subscription.chat:
                self.swarm.loop.call_later(delay, self._subscribe, connection, [subscription.chat])
            else:
                self.swarm.loop.call_later(delay, self._resume_notifications, connection)

    def _on_unsubscribed(self, connection, message):
        self.swarm.complain(f"{self.user}: {json.dumps(message)}")

    def _on_disconnect(self, connection, message):
        self.swarm.counts[f"disconnect {message['code']}"] += 1
        if "retry_after_ms" in message:
            self._retry_after = message["retry_after_ms"] / 1000
        elif message["code"] >= 4200:  # reconnect at once (proto/README.md: Close codes)
            self._retry_after = 0
        if not message["reconnect"]:
            self.is_over = True
            self.swarm.complain(f"{self.user}: told not to come back: {json.dumps(message)}")

    def _ignore(self, connection, message):
        pass

    _HANDLERS = {
        "chat.message.posted": _on_event,
        "notification.new": _on_event,
        "connected": _on_connected,
        "ack": _on_ack,
        "error": _on_error,
        "unsubscribed": _on_unsubscribed,
        "disconnect": _on_disconnect,
        "pong": _ignore,
        "chat.typing": _ignore,
        "presence.changed": _ignore,
    }
