#!/usr/bin/env python3
"""What compression and put-off writes cost: CPU time of a node per delivery, bytes on the wire, writes.

    tests/bench/write_options.py [--members 1000] [--rate 20] [--bytes 1000] [--seconds 4] [--rounds 3]
        [--variant websocket.compression=6 --variant write.delay_ms=5 ...]

Each variant is a node of one worker with that option; "plain" is one without, and all take turns. The clients of
a node with compression take their events compressed. The content is words, as people write them. Starts NATS,
Redis, the relay and the nodes on loopback, in a temporary directory. ROOMCAST_BIN: the build, as for
tests/integration."""
import argparse
import json
import pathlib
import random
import selectors
import statistics
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import raw, tokens  # noqa: E402
from harness.events import Event  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.waiting import eventually  # noqa: E402

WORDS = pathlib.Path(__file__).resolve().parents[2].joinpath("README.md").read_text().split()
NODE = {"workers": 1, "limits.connections_per_user": 100000, "log.level": "warn"}
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


def event(chat, size):
    content = {"ChatID": chat, "AuthorID": str(uuid.uuid4()), "Content": ""}
    missing = size - len(json.dumps(content))
    while missing > len(content["Content"]):
        content["Content"] += random.choice(WORDS) + " "
    return Event("MessagePosted", payload=content)


class Readers:
    """Connections that take in what comes, in a thread of their own, and count the bytes."""

    def __init__(self, node, chat, count, headers):
        token = tokens.mint("reader")
        self.peers = [raw.WebSocket(node.port, token=token, headers=headers) for _ in range(count)]
        self.bytes = 0
        self._stop = False
        self._selector = selectors.DefaultSelector()
        for peer in self.peers:
            peer.send_frame(raw.TEXT, json.dumps({"type": "subscribe.chat", "chat_id": chat}))
            peer.expect_text("ack")
            self._selector.register(peer.socket, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while not self._stop:
            for key, _ in self._selector.select(0.05):
                self.bytes += len(key.fileobj.recv(1 << 18))

    def close(self):
        self._stop = True
        self._thread.join()
        for peer in self.peers:
            peer.socket.close()


def cpu_us(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1000


def publish(stack, events, rate):
    begin = time.monotonic()
    for number, item in enumerate(events):
        time.sleep(max(0, begin + number / rate - time.monotonic()))
        stack.xadd(item)


def measure(stack, node, options, arguments):
    """Microseconds, bytes and writes per delivery."""
    chat = str(uuid.uuid4())
    events = [event(chat, arguments.bytes) for _ in range(int(arguments.rate * arguments.seconds))]
    readers = Readers(node, chat, arguments.members, OFFER if "websocket.compression" in options else None)
    try:
        before, cpu = node.metrics(), cpu_us(node.process.pid)
        publish(stack, events, arguments.rate)
        wanted = before["roomcast_deliveries_total"] + len(events) * arguments.members
        done = lambda: node.metrics()["roomcast_deliveries_total"] >= wanted and node.metrics()["roomcast_queued_bytes"] == 0
        eventually(done, what="everything is delivered")
        cpu, after = cpu_us(node.process.pid) - cpu, node.metrics()
        eventually(lambda: readers.bytes >= after["roomcast_written_bytes_total"] - before["roomcast_written_bytes_total"], what="everything is read")
    finally:
        readers.close()
    change = lambda name: (after[name] - before[name]) / (len(events) * arguments.members)
    return cpu / (len(events) * arguments.members), change("roomcast_written_bytes_total"), change("roomcast_writes_total")


def run(stack, variants, arguments):
    stack.start()
    nodes = [stack.new_node(name, {**NODE, **options}).start() for name, options in variants]
    stack.nodes += nodes
    results = [[] for _ in variants]
    for _ in range(arguments.rounds):
        for got, node, (_, options) in zip(results, nodes, variants):
            got.append(measure(stack, node, options, arguments))
    return [[statistics.median(column) for column in zip(*got)] for got in results]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20, help="events per second")
    parser.add_argument("--bytes", type=int, default=1000, help="of a payload")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", action="append", help="KEY=VALUE of a node")
    arguments = parser.parse_args()
    options = [dict([text.split("=", 1)]) for text in arguments.variant or ["websocket.compression=6"]]
    variants = [("plain", {}), *(("-".join(*option.items()), option) for option in options)]
    with tempfile.TemporaryDirectory(prefix="roomcast-bench.") as directory:
        stack = Stack(pathlib.Path(directory), nodes=0, relay_options={"log.level": "warn"})
        try:
            results = run(stack, variants, arguments)
            stack.stop()
        finally:
            for process in stack.processes():
                process.kill()
    for (name, _), (microseconds, size, writes) in zip(variants, results):
        share = microseconds / results[0][0]
        print(f"{name:28} {microseconds:6.2f} us ({share:.2f} x) {size:6.0f} bytes {writes:6.3f} writes per delivery")


if __name__ == "__main__":
    main()
