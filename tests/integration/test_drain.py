"""A node that is to end: it sends its clients away at an even pace, the silent ones first, and takes nobody new."""
import asyncio
import json
import re
import signal
import time

import pytest
import websockets

from harness import contract_frames, raw, tokens
from harness.client import SUBPROTOCOL, loop
from harness.events import message
from harness.processes import get
from harness.waiting import eventually, seconds

SPREAD_S = 4
LONG = {"drain.spread_s": 600, "drain.timeout_s": 3600}


class Leaving:
    """`count` clients of one node, who note when and how they are sent away."""

    def __init__(self, node, count):
        self.ends = [None] * count  # (when, disconnect message, close code)
        self.sockets = loop.run(self._connect(node, count), timeout=60)

    async def _connect(self, node, count):
        async def connect(number):
            socket = await contract_frames.connect(
                node.url,
                subprotocols=[SUBPROTOCOL, f"bearer.{tokens.mint(f'leaving-{number}')}"],
                ping_interval=None,
                compression=None,
            )
            assert json.loads(await socket.recv())["type"] == "connected"
            asyncio.ensure_future(self._read(number, socket))
            return socket

        return [await connect(number) for number in range(count)]

    async def _read(self, number, socket):
        last = None
        try:
            async for text in socket:
                last = json.loads(text)
        except websockets.ConnectionClosed:
            pass
        self.ends[number] = (time.monotonic(), last, socket.close_code)

    def say_something(self, number):
        loop.run(self.sockets[number].send('{"type":"ping"}'))

    def gone(self):
        return sum(end is not None for end in self.ends)

    def wait(self):
        eventually(lambda: self.gone() == len(self.ends), 30, "all have been sent away")
        return self.ends


def drain(node, **headers):
    return get(node.admin_url + "/drain", data=b"", headers=headers, method="POST")


def test_closes_are_even_and_each_client_is_told_when_to_come_back(extra_node):
    node = extra_node({"drain.spread_s": SPREAD_S, "drain.timeout_s": 60})
    clients = Leaving(node, 120)
    began = time.monotonic()
    node.signal(signal.SIGTERM)
    ends = clients.wait()
    assert node.wait_exit() == 0
    times = sorted(when - began for when, _, _ in ends)
    assert seconds(SPREAD_S) + 2 > times[-1] > SPREAD_S - 0.5
    windows = [sum(start <= at < start + 1 for at in times) for start in range(SPREAD_S)]
    assert max(windows) <= 2 * len(times) / SPREAD_S and min(windows) >= len(times) / SPREAD_S / 2, windows
    for _, last, code in ends:
        assert (last["type"], last["code"], last["reconnect"], code) == ("disconnect", 4200, True, 4200)
        assert 0 < last["retry_after_ms"] < 1000
    assert len({last["retry_after_ms"] for _, last, _ in ends}) > 10


def test_who_is_silent_goes_before_who_speaks(extra_node):
    node = extra_node({"drain.spread_s": SPREAD_S, "drain.timeout_s": 60, "workers": 1})  # each has an order of its own
    clients = Leaving(node, 40)
    talkers = range(0, 40, 2)  # from the longest connected on
    for number in talkers:
        clients.say_something(number)
    eventually(lambda: node.metrics()["roomcast_client_messages_total", "result", "accepted"] == 20, what="they were heard")
    node.signal(signal.SIGTERM)
    ends = clients.wait()
    silent = [ends[number][0] for number in range(40) if number not in talkers]
    late = sorted(silent)[-1]
    early = [number for number in talkers if ends[number][0] < late - SPREAD_S / 20]  # in the same tick
    assert early == []
    assert node.wait_exit() == 0


def test_a_draining_node_is_not_ready_before_the_first_close_and_refuses_upgrades_to_its_end(extra_node):
    node = extra_node(LONG)
    clients = Leaving(node, 5)
    before = node.metrics()["roomcast_handshakes_total", "result", "draining"]
    node.signal(signal.SIGTERM)
    eventually(lambda: node.readyz().status == 503, what="readiness is off")
    assert node.readyz().body.decode().strip() == "draining"
    assert clients.gone() == 0
    for count in range(1, 4):
        response = raw.ask_upgrade(node.port)
        assert (response.status, response.error, response.headers["retry-after"]) == (503, "DRAINING", "1")
        assert node.metrics()["roomcast_handshakes_total", "result", "draining"] == before + count
    assert node.metrics()["roomcast_draining"] == 1
    assert get(node.admin_url + "/livez").status == 200
    node.signal(signal.SIGTERM)
    assert node.wait_exit() == -signal.SIGTERM


def test_what_is_queued_arrives_before_the_goodbye(stack, extra_node, open_client, chat):
    node = extra_node({"drain.spread_s": 2, "drain.timeout_s": 60, "write.delay_ms": 500})
    clients = [open_client(node) for _ in range(4)]
    for client in clients:
        client.subscribe(chat)
    events = [message(chat, number) for number in range(30)]
    stack.xadd_all(events)
    eventually(lambda: node.metrics()["roomcast_events_received_total"] == 30, what="the events are here")
    node.signal(signal.SIGTERM)
    for client in clients:
        for event in events:
            client.expect("chat.message.posted", id=event.id)
        client.expect_disconnect(4200)
    assert node.wait_exit() == 0


def test_events_are_delivered_during_the_drain(stack, extra_node, open_client, chat):
    node = extra_node(LONG)
    client = open_client(node)
    client.subscribe(chat)
    node.signal(signal.SIGTERM)
    eventually(lambda: node.readyz().status == 503, what="it drains")
    event = message(chat)
    stack.xadd(event)
    client.expect("chat.message.posted", id=event.id)
    node.kill()


def test_post_drain_is_the_same_and_may_be_repeated(extra_node, open_client):
    node = extra_node({"drain.spread_s": 1, "drain.timeout_s": 60})
    client = open_client(node)
    answer = drain(node)
    assert answer.status == 202
    assert json.loads(answer.body) == {
        "success": True,
        "draining": True,
        "connections": 1,
        "spread_ms": 1000,
        "timeout_ms": 60000,
    }
    assert drain(node).status == 202
    assert node.readyz().status == 503
    client.expect_disconnect(4200)
    assert node.wait_exit() == 0


def test_after_post_drain_one_signal_is_known_and_the_next_cuts(extra_node):
    node = extra_node(LONG)
    clients = Leaving(node, 3)
    assert drain(node).status == 202
    node.signal(signal.SIGTERM)
    eventually(lambda: "event=stopping" in node.log_text(), what="the signal is taken as known")
    assert node.is_running() and clients.gone() == 0
    node.signal(signal.SIGTERM)
    assert node.wait_exit(5) == -signal.SIGTERM


def test_a_client_that_answers_nothing_is_cut_at_the_deadline(extra_node):
    node = extra_node({"drain.spread_s": 0, "drain.timeout_s": 1})
    with raw.WebSocket(node.port) as stubborn:
        began = time.monotonic()
        node.signal(signal.SIGTERM)
        assert stubborn.expect_text("disconnect")["code"] == 4200
        assert node.wait_exit() == 0
        assert 0.5 < time.monotonic() - began < seconds(4)
    assert re.search(r"event=drained .*clients=1 cut=1$", node.log_text(), re.MULTILINE)


def test_a_spread_that_the_deadline_leaves_no_room_for_is_shortened(extra_node):
    node = extra_node({"drain.spread_s": 60, "drain.timeout_s": 4})
    assert "drain_shortened" in node.log_text()
    clients = Leaving(node, 8)
    told = json.loads(drain(node).body)
    assert (told["spread_ms"], told["connections"]) == (2000, 8)
    began = time.monotonic()
    ends = clients.wait()
    assert max(when for when, _, _ in ends) - began < seconds(3)
    assert node.wait_exit() == 0


def test_a_web_page_cannot_drain_a_node(extra_node):
    node = extra_node()
    answer = drain(node, Origin="http://evil.example")
    assert answer.status == 403 and json.loads(answer.body)["error"]["code"] == "ORIGIN_NOT_ALLOWED"
    assert node.readyz().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_drains(stack, method):
    answer = get(stack.nodes[0].admin_url + "/drain", method=method)
    assert answer.status == 405 and answer.headers["Allow"] == "POST"
    assert stack.nodes[0].readyz().status == 200


def test_a_drain_ends_while_nats_is_away(make_stack, open_client):
    stack = make_stack(nodes=1, node_options={"drain.spread_s": 1, "drain.timeout_s": 20}).start()
    client = open_client(stack.nodes[0])
    stack.nats.stop()
    eventually(lambda: stack.nodes[0].metrics()["roomcast_nats_up"] == 0, what="NATS is away")
    stack.nodes[0].signal(signal.SIGTERM)
    client.expect_disconnect(4200)
    assert stack.nodes[0].wait_exit() == 0
