#!/usr/bin/env python3
"""The benchmark of the README: server CPU per delivery, as a ratio to a bare loop of send().

    tests/bench/report.py [--runs 5] [--seconds 4] [--cases 1k-200,burst,...] [--variant NAME:KEY=VALUE,...] [--json FILE]

Starts nats-server, one node per variant and the limit programs on free ports of loopback, in a temporary directory. The
runs alternate: each round measures every server once, ratios are taken within a round, and the table shows the median
round. The limit programs send frames of exactly the size that the node sends. ROOMCAST_BIN: the build, as for
tests/integration."""
import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from servers import machine, new_node
from harness.bench import Bench, LimitServer
from harness.processes import NatsServer

# name: what people read, arguments of roomcast-bench, whether a coalescing yardstick belongs beside it
CASES = {
    "1k-200": ("1,000 connections, 200 B", {"members": 1000, "rate": 50, "payload": 200}, False),
    "1k-1024": ("1,000 connections, 1 KB", {"members": 1000, "rate": 50, "payload": 1024}, False),
    "10k-200": ("10,000 connections, 200 B", {"members": 10000, "rate": 5, "payload": 200}, False),
    "10k-1024": ("10,000 connections, 1 KB", {"members": 10000, "rate": 5, "payload": 1024}, False),
    "burst": ("10 events per tick, 1,000", {"members": 1000, "rate": 200, "burst": 10, "payload": 200}, True),
    "in-flight": ("16 publishers in flight, 1,000", {"members": 1000, "in-flight": 16, "payload": 200}, True),
    "small-rooms": ("15,000 in rooms of 10", {"rooms": 1500, "members": 10, "rate": 3000, "payload": 200}, False),
}
YARDSTICK = "limit_send"
HEAD_BYTES = 4  # of a frame with 126 to 65,535 bytes


def parse_variant(text):
    name, _, pairs = text.partition(":")
    return name, dict(pair.split("=", 1) for pair in pairs.split(",") if pair)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds of which the median is shown")
    parser.add_argument("--seconds", type=float, default=4, help="measured in each run")
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--cases", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument(
        "--variant",
        action="append",
        type=parse_variant,
        help="a node with options, e.g. plain:write.io_uring=false (default: one node, called roomcast)",
    )
    parser.add_argument("--via", choices=("nats", "typing"), default="nats", help="how events get to the node")
    parser.add_argument("--json", help="append one line per run")
    arguments = parser.parse_args()
    arguments.variant = arguments.variant or [("roomcast", {})]
    wrong = [case for case in arguments.cases.split(",") if case not in CASES]
    if wrong:
        parser.error(f"no such case: {', '.join(wrong)}; there are {', '.join(CASES)}")
    return arguments


class Servers:
    """Everything that is measured, started once: {name: arguments for a run of a case}."""

    def __init__(self, directory, arguments):
        self.arguments = arguments
        self.nats = NatsServer(directory / "nats")
        self.nodes = {name: new_node(name, directory, self.nats, options) for name, options in arguments.variant}
        self.limits = {
            "limit_send": LimitServer("limit_send", directory / "limit_send"),
            "limit_uring": LimitServer("limit_uring", directory / "limit_uring"),
            "limit_send, coalescing": LimitServer("limit_send", directory / "coalescing", "--coalesce"),
        }

    def __enter__(self):
        self.nats.start()
        for server in [*self.nodes.values(), *self.limits.values()]:
            with contextlib.suppress(AssertionError) if server is self.limits["limit_uring"] else contextlib.nullcontext():
                server.start()
        if not self.limits["limit_uring"].is_running():
            print("limit_uring: the kernel refuses io_uring here", file=sys.stderr)
            del self.limits["limit_uring"]
        return self

    def __exit__(self, *_):
        for server in [*self.nodes.values(), *self.limits.values(), self.nats]:
            server.kill()

    def run(self, name, load):
        if name in self.nodes:
            bench = Bench(self.nodes[name], nats=self.nats)
            return bench.run("fanout", via=self.arguments.via, **load)
        return Bench(self.limits[name]).run("fanout", **load)


def measure(servers, case, arguments):
    """[{server: result} for each round]"""
    _, load, has_coalescing = CASES[case]
    load = {**load, "duration": arguments.seconds, "warmup": arguments.warmup}
    probe = {**load, "duration": 0.5, "warmup": 0.2}
    frame = round(servers.run(arguments.variant[0][0], probe)["frame_bytes"])
    rounds = []
    for _ in range(arguments.runs):
        found = {}
        for name in [*servers.limits, *servers.nodes]:
            if "coalescing" in name and not has_coalescing:
                continue
            same_frame = {"payload": frame - HEAD_BYTES} if name in servers.limits else {}
            found[name] = servers.run(name, {**load, **same_frame})
            if arguments.json:
                with open(arguments.json, "a") as file:
                    file.write(json.dumps({"case": case, "server": name, **found[name]}) + "\n")
        rounds.append(found)
    return rounds


def median(rounds, name, value):
    return statistics.median(value(found[name], found[YARDSTICK]) for found in rounds)


def row(title, name, rounds):
    cpu = median(rounds, name, lambda result, _: result["server_us_per_delivery"])
    ratio = median(rounds, name, lambda result, yard: result["server_us_per_delivery"] / yard["server_us_per_delivery"])
    rate = median(rounds, name, lambda result, _: result["deliveries_per_s"])
    p50, p99 = (median(rounds, name, lambda result, _: result[f"latency_{p}_us"] / 1000) for p in ("p50", "p99"))
    lost = sum(found[name]["expected"] - found[name]["deliveries"] for found in rounds)
    saturated = "*" if any(found[name]["generator_saturated"] for found in rounds) else ""
    return f"| {title} | {name} | {ratio:.2f} | {cpu:.2f} | {rate:,.0f}{saturated} | {p50:.2f} | {p99:.2f} | {lost} |"


def main():
    arguments = parse_arguments()
    print(f"{machine()}; medians of {arguments.runs} rounds of {arguments.seconds:g} s\n")
    print("| load | server | ratio | CPU us per delivery | deliveries/s | p50 ms | p99 ms | lost |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="roomcast-report.") as directory:
        with Servers(pathlib.Path(directory), arguments) as servers:
            for case in arguments.cases.split(","):
                rounds = measure(servers, case, arguments)
                for name in rounds[0]:
                    print(row(CASES[case][0], name, rounds), flush=True)
    print("\n`*`: the generator was saturated in a round.")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as error:
        sys.exit(f"report: {error}")
