"""The documented shape of every frame a node may send: PROTOCOL 1.3. Every frame that a test client receives
is checked against it, so a member that is missing, misspelt or undocumented fails whatever test meets it."""
import re

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
SEQ_MAX = 2**53 - 1

ERROR_CODES = (
    "INVALID_JSON INVALID_MESSAGE UNKNOWN_TYPE FORBIDDEN NOT_SUBSCRIBED ROOM_LIMIT RATE_LIMITED UNAVAILABLE "
    "OVERLOADED UNAUTHORIZED INTERNAL POSITION_LOST"
).split()

# Domain event as services spell it -> (client type, route): the table of PROTOCOL 1.3.
EVENT_TABLE = {
    "MessagePosted": ("chat.message.posted", "chat"),
    "message.created": ("chat.message.posted", "chat"),
    "message.posted": ("chat.message.posted", "chat"),
    "MessageEdited": ("chat.message.edited", "chat"),
    "message.edited": ("chat.message.edited", "chat"),
    "MessageDeleted": ("chat.message.deleted", "chat"),
    "message.deleted": ("chat.message.deleted", "chat"),
    "StatusChanged": ("task.updated", "chat"),
    "chat.status_changed": ("chat.status_changed", "chat"),
    "TaskUpdated": ("task.updated", "chat"),
    "task.updated": ("task.updated", "chat"),
    "task.status_changed": ("task.updated", "chat"),
    "task.assigned": ("task.updated", "chat"),
    "task.created": ("task.created", "chat"),
    **{
        f"chat.{name}": (f"chat.{name}", "chat")
        for name in (
            "created updated deleted member_added member_removed type_changed renamed priority_set severity_set "
            "user_assigned assignee_removed due_date_set due_date_removed closed reopened"
        ).split()
    },
    "NotificationCreated": ("notification.new", "user"),
    "notification.created": ("notification.new", "user"),
}


def is_text(value):
    return isinstance(value, str) and value != ""


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SEQ_MAX


def is_position_seq(value):
    return is_count(value)


def is_bool(value):
    return isinstance(value, bool)


def is_chat_id(value):
    return isinstance(value, str) and UUID.match(value) is not None


def is_epoch(value):
    return isinstance(value, str) and re.match(r"^[0-9a-z]{1,15}$", value) is not None


def is_request_id(value):
    return is_text(value) or (is_count(value) and value < 2**32)


def is_position(value):
    return isinstance(value, dict) and set(value) == {"epoch", "seq"} and is_epoch(value["epoch"]) and is_count(value["seq"])


def is_user_list(value):
    return isinstance(value, list) and all(map(is_text, value)) and len(set(value)) == len(value)


def is_anything(value):
    return True


def one_of(*allowed):
    return lambda value: value in allowed


# type -> (members that must be there, members that may be there)
CONTROL = {
    "connected": (
        {"connection_id": is_text, "user_id": is_text, "node": is_text, "ping_interval_ms": is_count},
        {"expires_at": is_count, "notifications": is_position},
    ),
    "ack": (
        {"action": one_of("subscribed", "unsubscribed", "refreshed", "notifications")},
        {
            "chat_id": is_chat_id,
            "id": is_request_id,
            "epoch": is_epoch,
            "seq": is_count,
            "recovered": is_bool,
            "replayed": is_count,
            "expires_at": is_count,
        },
    ),
    "error": (
        {"code": one_of(*ERROR_CODES), "message": is_text, "temporary": is_bool},
        {"chat_id": is_chat_id, "id": is_request_id, "epoch": is_epoch, "seq": is_count},
    ),
    "pong": ({}, {"id": is_request_id}),
    "presence.changed": ({"chat_id": is_chat_id, "user_id": is_text, "is_online": is_bool}, {}),
    "presence.state": ({"chat_id": is_chat_id, "online": is_user_list, "count": is_count}, {"id": is_request_id}),
    "chat.typing": ({"chat_id": is_chat_id, "user_id": is_text, "is_typing": is_bool}, {}),
    "unsubscribed": ({"chat_id": is_chat_id, "code": is_text, "message": is_text}, {}),
    "disconnect": (
        {"code": is_count, "reason": is_text, "reconnect": is_bool},
        {"retry_after_ms": is_count},
    ),
}

EVENT = ({"epoch": is_epoch, "seq": is_count, "id": is_text, "data": is_anything}, {"ts": is_text, "traceparent": is_text})

# Members an ack must have, by action.
ACK = {
    "subscribed": {"chat_id", "epoch", "seq"},
    "unsubscribed": {"chat_id"},
    "refreshed": set(),
    "notifications": {"epoch", "seq"},
}


def check_members(message, required, optional):
    members = set(message) - {"type"}
    missing = set(required) - members
    assert not missing, f"missing members {sorted(missing)}: {message}"
    unknown = members - set(required) - set(optional)
    assert not unknown, f"undocumented members {sorted(unknown)}: {message}"
    for name in members:
        rule = required.get(name) or optional[name]
        assert rule(message[name]), f"member {name} is not as documented: {message}"


def check(message, extra_event_types=()):
    """AssertionError unless the frame is as documented."""
    assert isinstance(message, dict) and is_text(message.get("type")), f"not a message: {message}"
    type_ = message["type"]
    if type_ in CONTROL:
        check_members(message, *CONTROL[type_])
        if type_ == "ack":
            check_ack(message)
        if type_ == "error":
            lost = message["code"] == "POSITION_LOST"
            assert lost == ("epoch" in message) and lost == ("seq" in message), f"POSITION_LOST tells the new one: {message}"
        if type_ == "disconnect":
            check_disconnect(message)
        return
    routes = {row[1] for row in EVENT_TABLE.values() if row[0] == type_}
    assert routes or type_ in extra_event_types, f"undocumented type: {message}"
    required, optional = EVENT
    if "user" not in routes:
        required = {**required, "chat_id": is_chat_id}
    check_members(message, required, optional)
    assert message["seq"] >= 1, f"an event has a position: {message}"


def check_ack(message):
    missing = ACK[message["action"]] - set(message)
    assert not missing, f"ack without {sorted(missing)}: {message}"
    assert ("recovered" in message) == ("replayed" in message), f"recovered and replayed belong together: {message}"
    assert message.get("recovered", True) or message["replayed"] == 0, f"a part was replayed: {message}"


def check_disconnect(message):
    """The range of the code carries the verdict: PROTOCOL 1.5."""
    code = message["code"]
    assert 4000 <= code <= 4299, f"close code out of range: {message}"
    assert message["reconnect"] == (code >= 4100), f"verdict and range disagree: {message}"
