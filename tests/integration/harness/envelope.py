"""roomcast.v1.Envelope (proto/), encoded and decoded by hand: independent of protobuf-c."""

NUMBERS = {
    "version": 1,
    "event_id": 2,
    "epoch": 3,
    "seq": 4,
    "route": 5,
    "target": 6,
    "client_type": 7,
    "occurred_at": 8,
    "payload": 9,
    "source": 10,
    "relayed_at_ms": 11,
    "event_type": 12,
    "correlation_id": 13,
    "traceparent": 14,
    "trail": 15,
}
_NAMES = {number: name for name, number in NUMBERS.items()}
ROUTE_CHAT, ROUTE_USER = 1, 2


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def encode(unknown=b"", **members):
    """`unknown`: bytes of fields that this version does not know, appended."""
    out = b""
    for name, value in members.items():
        if isinstance(value, int):
            out += _varint(NUMBERS[name] << 3) + _varint(value)
        else:
            data = value if isinstance(value, bytes) else value.encode()
            out += _varint(NUMBERS[name] << 3 | 2) + _varint(len(data)) + data
    return out + unknown


def unknown_field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def decode(data):
    """Member name -> int or bytes."""
    members = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == 0:
            value, at = _read_varint(data, at)
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            length, at = _read_varint(data, at)
            value, at = data[at : at + length], at + length
        members[_NAMES[key >> 3]] = value
    return members


def trail(members):
    """The stream sequences of the events before, newest first, of a decoded envelope."""
    data, at, seqs = members.get("trail", b""), 0, []
    while at < len(data):
        value, at = _read_varint(data, at)
        seqs.append(seqs[-1] - value if seqs else value)
    return seqs


def of_chat(chat, seq, changes=None):
    """A valid envelope for this chat, with the changes given."""
    members = {
        "version": 1,
        "event_id": f"event-{seq}",
        "epoch": "test1",
        "seq": seq,
        "route": ROUTE_CHAT,
        "target": chat,
        "client_type": "chat.message.posted",
        "payload": '{"from":"the bus"}',
        "event_type": "message.created",
    }
    return {**members, **(changes or {})}
