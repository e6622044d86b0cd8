"""Many connections, one event, each exactly once."""
import json
import resource

import pytest

from harness.crowd import Crowd
from harness.events import message
from harness.waiting import eventually

CONNECTIONS = 1000


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))


@pytest.mark.heavy
def test_a_thousand_connections_on_two_nodes_receive_each_broadcast_exactly_once(stack, chat, many_descriptors):
    crowd = Crowd([node.url for node in stack.nodes], CONNECTIONS, chat)
    try:
        assert crowd.connected() == CONNECTIONS
        open_now = [node.metrics()["roomcast_connections"] for node in stack.nodes]
        assert sum(open_now) >= CONNECTIONS and min(open_now) >= CONNECTIONS // 2
        events = [message(chat, number) for number in range(3)]
        stack.xadd_all(events)
        eventually(
            lambda: all(len(member.events) >= len(events) for member in crowd.members),
            timeout=60,
            what="every connection has every event",
        )
        # An event behind these: when it has arrived everywhere, a second copy of one before would have too.
        last = message(chat, 3)
        stack.xadd(last)
        eventually(lambda: all(last.id in member.events[-1] for member in crowd.members), timeout=60)
        expected = [event.id for event in [*events, last]]
        for member in crowd.members:
            assert [json.loads(text)["id"] for text in member.events] == expected
            assert member.others == 0
    finally:
        crowd.close()


@pytest.mark.heavy
def test_connections_that_left_are_forgotten(stack, chat, many_descriptors):
    before = sum(node.metrics()["roomcast_connections"] for node in stack.nodes)
    Crowd([node.url for node in stack.nodes], 200, chat).close()
    eventually(
        lambda: sum(node.metrics()["roomcast_connections"] for node in stack.nodes) <= before,
        what="the connections are gone",
    )
