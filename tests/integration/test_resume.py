"""Nothing lost, nothing twice, with real servers: Resume in proto/README.md."""
import json
import uuid

import pytest

from harness import raw
from harness.events import Event, message
from harness.waiting import eventually


def published(stack, witness, chat, count, first=1):
    """Publishes `count` messages, waits until `witness`, who is in the chat, has them, and returns its frames."""
    events = [message(chat, number) for number in range(first, first + count)]
    stack.xadd_all(events)
    return [witness.expect("chat.message.posted", id=event.id) for event in events]


def resumed(client, chat, since, missed):
    """Resumes and takes what is replayed: exactly `missed` frames, byte for byte."""
    ack = client.subscribe(chat, since=since)
    assert ack["recovered"] is True and ack["replayed"] == len(missed), ack
    assert ack["seq"] == (missed[-1]["seq"] if missed else since["seq"])
    for frame in missed:
        assert client.expect("chat.message.posted").text == frame.text


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40, 300])
@pytest.mark.parametrize("where", ["a node that has the room", "a node that never had it"])
def test_missed_events_are_replayed_in_order_and_once_and_then_it_goes_on_live(
    stack, connect, open_client, extra_node, chat, count, where
):
    client, witness = connect(0), connect(0)
    client.subscribe(chat)
    witness.subscribe(chat)
    seen = published(stack, witness, chat, 3)
    for _ in seen:
        client.expect("chat.message.posted")
    client.drop()
    missed = published(stack, witness, chat, count, 4)
    again = connect(0) if where == "a node that has the room" else open_client(extra_node())
    resumed(again, chat, seen[-1].position, missed)
    live = published(stack, witness, chat, 2, 4 + count)
    for frame in live:
        assert again.expect("chat.message.posted").text == frame.text
    again.expect_nothing_pending()


def test_resumes_are_counted_by_where_the_events_came_from(stack, connect, open_client, extra_node, chat):
    def counted(node):
        return tuple(node.metrics()["roomcast_resumes_recovered_total", "source", source] for source in ("history", "stream"))

    witness, newcomer = connect(0), extra_node()
    witness.subscribe(chat)
    frames = published(stack, witness, chat, 5)
    before = counted(stack.nodes[0])
    resumed(connect(0), chat, frames[2].position, frames[3:])
    assert counted(stack.nodes[0]) == (before[0] + 1, before[1])
    resumed(open_client(newcomer), chat, frames[2].position, frames[3:])
    assert counted(newcomer) == (0, 1)
    resumed(open_client(newcomer), chat, frames[2].position, frames[3:])
    assert counted(newcomer) == (1, 1)


def test_any_earlier_place_can_be_resumed_from(stack, connect, chat):
    witness = connect(0)
    witness.subscribe(chat)
    frames = published(stack, witness, chat, 30)
    epoch = frames[0]["epoch"]
    for seq in (0, 1, 13, 29, 30):
        resumed(connect(1), chat, {"epoch": epoch, "seq": seq}, frames[seq:])


def test_a_room_resumed_while_events_arrive_has_no_hole_and_no_repetition(stack, connect, chat):
    witness = connect(0)
    witness.subscribe(chat)
    start = published(stack, witness, chat, 1)[0].position
    events = [message(chat, number) for number in range(600)]
    readers = []
    for part in range(6):
        stack.xadd_all(events[part * 100 : part * 100 + 100])
        reader = connect(part % 2)
        reader.send(type="subscribe.chat", chat_id=chat, since=start)
        readers.append(reader)
    for reader in readers:
        assert reader.expect("ack")["recovered"] is True
        for seq, event in enumerate(events, start["seq"] + 1):
            reader.expect("chat.message.posted", seq=seq, id=event.id)
        reader.expect_nothing_pending()


def test_a_hundred_rooms_are_resumed_in_one_frame(stack, connect):
    witness = connect(0)
    chats = [str(uuid.uuid4()) for _ in range(100)]
    witness.send(type="subscribe.chat", chats=[{"chat_id": chat} for chat in chats])
    for chat in chats:
        witness.expect("ack", chat_id=chat)
    stack.xadd_all([message(chat, number) for number in range(4) for chat in chats])
    frames = {chat: [] for chat in chats}
    for _ in range(400):
        frame = witness.expect("chat.message.posted")
        frames[frame["chat_id"]].append(frame)
    again = connect(1)
    again.send(
        type="subscribe.chat",
        id=5,
        chats=[{"chat_id": chat, "since": frames[chat][number % 4].position} for number, chat in enumerate(chats)],
    )
    acks, arrived = {}, {chat: [] for chat in chats}
    missed = sum(3 - number % 4 for number in range(100))
    for _ in range(100 + missed):
        frame = again.next()
        while frame.type == "presence.changed":
            frame = again.next()
        if frame.type == "ack":
            acks[frame["chat_id"]] = frame
        else:
            assert frame["chat_id"] in acks, "the ack comes first"
            arrived[frame["chat_id"]].append(frame.text)
    for number, chat in enumerate(chats):
        assert acks[chat]["id"] == 5 and acks[chat]["recovered"] is True
        assert acks[chat]["replayed"] == 3 - number % 4
        assert arrived[chat] == [frame.text for frame in frames[chat][number % 4 + 1 :]]
    again.expect_nothing_pending()


def test_a_room_that_was_empty_is_resumed_from_its_beginning(stack, connect, open_client, extra_node, chat):
    client, witness = connect(0), connect(1)
    empty = client.subscribe(chat).position
    assert empty["seq"] == 0
    client.drop()
    resumed(connect(1), chat, empty, [])  # still empty
    witness.subscribe(chat)
    missed = published(stack, witness, chat, 3)
    behind = lambda: connect(0).subscribe(chat).position == missed[-1].position
    eventually(behind, what="the first node, which may still follow the room, has heard of them too")
    for again in connect(0), connect(1), open_client(extra_node()):
        resumed(again, chat, empty, missed)


def test_a_room_whose_history_expired_meanwhile_is_not_resumed_from_its_emptiness(make_stack, open_client, chat):
    """What came and went while the client was away is not passed off as nothing."""
    stack = make_stack(nodes=1, relay_options={"stream.max_age_s": 60, "stream.max_bytes": 1 << 20}).start()
    witness = open_client(stack.nodes[0])
    empty = witness.subscribe(chat).position
    published(stack, witness, chat, 2)
    crowd_out = [Event(payload={"chat_id": str(uuid.uuid4()), "text": "x" * 100_000}) for _ in range(20)]
    stack.xadd_all(crowd_out)  # the stream holds a megabyte: ours are gone
    eventually(lambda: stack.pending_entries() == 0)
    ack = open_client(stack.nodes[0]).subscribe(chat, since=empty)
    assert ack["recovered"] is False and ack["replayed"] == 0


# -- notifications


def connect_behind(connect, node, user, position):
    """A client of a node that knows the user's notifications up to there: it may hear of them later than another one."""

    def look():
        client = connect(node, user)
        if client.connected["notifications"] == position:
            return client
        client.drop()
        return None

    return eventually(look, what="the node knows all that came")


def test_missed_notifications_are_replayed_before_those_that_come_meanwhile(stack, connect, user):
    def notify(number):
        return Event("notification.created", payload={"user_id": user, "n": number})

    client = connect(0, user)
    events = [notify(number) for number in range(4)]
    stack.xadd(events[0])
    seen = client.expect("notification.new", id=events[0].id).position
    client.drop()
    witness = connect(1, user)
    stack.xadd_all(events[1:3])
    for event in events[1:3]:
        last = witness.expect("notification.new", id=event.id)
    again = connect_behind(connect, 0, user, last.position)
    stack.xadd(events[3])  # before the client has said what it has
    witness.expect("notification.new", id=events[3].id)
    again.send(type="notifications.resume", since=seen, id="r")
    ack = again.expect("ack", action="notifications", id="r")
    assert ack["recovered"] is True and ack["replayed"] == ack["seq"] - seen["seq"]
    for event in events[1:]:
        again.expect("notification.new", id=event.id)
    again.expect_nothing_pending()


def test_a_user_without_notifications_misses_none_either(stack, connect, user):
    client = connect(0, user)
    empty = client.connected["notifications"]
    assert empty["seq"] == 0
    client.drop()
    witness = connect(1, user)
    events = [Event("notification.created", payload={"user_id": user, "n": number}) for number in range(2)]
    stack.xadd_all(events)
    for event in events:
        last = witness.expect("notification.new", id=event.id)
    again = connect_behind(connect, 0, user, last.position)
    again.send(type="notifications.resume", since=empty)
    assert again.expect("ack", action="notifications")["replayed"] == 2
    for event in events:
        again.expect("notification.new", id=event.id)


def test_a_client_that_never_resumes_its_notifications_gets_the_new_ones_all_the_same(stack, connect, user):
    client = connect(0, user)
    events = [Event("notification.created", payload={"user_id": user, "n": number}) for number in range(3)]
    stack.xadd_all(events)
    for event in events:
        client.expect("notification.new", id=event.id)
    client.expect_nothing_pending()


def test_who_resumes_notifications_after_later_ones_went_out_is_told_that_it_missed_some(stack, connect, user):
    client, witness = connect(0, user), connect(1, user)
    events = [Event("notification.created", payload={"user_id": user, "n": number}) for number in range(4)]
    stack.xadd(events[0])
    seen = client.expect("notification.new", id=events[0].id).position
    witness.expect("notification.new", id=events[0].id)
    client.drop()
    stack.xadd_all(events[1:3])
    witness.expect("notification.new", id=events[1].id)
    before = witness.expect("notification.new", id=events[2].id).position
    late, in_time = (connect_behind(connect, 0, user, before) for _ in range(2))
    stack.xadd(events[3])
    for again in late, in_time:
        again.expect("notification.new", id=events[3].id)  # it has waited for a resume long enough
    late.send(type="notifications.resume", since=seen)
    ack = late.expect("ack", action="notifications")
    assert ack["recovered"] is False and ack["replayed"] == 0 and ack["seq"] == before["seq"] + 1
    late.expect_nothing_pending()
    late.send(type="notifications.resume", since=seen)  # it wants them all the same
    assert late.expect("ack", action="notifications")["replayed"] == 3
    in_time.send(type="notifications.resume", since=before)  # had everything before what went out
    assert in_time.expect("ack", action="notifications")["recovered"] is True


# -- what cannot be proven is not claimed


def test_expired_history_is_not_recovered_and_nothing_partial_is_replayed(make_stack, open_client, chat):
    stack = make_stack(nodes=2, relay_options={"stream.max_per_room": 20}).start()
    witness = open_client(stack.nodes[0])
    witness.subscribe(chat)
    frames = published(stack, witness, chat, 50)
    for node in stack.nodes[1], stack.nodes[1]:
        client = open_client(node)
        ack = client.subscribe(chat, since=frames[10].position)
        assert ack["recovered"] is False and ack["replayed"] == 0 and ack["seq"] == 50
        client.expect_nothing_pending()
    resumed(open_client(stack.nodes[1]), chat, frames[29].position, frames[30:])
    client = open_client(stack.nodes[1])
    ack = client.subscribe(chat, since=frames[28].position)
    assert ack["recovered"] is False, "the first of the missing ones is gone"


def test_an_absence_beyond_the_limit_is_not_recovered_and_one_within_is(stack, extra_node, open_client, connect, chat):
    witness = connect(0)
    witness.subscribe(chat)
    frames = published(stack, witness, chat, 30)
    node = extra_node({"resume.max_events": 20})
    ack = open_client(node).subscribe(chat, since=frames[8].position)
    assert ack["recovered"] is False and ack["replayed"] == 0 and ack["seq"] == 30
    resumed(open_client(node), chat, frames[9].position, frames[10:])


def test_more_bytes_than_the_limit_are_not_replayed(stack, extra_node, open_client, connect, chat):
    witness = connect(0)
    witness.subscribe(chat)
    events = [Event(chat=chat, payload={"chat_id": chat, "text": "x" * 20_000}) for _ in range(10)]
    stack.xadd_all(events)
    frames = [witness.expect("chat.message.posted") for _ in events]
    node = extra_node({"resume.max_bytes": 65536})
    ack = open_client(node).subscribe(chat, since=frames[0].position)
    assert ack["recovered"] is False and ack["replayed"] == 0
    resumed(open_client(node), chat, frames[7].position, frames[8:])


# -- many at once


def test_a_storm_of_resumes_is_a_handful_of_reads(stack, extra_node, open_client, connect, chat):
    witness = connect(0)
    witness.subscribe(chat)
    frames = published(stack, witness, chat, 40)
    node = extra_node()
    clients = [open_client(node) for _ in range(150)]
    before = node.metrics()
    for client in clients:
        client.send(type="subscribe.chat", chat_id=chat, since=frames[4].position)
    for client in clients:
        ack = client.expect("ack")
        assert ack["recovered"] is True and ack["replayed"] == 35
        for frame in frames[5:]:
            assert client.expect("chat.message.posted").text == frame.text
    after = node.metrics()
    for of, most in (("head", 5), ("event", 40), ("next", 5)):
        name = ("roomcast_stream_reads_total", "of", of)
        assert after[name] - before[name] <= most, of
    assert after["roomcast_resumes_total", "result", "recovered"] == 150
    assert after["roomcast_events_replayed_total"] == 150 * 35
    assert after["roomcast_history_bytes"] > 0
    eventually(lambda: node.metrics()["roomcast_lagging"] == 0)


# -- slow clients


class SlowReader:
    """In the chat, and reads only when told to."""

    def __init__(self, node, chat):
        self.socket = raw.WebSocket(node.port)
        self.socket.send_frame(raw.TEXT, json.dumps({"type": "subscribe", "chat_id": chat}))
        self.ack = self.socket.expect_text("ack")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.__exit__()

    def read_until(self, seq):
        """All events and losses, in order, until one of them stands at `seq`."""
        taken = []
        while not taken or taken[-1]["seq"] < seq:
            text = self.socket.read_text()
            if text["type"] in ("chat.message.posted", "error"):
                taken.append(text)
            else:
                assert text["type"] in ("presence.changed", "chat.typing"), text
        return taken


def flood(stack, witness, chat, count, size):
    payloads = [json.dumps({"chat_id": chat, "n": number, "text": "x" * size}) for number in range(count)]
    for begin in range(0, count, 20):
        part = [Event(payload=payload) for payload in payloads[begin : begin + 20]]
        stack.xadd_all(part)
        for event in part:
            witness.expect("chat.message.posted", id=event.id)


SMALL_QUEUE = {"limits.queue_messages": 16, "limits.queue_bytes": 65536}


@pytest.mark.parametrize("cache", [64 << 20, 65536], ids=["from memory", "from the stream"])
def test_a_reader_that_fell_behind_catches_up_without_hole_or_repetition(
    stack, extra_node, open_client, chat, cache
):
    node = extra_node({**SMALL_QUEUE, "limits.slow_grace_s": 60, "resume.cache_bytes": cache})
    witness = open_client(node)
    witness.subscribe(chat)
    with SlowReader(node, chat) as slow:
        flood(stack, witness, chat, 300, 40_000)  # more than the kernel buffers on both sides
        assert node.metrics()["roomcast_lagged_total"] >= 1
        assert [event["seq"] for event in slow.read_until(300)] == list(range(1, 301))
        last = message(chat)
        stack.xadd(last)
        assert slow.read_until(301)[0]["id"] == last.id
        eventually(lambda: node.metrics()["roomcast_lagging"] == 0, what="it is live again")
        assert node.metrics()["roomcast_closes_total", "code", "4108"] == 0


def test_a_reader_overtaken_by_retention_is_told_its_new_position(make_stack, open_client, chat):
    stack = make_stack(
        nodes=1,
        relay_options={"stream.max_per_room": 30},
        node_options={**SMALL_QUEUE, "limits.slow_grace_s": 60, "resume.max_events": 30},
    ).start()
    node = stack.nodes[0]
    witness = open_client(node)
    witness.subscribe(chat)
    with SlowReader(node, chat) as slow:
        flood(stack, witness, chat, 300, 40_000)
        taken = slow.read_until(300)
        losses = [item for item in taken if item["type"] == "error"]
        assert losses and all(loss["code"] == "POSITION_LOST" and loss["chat_id"] == chat for loss in losses)
        cursor = 0
        for item in taken:
            assert item["seq"] > cursor if item["type"] == "error" else item["seq"] == cursor + 1, item
            cursor = item["seq"]
        assert node.metrics()["roomcast_positions_lost_total", "reason", "lagged"] == len(losses)


def test_a_reader_that_takes_nothing_is_closed_with_4108_after_the_grace_and_can_resume(
    stack, extra_node, open_client, chat
):
    node = extra_node({**SMALL_QUEUE, "limits.slow_grace_s": 1})
    witness = open_client(node)
    witness.subscribe(chat)
    with SlowReader(node, chat) as slow:
        flood(stack, witness, chat, 300, 40_000)
        eventually(lambda: node.metrics()["roomcast_closes_total", "code", "4108"] == 1, timeout=20)
        since = {"epoch": witness.frames[-1]["epoch"], "seq": 290}
        again = open_client(node)
        ack = again.subscribe(chat, since=since)
        assert ack["recovered"] is True and ack["replayed"] == 10
        for seq in range(291, 301):
            again.expect("chat.message.posted", seq=seq)


def test_a_slow_reader_delays_nobody(stack, extra_node, open_client, chat, other_chat):
    node = extra_node({**SMALL_QUEUE, "limits.slow_grace_s": 60, "workers": 1})
    witness, bystander = open_client(node), open_client(node)
    witness.subscribe(chat)
    bystander.subscribe(other_chat)
    with SlowReader(node, chat) as slow:
        flood(stack, witness, chat, 300, 40_000)
        event = message(other_chat)
        stack.xadd(event)
        bystander.expect("chat.message.posted", id=event.id)


def test_a_resume_that_may_not_be_held_in_memory_is_served_page_by_page(stack, extra_node, connect, open_client):
    """Six rooms of more bytes than one client's replays may hold."""
    witness, chats = connect(0), [str(uuid.uuid4()) for _ in range(6)]
    for chat in chats:
        witness.subscribe(chat)
    events = {chat: [Event(payload={"chat_id": chat, "text": "x" * 9000}) for _ in range(10)] for chat in chats}
    for number in range(10):
        stack.xadd_all([events[chat][number] for chat in chats])
    frames = [witness.expect("chat.message.posted") for _ in range(60)]
    epochs = {frame["chat_id"]: frame["epoch"] for frame in frames}
    node = extra_node({"resume.max_bytes": 100_000, "resume.cache_bytes": 65536})
    client = open_client(node)
    client.send(
        type="subscribe.chat",
        chats=[{"chat_id": chat, "since": {"epoch": epochs[chat], "seq": 0}} for chat in chats],
    )
    arrived = {chat: [] for chat in chats}
    for _ in range(66):
        frame = client.next()
        while frame.type == "presence.changed":
            frame = client.next()
        if frame.type == "ack":
            assert frame["recovered"] is True and frame["replayed"] == 10
        else:
            arrived[frame["chat_id"]].append(frame["id"])
    assert arrived == {chat: [event.id for event in events[chat]] for chat in chats}
    client.expect_nothing_pending()
    eventually(lambda: node.metrics()["roomcast_replay_bytes"] <= 2 * 65536 + 100_000)
