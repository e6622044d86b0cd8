"""write.delay_ms: what comes for one client within that time leaves in one write, and nothing is lost by it."""
import signal
import time

import pytest

from harness.events import message
from harness.waiting import eventually, seconds

DELAY_MS = int(seconds(0.2) * 1000)
PINGS = 20


@pytest.fixture
def node(extra_node):
    # Without presence: news of the client's own coming, put off a moment before, would take an event along.
    return extra_node({"write.delay_ms": DELAY_MS, "workers": 1, "presence.max_members": 0})


def deliveries(node):
    return node.metrics()["roomcast_deliveries_total"]


def writes_for(node, client):
    """The number of writes, when all that the node's only client has is counted."""
    eventually(lambda: deliveries(node) == len(client.frames), what="all deliveries are counted")
    return node.metrics()["roomcast_writes_total"]


def test_events_that_come_together_leave_in_one_write(stack, node, open_client, chat):
    client = open_client(node)
    client.subscribe(chat)
    client.expect_nothing_pending()
    before = writes_for(node, client)
    began = time.monotonic()
    events = [message(chat, number) for number in range(10)]
    stack.xadd_all(events)
    client.expect("chat.message.posted", id=events[0].id)
    waited_ms = (time.monotonic() - began) * 1000
    for event in events[1:]:
        client.expect("chat.message.posted", id=event.id)
    assert waited_ms >= DELAY_MS / 2  # it was put off at all
    assert waited_ms < DELAY_MS + seconds(1) * 1000
    assert writes_for(node, client) - before <= 2


def test_answers_do_not_wait_and_take_along_what_came_before_them(stack, node, open_client, chat):
    client = open_client(node)
    client.subscribe(chat)
    client.expect_nothing_pending()
    began = time.monotonic()
    for number in range(PINGS):
        client.send(type="ping", id=number)
        client.expect("pong", id=number)
    assert (time.monotonic() - began) * 1000 < PINGS * DELAY_MS / 2
    event = message(chat)
    stack.xadd(event)
    eventually(lambda: deliveries(node) > len(client.frames), what="the event is queued")
    client.send(type="ping", id="after")
    client.expect("chat.message.posted", id=event.id)
    client.expect("pong", id="after")


def test_a_drain_sends_what_was_put_off_first(stack, extra_node, open_client, chat):
    node = extra_node({"write.delay_ms": 1000, "workers": 2})
    clients = [open_client(node) for _ in range(4)]
    for client in clients:
        client.subscribe(chat)
    events = [message(chat, number) for number in range(3)]
    stack.xadd_all(events)
    eventually(lambda: node.metrics()["roomcast_events_received_total"] == 3, what="the events are here")
    node.signal(signal.SIGTERM)
    for client in clients:
        for event in events:
            client.expect("chat.message.posted", id=event.id)
        client.expect_disconnect(4200)
    assert node.wait_exit() == 0


def test_a_queue_that_is_full_does_not_wait(stack, extra_node, open_client, chat):
    node = extra_node({"write.delay_ms": 1000, "limits.queue_messages": 8, "workers": 1})
    client = open_client(node)
    client.subscribe(chat)
    before = node.metrics()
    events = [message(chat, number) for number in range(40)]
    stack.xadd_all(events)
    for event in events:
        client.expect("chat.message.posted", id=event.id)
    after = node.metrics()
    assert after["roomcast_lagged_total"] == before["roomcast_lagged_total"]
    assert after["roomcast_writes_total"] - before["roomcast_writes_total"] <= 8
