"""Domain events: both spellings, every row of the table, routing, payloads that arrive as they were sent."""
import json

import pytest

from harness import envelope, shapes
from harness.events import Event, message, new_id

CHAT_ROWS = [(event, type_) for event, (type_, route) in shapes.EVENT_TABLE.items() if route == "chat"]
CHAT_ROWS.sort(key=lambda row: row[0] == "chat.deleted")  # the last: it ends the subscription
USER_ROWS = [event for event, (_, route) in shapes.EVENT_TABLE.items() if route == "user"]


def test_every_chat_row_of_the_table_arrives_with_its_type(stack, connect, chat):
    client = connect(1)
    client.subscribe(chat)
    for number, (event_type, type_) in enumerate(CHAT_ROWS, 1):
        event = Event(event_type, payload={"chat_id": chat, "row": event_type})
        stack.xadd(event)
        frame = client.expect(type_, chat_id=chat, id=event.id, seq=number, ts="2026-11-23T10:15:30.123Z")
        assert frame.raw_data == event.payload
    assert client.expect("unsubscribed", chat_id=chat)["code"] == "CHAT_DELETED"


def test_both_spellings_of_one_event_look_the_same_to_clients(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    pascal = Event("MessagePosted", payload=f'{{"ChatID":"{chat}","AuthorID":"{new_id()}","Content":"Hello"}}')
    dotted = Event("message.created", payload=f'{{"chat_id":"{chat}","author_id":"{new_id()}","content":"Hello"}}')
    for event in (pascal, dotted):
        stack.xadd(event)
        assert client.expect("chat.message.posted", id=event.id).raw_data == event.payload


@pytest.mark.parametrize(
    "place",
    ["chat_id", "ChatID", "chatId", "aggregate-Chat", "aggregate-chat", "aggregate-TASK", "aggregate-Task"],
)
def test_the_chat_is_found_in_every_documented_place(stack, connect, chat, place):
    client = connect(0)
    client.subscribe(chat)
    if place.startswith("aggregate"):
        event = Event("chat.renamed", payload={"Title": "x"}, aggregate_id=chat, aggregate_type=place.split("-")[1])
    else:
        event = Event("chat.renamed", payload={place: chat}, aggregate_id=new_id(), aggregate_type="Message")
    stack.xadd(event)
    client.expect("chat.renamed", chat_id=chat, id=event.id)


def test_the_payload_decides_before_the_aggregate(stack, connect, chat, other_chat):
    client = connect(0)
    client.subscribe(chat)
    client.subscribe(other_chat)
    stack.xadd(Event("message.created", payload={"chat_id": chat}, aggregate_id=other_chat, aggregate_type="Chat"))
    client.expect("chat.message.posted", chat_id=chat)
    client.expect_nothing_pending()


PAYLOADS = {
    "integers beyond 2^53": '{"chat_id":"%s","a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615}',
    "numbers as written": '{"chat_id":"%s","a":1.0,"b":1e2,"c":0.1000,"d":-0,"e":123456789012345678901234567890}',
    "key order": '{"z":1,"chat_id":"%s","a":2,"M":3,"b":4}',
    "unknown and nested": '{"chat_id":"%s","x":[[1,[2,[]]],{"y":{"z":[null,true,false]}}],"":{}}',
    "unicode": '{"chat_id":"%s","text":"Grüße, 世界 👋 \u200f\u00e9e\u0301"}',
    "escapes as written": r'{"chat_id":"%s","t":"\u00fc\/\"\\\b\f\n\r\t\ud83d\udc4b","\u0041":1}',
    "escaped NUL": r'{"chat_id":"%s","t":"a\u0000b"}',
    "white space": '{ "chat_id" :\t"%s" ,\n "a" : [ 1 , 2 ] }',
    "pascal": '{"ChatID":"%s","AuthorID":"7","Nested":{"ChatID":"not-the-chat"}}',
}


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("source", ["stream", "pubsub", "http"])
def test_the_payload_arrives_byte_for_byte(stack, connect, chat, name, source):
    client = connect(1)
    client.subscribe(chat)
    event = Event("MessagePosted", payload=PAYLOADS[name] % chat)
    publish(stack, source, event)
    assert client.expect("chat.message.posted", id=event.id).raw_data == event.payload


def publish(stack, source, event):
    if source == "stream":
        stack.xadd(event)
    elif source == "pubsub":
        stack.publish(event)
    else:
        assert stack.post(event).status == 202


def test_a_large_payload_arrives_whole(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    event = Event("MessagePosted", payload=json.dumps({"chat_id": chat, "text": "ü" * 200_000}, ensure_ascii=False))
    stack.xadd(event)
    assert client.expect("chat.message.posted").raw_data == event.payload


def test_an_event_without_payload_has_null_data(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd(json.dumps({"id": "e1-" + chat, "event_type": "chat.closed", "aggregate_type": "chat", "aggregate_id": chat}))
    frame = client.expect("chat.closed", id="e1-" + chat)
    assert frame["data"] is None and "ts" not in frame


def test_an_event_without_an_id_gets_one(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    for _ in range(2):
        stack.xadd(json.dumps({"event_type": "message.created", "payload": {"chat_id": chat}}))
    ids = {client.expect("chat.message.posted")["id"] for _ in range(2)}
    assert len(ids) == 2 and "" not in ids


def test_positions_are_contiguous_and_in_the_order_of_redis(stack, connect, chat, other_chat):
    clients = [connect(0), connect(1)]
    for client in clients:
        client.subscribe(chat)
        client.subscribe(other_chat)
    events = [message((chat, other_chat)[number % 2], number) for number in range(400)]
    stack.xadd_all(events)
    for client in clients:
        frames = [client.expect("chat.message.posted") for _ in events]
        for room in (chat, other_chat):
            own = [frame for frame in frames if frame["chat_id"] == room]
            assert [frame["seq"] for frame in own] == list(range(1, 201))
            assert len({frame["epoch"] for frame in own}) == 1
            numbers = [frame["data"]["number"] for frame in own]
            assert numbers == sorted(numbers)


def test_a_repeated_event_id_is_stored_and_delivered_once(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    event, last = Event(chat=chat), Event(chat=chat)
    stack.xadd(event)
    stack.xadd(event)
    assert stack.post(event).status == 202
    stack.xadd(last)
    client.expect("chat.message.posted", id=event.id, seq=1)
    client.expect("chat.message.posted", id=last.id, seq=2)
    client.expect_nothing_pending()


def test_an_event_without_a_row_is_counted_and_skipped(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    skipped = ("roomcast_relay_events_total", "result", "skipped")
    before, letters = stack.relay.metrics()[skipped], len(stack.dead_letters())
    stack.xadd(Event("invoice.paid", payload={"chat_id": chat}))
    known = Event(chat=chat)
    stack.xadd(known)
    client.expect("chat.message.posted", id=known.id, seq=1)
    assert stack.relay.metrics()[skipped] == before + 1
    assert len(stack.dead_letters()) == letters


def test_operators_add_rows_to_the_table_without_a_rebuild(make_stack, open_client, tmp_path, chat):
    config = tmp_path / "roomcast.yaml"
    config.write_text(
        "events:\n"
        "  - {event: invoice.paid, type: billing.paid, to: chat}\n"
        "  - {event: message.created, type: chat.said, to: chat}\n"
    )
    stack = make_stack(relay_options={"config": config}).start()
    client = open_client(stack.nodes[0], event_types=("billing.paid", "chat.said"))
    client.subscribe(chat)
    stack.xadd(Event("invoice.paid", payload={"chat_id": chat, "amount": 12.50}))
    client.expect("billing.paid", chat_id=chat)
    stack.xadd(Event("message.created", payload={"chat_id": chat}))
    client.expect("chat.said")
    stack.xadd(Event("message.posted", payload={"chat_id": chat}))
    client.expect("chat.message.posted")


# -- notifications


@pytest.mark.parametrize("event_type", USER_ROWS)
@pytest.mark.parametrize("member", ["user_id", "UserID", "userId", "metadata"])
def test_a_notification_reaches_all_connections_of_its_user_and_nobody_else(stack, connect, user, event_type, member):
    own = [connect(0, user), connect(0, user), connect(1, user)]
    others = [connect(0), connect(1)]
    if member == "metadata":
        event = Event(event_type, payload={"text": "hi"}, metadata={"user_id": user})
    else:
        event = Event(event_type, payload={member: user, "text": "hi"})
    stack.xadd(event)
    frames = [client.expect("notification.new", id=event.id, seq=1) for client in own]
    assert all("chat_id" not in frame and frame.raw_data == event.payload for frame in frames)
    for client in others:
        stack.xadd(Event(event_type, payload={"user_id": client.user}))
        client.expect("notification.new")
        client.expect_nothing_pending()


@pytest.mark.parametrize("name", ["user with spaces", "a.b.*.>", "Ünïcödé", "=41", "x" * 128])
def test_user_ids_may_hold_anything(stack, connect, name):
    client, near_miss = connect(0, name), connect(1, "other-" + name[:100])
    stack.xadd(Event("notification.created", payload={"user_id": name}))
    client.expect("notification.new")
    near_miss.expect_nothing_pending()


def test_a_users_notifications_are_numbered_on_their_own(stack, connect, user):
    client = connect(0, user)
    events = [Event("notification.created", payload={"user_id": user, "n": number}) for number in range(3)]
    stack.xadd_all(events)
    for number, event in enumerate(events, 1):
        last = client.expect("notification.new", id=event.id, seq=number)
    again = connect(1, user)
    assert again.connected["notifications"] == last.position
    again.send(type="notifications.resume", since=last.position, id=1)
    ack = again.expect("ack", action="notifications", id=1)
    assert ack["recovered"] is True and ack.position == last.position


# -- what stands on the bus


def test_the_stored_envelope_is_as_in_proto(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    event = Event("MessagePosted", payload=PAYLOADS["pascal"] % chat, metadata={"correlation_id": "c-1"})
    entry = stack.xadd(event)
    frame = client.expect("chat.message.posted")
    with stack.nats_client() as nats:
        answer = nats.jetstream("STREAM.MSG.GET.roomcast_events_1", last_by_subj=f"roomcast.ev.chat.{chat}")
    import base64

    stored = envelope.decode(base64.b64decode(answer["message"]["data"]))
    assert stored["event_id"].decode() == event.id and stored["seq"] == 1
    assert stored["epoch"].decode() == frame["epoch"]
    assert stored["route"] == envelope.ROUTE_CHAT and stored["target"].decode() == chat
    assert stored["payload"].decode() == event.payload and stored["client_type"] == b"chat.message.posted"
    assert stored["event_type"] == b"MessagePosted" and stored["correlation_id"] == b"c-1"
    assert entry in stored["source"].decode() and stored["relayed_at_ms"] > 1_600_000_000_000
    headers = base64.b64decode(answer["message"]["hdrs"]).decode()
    assert f"Nats-Msg-Id: {event.id}" in headers
