"""How events come in: Redis Streams, Redis Pub/Sub, HTTP."""
import json
import subprocess

import pytest

from harness.events import Event, message
from harness.stack import API_KEY
from harness.waiting import eventually


def test_redis_cli_xadd_as_in_the_readme(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    event = Event(chat=chat)
    port = str(stack.redis_server.port)
    subprocess.run(["redis-cli", "-p", port, "XADD", "roomcast:events", "*", "event", event.text], check=True, timeout=20, capture_output=True)
    client.expect("chat.message.posted", id=event.id)


@pytest.mark.parametrize("channel", ["events.message.created", "events:message.created", "events.x", "events:x"])
def test_both_pubsub_patterns_are_read(stack, connect, chat, channel):
    client = connect(0)
    client.subscribe(chat)
    event = Event(chat=chat)
    stack.publish(event, channel)
    client.expect("chat.message.posted", id=event.id)


def test_all_sources_number_one_room_together(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    for number in range(1, 7):
        event = message(chat, number)
        [stack.xadd, stack.publish, stack.post][number % 3](event)
        client.expect("chat.message.posted", id=event.id, seq=number)


def test_each_source_is_counted(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    for source, publish in (("stream", stack.xadd), ("pubsub", stack.publish), ("http", stack.post)):
        read = ("roomcast_relay_events_read_total", "source", source)
        before = stack.relay.metrics()
        publish(Event(chat=chat))
        client.expect("chat.message.posted")
        now = stack.relay.metrics()
        assert now[read] == before[read] + 1
        stored = ("roomcast_relay_events_total", "result", "stored")
        eventually(lambda: stack.relay.metrics()[stored] == before[stored] + 1)


def test_entries_are_acknowledged_once_stored(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd_all([message(chat, number) for number in range(50)])
    for _ in range(50):
        client.expect("chat.message.posted")
    eventually(lambda: stack.pending_entries() == 0, what="all are acknowledged")


def test_events_published_before_the_relay_first_started_are_read(make_stack, open_client, chat):
    stack = make_stack()
    stack.nats.start()
    stack.redis_server.start()
    stack.xadd_all([message(chat, number) for number in range(3)])
    stack.nodes[0].spawn()
    stack.relay.start()
    stack.nodes[0].wait_ready()
    eventually(lambda: stack.relay.metrics()["roomcast_relay_events_total", "result", "stored"] == 3)
    assert open_client(stack.nodes[0]).subscribe(chat)["seq"] == 3


def test_other_stream_group_and_patterns_can_be_configured(make_stack, open_client, chat):
    options = {"redis.stream": "my:stream", "redis.group": "g", "redis.patterns": "mine.*"}
    stack = make_stack(relay_options=options).start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.redis.xadd("my:stream", {"event": message(chat, 1).text})
    client.expect("chat.message.posted", seq=1)
    stack.publish(message(chat, 2), "mine.x")
    client.expect("chat.message.posted", seq=2)
    assert stack.redis.publish("events.x", message(chat, 3).text) == 0


# -- HTTP


def test_http_answers_202_after_the_event_is_stored(stack, connect, chat):
    event = Event(chat=chat)
    assert stack.post(event).status == 202
    # Stored before the answer: whoever subscribes now is told a position that includes it.
    assert connect(0).subscribe(chat)["seq"] == 1


def test_http_takes_an_array_in_order(stack, connect, chat):
    client = connect(1)
    client.subscribe(chat)
    events = [message(chat, number) for number in range(10)]
    assert stack.post("[" + ",".join(event.text for event in events) + "]").status == 202
    for number, event in enumerate(events, 1):
        assert client.expect("chat.message.posted", id=event.id, seq=number).raw_data == event.payload


@pytest.mark.parametrize("key", [None, "", "wrong", API_KEY + "x", API_KEY[:-1]], ids=str)
def test_http_without_the_key_is_401(stack, connect, chat, key):
    answer = stack.post(Event(chat=chat), key=key)
    assert answer.status == 401
    assert json.loads(answer.body)["error"]["code"] == "UNAUTHORIZED"
    assert API_KEY not in answer.body.decode()
    assert connect(0).subscribe(chat)["seq"] == 0


def test_http_without_a_configured_key_refuses_everybody(make_stack, chat):
    stack = make_stack(nodes=0)
    stack.relay.extra_environment = {}
    stack.start()
    for key in ("", "anything", None):
        assert stack.post(Event(chat=chat), key=key).status in (401, 403)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'"text"',
        b"12",
        b"{}",
        b"[1]",
        b'{"event_type":"message.created"}',
        b'{"event_type":"message.created","payload":{"chat_id":"no uuid"}}',
        b'{"event_type":7,"payload":{}}',
        b'{"event_type":"message.created","payload":{"chat_id":"\xff"}}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_http_answers_a_bad_event_with_400(stack, body):
    answer = stack.post(body)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert error["code"] == "INVALID_EVENT" and error["message"]


def test_http_a_bad_event_in_an_array_says_which(stack, chat):
    answer = stack.post("[" + Event(chat=chat).text + ',{"event_type":"message.created"}]')
    assert answer.status == 400
    assert "1" in json.loads(answer.body)["error"]["message"]


def test_http_too_large_is_413(stack, chat):
    answer = stack.post(Event(payload=json.dumps({"chat_id": chat, "x": "y" * 600_000})))
    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == "PAYLOAD_TOO_LARGE"


def test_http_other_methods_and_paths(stack):
    from harness.processes import get

    base = stack.relay.admin_url
    assert get(base + "/v1/events").status == 405
    assert get(base + "/nothing").status == 404
    assert get(base + "/livez").status == 200
    assert get(base + "/readyz").status == 200


def test_the_stream_is_made_as_the_options_say(make_stack):
    options = {
        "stream.storage": "memory",
        "stream.max_age_s": 120,
        "stream.max_bytes": 2 << 20,
        "stream.max_per_room": 7,
        "stream.dedup_s": 30,
    }
    stack = make_stack(nodes=0, relay_options=options).start()
    with stack.nats_client() as nats:
        config = nats.jetstream("STREAM.INFO.roomcast_events_1")["config"]
    second = 10**9
    assert config["storage"] == "memory" and config["num_replicas"] == 1
    assert config["max_age"] == 120 * second and config["duplicate_window"] == 30 * second
    assert config["max_bytes"] == 2 << 20 and config["max_msgs_per_subject"] == 7
