"""Domain events that cannot be used: counted, logged without their body, kept with the reason in the dead-letter
stream, acknowledged. One bad event never stops the bus."""
import json

import pytest

from harness.events import Event
from harness.waiting import eventually


@pytest.fixture
def witness(stack, connect, chat):
    """A reader that must still be served after the test."""
    reader = connect(0)
    reader.subscribe(chat)
    yield reader
    event = Event(chat=chat)
    stack.xadd(event)
    reader.expect("chat.message.posted", id=event.id)
    eventually(lambda: stack.pending_entries() == 0, what="every entry is acknowledged, the bad ones too")


UUID = "b0000000-0000-4000-8000-000000000001"
BAD = {
    "empty": ("", "JSON"),
    "not JSON": ("hello secret-body", "JSON"),
    "half": ('{"event_type":"message.created","payload":{', "JSON"),
    "an array": ("[]", "object"),
    "a string": ('"secret-body"', "JSON"),
    "a stray string": ('{"event_type":"message.created" "secret-body"}', "JSON"),
    "no event_type": ('{"payload":{"chat_id":"%s"}}' % UUID, "event_type"),
    "event_type is a number": ('{"event_type":7,"payload":{"chat_id":"%s"}}' % UUID, "event_type"),
    "no chat": ('{"event_type":"message.created","payload":{"secret-body":1}}', "chat"),
    "chat is no UUID": ('{"event_type":"message.created","payload":{"chat_id":"room"}}', "UUID"),
    "chat is a number": ('{"event_type":"message.created","payload":{"chat_id":7}}', "UUID"),
    "aggregate of another type": (
        '{"event_type":"message.created","aggregate_type":"Message","aggregate_id":"%s","payload":{}}' % UUID,
        "chat",
    ),
    "no user": ('{"event_type":"notification.created","payload":{}}', "user"),
    "user with a control character": ('{"event_type":"notification.created","payload":{"user_id":"a\\nb"}}', "user"),
    "user too long": ('{"event_type":"notification.created","payload":{"user_id":"%s"}}' % ("x" * 129), "user"),
    "too deep": ('{"event_type":"message.created","payload":' + "[" * 600 + "]" * 600 + "}", "deep"),
    "very deep": ("[" * 300_000, "deep"),
    "invalid UTF-8": (b'{"event_type":"message.created","payload":{"chat_id":"\xff"}}', "JSON"),
    "lone surrogate": (r'{"event_type":"message.created","payload":{"chat_id":"%s","t":"\ud800"}}' % UUID, "JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_becomes_a_dead_letter_with_its_reason(stack, witness, name):
    text, reason = BAD[name]
    dead = ("roomcast_relay_events_total", "result", "dead_letter")
    before, letters = stack.relay.metrics()[dead], len(stack.dead_letters())
    entry = stack.redis.xadd("roomcast:events", {"event": text}).decode()
    eventually(lambda: stack.relay.metrics()[dead] == before + 1, what="it is counted")
    letter = stack.dead_letters()[-1]
    assert len(stack.dead_letters()) == letters + 1
    assert reason.lower() in letter["reason"].lower(), letter["reason"]
    assert entry in letter["source"]
    assert letter["event"] == (text if isinstance(text, str) else text.decode(errors="replace"))
    assert "secret-body" not in stack.relay.log_text()


def test_an_entry_without_the_field_becomes_a_dead_letter(stack, witness):
    before = len(stack.dead_letters())
    stack.redis.xadd("roomcast:events", {"something": "else"})
    eventually(lambda: len(stack.dead_letters()) == before + 1)
    assert "event" in stack.dead_letters()[-1]["reason"]


def test_an_entry_of_10_mib_becomes_a_dead_letter(stack, witness):
    before = len(stack.dead_letters())
    stack.redis.xadd("roomcast:events", {"event": Event(payload=json.dumps({"chat_id": UUID, "x": "y" * 10 * 2**20})).text})
    eventually(lambda: len(stack.dead_letters()) == before + 1, timeout=30)
    letter = stack.dead_letters()[-1]
    assert "relay.max_event_bytes" in letter["reason"]
    assert letter.get("truncated") == "1" and len(letter["event"]) <= 524288


def test_a_pubsub_message_that_is_bad_becomes_a_dead_letter(stack, witness):
    before = len(stack.dead_letters())
    eventually(lambda: stack.redis.publish("events.x", "not json") > 0)
    eventually(lambda: len(stack.dead_letters()) == before + 1)
    assert "events.x" in stack.dead_letters()[-1]["source"]


def test_bad_events_among_good_ones_do_not_stop_or_reorder_them(stack, connect, other_chat):
    reader = connect(1)
    reader.subscribe(other_chat)
    good = []
    for number in range(100):
        stack.redis.xadd("roomcast:events", {"event": "garbage"})
        good.append(Event(chat=other_chat))
        stack.xadd(good[-1])
    for seq, event in enumerate(good, 1):
        reader.expect("chat.message.posted", id=event.id, seq=seq)


def test_many_bad_events_fill_no_log(stack, witness):
    lines = stack.relay.log_text().count("event=event_rejected")
    dead = ("roomcast_relay_events_total", "result", "dead_letter")
    before = stack.relay.metrics()[dead]
    pipeline = stack.redis.pipeline(transaction=False)
    for _ in range(2000):
        pipeline.xadd("roomcast:events", {"event": "garbage"})
    pipeline.execute()
    eventually(lambda: stack.relay.metrics()[dead] >= before + 2000, timeout=30)  # more, when letters of another test come late
    assert stack.relay.log_text().count("event=event_rejected") - lines <= 10


def test_dead_letters_are_bounded(make_stack):
    stack = make_stack(nodes=0, relay_options={"redis.dead_max": 100}).start()
    pipeline = stack.redis.pipeline(transaction=False)
    for _ in range(1500):
        pipeline.xadd("roomcast:events", {"event": "garbage"})
    pipeline.execute()
    dead = ("roomcast_relay_events_total", "result", "dead_letter")
    eventually(lambda: stack.relay.metrics()[dead] == 1500)
    # XADD MAXLEN ~ keeps whole nodes of about 100 entries.
    assert 100 <= len(stack.dead_letters()) <= 300


@pytest.mark.heavy
def test_many_huge_entries_cost_no_more_memory_than_a_few(make_stack):
    stack = make_stack(nodes=0)
    stack.nats.start(), stack.redis_server.start()
    for _ in range(40):
        stack.redis.xadd("roomcast:events", {"event": "x" * (10 << 20)})
    stack.relay.start()
    dead = ("roomcast_relay_events_total", "result", "dead_letter")
    eventually(lambda: stack.relay.metrics()[dead] == 40, timeout=30)
    assert stack.relay.peak_memory() < 256 << 20
