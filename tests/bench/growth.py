#!/usr/bin/env python3
"""How cost grows: server CPU per delivery, memory and latency, with connections, rooms, rooms per connection, joins
and leaves, and 60,000 connections over four nodes.

    tests/bench/growth.py [--runs 3] [--seconds 5] [--series connections,rooms,...] [--json FILE] [--svg FILE]

Every run has a node of its own, so that its memory is known; nodes have one worker. Starts nats-server and the nodes on
free ports of loopback, in a temporary directory. A loss ends it. ROOMCAST_BIN: the build, as for tests/integration."""
import argparse
import concurrent.futures
import json
import pathlib
import random
import statistics
import tempfile

from growth_plot import draw
from servers import anonymous_bytes, machine, new_node, print_row, start_nats
from harness.bench import Bench, LimitServer
from harness.processes import NatsServer
from harness.waiting import eventually

# Series: what grows, and for each value of it the arguments of `roomcast-bench fanout`. Within a series deliveries/s are
# the same; in the last two, events/s too.
SERIES = {
    "connections": (
        "connections, all in one room",
        {count: {"members": count, "rate": 50000 / count} for count in (100, 1000, 5000, 15000)},
    ),
    "rooms": (
        "rooms of 10,000 connections, one each",
        {count: {"rooms": count, "members": 10000 // count, "rate": count / 2} for count in (1, 10, 100, 1000, 10000)},
    ),
    "rooms-of-one": (
        "rooms with one member, beside 10,000 connections",
        {count: {"rooms": count, "members": 1, "connections": 10000, "rate": 1000} for count in (1, 10, 100, 1000, 10000)},
    ),
    "rooms-each": (
        "rooms of each of 1,000 connections",
        {count: {"rooms": 10 * count, "members": 100, "connections": 1000, "rate": 500} for count in (1, 8, 32, 128)},
    ),
}
# name: options of the node, arguments of `roomcast-bench churn`
CHURN = {
    "1,000/s": ({"rooms.linger_ms": 0}, {"join-rate": 1000}),
    "3,000/s": ({"rooms.linger_ms": 0}, {"join-rate": 3000}),
    "10,000/s": ({"rooms.linger_ms": 0}, {"join-rate": 10000}),
    "10,000/s, rooms.linger_ms 5000": ({}, {"join-rate": 10000, "warmup": 7}),
}
BYSTANDERS = {"rooms": 1, "members": 100, "rate": 100, "churners": 1000}
NODES, CONNECTIONS_EACH = 4, 15000
OPENING = 512
FRAME_BYTES = 337  # what the node makes of the 200 bytes of an event's data, but for the head
CHOICES = [*SERIES, "churn", "nodes"]


class Lab:
    """One nats-server and one limit program; nodes come and go."""

    def __init__(self, directory, arguments):
        self.directory = directory
        self.arguments = arguments
        self.nats = NatsServer(directory / "nats")
        self.limit = LimitServer("limit_send", directory / "limit_send")
        self.nodes = []

    def __enter__(self):
        start_nats(self.nats, self.directory)
        self.limit.start()
        return self

    def __exit__(self, *_):
        self.end_nodes()
        self.limit.kill()
        self.nats.kill()

    def start_node(self, options=None):
        node = new_node(f"node-{len(self.nodes)}", self.directory, self.nats, options)
        self.nodes.append(node)
        return node.start()

    def end_nodes(self):
        for node in self.nodes:
            node.kill()
        self.nodes.clear()

    def bench(self, node, scenario, **load):
        """The figures, with the memory that a connection has added to the node."""
        before = anonymous_bytes(node)
        times = {"duration": self.arguments.seconds, "warmup": 1}
        found = Bench(node, nats=self.nats).run(scenario, opening=OPENING, **{**times, **load})
        found["bytes_per_connection"] = (found["server_anonymous_bytes"] - before) / found["connections"]
        return found

    def yardstick(self, **load):
        """The same by a bare loop of send(), with frames as long."""
        times = {"duration": self.arguments.seconds, "warmup": 1}
        return Bench(self.limit).run("fanout", opening=OPENING, payload=FRAME_BYTES, **{**times, **load})

    def alone(self, scenario, options=None, **load):
        try:
            return self.bench(self.start_node(options), scenario, **load)
        finally:
            self.end_nodes()

    def note(self, series, value, found):
        if self.arguments.json:
            with open(self.arguments.json, "a") as file:
                file.write(json.dumps({"series": series, "value": value, **found}) + "\n")

    def repeated(self, series, value, run):
        """The median of each figure."""
        rounds = [run() for _ in range(self.arguments.runs)]
        for found in rounds:
            self.note(series, value, found)
        numbers = (name for name, figure in rounds[0].items() if isinstance(figure, (int, float)))
        return {name: statistics.median(found[name] for found in rounds) for name in numbers}


def print_head(*cells):
    print()
    print_row(*cells)
    print_row(*("---" for _ in cells))


def latencies(found, name="latency"):
    return [f"{found[f'{name}_{point}_us'] / 1000:.2f}" for point in ("p50", "p99")]


def saturation(found):
    return "*" if found["generator_saturated"] else ""


def measure_series(lab, name):
    """[(value, figures)]"""
    title, cases = SERIES[name]
    print_head(title, "events/s", "deliveries/s", "CPU us per delivery", "of bare send()", "bytes per connection", "p50 ms", "p99 ms", "lost")
    points = []
    for value, load in cases.items():
        found = lab.repeated(name, value, lambda load=load: lab.alone("fanout", **load))
        bare = lab.repeated(f"{name}, bare send()", value, lambda load=load: lab.yardstick(**load))
        points.append((value, found))
        print_row(
            f"{value:,}",
            f"{found['rate_per_s']:,.4g}",
            f"{found['deliveries_per_s']:,.0f}{saturation(found)}",
            f"{found['server_us_per_delivery']:.2f}",
            f"{bare['server_us_per_delivery']:.2f}",
            f"{found['bytes_per_connection']:,.0f}",
            *latencies(found),
            f"{found['lost']:.0f}",
        )
    return points


def measure_churn(lab):
    columns = ("join p50 ms", "p99 ms", "leave p99 ms", "CPU us of node", "of nats-server", "bystanders' p99 ms alone", "beside", "lost")
    print_head("joins and as many leaves", "done/s", *columns)
    for name, (options, load) in CHURN.items():
        load = {**BYSTANDERS, "warmup": 2, "bus-pid": lab.nats.process.pid, **load}
        found = lab.repeated("churn", name, lambda options=options, load=load: lab.alone("churn", options, **load))
        print_row(
            name,
            f"{found['joins_per_s']:,.0f}{saturation(found)}",
            *latencies(found, "join"),
            latencies(found, "leave")[1],
            f"{found['server_us_per_join_and_leave']:.1f}",
            f"{found['bus_us_per_join_and_leave']:.1f}",
            latencies(found, "alone_latency")[1],
            latencies(found)[1],
            f"{found['lost'] + found['refused'] + found['unanswered']:.0f}",
        )


def run_nodes(lab, rooms):
    """The figures of each node: each has connections of its own in all of the rooms; one process publishes."""
    nodes = [lab.start_node() for _ in range(NODES)]
    load = {
        "rooms": rooms,
        "members": CONNECTIONS_EACH // rooms,
        "run": random.randrange(1, 2**32),
        "events": rooms * 10,
        "duration": 90,
        "drain": 15,
    }
    is_in = lambda node: node.metrics()["roomcast_subscriptions"] == CONNECTIONS_EACH
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found = [pool.submit(lab.bench, node, "fanout", **{"listen-only": None}, **load) for node in nodes[1:]]
            for node, listener in zip(nodes[1:], found):
                eventually(lambda: listener.done() or is_in(node), 60, "the listeners are in their rooms")
            publisher = lab.bench(nodes[0], "fanout", rate=rooms, settle=3, **load)
            return [publisher, *(listener.result() for listener in found)]
    finally:
        lab.end_nodes()


def measure_nodes(lab):
    columns = ("deliveries/s in all", "expected", "received", "CPU us per delivery", "bytes per connection", "p50 ms", "p99 ms")
    print_head(f"{NODES} nodes, {NODES * CONNECTIONS_EACH:,} connections", *columns)
    for rooms in (1, 100):
        found = run_nodes(lab, rooms)
        for result in found:
            lab.note("nodes", rooms, result)
        mean = lambda name: statistics.mean(result[name] for result in found)
        worst = {name: max(result[name] for result in found) for name in ("latency_p50_us", "latency_p99_us", "generator_saturated")}
        print_row(
            "one room" if rooms == 1 else f"{rooms} rooms",
            f"{sum(result['deliveries_per_s'] for result in found):,.0f}{saturation(worst)}",
            f"{sum(result['expected'] for result in found):,}",
            f"{sum(result['deliveries'] for result in found):,}",
            f"{mean('server_us_per_delivery'):.2f}",
            f"{mean('bytes_per_connection'):,.0f}",
            *latencies(worst),
        )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options]"
    )
    parser.add_argument("--runs", type=int, default=3, help="of which the medians are shown (default 3)")
    parser.add_argument("--seconds", type=float, default=5, help="measured in each run (default 5)")
    parser.add_argument("--series", default=",".join(CHOICES), help=f"of {', '.join(CHOICES)} (default: all)")
    parser.add_argument("--json", metavar="FILE", help="append one line per run")
    parser.add_argument("--svg", metavar="FILE", help="draw the series")
    arguments = parser.parse_args()
    arguments.series = arguments.series.split(",")
    wrong = [name for name in arguments.series if name not in CHOICES]
    if wrong:
        parser.error(f"no such series: {', '.join(wrong)}; there are {', '.join(CHOICES)}")
    return arguments


def main():
    arguments = parse_arguments()
    print(f"{machine()}; medians of {arguments.runs} runs of {arguments.seconds:g} s")
    curves = {}
    with tempfile.TemporaryDirectory(prefix="roomcast-growth.") as directory:
        with Lab(pathlib.Path(directory), arguments) as lab:
            for name in arguments.series:
                if name in SERIES:
                    curves[SERIES[name][0]] = measure_series(lab, name)
                elif name == "churn":
                    measure_churn(lab)
                else:
                    measure_nodes(lab)
    print("\n`*`: the generator was saturated.")
    if arguments.svg:
        pathlib.Path(arguments.svg).write_text(draw(curves))


if __name__ == "__main__":
    main()
