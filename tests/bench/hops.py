#!/usr/bin/env python3
"""Where the time of an event goes between XADD and the last member: prints the hops of each run.

    tests/bench/hops.py [--members 1000] [--rate 100] [--seconds 10] [--runs 3] [--node KEY=VALUE ...]

Starts nats-server, Redis, the relay and a node with their defaults on free ports of loopback, in a temporary
directory. Redis keeps everything in memory; with --aof it writes each event to disk before it answers.
ROOMCAST_BIN: the build, as for tests/integration."""
import argparse
import pathlib
import tempfile

import servers  # noqa: F401 - makes harness importable
from harness import tokens
from harness.bench import Bench
from harness.processes import NatsServer, Node, RedisServer, Relay

HOPS = ("xadd", "relay", "node", "broker", "fanout_median", "fanout", "total")


class MemoryRedis(RedisServer):
    def command(self):
        command = super().command()
        return [*command[: command.index("--appendonly")], "--save", ""]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options]"
    )
    parser.add_argument("--members", type=int, default=1000, help="of each room (default 1000)")
    parser.add_argument("--rooms", type=int, default=1, help="rooms (default 1)")
    parser.add_argument("--rate", type=float, default=100, help="events per second over all rooms (default 100)")
    parser.add_argument("--seconds", type=float, default=10, help="measured in each run (default 10)")
    parser.add_argument("--runs", type=int, default=3, help="one after the other, each printed (default 3)")
    parser.add_argument("--node", action="append", default=[], metavar="KEY=VALUE", help="an option of the node")
    parser.add_argument("--aof", action="store_true", help="Redis with appendfsync always")
    return parser.parse_args()


def print_run(found):
    print(f"{found['events']} events, saturated: {found['generator_saturated']}, incomplete: "
          f"{found['hop_events_incomplete']}, latency p50/p99 {found['latency_p50_us']:.0f}/{found['latency_p99_us']:.0f} us")
    print(f"  {'hop':14} {'p50 us':>8} {'p99 us':>8} {'share %':>8}")
    for hop in HOPS:
        figures = (found[f"hop_{hop}_{what}"] for what in ("p50_us", "p99_us", "percent"))
        print(f"  {hop:14} {{:8.0f}} {{:8.0f}} {{:8.1f}}".format(*figures), flush=True)


def run(directory, arguments):
    nats = NatsServer(directory / "nats")
    redis = (RedisServer if arguments.aof else MemoryRedis)(directory / "redis")
    relay = Relay("relay", directory / "relay", {"nats.url": nats.url, "redis.url": redis.url, "log.level": "warn"})
    options = {"nats.url": nats.url, "log.level": "warn", **dict(pair.split("=", 1) for pair in arguments.node)}
    node = Node("node", directory / "node", options, {"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET})
    processes = [nats, redis, relay, node]
    try:
        for process in processes:
            process.start()
        bench = Bench(node, nats=nats, redis=redis)
        for _ in range(arguments.runs):
            load = {"rooms": arguments.rooms, "members": arguments.members, "rate": arguments.rate}
            print_run(bench.run("fanout", via="redis", hops=True, duration=arguments.seconds, warmup=2, **load))
    finally:
        for process in reversed(processes):
            process.kill()


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="roomcast-bench.") as directory:
        run(pathlib.Path(directory), arguments)


if __name__ == "__main__":
    main()
