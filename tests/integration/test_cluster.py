"""Nodes that know of each other: GET /cluster, made of the beats that they send on NATS."""
import json
import re
import signal

import pytest

from harness import raw
from harness.processes import get
from harness.waiting import eventually, seconds

BEAT_S = 0.3
OPTIONS = {"cluster.heartbeat_ms": int(BEAT_S * 1000)}
SUBJECT = "roomcast.sig.nodes"


def cluster(node):
    answer = get(node.admin_url + "/cluster")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    return json.loads(answer.body)


def others(node, kind="node"):
    return {member["name"]: member for member in cluster(node)["members"] if member["kind"] == kind}


@pytest.fixture
def two(make_stack):
    stack = make_stack(nodes=2, node_options=OPTIONS).start()
    serving = ["serving"]
    for node in stack.nodes:
        eventually(lambda node=node: [other["state"] for other in others(node).values()] == serving, what="they know each other")
    return stack


def test_each_node_tells_how_it_is_and_hears_the_others(two, open_client, chat):
    first, second = two.nodes
    for client in [open_client(second) for _ in range(3)]:
        client.subscribe(chat)
    member = eventually(
        lambda: (m := others(first)["roomcast-1"])["connections"] == 3 and m["rooms"] == 4 and m, what="its beat says so"
    )
    fresh = cluster(second)["self"]
    assert set(member) == set(fresh) | {"age_ms"}
    assert member["instance"] == fresh["instance"] and re.fullmatch(r"roomcast-1\.[0-9a-z]{8}", member["instance"])
    assert (member["kind"], member["state"], member["rooms"], member["accepted_total"]) == ("node", "serving", 4, 3)
    assert member["admin"] == second.options["admin.listen"]
    assert member["interval_ms"] == BEAT_S * 1000 and member["memory_bytes"] > 2**20
    assert 0 < member["number"] <= fresh["number"] and member["age_ms"] < seconds(BEAT_S * 4) * 1000
    assert first.metrics()["roomcast_cluster_nodes"] == 2
    assert first.metrics()["roomcast_heartbeats_total", "result", "received"] > 2


def test_relays_are_seen_and_are_not_counted_as_nodes(two):
    first, _ = two.nodes
    relay = eventually(lambda: others(first, "relay").get("relay-0"), what="the relay has sent a beat")
    assert relay["active"] is True
    assert first.metrics()["roomcast_cluster_nodes"] == 2


def test_each_node_knows_the_connections_of_all(two, open_client):
    first, second = two.nodes
    of_first, of_second = [open_client(first) for _ in range(2)], [open_client(second) for _ in range(3)]
    total = lambda: [node.metrics()["roomcast_cluster_connections"] for node in two.nodes]
    eventually(lambda: total() == [5, 5], what="each node's own and those of the other are counted")
    of_first.pop().drop(), of_second.pop().drop()
    eventually(lambda: total() == [3, 3], what="those who went count no more")
    second.kill()
    eventually(lambda: first.metrics()["roomcast_cluster_connections"] == 1, BEAT_S * 4 + 2, "who was at a dead node does not count")


def test_a_killed_node_is_gone_after_three_beats_and_not_before(two):
    first, second = two.nodes
    second.kill()
    age = eventually(lambda: (m := others(first).get("roomcast-1")) and m["age_ms"] > BEAT_S * 2000 and m, what="it is silent")
    assert age["state"] == "serving"
    eventually(lambda: others(first) == {}, BEAT_S * 4 + 2, "it counts as dead")
    assert re.search(r"event=node_left .*name=roomcast-1 .*reason=silent", first.log_text())
    assert first.metrics()["roomcast_cluster_nodes"] == 1
    second.start()
    eventually(lambda: others(first).get("roomcast-1"), what="its successor is there")


def test_a_node_that_drains_says_so_at_once_and_leaves_with_a_word(make_stack, open_client):
    stack = make_stack(nodes=2, node_options={"cluster.heartbeat_ms": 60000, "drain.spread_s": 600, "drain.timeout_s": 3600}).start()
    first, second = stack.nodes
    eventually(lambda: all(len(others(node)) == 1 for node in stack.nodes), what="both know of each other")
    client = open_client(second)
    get(second.admin_url + "/drain", data=b"", method="POST")
    eventually(lambda: others(first)["roomcast-1"]["state"] == "draining", what="it says that it drains")
    assert first.metrics()["roomcast_cluster_connections"] == 1, "its client will want a place"
    assert cluster(second)["self"]["state"] == "draining"
    client.drop()
    assert second.wait_exit() == 0
    eventually(lambda: others(first) == {}, what="it said that it leaves")
    assert re.search(r"event=node_left .*name=roomcast-1 .*reason=said", first.log_text())


def test_a_node_that_does_not_know_yet_what_is_revoked_says_that_it_starts(make_stack):
    stack = make_stack(nodes=1, node_options=OPTIONS)
    stack.nats.start(), stack.redis_server.start()
    node = stack.nodes[0]
    node.spawn()
    eventually(lambda: b"revocations" in node.readyz().body, what="it has NATS, and no stream of revocations")
    eventually(lambda: cluster(node)["self"]["state"] == "starting", what="it says so")
    assert raw.ask_upgrade(node.port).status == 503
    stack.nats.stop()
    eventually(lambda: cluster(node)["self"]["state"] == "cut_off", what="NATS is away")
    stack.nats.start()
    eventually(lambda: cluster(node)["self"]["state"] == "starting", what="NATS is back, and no more is known")
    stack.relay.start()
    eventually(lambda: cluster(node)["self"]["state"] == "serving", 30, "it knows")
    node.wait_ready()


def test_nobody_seems_dead_to_a_node_that_was_stopped_or_without_nats(two):
    first, second = two.nodes
    first.signal(signal.SIGSTOP)
    eventually(lambda: others(second) == {}, BEAT_S * 4 + 2, "the stopped one counts as dead")
    first.signal(signal.SIGCONT)
    eventually(lambda: others(second).get("roomcast-0"), what="it is back")
    two.nats.stop()
    for node in two.nodes:
        eventually(lambda node=node: cluster(node)["self"]["state"] == "cut_off", what="NATS is away")
    ages = {node.name: next(iter(others(node).values()))["age_ms"] for node in two.nodes}
    for node in two.nodes:
        longer = ages[node.name] + BEAT_S * 6000
        eventually(lambda node=node, longer=longer: next(iter(others(node).values()))["age_ms"] > longer, what="time passes")
    two.nats.start()
    for node in two.nodes:
        eventually(lambda node=node: cluster(node)["self"]["state"] == "serving", what="NATS is back")
        eventually(lambda node=node: next(iter(others(node).values()))["age_ms"] < BEAT_S * 2000, what="it hears again")
        assert "reason=silent" not in node.log_text().split("event=nats_down")[1]
    assert "node_left" not in first.log_text()


def test_what_is_no_beat_is_counted_and_harms_nobody(two):
    node = two.nodes[0]
    with two.nats_client() as nats:
        for data in (b"", b"\xff" * 100, b"x" * 100_000):
            nats.publish(SUBJECT, data)
    eventually(lambda: node.metrics()["roomcast_heartbeats_total", "result", "bad"] == 3, what="they are counted")
    assert list(others(node)) == ["roomcast-1"]
