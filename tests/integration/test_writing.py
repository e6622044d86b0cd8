"""How deliveries leave: by io_uring and by plain writes, many to one connection together."""
import json
import resource

import pytest

from harness.client import Client
from harness.crowd import Crowd
from harness.events import message
from harness.waiting import eventually

MEMBERS = 150  # more than one turn of a worker writes to
EVENTS = 300  # more than one write takes, and than one queue holds


def receive_all(stack, node, chat):
    crowd = Crowd([node.url], MEMBERS, chat)
    try:
        events = [message(chat, number) for number in range(EVENTS)]
        stack.xadd_all(events)
        eventually(lambda: all(len(member.events) >= EVENTS for member in crowd.members), timeout=60)
        expected = [event.id for event in events]
        for member in crowd.members:
            assert [json.loads(text)["id"] for text in member.events] == expected
            assert member.others == 0
        return node.metrics()
    finally:
        crowd.close()


@pytest.mark.parametrize("io_uring", [True, False])
def test_each_way_of_writing_delivers_everything_in_order_in_fewer_writes(stack, extra_node, chat, io_uring):
    node = extra_node({"write.io_uring": io_uring, "workers": 1, "log.level": "info"})
    metrics = receive_all(stack, node, chat)
    line = next(line for line in node.log_text().splitlines() if "event=writes" in line)
    if not io_uring:
        assert metrics["roomcast_io_uring_workers"] == 0
        assert "by=write" in line and "turned off" in line
    else:  # the kernel decides; what it decided is said and counted
        assert metrics["roomcast_io_uring_workers"] == ("by=io_uring" in line)
    assert metrics["roomcast_deliveries_total"] >= MEMBERS * EVENTS
    assert metrics["roomcast_writes_total"] < metrics["roomcast_deliveries_total"]


def test_io_uring_that_fails_while_in_use_gives_way_to_plain_writes_and_is_counted_no_more(stack, extra_node, chat):
    node = extra_node({"write.io_uring": True, "workers": 1, "log.level": "info"})
    if node.metrics()["roomcast_io_uring_workers"] == 0:
        pytest.skip("the kernel refuses io_uring")
    members = [Client(node.url) for _ in range(3)]
    try:
        # The ring is made with the first write to several, and needs a descriptor: there is none left.
        limits = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        for member in members:
            member.subscribe(chat)
        events = [message(chat, number) for number in range(20)]
        stack.xadd_all(events)
        for member in members:
            for event in events:
                member.expect("chat.message.posted", id=event.id)
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, limits)
        eventually(lambda: node.metrics()["roomcast_io_uring_workers"] == 0, what="the worker writes one by one")
        assert "event=io_uring_failed" in node.log_text()
    finally:
        for member in members:
            member.drop()
