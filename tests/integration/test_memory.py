"""The memory ceiling (memory.max): load is shed before the kernel kills."""
import contextlib
import json
import re
import uuid

import pytest

from harness import raw, tokens
from harness.events import Event
from harness.waiting import eventually

MIB = 1 << 20
EVENT_BYTES = 200_000


def ask(node, user="new"):
    return raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint(user)}"})


def pressure(node):
    return node.metrics()["roomcast_memory_pressure"]


def shed(node, action):
    return node.metrics()["roomcast_memory_shed_total", "action", action]


def publish(stack, witness, chat, count):
    for number in range(count):
        event = Event(payload=json.dumps({"chat_id": chat, "n": number, "text": "x" * EVENT_BYTES}))
        stack.xadd(event)
        witness.expect("chat.message.posted", id=event.id)


def stages_in_log(node):
    """(before, stage) of every change."""
    return re.findall(r"memory_pressure.* stage=(\w+) before=(\w+)", node.log_text())


def test_the_ceiling_is_told(extra_node):
    node = extra_node({"memory.max": 512 * MIB})
    node.expect_log(rf"memory_ceiling bytes={512 * MIB} from=memory\.max")
    metrics = node.metrics()
    assert metrics["roomcast_memory_max_bytes"] == 512 * MIB
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] > MIB)
    assert metrics["roomcast_process_resident_bytes"] > MIB
    assert pressure(node) == 0


def test_a_ceiling_that_no_node_fits_under_is_refused(extra_node):
    node = extra_node({"memory.max": 1_000_000}, start=False)
    node.spawn()
    assert node.wait_exit(10) == 2
    assert "memory.max must be 0 or at least 33554432" in node.log_text()


# A sanitizer holds on to what is freed, so that a process under one never comes back from its ceiling.
@pytest.mark.heavy
def test_history_is_given_up_and_nobody_who_reads_loses_anything(stack, extra_node, open_client):
    """Histories alone bring the node to its ceiling: what is dropped is read from the stream again."""
    node = extra_node({"memory.max": 96 * MIB, "resume.cache_bytes": 1 << 30, "resume.max_bytes": 1 << 28, "workers": 2})
    chats = [str(uuid.uuid4()) for _ in range(8)]
    clients = [open_client(node) for _ in chats]
    acks = [client.subscribe(chat) for client, chat in zip(clients, chats)]
    for _ in range(6):
        for client, chat in zip(clients, chats):
            publish(stack, client, chat, 15)
    assert shed(node, "history") > 0
    assert ("shrinking", "refusing") in stages_in_log(node) or ("shrinking", "calm") in stages_in_log(node)
    assert node.peak_memory() < 96 * MIB
    assert shed(node, "connection") == 0
    # Everything is still to be had, of what the stream keeps.
    eventually(lambda: pressure(node) == 0, what="the node is calm again")
    late = open_client(node)
    ack = late.subscribe(chats[0], since=acks[0].position)
    assert ack["recovered"] is True
    for _ in range(90):
        late.expect("chat.message.posted")


class Stalled(raw.WebSocket):
    """In a chat, and reads nothing until it is asked for its end."""

    def __init__(self, node, chat):
        self.user = str(uuid.uuid4())
        super().__init__(node.port, user=self.user)
        self.send_frame(raw.TEXT, json.dumps({"type": "subscribe", "chat_id": chat}))
        self.expect_text("ack")

    def is_closed_by(self, node):
        return re.search(rf"session_closing.*user={self.user} code=4108", node.log_text()) is not None


@pytest.mark.heavy
def test_slow_clients_are_closed_and_the_others_stay_healthy(stack, extra_node, open_client, chat):
    """Each slow client is in a chat of its own, so that what waits for it waits for nobody else."""
    ceiling = 128 * MIB
    node = extra_node({
        "memory.max": ceiling,
        "workers": 2,
        "limits.queue_bytes": 64 * MIB,
        "limits.queue_messages": 100_000,
        "limits.slow_grace_s": 3600,
        "ping.interval_s": 3600,
        "resume.cache_bytes": 65536,
    })
    honest = open_client(node)
    honest.subscribe(chat)
    private = [str(uuid.uuid4()) for _ in range(6)]
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(Stalled(node, each)) for each in private]
        witnesses = [open_client(node) for _ in private]
        for witness, each in zip(witnesses, private):
            witness.subscribe(each)
        refused = []
        for _ in range(400):
            for witness, each in zip(witnesses, private):
                publish(stack, witness, each, 1)
            publish(stack, honest, chat, 1)
            if pressure(node) > 0 and (answer := ask(node)).status == 503:
                refused.append(answer)
                assert node.readyz().status == 503 and b"memory" in node.readyz().body
            if shed(node, "connection"):
                break
        assert refused, "nobody was refused"
        assert all(answer.error == "OVERLOADED" and int(answer.headers["retry-after"]) > 0 for answer in refused)
        metrics = node.metrics()
        assert metrics["roomcast_handshakes_total", "result", "memory"] >= len(refused)
        assert 1 <= shed(node, "connection") < len(slow)  # no more than must be
        assert node.peak_memory() < ceiling
        closed = [client for client in slow if client.is_closed_by(node)]
        assert len(closed) == shed(node, "connection")
        code, texts = closed[-1].read_close()
        assert code == 4108 and texts[-1]["type"] == "disconnect" and texts[-1]["code"] == 4108
    eventually(lambda: pressure(node) == 0, what="the node is calm again")
    assert node.readyz().status == 200
    assert ask(node).status == 101
    publish(stack, honest, chat, 3)
    for witness, each in zip(witnesses, private):
        publish(stack, witness, each, 1)
