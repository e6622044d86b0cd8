#!/usr/bin/env python3
"""What it costs that nodes keep each other right about who is online, while nothing happens.

    tests/bench/presence_cost.py [--rooms 1000,10000] [--seconds 5]

Three nodes, and on each one user in each of the rooms. Counted are the digests on NATS, and the CPU time of the nodes with
a heartbeat each second, less that with one each minute, which is that of a heartbeat and its digest. Starts its servers on
free ports of loopback, in a temporary directory. ROOMCAST_BIN: the build, as for tests/integration."""
import argparse
import os
import pathlib
import tempfile
import time
import uuid

from servers import machine, print_row
from harness.client import Client
from harness.stack import Stack
from harness.waiting import eventually

NODES = 3
ROOMS_OF_A_CLIENT = 1000
BEAT_MS, RARE_MS = 1000, 60000


def cpu_seconds(nodes):
    ticks = 0
    for node in nodes:
        fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def enter(node, name, rooms):
    """A user of the node's own in each room; a few connections are enough for it."""
    clients = []
    for first in range(0, len(rooms), ROOMS_OF_A_CLIENT):
        client = Client(node.url, f"{name}-{first}")
        part = rooms[first : first + ROOMS_OF_A_CLIENT]
        client.send(type="subscribe", chats=[{"chat_id": room} for room in part])
        for _ in part:
            client.expect("ack", 60)
        clients.append(client)
    return clients


def listen(stack, seconds):
    """(digests, bytes of them) that come in this time."""
    with stack.nats_client() as nats:
        nats.subscribe("roomcast.sig.presence")
        nats.subscribe("bench.end")
        time.sleep(seconds)
        nats.publish("bench.end", b"")
        sizes = []
        while (message := nats.next_message())[0] != "bench.end":
            sizes.append(len(message[2]))
    return len(sizes), sum(sizes)


def measure(rooms_count, beat_ms, seconds):
    options = {
        "workers": 1,
        "log.level": "warn",
        "limits.rooms": ROOMS_OF_A_CLIENT,
        "limits.message_bytes": 1 << 20,
        "limits.queue_messages": 100000,
        "rooms.verify_s": 3600,
        "ping.interval_s": 300,
        "cluster.heartbeat_ms": beat_ms,
    }
    rooms = [str(uuid.uuid4()) for _ in range(rooms_count)]
    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(directory, nodes=NODES, node_options=options).start()
        try:
            clients = [client for node in stack.nodes for client in enter(node, node.name, rooms)]
            everybody = NODES * rooms_count
            known = lambda: all(node.metrics()["roomcast_presence_users"] == everybody for node in stack.nodes)  # noqa: E731
            eventually(known, 60, "all nodes know of all users")
            listen(stack, 2)  # what the joins have left to do
            before = cpu_seconds(stack.nodes)
            count, size = listen(stack, seconds)
            used = cpu_seconds(stack.nodes) - before
            for client in clients:
                client.drop()
        finally:
            for process in stack.processes():
                process.kill()
    return {"digests": count, "bytes": size, "cpu_s": used}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rooms", default="1000,10000")
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    print(f"{machine()}; {NODES} nodes, a user of each in each room, {arguments.seconds:g} s")
    print_row("rooms", "bytes of a digest", "digests/s of a node", "CPU ms of a beat and its digest, sent and heard by all")
    print_row("---:", "---:", "---:", "---:")
    for rooms in (int(text) for text in arguments.rooms.split(",")):
        often, rare = (measure(rooms, beat_ms, arguments.seconds) for beat_ms in (BEAT_MS, RARE_MS))
        beats = max(often["digests"], 1)
        cpu_ms = (often["cpu_s"] - rare["cpu_s"]) / beats * 1000
        rate = often["digests"] / NODES / arguments.seconds
        print_row(f"{rooms:,}", f"{often['bytes'] / beats:,.0f}", f"{rate:.2f}", f"{cpu_ms:.2f}")


if __name__ == "__main__":
    main()
