"""proto/README.md: every message type, its aliases and replies."""
import uuid

import pytest

from harness.events import Event, message


@pytest.mark.parametrize("subscribe", ["subscribe.chat", "subscribe"])
@pytest.mark.parametrize("unsubscribe", ["unsubscribe.chat", "unsubscribe"])
def test_subscribe_and_unsubscribe_are_acknowledged(stack, connect, chat, subscribe, unsubscribe):
    client, witness = connect(0), connect(0)
    client.send(type=subscribe, chat_id=chat, id=7)
    ack = client.expect("ack", action="subscribed", chat_id=chat, id=7)
    assert ack.message == {
        "type": "ack",
        "action": "subscribed",
        "chat_id": chat,
        "id": 7,
        "epoch": ack["epoch"],
        "seq": 0,
    }
    witness.subscribe(chat)
    client.send(type=unsubscribe, chat_id=chat, id="bye")
    client.expect("ack", action="unsubscribed", chat_id=chat, id="bye")
    stack.xadd(Event(chat=chat))
    witness.expect("chat.message.posted")
    client.expect_nothing_pending()


@pytest.mark.parametrize("request_id", [0, 7, 2**32 - 1, "a", "Grüße 👋", "x" * 64], ids=str)
def test_ids_are_echoed(connect, chat, request_id):
    client = connect(0)
    client.send(type="ping", id=request_id)
    assert client.expect("pong").message == {"type": "pong", "id": request_id}
    client.send(type="subscribe", chat_id=chat, id=request_id)
    client.expect("ack", id=request_id)
    client.send(type="nonsense", id=request_id)
    client.expect_error("UNKNOWN_TYPE", id=request_id)


def test_without_an_id_none_is_echoed(connect, chat):
    client = connect(0)
    client.send(type="ping")
    assert client.expect("pong").message == {"type": "pong"}
    client.send(type="subscribe", chat_id=chat)
    assert "id" not in client.expect("ack")


def test_a_batch_is_acknowledged_chat_by_chat(stack, connect):
    chats = [str(uuid.uuid4()) for _ in range(20)]
    client = connect(0)
    client.send(type="subscribe.chat", chats=[{"chat_id": chat} for chat in chats], id=3)
    acked = {client.expect("ack", action="subscribed", id=3)["chat_id"] for _ in chats}
    assert acked == set(chats)
    events = [Event(chat=chat) for chat in chats]
    stack.xadd_all(events)
    assert {client.expect("chat.message.posted")["id"] for _ in chats} == {event.id for event in events}


def test_a_batch_answers_each_chat_by_its_own_right(connect, chat, other_chat):
    client = connect(0, chats=[chat])
    client.send(type="subscribe.chat", chats=[{"chat_id": other_chat}, {"chat_id": chat}], id=1)
    answers = {frame["chat_id"]: frame for frame in (client.next(), client.next())}
    assert answers[chat].type == "ack" and answers[other_chat]["code"] == "FORBIDDEN"
    assert all(frame["id"] == 1 for frame in answers.values())


def test_chat_ids_come_in_any_case_and_leave_in_lower_case(stack, connect, chat):
    client = connect(0)
    client.send(type="subscribe.chat", chat_id=chat.upper())
    client.expect("ack", chat_id=chat)
    stack.xadd(Event(chat=chat.upper()))
    client.expect("chat.message.posted", chat_id=chat)


def test_subscribing_twice_acks_again_and_delivers_once(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    first = Event(chat=chat)
    stack.xadd(first)
    at = client.expect("chat.message.posted", id=first.id).position
    ack = client.subscribe(chat)
    assert ack.position == at
    second = Event(chat=chat)
    stack.xadd(second)
    client.expect("chat.message.posted", id=second.id)
    client.expect_nothing_pending()


def test_acks_carry_the_rooms_position(stack, connect, chat):
    first = connect(0)
    empty = first.subscribe(chat)
    assert empty["seq"] == 0
    events = [message(chat, number) for number in range(5)]
    stack.xadd_all(events)
    for number, event in enumerate(events, 1):
        last = first.expect("chat.message.posted", id=event.id, seq=number)
    for node in (0, 1):  # a node with the room in memory, and one that has to ask
        assert connect(node).subscribe(chat).position == last.position


def test_a_cursor_at_the_end_is_recovered(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    position = client.expect("chat.message.posted").position
    again = connect(1)
    ack = again.subscribe(chat, since=position)
    assert ack["recovered"] is True and ack["replayed"] == 0 and ack.position == position


@pytest.mark.parametrize("since", [{"epoch": "otherepoch", "seq": 1}, {"epoch": "otherepoch", "seq": 2**53 - 1}], ids=str)
def test_a_foreign_or_future_cursor_is_not_recovered(stack, connect, chat, since):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    position = client.expect("chat.message.posted").position
    for cursor in (since, {"epoch": position["epoch"], "seq": position["seq"] + 1}):
        ack = client.subscribe(chat, since=cursor)
        assert ack["recovered"] is False and ack["replayed"] == 0 and ack.position == position
    client.expect_nothing_pending()


def test_after_a_missed_event_the_ack_tells_the_truth(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    position = client.expect("chat.message.posted").position
    client.unsubscribe(chat)
    missed, witness = Event(chat=chat), connect(1)
    witness.subscribe(chat)
    stack.xadd(missed)
    witness.expect("chat.message.posted", id=missed.id)
    ack = client.subscribe(chat, since=position)
    # Either the event comes, or it is said that something is missing: never a hole passed off as the whole.
    # (At seq 1 this node had not heard of the event yet: then it comes live.)
    assert ack["seq"] in (1, 2)
    if ack["recovered"]:
        assert ack["replayed"] == ack["seq"] - 1
        client.expect("chat.message.posted", id=missed.id, seq=2)
    else:
        assert ack["seq"] == 2
    client.expect_nothing_pending()


def test_unsubscribing_a_chat_one_is_not_in_is_acknowledged(connect, chat):
    connect(0).unsubscribe(chat)


def test_presence_state_lists_who_is_in_the_room(connect, chat):
    anna, ben = connect(0, "anna-" + chat), connect(1, "ben-" + chat)
    anna.subscribe(chat)
    ben.subscribe(chat)

    def state():
        anna.send(type="presence.get", chat_id=chat, id=1)
        return anna.skip_until("presence.state")

    from harness.waiting import eventually

    eventually(lambda: state()["count"] == 2, what="both are known")
    frame = state()
    assert set(frame["online"]) == {"anna-" + chat, "ben-" + chat} and frame["id"] == 1


def test_presence_needs_a_subscription(connect, chat):
    client = connect(0)
    client.send(type="presence.get", chat_id=chat, id=4)
    client.expect_error("NOT_SUBSCRIBED", chat_id=chat, id=4)


def test_rooms_per_connection_are_limited(extra_node, open_client):
    node = extra_node({"limits.rooms": 2})
    client = open_client(node)
    rooms = [str(uuid.uuid4()) for _ in range(3)]
    client.subscribe(rooms[0])
    client.subscribe(rooms[1])
    client.send(type="subscribe", chat_id=rooms[2], id=1)
    client.expect_error("ROOM_LIMIT", chat_id=rooms[2], id=1)
    assert node.metrics()["roomcast_client_messages_total", "result", "room_limit"] == 1
    client.subscribe(rooms[0])  # again is not one more
    client.unsubscribe(rooms[1])
    client.subscribe(rooms[2])


def test_a_room_whose_last_member_left_is_unsubscribed_after_the_linger(extra_node, open_client, chat):
    from harness.waiting import eventually

    node = extra_node({"rooms.linger_ms": 50})
    client, second = open_client(node, "u"), open_client(node, "u")
    users_only = node.metrics()["roomcast_rooms"]
    client.subscribe(chat)
    second.subscribe(chat)
    assert node.metrics()["roomcast_rooms"] == users_only + 1
    assert node.metrics()["roomcast_subscriptions"] == 2
    client.unsubscribe(chat)
    second.drop()
    eventually(lambda: node.metrics()["roomcast_subscriptions"] == 0)
    eventually(lambda: node.metrics()["roomcast_rooms"] == users_only, what="the room is forgotten")


def test_a_room_that_is_left_and_joined_again_goes_on(extra_node, open_client, stack, chat):
    node = extra_node({"rooms.linger_ms": 0})
    client = open_client(node)
    for number in range(1, 6):
        client.subscribe(chat)
        stack.xadd(message(chat, number))
        client.expect("chat.message.posted", seq=number)
        client.unsubscribe(chat)
