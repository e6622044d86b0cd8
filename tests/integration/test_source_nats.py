"""Publishing by request on NATS (relay.nats_requests): what is answered, by whom, and `roomcast publish --nats`."""
import json
import threading
import uuid

import pytest

from harness.command import run_roomcast
from harness.events import Event, message
from harness.nats_wire import NatsClient
from harness.stack import Stack
from harness.waiting import eventually, seconds

EVENTS, REVOCATIONS = "roomcast.in.events", "roomcast.in.revocations"
STORED = {"success": True, "accepted": 1}
ON = {"relay.nats_requests": "true"}


@pytest.fixture(scope="module")
def requested(scratch, _session_running):
    stack = Stack(scratch / "requests", nodes=1, relay_options={**ON, "relay.max_in_flight": 100})
    _session_running.watch(*stack.processes())
    stack.start()
    with stack.nats_client() as nats:
        is_heard(nats, message(str(uuid.uuid4())).text)
    yield stack
    stack.stop()


@pytest.fixture
def nats(requested):
    with requested.nats_client() as client:
        yield client


@pytest.fixture
def client(requested, open_client, chat):
    made = open_client(requested.nodes[0])
    made.subscribe(chat)
    return made


@pytest.fixture
def publish(requested):
    return lambda *arguments, **how: run_roomcast("publish", "--nats", "--nats-url", requested.nats.url, *arguments, **how)


def ask(nats, body, subject=EVENTS):
    return json.loads(nats.request(subject, body if isinstance(body, (str, bytes)) else json.dumps(body)))


def is_heard(nats, body):
    """Waits until a relay answers: `ready` may be a moment ahead of the server."""

    def answered():
        try:
            return ask(nats, body)
        except AssertionError as error:
            assert "nobody answers" in str(error)

    assert eventually(answered, what="a relay answers") == STORED


def as_array(events):
    return "[" + ",".join(event.text for event in events) + "]"


# -- requests


def test_an_answer_says_that_the_event_is_stored_and_a_repeated_one_is_stored_once(nats, client, chat):
    event = message(chat, 1)
    assert ask(nats, event.text) == ask(nats, event.text) == STORED
    assert ask(nats, message(chat, 2).text) == STORED
    assert client.expect("chat.message.posted", id=event.id, seq=1)["data"]["number"] == 1
    client.expect("chat.message.posted", seq=2)


def test_an_array_is_stored_in_order_and_what_has_no_row_is_skipped(nats, client, chat):
    events = [message(chat, number) for number in range(50)]
    assert ask(nats, as_array([*events, Event("nothing.known", chat)])) == {"success": True, "accepted": 50, "skipped": 1}
    for number in range(50):
        assert client.expect("chat.message.posted", seq=number + 1)["data"]["number"] == number


@pytest.mark.parametrize(
    "body, code, message",
    [
        (b"", "INVALID_EVENT", ""),
        (b"\x00\xff", "INVALID_EVENT", ""),
        ("[]", "INVALID_EVENT", "the array is empty"),
        ('{"event_type":1}', "INVALID_EVENT", ""),
        ("[" + ",".join(["{}"] * 101) + "]", "INVALID_EVENT", "event 0: "),
        (as_array([message(str(uuid.uuid4())) for _ in range(101)]), "PAYLOAD_TOO_LARGE", "more than 100 events"),
        (message(str(uuid.uuid4())).text[:-1] + ',"x":"' + "x" * 600_000 + '"}', "PAYLOAD_TOO_LARGE", ""),
    ],
    ids=["nothing", "no JSON", "no event", "no type", "no events", "too many", "too large"],
)
def test_what_cannot_be_used_is_refused_with_the_reason(requested, nats, body, code, message):
    rejected = ("roomcast_relay_events_total", "result", "stored")
    before = requested.relay.metrics()[rejected]
    answer = ask(nats, body)
    assert answer["success"] is False and answer["error"]["code"] == code and message in answer["error"]["message"], answer
    assert requested.relay.metrics()[rejected] == before


def test_one_bad_event_refuses_all_of_its_request(nats, client, chat):
    answer = ask(nats, f'[{message(chat, 1).text},{{"event_type":"message.posted","payload":{{}}}}]')
    assert answer["error"]["message"].startswith("event 1: ") and answer["error"]["message"].endswith("none was taken")
    assert ask(nats, message(chat, 2).text) == STORED
    assert client.expect("chat.message.posted", seq=1)["data"]["number"] == 2


def test_revocations_are_taken_by_request_too(requested, nats, open_client):
    client = open_client(requested.nodes[0], "ann")
    assert ask(nats, {"user_id": "ann"}, REVOCATIONS) == STORED
    client.expect_disconnect(4003)
    assert ask(nats, {"chat": "ann"}, REVOCATIONS)["error"]["code"] == "INVALID_EVENT"


def test_odd_reply_subjects_do_no_harm(nats, client, chat):
    for reply in ["_INBOX.*", "_INBOX.>", "_a..b", "_" + "x" * 3000]:
        nats.publish(EVENTS, message(chat).text, reply=reply)
    for seq in range(1, 5):
        client.expect("chat.message.posted", seq=seq)
    assert ask(nats, message(chat).text) == STORED


def test_what_has_been_read_makes_room_again(nats, client, chat):
    """More than may wait to be read at once, one after the other."""
    large = json.dumps({"event_type": "x" * 900_000})
    for _ in range(20):
        assert ask(nats, large)["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert ask(nats, message(chat).text) == STORED


# A sanitizer holds on to what is freed.
@pytest.mark.heavy
def test_headers_without_end_do_not_keep_the_relay_from_its_lease(requested, nats, chat):
    headers = b"NATS/1.0\r\n" + b"".join(b"h%d: x\r\n" % number for number in range(90_000)) + b"\r\n"
    for _ in range(30):
        nats.send_headers(EVENTS, headers)
    assert ask(nats, message(chat).text) == STORED
    assert "relay_paused" not in requested.relay.log_text()
    assert requested.relay.metrics()["roomcast_process_resident_bytes"] < 128 << 20


def test_what_is_published_without_asking_for_an_answer_is_taken_and_a_refusal_is_counted_and_logged(requested, nats, client, chat):
    rejected = ("roomcast_relay_events_total", "result", "rejected")
    before = requested.relay.metrics()[rejected]
    nats.publish(EVENTS, '{"event_type":"secret-type"')
    nats.publish(EVENTS, message(chat, 1).text)
    client.expect("chat.message.posted", seq=1)
    assert requested.relay.metrics()[rejected] == before + 1
    requested.relay.wait_log(r"nats_request_refused.*code=INVALID_EVENT")
    assert "secret-type" not in requested.relay.log_text()


def test_what_a_flood_of_requests_does_not_get_stored_it_is_told_to_send_again(requested, nats, client, chat):
    count = 3000
    nats.subscribe("_INBOX.flood")
    events = [message(chat, number) for number in range(count)]
    for event in events:
        nats.send_message(EVENTS, event.text, reply="_INBOX.flood")
    answers = [json.loads(nats.next_message()[2]) for _ in range(count)]
    stored = sum(answer == STORED for answer in answers)
    assert {answer["error"]["code"] for answer in answers if answer != STORED} <= {"OVERLOADED"}
    frames = [client.expect("chat.message.posted", seq=number + 1) for number in range(stored)]
    numbers = [frame["data"]["number"] for frame in frames]
    assert numbers == sorted(set(numbers))
    client.expect_nothing_pending()


@pytest.mark.parametrize("reply", ["roomcast.ev.chat.{chat}", "roomcast.sig.nodes", "$JS.API.STREAM.INFO.roomcast_events_1", "other.ev.chat.{chat}", "orders"])
def test_an_answer_goes_only_where_answers_go(requested, nats, client, chat, reply):
    """The relay may: it shall not be made to."""
    reply = reply.format(chat=chat)
    with requested.nats_client() as witness:
        witness.subscribe(reply)
        nats.publish(EVENTS, message(chat, 1).text, reply=reply)
        nats.publish(EVENTS, "no event", reply=reply)
        client.expect("chat.message.posted", seq=1)
        assert ask(nats, message(chat, 2).text) == STORED
        client.expect("chat.message.posted", seq=2)
        assert not [data for _, _, data, _ in witness.take_messages() if data.startswith(b'{"success"')]


def test_its_events_are_counted_by_their_source(requested, nats, chat):
    read = ("roomcast_relay_events_read_total", "source", "nats")
    before = requested.relay.metrics()[read]
    assert ask(nats, message(chat).text) == STORED
    assert requested.relay.metrics()[read] == before + 1


# -- who answers


def test_by_default_nobody_listens(stack, chat):
    with stack.nats_client() as nats, pytest.raises(AssertionError, match="nobody answers"):
        ask(nats, message(chat).text)


def test_only_the_active_relay_answers_and_its_successor_does_when_it_is_gone(make_stack, watch, open_client, chat):
    stack = make_stack(relay_options=ON).start()
    second = stack.new_relay("relay-1")
    watch(second)
    second.spawn().wait_standby()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    read = ("roomcast_relay_events_read_total", "source", "nats")
    with stack.nats_client() as nats:
        is_heard(nats, message(chat, 1).text)
        assert second.metrics()[read] == 0
        stack.relay.stop()
        is_heard(nats, message(chat, 2).text)
        assert second.metrics()[read] == 1
    assert [client.expect("chat.message.posted")["data"]["number"] for _ in range(2)] == [1, 2]
    assert second.stop() == 0


def test_a_request_that_cannot_be_stored_is_told_so_in_time(make_stack, tmp_path):
    """The server lets nobody store what goes to one chat."""
    closed, open_chat = (str(uuid.uuid4()) for _ in range(2))
    (tmp_path / "nats.conf").write_text(
        "no_auth_user: all\nauthorization: { users: [ { user: all, password: all, permissions: "
        f'{{ publish: {{ deny: ["roomcast.ev.chat.{closed}"] }} }} }} ] }}\n'
    )
    stack = make_stack(nodes=0, relay_options={**ON, "relay.store_timeout_ms": int(seconds(0.3) * 1000), "relay.max_in_flight": 2})
    stack.nats.extra_flags = ["--config", tmp_path / "nats.conf"]
    stack.start()
    with stack.nats_client() as nats:
        is_heard(nats, message(open_chat).text)
        error = ask(nats, as_array([message(open_chat), message(closed)]))["error"]
        assert error["code"] == "UNAVAILABLE" and "send them again with the same ids" in error["message"]
        assert ask(nats, message(open_chat).text) == STORED
        # What is open counts, answered or not, for both ways together.
        nats.subscribe("_INBOX.late")
        nats.publish(EVENTS, message(closed).text, reply="_INBOX.late")
        assert json.loads(nats.next_message()[2])["error"]["code"] == "UNAVAILABLE"
        assert ask(nats, message(open_chat).text)["error"]["code"] == "OVERLOADED"
        posted = stack.post(message(open_chat))
        assert posted.status == 503 and json.loads(posted.body)["error"]["code"] == "OVERLOADED"
    stack.relay.kill()  # it would wait for the events


def test_sealing_and_requests_that_are_not_sealed_exclude_each_other(make_stack):
    relay = make_stack(nodes=0, relay_options={**ON, "nats.seal": "sign", "nats.seal_key": "00" * 32}).relay
    relay.spawn()
    assert relay.wait_exit() == 2
    assert "relay.nats_requests takes what is not sealed" in relay.log_text()


# -- roomcast publish --nats


def test_the_command_says_what_became_of_an_event(publish, client, chat):
    event_id = str(uuid.uuid4())
    done = publish("--chat", chat, "--event-id", event_id, "--data", '{"content":"Hello"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{event_id} stored\n", "")
    assert client.expect("chat.message.posted", id=event_id)["data"] == {"content": "Hello"}
    done = publish("--chat", chat, "--type", "nothing.known")
    assert done.returncode == 3 and " skipped: " in done.stdout
    done = publish("--lines", "--chat", chat, stdin="1\n{\n3\n")
    assert done.returncode == 1 and "2 stored, 0 skipped, 1 wrong" in done.stderr


def test_the_command_says_why_an_event_is_refused(publish, chat):
    done = publish("--chat", chat, "--relay-max-event-bytes=8388608", "--data", "-", stdin=json.dumps("x" * 600_000))
    assert done.returncode == 1 and "the relay refuses it (PAYLOAD_TOO_LARGE)" in done.stderr, done.stderr


def test_the_command_says_what_to_check_when_nobody_answers(stack, publish, chat):
    done = run_roomcast("publish", "--nats", "--nats-url", stack.nats.url, "--chat", chat)
    assert done.returncode == 1 and "is a relay active, and its relay.nats_requests true?" in done.stderr
    done = run_roomcast("publish", "--nats", "--nats-url", "nats://127.0.0.1:1", "--chat", chat)
    assert done.returncode == 1 and "NATS lets nobody in within 5 s" in done.stderr
    done = publish("--chat", chat, "--nats-password=a-secret-of-mine")
    assert "can be seen by others (ps); give it by ROOMCAST_NATS_PASSWORD" in done.stderr and "a-secret" not in done.stderr
    done = publish("--chat", chat, "--relay", "http://127.0.0.1:1")
    assert done.returncode == 2 and "one of these ways" in done.stderr


@pytest.mark.parametrize("answer", [b"", b"hello", b'{"success":true,"accepted":2}', b'{"error":{"code":"\\u001b[31m"}}'], ids=str)
def test_the_command_does_not_believe_others(stack, chat, answer):
    with NatsClient(stack.nats.port) as nats:
        nats.subscribe("other.in.events")

        def answer_once():
            _, reply = nats.next_request()
            nats.send_message(reply, answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        done = run_roomcast("publish", "--nats", "--nats-url", stack.nats.url, "--nats-prefix", "other", "--chat", chat)
        thread.join()
    assert done.returncode == 1 and "not a relay's" in done.stderr and "\x1b" not in done.stderr
