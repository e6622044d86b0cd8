"""Hostile clients, who know the protocol, against running nodes over many connections, while honest ones lose nothing.
ROOMCAST_FUZZ_SECONDS makes it long, ROOMCAST_FUZZ_SEED repeats what is sent (not when)."""
import collections
import os
import random
import socket
import threading
import time
import uuid

import pytest

from harness import hostile, raw
from harness.events import message
from harness.waiting import SCALE, eventually

SECONDS = float(os.environ.get("ROOMCAST_FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("ROOMCAST_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
THREADS = 3
HELD = 300  # connections of a thread that stay open meanwhile
PROXY = b"PROXY TCP4 198.51.100.9 10.0.0.1 4711 80\r\n"
OPTIONS = {
    "websocket.compression": 6,
    "limits.messages_per_s": 1000,
    "limits.messages_burst": 1000,
    "limits.errors": 50,
    "limits.typing_ms": 0,
    "limits.handshake_s": 2,
}


class Honest:
    """Reads the chat's events and proves that each came once, in order."""

    def __init__(self, client, chat):
        self.client = client
        self.position = client.subscribe(chat).position

    def expect(self, event):
        while True:
            frame = self.client.next()
            if frame.type not in ("presence.changed", "chat.typing"):  # which the others may cause
                break
        assert frame.type == "chat.message.posted" and frame["id"] == event.id, (frame, event)
        epoch = self.position["epoch"] if self.position["seq"] else frame["epoch"]  # the first event begins it
        assert frame.position == {"epoch": epoch, "seq": self.position["seq"] + 1}, (frame, self.position)
        self.position = frame.position


class HonestBehindProxy(raw.WebSocket):
    """The same by a connection that begins with a PROXY header."""

    def __init__(self, node, chat):
        super().__init__(node.port, user="honest-proxied", first=PROXY)
        self.send_frame(raw.TEXT, '{"type":"subscribe","chat_id":"%s"}' % chat)
        self.seq = self.expect_text("ack")["seq"]

    def read_frame(self):
        item = super().read_frame()
        if item and item[0] == raw.PING:
            self.send_frame(raw.PONG, item[1])
        return item

    def expect(self, event):
        text = self.read_text()
        while text["type"] in ("presence.changed", "chat.typing"):
            text = self.read_text()
        assert text["type"] == "chat.message.posted" and text["id"] == event.id and text["seq"] == self.seq + 1, (text, event)
        self.seq += 1


class Attacker(threading.Thread):
    def __init__(self, number, nodes, chats):
        super().__init__()
        self.dice = random.Random(f"{SEED}-{number}")
        self.nodes, self.chats = nodes, chats
        self.live = ("0", 0)  # set from outside: where the chat is
        self.stopping = threading.Event()
        self.counts = collections.Counter()
        self.held = collections.deque()
        self.fault = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.attack(self.dice.choice(self.nodes))
                while len(self.held) > HELD:
                    self.give_up(self.held.popleft())
        except BaseException as fault:  # shown by the test
            self.fault = fault
        for connection in self.held:
            self.give_up(connection)

    def give_up(self, connection):
        try:
            hostile.leave(self.dice, connection)
        except OSError:  # the node was first
            connection.socket.close()

    def attack(self, node):
        """One connection; it may stay. That the node hangs up while we send is its right."""
        self.counts["connections"] += 1
        connection = raw.Connection(node.port)
        try:
            connection.socket.settimeout(0.5 * SCALE)
            if self.open(node, connection):
                self.speak(connection)
        except (ConnectionError, socket.timeout):
            pass
        self.held.append(connection)

    def open(self, node, connection):
        """True: it is a WebSocket now."""
        is_sure, is_proper, first = True, True, b""
        if node.options.get("proxy.protocol"):
            first, is_proper = hostile.proxy_header(self.dice)
        head, may_open, is_sure = hostile.head(self.dice)
        data = first + head
        cut = self.dice.randrange(len(data) + 1)
        connection.send(data[:cut])
        connection.send(data[cut:])
        if not (is_sure and is_proper) and self.dice.random() < 0.5:
            return False  # nobody waits for the answer
        response = connection.read_response()
        is_open = response is not None and response.status == 101
        assert may_open or not is_open, data
        if is_sure and is_proper:
            assert is_open, (data, response and (response.status, response.body))
            self.counts["sure"] += 1
        self.deflates = is_open and "permessage-deflate" in response.headers.get("sec-websocket-extensions", "")
        return is_open

    def speak(self, connection):
        self.counts["open"] += 1
        for _ in range(self.dice.randrange(1, 6)):
            sent = b""
            for _ in range(self.dice.randrange(1, 10)):
                sent += hostile.text_frames(self.dice, hostile.message(self.dice, self.chats, self.live), self.deflates)
                self.counts["messages"] += 1
                self.counts["deflated"] += self.deflates
            if self.dice.random() < 0.05:
                sent += hostile.bad_frame(self.dice)
            if self.dice.random() < 0.03:
                sent = hostile.mutated(self.dice, sent)
            cut = self.dice.randrange(len(sent) + 1)
            connection.send(sent[:cut])
            connection.send(sent[cut:])
            if self.dice.random() < 0.5 and not connection.read_more():
                return


@pytest.fixture
def nodes(extra_node):
    """One that clients come to as they are, and one behind a proxy."""
    return [extra_node({**OPTIONS, "limits.errors": 8}), extra_node({**OPTIONS, "proxy.protocol": "v1v2", "proxy.trusted": "127.0.0.0/8"})]


def total(nodes, name, *labels):
    return sum(node.metrics()[(name, *labels) if labels else name] for node in nodes)


def accepted(nodes):
    return total(nodes, "roomcast_client_messages_total", "result", "accepted")


def attack_until_the_end(stack, attackers, honest, chat):
    """Publishes numbered events, which every honest client gets. Returns how many."""
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        event = message(chat, count)
        stack.xadd(event)
        for client in honest:
            client.expect(event)
        count += 1
        for attacker in attackers:
            attacker.live = (honest[0].position["epoch"], honest[0].position["seq"])
    return count


def test_honest_clients_lose_nothing_while_others_are_hostile(stack, nodes, open_client, chat):
    print(f"ROOMCAST_FUZZ_SEED={SEED}")
    proxied = HonestBehindProxy(nodes[1], chat)
    honest = [Honest(open_client(nodes[0]), chat), Honest(open_client(stack.nodes[0]), chat), proxied]
    chats = [chat, *[str(uuid.UUID(int=number + 1)) for number in range(20)]]
    attackers = [Attacker(number, nodes, chats) for number in range(THREADS)]
    accepted_before = accepted(nodes)
    for attacker in attackers:
        attacker.start()
    try:
        events = attack_until_the_end(stack, attackers, honest, chat)
        held = total(nodes, "roomcast_connections")
    finally:
        for attacker in attackers:
            attacker.stopping.set()
        for attacker in attackers:
            attacker.join()
    assert [attacker.fault for attacker in attackers] == [None] * THREADS
    counts = sum((attacker.counts for attacker in attackers), collections.Counter())
    heard = accepted(nodes) - accepted_before
    wrong = total(nodes, "roomcast_client_messages_total", "result", "bad")
    closes = {labels[1]: total(nodes, name, *labels) for (name, labels), count in nodes[0].metrics().items() if name == "roomcast_closes_total" and count}
    print(f"{dict(counts)}, closes {closes}, accepted {heard:.0f}, wrong {wrong:.0f}, open at the end {held:.0f}, {events} events")
    # So that it does not become shallow: most of what is meant to get through does, on every way.
    assert counts["open"] >= 0.3 * counts["connections"] and counts["sure"] >= 0.2 * counts["connections"]
    assert heard >= 0.3 * counts["messages"] and wrong >= 0.05 * counts["messages"]
    assert counts["deflated"] >= 0.1 * counts["messages"]
    assert {"1002", "1007", "4005"} <= set(closes)
    assert events >= SECONDS / SCALE and counts["connections"] >= 5 * SECONDS / SCALE
    # Whatever they held is given back.
    assert all(node.is_running() for node in [*nodes, *stack.nodes])
    eventually(lambda: total(nodes, "roomcast_connections") == 2, timeout=30, what="the hostile are gone")
    eventually(lambda: total(nodes, "roomcast_handshakes_pending") == 0, timeout=30)
    eventually(lambda: total(nodes, "roomcast_queued_bytes") == 0)
    last = message(chat, events)
    stack.xadd(last)
    for client in honest:
        client.expect(last)
    proxied.socket.close()
