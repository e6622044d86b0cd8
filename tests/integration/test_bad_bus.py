"""What should never be on the bus: dropped and counted, and the room goes on."""
import uuid

import pytest

from harness import envelope
from harness.events import Event
from harness.waiting import eventually


@pytest.fixture
def room(stack, connect, chat):
    """A room with a reader on each node that has seen one event."""
    readers = [connect(0), connect(1)]
    for reader in readers:
        reader.subscribe(chat)
    stack.xadd(Event(chat=chat))
    for reader in readers:
        reader.expect("chat.message.posted", seq=1)
    yield readers
    stack.xadd(Event(chat=chat))
    for reader in readers:
        reader.expect("chat.message.posted", seq=2)
        reader.expect_nothing_pending()


def rejected(stack, reason):
    return [node.metrics()["roomcast_envelopes_rejected_total", "reason", reason] for node in stack.nodes]


GARBAGE = {
    "empty": b"",
    "text": b"this is no protobuf",
    "zeros": b"\0" * 64,
    "cut off": envelope.encode(**envelope.of_chat("x" * 36, 2))[:-3],
    "endless varint": b"\x08" + b"\xff" * 20,
    "length beyond the end": b"\x12\xff\xff\xff\xff\x07abc",
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("kind", ["live", "sig"])
def test_garbage_is_dropped_and_counted(stack, room, chat, name, kind):
    before = [node.metrics().total("roomcast_envelopes_rejected_total") for node in stack.nodes]
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.{kind}.chat.{chat}", GARBAGE[name])
    eventually(
        lambda: [node.metrics().total("roomcast_envelopes_rejected_total") for node in stack.nodes]
        == [count + 1 for count in before],
        what="both nodes have counted it",
    )


def test_an_envelope_of_a_future_version_is_dropped_and_counted(stack, room, chat):
    before = rejected(stack, "version")
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**envelope.of_chat(chat, 2, {"version": 99})))
    eventually(lambda: rejected(stack, "version") == [count + 1 for count in before])


def test_an_envelope_for_another_room_is_dropped_and_counted(stack, room, chat):
    before = rejected(stack, "subject")
    with stack.nats_client() as nats:
        elsewhere = envelope.of_chat(str(uuid.uuid4()), 2)
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**elsewhere))
        as_user = envelope.of_chat(chat, 2, {"route": envelope.ROUTE_USER})
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**as_user))
    eventually(lambda: rejected(stack, "subject") == [count + 2 for count in before])


WRONG_MEMBERS = {
    "no epoch": {"epoch": ""},
    "bad epoch": {"epoch": "UPPER"},
    "seq 0": {"seq": 0},
    "seq beyond 2^53": {"seq": 2**53},
    "no event id": {"event_id": ""},
    "control character in the id": {"event_id": "a\nb"},
    "no client type": {"client_type": ""},
    "long client type": {"client_type": "x" * 1000},
    "no payload": {"payload": ""},
    "invalid UTF-8 in the payload": {"payload": b'{"a":"\xff"}'},
}


@pytest.mark.parametrize("name", WRONG_MEMBERS)
def test_an_envelope_with_a_wrong_member_is_dropped_and_counted(stack, room, chat, name):
    before = rejected(stack, "malformed")
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**envelope.of_chat(chat, 2, WRONG_MEMBERS[name])))
    eventually(lambda: rejected(stack, "malformed") == [count + 1 for count in before])


def test_an_envelope_with_fields_of_a_newer_release_is_delivered(stack, connect, chat):
    reader = connect(0)
    reader.subscribe(chat)
    newer = envelope.encode(unknown=envelope.unknown_field(99, b"from the future"), **envelope.of_chat(chat, 1))
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.ev.chat.{chat}", newer)
    assert reader.expect("chat.message.posted", id="event-1", seq=1, epoch="test1").raw_data == '{"from":"the bus"}'


def test_a_repeated_envelope_is_delivered_once_and_counted(stack, connect, chat):
    readers = [connect(0), connect(1)]
    for reader in readers:
        reader.subscribe(chat)
    before = [node.metrics()["roomcast_events_duplicate_total"] for node in stack.nodes]
    with stack.nats_client() as nats:
        for seq in (1, 1, 2, 1, 2, 3):
            nats.publish(f"roomcast.ev.chat.{chat}", envelope.encode(**envelope.of_chat(chat, seq)))
    for reader in readers:
        for seq in (1, 2, 3):
            reader.expect("chat.message.posted", seq=seq)
        reader.expect_nothing_pending()
    assert [node.metrics()["roomcast_events_duplicate_total"] for node in stack.nodes] == [b + 3 for b in before]


def test_what_did_not_come_out_of_the_stream_begins_no_numbering(stack, connect, chat):
    """Whoever can publish on the live subjects alone does not get a word into a room that way."""
    reader = connect(0)
    reader.subscribe(chat)
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**envelope.of_chat(chat, 1)))
    event = Event(chat=chat)
    stack.xadd(event)
    reader.expect("chat.message.posted", id=event.id, seq=1)
    reader.expect_nothing_pending()
