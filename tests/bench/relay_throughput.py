#!/usr/bin/env python3
"""How many events one relay stores per second, from a full Redis stream: prints one line.

    tests/bench/relay_throughput.py [--rooms 1000] [--events 60000] [--bytes 512] [--replicas 3] [--shards 1]

Starts NATS servers, Redis and the relay on loopback, in a temporary directory. ROOMCAST_BIN: the build, as for
tests/integration."""
import argparse
import os
import pathlib
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness.events import Event  # noqa: E402
from harness.processes import NatsCluster  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.waiting import eventually  # noqa: E402

STORED = ("roomcast_relay_events_total", "result", "stored")


def publish(stack, arguments):
    chats = [str(uuid.uuid4()) for _ in range(arguments.rooms)]
    filling = "x" * max(1, arguments.bytes - 70)
    step = 5000
    for begin in range(0, arguments.events, step):
        numbers = range(begin, min(begin + step, arguments.events))
        stack.xadd_all([Event(payload={"chat_id": chats[n % len(chats)], "text": filling}) for n in numbers])


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(stack, arguments):
    stack.nats.start()
    stack.redis_server.start()
    publish(stack, arguments)
    stack.relay.spawn()
    eventually(lambda: stack.relay.metrics()[STORED] > 0, timeout=60, what="the relay has begun")
    first, begin, cpu = stack.relay.metrics()[STORED], time.monotonic(), cpu_seconds(stack.relay)
    done = lambda: stack.relay.metrics()[STORED] >= arguments.events
    eventually(done, timeout=arguments.limit, what="all events are stored")
    seconds, cpu = time.monotonic() - begin, cpu_seconds(stack.relay) - cpu
    eventually(lambda: stack.pending_entries() == 0, what="all are acknowledged")
    return (arguments.events - first) / seconds, cpu / (arguments.events - first)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--events", type=int, default=60000)
    parser.add_argument("--bytes", type=int, default=512, help="of a payload")
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=3)
    parser.add_argument("--shards", type=int, default=1, help="stream.shards")
    parser.add_argument("--limit", type=int, default=300, help="seconds until it gives up")
    arguments = parser.parse_args()
    options = {"stream.replicas": arguments.replicas, "stream.shards": arguments.shards, "log.level": "warn"}
    with tempfile.TemporaryDirectory(prefix="roomcast-bench.") as directory:
        nats = NatsCluster(pathlib.Path(directory) / "cluster") if arguments.replicas == 3 else None
        stack = Stack(pathlib.Path(directory) / "stack", nodes=0, nats=nats, relay_options=options)
        try:
            rate, cpu = measure(stack, arguments)
            stack.stop()
        finally:
            for process in stack.processes():
                process.kill()
    print(
        f"{rate:.0f} events/s, {cpu * 1e6:.0f} us of the relay's CPU each: {arguments.events} events of {arguments.bytes} bytes, {arguments.rooms} rooms, "
        f"{arguments.replicas} replicas, {arguments.shards} shards"
    )


if __name__ == "__main__":
    main()
