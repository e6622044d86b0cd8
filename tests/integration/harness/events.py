"""Domain events as services write them (proto/README.md: Publishing), as text: the tests compare bytes."""
import json
import uuid


def new_id():
    return str(uuid.uuid4())


class Event:
    """`payload` and `text` are the JSON as published."""

    def __init__(self, event_type="message.created", chat=None, payload=None, event_id=None, **members):
        """`payload`: text, or a dict. Without one, a message in `chat` in the dotted spelling."""
        self.id = event_id or new_id()
        self.event_type = event_type
        if payload is None:
            payload = {"chat_id": chat, "content": f"message {self.id}"}
        self.payload = payload if isinstance(payload, str) else json.dumps(payload)
        members = {"occurred_at": "2026-11-23T10:15:30.123Z", "version": 1, **members}
        rest = "".join(f',"{name}":{json.dumps(value)}' for name, value in members.items() if value is not None)
        self.text = '{"id":%s,"event_type":%s%s,"payload":%s}' % (
            json.dumps(self.id),
            json.dumps(event_type),
            rest,
            self.payload,
        )

    def __repr__(self):
        return self.text[:200]


def message(chat, number=0):
    """A small message with a number in it."""
    return Event(chat=chat, payload={"chat_id": chat, "number": number})
