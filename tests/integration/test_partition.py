"""A node that is cut off from NATS while its clients are not: they stay for nats.grace_s, are told nothing wrong, and
go to another node after that."""
import json
import re
import time

import pytest

from harness import raw
from harness.client import Closed
from harness.events import message
from harness.processes import get
from harness.proxy import Proxy
from harness.waiting import eventually, seconds

BEAT_MS = 300
FOR_EVER = {"nats.grace_s": 0}


@pytest.fixture
def cut_stack(make_stack):
    """cut_stack(options): a stack of two nodes, and the proxy between the first one and NATS."""
    made = []

    def make(options=None):
        stack = make_stack(nodes=2, node_options={"cluster.heartbeat_ms": BEAT_MS, **(options or {})})
        made.append((stack, Proxy(stack.nats.port)))
        stack.nodes[0].options["nats.url"] = made[-1][1].url
        stack.start()
        return made[-1]

    yield make
    for stack, proxy in made:
        proxy.heal()
        status = stack.nodes[0].stop()
        proxy.stop()
        assert status in (0, None)


def state(node):
    return json.loads(get(node.admin_url + "/cluster").body)["self"]["state"]


def wait_state(node, expected, timeout=20):
    eventually(lambda: state(node) == expected, timeout, f"{node.name} is {expected}")


def expect_messages(client, events, first_seq):
    for seq, event in enumerate(events, first_seq):
        client.expect("chat.message.posted", timeout=30, id=event.id, seq=seq)


def sent_away(node):
    return int(node.metrics()["roomcast_closes_total", "code", "4204"])


def gets(client, event):
    """Or is sent away before."""
    while True:
        frame = client.next(30)
        if isinstance(frame, Closed) or frame.type == "disconnect":
            return False
        if frame.type == "chat.message.posted":
            return frame["id"] == event.id


def messages(chat, first, count):
    return [message(chat, number) for number in range(first, first + count)]


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_clients_of_a_node_that_is_cut_off_stay_and_get_everything_afterwards(cut_stack, open_client, chat, how):
    stack, proxy = cut_stack({**FOR_EVER, "rooms.repair_s": 1, "rooms.join_timeout_ms": int(seconds(0.3) * 1000)})
    first, second = stack.nodes
    client, witness = open_client(first), open_client(second)
    for each in (client, witness):
        each.subscribe(chat)
    before = messages(chat, 0, 3)
    stack.xadd_all(before)
    expect_messages(client, before, 1)
    getattr(proxy, how)()
    wait_state(first, "cut_off")  # within 10 s, as NATS is pinged; and unready with it
    assert first.readyz().status == 503
    during = messages(chat, 3, 20)
    stack.xadd_all(during)
    expect_messages(witness, before + during, 1)
    since = time.monotonic()
    eventually(lambda: time.monotonic() - since > 3, what="it is cut off for longer than rooms.repair_s")
    client.send(type="presence.get", chat_id=chat)
    online = client.expect("presence.state")
    assert online["count"] == 2, "who is online is as it was last known"
    client.expect_nothing_pending()
    newcomer = open_client(first)
    newcomer.send(type="subscribe.chat", chat_id=chat, since={"epoch": "00000000", "seq": 1}, id=1)
    newcomer.expect_error("UNAVAILABLE", temporary=True, id=1)
    proxy.heal()
    expect_messages(client, during, 4)
    first.wait_ready()
    after = messages(chat, 23, 3)
    stack.xadd_all(after)
    expect_messages(client, after, 24)
    metrics = first.metrics()
    assert metrics["roomcast_positions_lost_total", "reason", "timeout"] == 0
    wait_state(first, "serving")


def test_after_the_grace_clients_are_sent_to_another_node_and_lose_nothing(cut_stack, open_client, chat):
    stack, proxy = cut_stack({"nats.grace_s": 1, "drain.spread_s": 2, "drain.timeout_s": 20})
    first, second = stack.nodes
    clients = [open_client(first) for _ in range(10)]
    for client in clients:
        client.subscribe(chat)
    before = messages(chat, 0, 3)
    stack.xadd_all(before)
    for client in clients:
        expect_messages(client, before, 1)
    cut_at = time.monotonic()
    proxy.cut()
    wait_state(first, "cut_off")
    during = messages(chat, 3, 5)
    stack.xadd_all(during)
    wait_state(first, "isolated")
    assert time.monotonic() - cut_at > 0.5
    refusal = raw.ask_upgrade(first.port)
    assert (refusal.status, refusal.error, refusal.headers["retry-after"]) == (503, "UNAVAILABLE", "5")
    closed_at = []
    for client in clients:
        word = client.expect_disconnect(4204, timeout=20)
        assert word["reconnect"] is True and 0 < word["retry_after_ms"] < 1000
        closed_at.append(time.monotonic())
    assert closed_at[-1] - closed_at[0] > 1, "not all at once"
    assert first.metrics()["roomcast_closes_total", "code", "4204"] == 10
    assert first.is_running()
    for client in clients:
        again = open_client(second, client.user)
        last = [frame for frame in client.frames if frame.type == "chat.message.posted"][-1]
        assert again.subscribe(chat, since=last.position)["recovered"] is True
        expect_messages(again, during, 4)
    proxy.heal()
    first.wait_ready()
    wait_state(first, "serving")
    back = open_client(first)
    seq = back.subscribe(chat)["seq"]
    expect_messages(back, during[seq - 3 :], seq + 1)
    assert re.search(r"event=isolated .*clients=10", first.log_text())


def test_nats_that_comes_back_in_the_middle_ends_the_sending_away(cut_stack, open_client, chat):
    stack, proxy = cut_stack({"nats.grace_s": 1, "drain.spread_s": 600, "drain.timeout_s": 2})
    first = stack.nodes[0]
    clients = [open_client(first) for _ in range(20)]
    for client in clients:
        client.subscribe(chat)
    proxy.cut()
    wait_state(first, "isolated")
    eventually(lambda: sent_away(first) >= 2, what="some have been sent away")
    proxy.heal()
    wait_state(first, "serving")
    event = message(chat)
    stack.xadd_all([event])
    stayed = 20 - sent_away(first)
    assert stayed > 0
    assert sum(gets(client, event) for client in clients) == stayed
    assert sent_away(first) == 20 - stayed


def test_a_drain_of_an_isolated_node_ends_it(cut_stack, open_client):
    stack, proxy = cut_stack({"nats.grace_s": 1, "drain.spread_s": 600, "drain.timeout_s": 3})
    first = stack.nodes[0]
    client = open_client(first)
    proxy.cut()
    wait_state(first, "isolated")
    assert first.stop() == 0
    assert client.next().type in ("connected", "disconnect")

