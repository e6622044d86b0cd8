"""What the stream holds, read back message by message, and what must be true of it."""
import base64

from . import envelope

STREAM = "roomcast_events_1"
_TRAIL_MAX = 16


class Stored:
    """One envelope of the stream."""

    def __init__(self, stream_seq, subject, data):
        members = envelope.decode(data)
        self.stream_seq = stream_seq
        self.room = ".".join(subject.split(".")[-2:])
        self.id = members["event_id"].decode()
        self.epoch = members["epoch"].decode()
        self.seq = members["seq"]
        self.trail = envelope.trail(members)


def read_stream(nats, stream=STREAM):
    """All events, in the order of the stream; the relays' lease is left out."""
    state = nats.jetstream(f"STREAM.INFO.{stream}")["state"]
    events = []
    for seq in range(state["first_seq"], state["last_seq"] + 1):
        answer = nats.jetstream(f"STREAM.MSG.GET.{stream}", seq=seq)
        message = answer.get("message")
        if message and not message["subject"].endswith(".relay.lease"):
            events.append(Stored(seq, message["subject"], base64.b64decode(message["data"])))
    return events


def expect_rooms(stored, published):
    """`published`: room -> events in order. Each was stored once, in order, numbered from 1 in one epoch, and names
    the places of those before it."""
    rooms = {}
    for event in stored:
        rooms.setdefault(event.room, []).append(event)
    assert set(rooms) == {f"chat.{chat}" for chat in published}
    for chat, events in published.items():
        found = rooms[f"chat.{chat}"]
        assert [event.id for event in found] == [event.id for event in events], f"order in chat {chat}"
        assert [event.seq for event in found] == list(range(1, len(events) + 1))
        assert len({event.epoch for event in found}) == 1
        places = [event.stream_seq for event in found]
        for index, event in enumerate(found):
            assert event.trail == places[:index][::-1][:_TRAIL_MAX], f"trail of {event.id}"
