"""W3C Trace Context: an event's traceparent is seen wherever the event comes through."""
import re

import pytest

from harness.events import Event
from harness.waiting import eventually

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traced(chat):
    return Event(chat=chat, metadata={"traceparent": TRACEPARENT})


@pytest.fixture
def stack_with(make_stack):
    return lambda **node_options: make_stack(node_options={"log.level": "debug", **node_options}, relay_options={"log.level": "debug"}).start()


def test_a_traceparent_is_in_the_logs_of_relay_and_node_and_not_in_the_frame(stack_with, open_client, chat):
    stack = stack_with()
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    event = traced(chat)
    stack.xadd(event)
    assert "traceparent" not in client.expect("chat.message.posted", id=event.id)
    for program, name in ((stack.relay, "event_stored"), (stack.nodes[0], "event_read")):
        line = re.compile(f"event={name} .*id={event.id} .*traceparent={TRACEPARENT}")
        eventually(lambda: line.search(program.log_text()), what=f"the line of {program.name}")


def test_clients_are_told_it_where_that_is_wanted(stack_with, open_client, chat):
    stack = stack_with(**{"websocket.traceparent": "true"})
    client = open_client(stack.nodes[0])
    position = client.subscribe(chat)
    stack.xadd(traced(chat))
    assert client.expect("chat.message.posted", seq=1)["traceparent"] == TRACEPARENT
    stack.xadd(Event(chat=chat))
    assert "traceparent" not in client.expect("chat.message.posted", seq=2)
    # from the stream as well as live
    again = open_client(stack.nodes[0])
    again.subscribe(chat, since={"epoch": position["epoch"], "seq": 0})
    assert again.skip_until("chat.message.posted")["traceparent"] == TRACEPARENT
