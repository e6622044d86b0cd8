"""stream.shards: the rooms are spread over several streams, each with a leader of its own."""
import secrets

import pytest

from harness.events import message
from harness.proxy import Proxy
from harness.shards import chat_in, shard_of, stream_names
from harness.stored import expect_rooms, read_stream
from harness.waiting import eventually

COUNT = 3
SHARDS = {"stream.shards": COUNT}
STORED = ("roomcast_relay_events_total", "result", "stored")


def info(nats, stream):
    return nats.jetstream(f"STREAM.INFO.{stream}")


def read_all(nats, count=COUNT):
    """The events of each stream; a room's are all in the one that its hash says."""
    streams = [read_stream(nats, stream) for stream in stream_names(count)]
    for shard, events in enumerate(streams):
        assert {shard_of(event.room, count) for event in events} <= {shard}
    return streams


def take(client, published, first, last):
    """The events number `first` to `last` of each chat, in order within a chat."""
    seen = dict.fromkeys(published, first)
    for _ in range(len(published) * (last - first)):
        frame = client.expect("chat.message.posted", timeout=30)
        number = seen[frame["chat_id"]]
        assert (frame["seq"], frame["id"]) == (number + 1, published[frame["chat_id"]][number].id)
        seen[frame["chat_id"]] += 1
    assert set(seen.values()) == {last}


def resume(client, published, positions, last):
    for chat, events in published.items():
        ack = client.subscribe(chat, since=positions[chat])
        assert ack["recovered"] is True and ack["replayed"] == last - 1
        for number in range(1, last):
            client.expect("chat.message.posted", id=events[number].id, seq=number + 1)


@pytest.mark.parametrize("mode", ["off", "encrypt"])
def test_events_of_all_shards_arrive_are_resumed_and_are_repaired(make_stack, open_client, mode):
    seal = {} if mode == "off" else {"nats.seal": mode, "nats.seal_key": secrets.token_hex(32)}
    options = {**SHARDS, **seal}
    stack = make_stack(nodes=2, node_options=options, relay_options=options)
    proxy = Proxy(stack.nats.port)
    stack.nodes[1].options["nats.url"] = proxy.url
    try:
        stack.start()
        published = {chat_in(number % COUNT, COUNT): [] for number in range(4 * COUNT)}
        anna, ben = open_client(stack.nodes[0], "anna"), open_client(stack.nodes[1], "ben")
        for client in (anna, ben):
            for chat in published:
                assert client.subscribe(chat)["seq"] == 0

        def publish(first, last):
            for chat, events in published.items():
                events += [message(chat, number) for number in range(first, last)]
            stack.xadd_all([events[number] for number in range(first, last) for events in published.values()])

        publish(0, 1)
        take(ben, published, 0, 1)
        positions = {}
        for _ in published:
            frame = anna.expect("chat.message.posted", seq=1)
            positions[frame["chat_id"]] = frame.position
        anna.drop()

        proxy.cut()  # what comes meanwhile is missing at node 1, and nothing after it shows that
        eventually(lambda: not stack.nodes[1].is_ready(), what="node 1 is cut off")
        publish(1, 5)
        eventually(lambda: stack.relay.metrics()[STORED] == 5 * len(published), what="all are stored")
        proxy.heal()
        take(ben, published, 1, 5)

        resume(open_client(stack.nodes[1], "anna"), published, positions, 5)  # another node than the one it was at
        newcomer = stack.nodes[0]
        newcomer.stop(), newcomer.start()
        resume(open_client(newcomer, "anna"), published, positions, 5)
        assert newcomer.metrics()["roomcast_resumes_recovered_total", "source", "stream"] == len(published)

        by_stream = [stack.relay.metrics()["roomcast_relay_stored_by_stream_total", "stream", name] for name in stream_names(COUNT)]
        assert by_stream == [5 * len(published) / COUNT] * COUNT
        with stack.nats_client() as nats:
            for shard, name in enumerate(stream_names(COUNT)):
                config = info(nats, name)["config"]
                assert config["subjects"] == [f"roomcast.ev.{shard}.>"]
                assert config["republish"] == {"src": f"roomcast.ev.{shard}.>", "dest": "roomcast.live.>"}
            if mode == "off":
                expect_rooms(sum(read_all(nats), []), published)
    finally:
        proxy.heal()
        stack.nodes[1].stop()
        proxy.stop()


def test_a_room_that_was_empty_is_resumed_by_what_its_own_stream_held(make_stack, open_client):
    stack = make_stack(nodes=2, node_options=SHARDS, relay_options=SHARDS).start()
    empty, busy = chat_in(0, COUNT), chat_in(1, COUNT)
    client = open_client(stack.nodes[0], "anna")
    ack = client.subscribe(empty)
    since = {"epoch": ack["epoch"], "seq": ack["seq"]}
    client.drop()
    stack.xadd_all([message(busy, number) for number in range(50)])  # another stream is far ahead
    stack.xadd_all([message(empty, number) for number in range(3)])
    eventually(lambda: stack.relay.metrics()[STORED] == 53, what="all are stored")
    again = open_client(stack.nodes[1], "anna")
    ack = again.subscribe(empty, since=since)
    assert ack["recovered"] is True and ack["replayed"] == 3


def test_two_relays_share_all_shards_by_one_lease(make_stack, watch):
    stack = make_stack(nodes=0, relay_options=SHARDS).start()
    second = stack.new_relay("relay-1")
    watch(second)
    second.spawn().wait_standby()
    published = {chat_in(number % COUNT, COUNT): [] for number in range(10 * COUNT)}

    def publish(count):
        for number in range(count):
            for chat, events in published.items():
                events.append(message(chat, number))
        stack.xadd_all([event for events in published.values() for event in events[-count:]])

    publish(10)
    eventually(lambda: stack.relay.metrics()[STORED] > 0, what="the first has begun")
    stack.relay.kill()
    publish(10)
    eventually(second.is_ready, timeout=30, what="the second has taken over")
    group = lambda: stack.redis.xinfo_groups("roomcast:events")[0]
    last = lambda: stack.redis.xinfo_stream("roomcast:events")["last-generated-id"]
    eventually(lambda: group()["pending"] == 0 and group()["last-delivered-id"] == last(), timeout=60, what="all are stored")
    with stack.nats_client() as nats:
        streams = read_all(nats)
    assert all(len(events) == 200 for events in streams)
    expect_rooms(sum(streams, []), published)
    assert second.stop() == 0


@pytest.mark.heavy
def test_while_one_shard_has_no_leader_the_others_go_on(make_stack, open_client):
    stack = make_stack(nodes=1, cluster=True, node_options=SHARDS, relay_options={"stream.replicas": 3, **SHARDS})
    url = stack.nats.servers[0].url
    stack.relay.options["nats.url"] = stack.nodes[0].options["nats.url"] = url
    stack.start()
    names = stream_names(COUNT)
    lease = shard_of("relay.lease", COUNT)
    lost = (lease + 1) % COUNT

    def leaders(nats):
        return [info(nats, name).get("cluster", {}).get("leader") for name in names]

    def spread(nats):
        """nats-0, to which node and relay are connected, leads all but one shard; which server leads next is not ours
        to choose, so until it is so."""
        found = leaders(nats)
        for shard, leader in enumerate(found):
            if leader and (leader == "nats-0") == (shard == lost):
                nats.jetstream(f"STREAM.LEADER.STEPDOWN.{names[shard]}")
        return all(leader and (leader == "nats-0") == (shard != lost) for shard, leader in enumerate(found))

    with stack.nats_client() as nats:
        eventually(lambda: spread(nats), timeout=60, what="leaders are where they are wanted")
        victim = leaders(nats)[lost]
    client = open_client(stack.nodes[0])
    chats = [chat_in(shard, COUNT) for shard in range(COUNT)]
    for chat in chats:
        client.subscribe(chat)
    next(server for server in stack.nats.servers if server.name == victim).kill()
    events = [message(chat, 0) for chat in chats]
    stack.xadd_all([events[lost], *events])
    others = [events[shard].id for shard in range(COUNT) if shard != lost]
    while others:  # a new leader takes 4 s at least (nats-server, minElectionTimeout)
        frame = client.expect("chat.message.posted", timeout=3)
        assert frame["id"] in others
        others.remove(frame["id"])
    client.expect("chat.message.posted", timeout=60, id=events[lost].id, seq=1)
    heard = ("roomcast_stream_elections_total", "stream", names[lost])
    eventually(lambda: stack.nodes[0].metrics()[heard] >= 1, what="the node has heard of the election")
    assert stack.relay.metrics()["roomcast_nats_reconnects_total"] == 0


# --- told another number


def test_a_relay_with_another_number_is_refused_and_says_what_to_do(make_stack, watch, open_client):
    stack = make_stack(nodes=1, node_options=SHARDS, relay_options=SHARDS).start()
    client, chat = open_client(stack.nodes[0]), chat_in(0, COUNT)
    client.subscribe(chat)
    for number in (1, 2, 8):
        other = stack.new_relay(f"relay-of-{number}")
        other.options["stream.shards"] = number
        watch(other)
        other.expect_log("stream_conflict")
        other.spawn()
        eventually(lambda: "stream.shards" in other.readyz().body.decode(), timeout=30, what="it says what is wrong")
        assert other.readyz().status == 503
        assert "remove what is in its way" in other.log_text()
        assert other.metrics()["roomcast_relay_active"] == 0
        other.stop()
    with stack.nats_client() as nats:
        found = nats.jetstream("STREAM.NAMES")["streams"]
    assert set(found) == {*stream_names(COUNT), "roomcast_events_1_revocations"}
    stack.xadd(message(chat))
    client.expect("chat.message.posted", seq=1)


def test_a_node_with_another_number_is_not_ready_and_says_so(make_stack, watch):
    stack = make_stack(nodes=1, node_options=SHARDS, relay_options=SHARDS).start()
    for number, missing in ((1, "roomcast_events_1"), (4, "roomcast_events_1_0of4")):
        node = stack.new_node(f"node-of-{number}", {"stream.shards": number})
        watch(node)
        node.expect_log("stream_missing")
        node.spawn()
        text = f"stream: {missing} does not exist (is a relay running, with the same stream.name and stream.shards?)"
        eventually(lambda: node.readyz().status == 503 and node.readyz().body.decode().strip() == text, timeout=30, what="it is not ready")
        if number == 4:
            eventually(lambda: "stream_missing" in node.log_text(), timeout=30, what="it is logged")
        assert node.stop() == 0


def test_another_number_begins_anew_and_clients_and_the_revoked_know(make_stack, open_client, chat, user):
    stack = make_stack(nodes=1).start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.xadd(message(chat))
    position = client.expect("chat.message.posted", seq=1).position
    stack.revoke({"user_id": user, "before": 1_000_000_000_000})
    client.drop()
    stack.nodes[0].stop(), stack.relay.stop()
    for program in (stack.nodes[0], stack.relay):
        program.options.update(SHARDS)
    stack.relay.expect_log("stream_conflict")
    stack.relay.spawn()
    eventually(lambda: "stream.shards" in stack.relay.readyz().body.decode(), timeout=30, what="the old stream is in the way")
    with stack.nats_client() as nats:
        assert nats.jetstream("STREAM.DELETE.roomcast_events_1")["success"] is True
    stack.relay.wait_ready()
    stack.nodes[0].start()
    again = open_client(stack.nodes[0])
    assert again.subscribe(chat, since=position)["recovered"] is False
    stack.xadd(message(chat))
    assert again.expect("chat.message.posted", seq=1).position["epoch"] != position["epoch"]
    assert stack.nodes[0].metrics()["roomcast_revocations"] == 1


def test_limits_of_a_stream_that_exists_are_changed_at_the_stream_and_not_by_the_option(make_stack, open_client, chat):
    """As cluster/OPERATING.md says, with what `nats stream edit` sends."""
    stack = make_stack(relay_options={"stream.max_per_room": 10}).start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.relay.stop()
    stack.relay.options["stream.max_per_room"] = 20
    stack.relay.start()
    stack.relay.wait_log(r"event=stream_limits_differ .*setting=max_msgs_per_subject found=10 wanted=20")
    stream = "roomcast_events_1"
    with stack.nats_client() as nats:
        config = info(nats, stream)["config"]
        assert config["max_msgs_per_subject"] == 10
        edited = nats.jetstream(f"STREAM.UPDATE.{stream}", **{**config, "max_msgs_per_subject": 20})
        assert "error" not in edited and edited["config"]["max_msgs_per_subject"] == 20
    stack.relay.stop()
    told = stack.relay.log_text().count("stream_limits_differ")
    stack.relay.start()
    stack.xadd(message(chat))
    client.expect("chat.message.posted", seq=1)
    assert stack.relay.log_text().count("stream_limits_differ") == told
