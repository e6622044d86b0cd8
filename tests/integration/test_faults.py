"""NATS and Redis that are absent, killed, restarted: everything comes back by itself, and what was accepted is
delivered."""
import shutil
import socket

import pytest

from harness.events import message
from harness.nats_wire import NatsClient
from harness.stored import read_stream
from harness.waiting import eventually


def not_ready_because(program, dependency):
    answer = program.readyz()
    return answer.status == 503 and dependency in answer.body.decode().lower()


def wait_not_ready(program, dependency):
    eventually(lambda: not_ready_because(program, dependency), timeout=30, what=f"{program.name} misses {dependency}")


def expect_messages(client, events, first_seq):
    for seq, event in enumerate(events, first_seq):
        client.expect("chat.message.posted", timeout=30, id=event.id, seq=seq)


def test_nodes_and_relay_wait_for_nats_and_redis(make_stack, open_client, chat):
    stack = make_stack()
    node, relay = stack.nodes[0], stack.relay
    node.spawn(), relay.spawn()
    wait_not_ready(node, "nats")
    wait_not_ready(relay, "nats")
    wait_not_ready(relay, "redis")
    from harness.processes import get

    assert get(node.admin_url + "/livez").status == 200 and get(relay.admin_url + "/livez").status == 200
    stack.redis_server.start()
    eventually(lambda: "redis" not in relay.readyz().body.decode().lower(), timeout=30)
    stack.nats.start()
    node.wait_ready(), relay.wait_ready()
    client = open_client(node)
    client.subscribe(chat)
    stack.xadd(message(chat))
    client.expect("chat.message.posted", seq=1)


def test_a_client_of_a_node_without_nats_is_told_unavailable_not_lied_to(make_stack, open_client, chat):
    stack = make_stack(node_options={"rooms.join_timeout_ms": 300}).start()
    stack.nats.stop()
    wait_not_ready(stack.nodes[0], "nats")
    client = open_client(stack.nodes[0])
    client.send(type="subscribe.chat", chat_id=chat, id=1)
    client.expect_error("UNAVAILABLE", chat_id=chat, id=1, temporary=True)
    client.send(type="ping")
    client.expect("pong")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_restarted_nats_delivers_what_was_published_before_during_and_after(make_stack, open_client, chat, how):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    before = [message(chat, number) for number in range(5)]
    stack.xadd_all(before)
    expect_messages(client, before, 1)

    getattr(stack.nats, how)()
    wait_not_ready(stack.nodes[0], "nats")
    wait_not_ready(stack.relay, "nats")
    during = [message(chat, number) for number in range(5, 10)]
    stack.xadd_all(during)
    stack.nats.start()
    # Whether the relay or the node is back first: what live delivery has missed is read back from the stream.
    expect_messages(client, during, 6)
    stack.nodes[0].wait_ready(), stack.relay.wait_ready()
    after = [message(chat, number) for number in range(10, 15)]
    stack.xadd_all(after)
    expect_messages(client, after, 11)
    eventually(lambda: stack.pending_entries() == 0)
    assert stack.nodes[0].metrics()["roomcast_nats_reconnects_total"] >= 1


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_restarted_redis_goes_on_where_it_was(make_stack, open_client, chat, how):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    first = [message(chat, number) for number in range(5)]
    stack.xadd_all(first)
    expect_messages(client, first, 1)
    eventually(lambda: stack.pending_entries() == 0)

    getattr(stack.redis_server, how)()
    wait_not_ready(stack.relay, "redis")
    assert stack.nodes[0].readyz().status == 200, "a node needs no Redis"
    stack.redis_server.start()
    stack.relay.wait_ready()
    second = [message(chat, number) for number in range(5, 10)]
    stack.xadd_all(second)
    expect_messages(client, second, 6)
    third = message(chat, 10)
    stack.publish(third)
    expect_messages(client, [third], 11)
    client.expect_nothing_pending()


def test_the_relay_tells_how_far_it_is_behind(make_stack, open_client, chat):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.nats.stop()
    events = [message(chat, number) for number in range(40)]
    for event in events:
        stack.xadd(event)

    def lag(unit):
        return stack.relay.metrics()[f"roomcast_relay_lag_{unit}"]

    eventually(lambda: lag("entries") == 40 and lag("seconds") >= 1, timeout=20, what="it is behind")
    stack.nats.start()
    expect_messages(client, events, 1)
    eventually(lambda: (lag("entries"), lag("seconds")) == (0, 0), timeout=20, what="it has caught up")


def test_a_redis_that_lost_everything_is_started_over_with(make_stack, open_client, chat):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.xadd(message(chat, 0))
    client.expect("chat.message.posted", seq=1)
    stack.redis.flushall()
    event = message(chat, 1)
    stack.xadd(event)
    expect_messages(client, [event], 2)


def test_a_killed_relay_neither_loses_nor_repeats(make_stack, open_client, chat):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    events = [message(chat, number) for number in range(600)]
    for round_ in range(3):
        stack.xadd_all(events[round_ * 200 : (round_ + 1) * 200])
        client.expect("chat.message.posted", timeout=30)
        stack.relay.kill()
        stack.relay.start()
        stored = len(events[: (round_ + 1) * 200])
        for _ in range(stored - len([frame for frame in client.frames if frame.type == "chat.message.posted"])):
            client.expect("chat.message.posted", timeout=30)
    frames = [frame for frame in client.frames if frame.type == "chat.message.posted"]
    assert [frame["id"] for frame in frames] == [event.id for event in events]
    assert [frame["seq"] for frame in frames] == list(range(1, 601))
    client.expect_nothing_pending()


def test_a_stopped_relay_leaves_the_rest_to_its_successor(make_stack, open_client, watch, chat):
    stack = make_stack().start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    events = [message(chat, number) for number in range(400)]
    stack.xadd_all(events)
    assert stack.relay.stop() == 0
    successor = stack.new_relay("relay-1")  # whatever its name, it takes over what the first had read
    watch(successor)
    successor.start()
    expect_messages(client, events, 1)
    assert successor.stop() == 0


def test_two_relays_number_one_room_without_holes_or_repeats(make_stack, open_client, watch, chat):
    stack = make_stack().start()
    second = stack.new_relay("relay-1")
    watch(second)
    second.spawn().wait_standby()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    events = [message(chat, number) for number in range(300)]
    for event in events:
        stack.xadd(event)
    frames = [client.expect("chat.message.posted", timeout=30) for _ in events]
    assert [frame["seq"] for frame in frames] == list(range(1, 301))
    assert [frame["id"] for frame in frames] == [event.id for event in events]
    assert second.stop() == 0


def test_a_killed_node_costs_its_clients_nothing_but_a_reconnect(make_stack, open_client, chat):
    stack = make_stack(nodes=2).start()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.xadd(message(chat, 0))
    position = client.expect("chat.message.posted", seq=1).position
    stack.nodes[0].kill()
    client.expect_close()
    again = open_client(stack.nodes[1], client.user)
    assert again.subscribe(chat, since=position)["recovered"] is True
    stack.xadd(message(chat, 1))
    again.expect("chat.message.posted", seq=2)


@pytest.mark.heavy
def test_a_cluster_of_three_survives_the_loss_of_each_server(make_stack, open_client, chat):
    stack = make_stack(nodes=2, cluster=True, relay_options={"stream.replicas": 3}).start()
    clients = [open_client(node) for node in stack.nodes]
    for client in clients:
        client.subscribe(chat)
    with stack.nats_client() as nats:
        assert nats.jetstream("STREAM.INFO.roomcast_events_1")["config"]["num_replicas"] == 3
    seq = 0
    for server in stack.nats.servers:
        server.kill()
        # Stored only when a leader is there again: so each room's order survives the election.
        seq += 1
        stack.xadd(message(chat, seq))
        stored = ("roomcast_relay_events_total", "result", "stored")
        eventually(lambda: stack.relay.metrics()[stored] == seq, timeout=60, what="stored in spite of the loss")
        server.start()
        for program in (*stack.nodes, stack.relay):
            program.wait_ready()
    # What came while a node was reconnecting may be missing at its clients; what comes now may not.
    seq += 1
    stack.xadd(message(chat, seq))
    for client in clients:
        while client.skip_until("chat.message.posted", timeout=30)["seq"] < seq:
            pass


@pytest.mark.heavy
def test_nodes_and_relay_hear_of_an_election(make_stack, open_client, chat):
    stack = make_stack(nodes=2, cluster=True, relay_options={"stream.replicas": 3}).start()
    clients = [open_client(node) for node in stack.nodes]
    for client in clients:
        client.subscribe(chat)
    programs = (*stack.nodes, stack.relay)
    heard = {program.name: program.log_text().count("nats_stream_leader_elected") for program in programs}
    with stack.nats_client() as nats:
        assert nats.jetstream("STREAM.LEADER.STEPDOWN.roomcast_events_1")["success"] is True
    for program in programs:
        eventually(
            lambda: program.log_text().count("nats_stream_leader_elected") > heard[program.name],
            timeout=30,
            what=f"{program.name} hears of it",
        )
    stack.xadd(message(chat, 1))
    for client in clients:
        client.expect("chat.message.posted", timeout=30, seq=1)
    for program in programs:
        assert program.metrics()["roomcast_nats_reconnects_total"] == 0


def test_a_nats_that_lost_what_it_had_acknowledged_begins_a_new_epoch(make_stack, chat):
    stack = make_stack(nodes=0).start()
    store, backup = stack.nats.directory / "store", stack.nats.directory / "backup"
    epochs = lambda: stack.relay.metrics()["roomcast_relay_epochs_total", "reason", "rollback"]
    stored = lambda: stack.relay.metrics()["roomcast_relay_events_total", "result", "stored"]
    stack.xadd_all([message(chat, number) for number in range(5)])
    eventually(lambda: stored() == 5)
    stack.nats.stop()
    shutil.copytree(store, backup)
    stack.nats.start()
    lost = [message(chat, number) for number in range(5, 10)]
    stack.xadd_all(lost)
    eventually(lambda: stored() == 10)
    stack.nats.stop()
    shutil.rmtree(store)
    shutil.copytree(backup, store)
    stack.nats.start()
    stack.xadd_all([message(chat, number) for number in range(10, 13)])
    eventually(lambda: stored() == 13 and stack.pending_entries() == 0, timeout=20)
    assert epochs() == 1
    with stack.nats_client() as nats:
        events = read_stream(nats)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 1, 2, 3]
    assert events[4].epoch == events[0].epoch != events[5].epoch == events[7].epoch
    places = [event.stream_seq for event in events]
    assert [event.trail for event in events] == [places[:index][::-1] for index in range(8)]


def test_a_stream_of_another_shape_is_a_clear_error_and_stays_as_it_is(make_stack):
    stack = make_stack(nodes=0)
    stack.nats.start(), stack.redis_server.start()
    with NatsClient(stack.nats.port) as nats:
        foreign = {"name": "roomcast_events_1", "subjects": ["roomcast.ev.>"], "storage": "file", "max_msgs": 7}
        assert "error" not in nats.jetstream("STREAM.CREATE.roomcast_events_1", **foreign)
    stack.relay.expect_log("stream")
    stack.relay.spawn()
    wait_not_ready(stack.relay, "stream")
    with NatsClient(stack.nats.port) as nats:
        assert nats.jetstream("STREAM.INFO.roomcast_events_1")["config"]["max_msgs"] == 7
    assert "roomcast_events_1" in stack.relay.log_text()


def test_a_port_that_is_taken_is_a_clear_error(extra_node):
    for key in ("listen", "admin.listen"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            node = extra_node(start=False)
            node.options[key] = f"127.0.0.1:{taken.getsockname()[1]}"
            node.expect_log("start_failed|" + key.replace(".", "[.]"))
            node.spawn()
            assert node.wait_exit() == 1
            assert str(taken.getsockname()[1]) in node.log_text()


def test_nodes_listen_on_ipv6(extra_node, open_client):
    from harness.ports import free_port

    node = extra_node(start=False)
    port = free_port()
    node.options["listen"] = f"[::1]:{port}"
    node.start()
    open_client(f"ws://[::1]:{port}/ws").send(type="ping")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
