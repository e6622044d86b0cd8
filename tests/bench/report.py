#!/usr/bin/env python3
"""The benchmark of the README: what a node costs, as a ratio to a bare loop of send(), and other servers beside it.

    tests/bench/report.py [--rounds 5] [--seconds 4] [--cases 1k-200,idle,...] [--variant NAME:KEY=VALUE,...]
        [--peers FILE] [--json FILE]

Starts nats-server, one node per variant, the limit programs and the peers on free ports of loopback, in a temporary
directory. Each round measures every server once, in an order that moves on from round to round; a ratio is that of
two figures of one round, and the table shows the median of the rounds and, in brackets, the least and the greatest.
The other servers are given payloads with which their frames are as long as the node's. ROOMCAST_BIN: the build, as
for tests/integration. The exit status is 1 when a server has lost, repeated or disordered something."""
import argparse
import contextlib
import json
import pathlib
import statistics
import sys
import tempfile

import peers
from report_cases import CASES, OPENING, scaled
from servers import in_turn, machine, new_node, print_row, spread, start_nats
from harness.bench import Bench, LimitServer
from harness.processes import NatsServer
from harness.tokens import KeyPair

YARDSTICK, COALESCING = "limit_send", "limit_send, coalescing"
PROBE = {"members": 1000, "rate": 50, "duration": 0.5, "warmup": 0.2, "opening": OPENING}
PAYLOAD_MIN = 46  # of roomcast-bench


def parse_variant(text):
    name, _, pairs = text.partition(":")
    return name, dict(pair.split("=", 1) for pair in pairs.split(",") if pair)


def parse_peers(path):
    try:
        return peers.read_peers(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"--peers FILE: {peers.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [options]",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is shown (default 5)")
    parser.add_argument("--seconds", type=float, default=4, help="measured in each run (default 4)")
    parser.add_argument("--warmup", type=float, default=1, help="seconds of the same load before (default 1)")
    parser.add_argument("--cases", default=",".join(CASES), help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument(
        "--variant",
        action="append",
        type=parse_variant,
        metavar="NAME:KEY=VALUE,...",
        help="a node with options, e.g. plain:write.io_uring=false (default: one node, called roomcast)",
    )
    parser.add_argument("--peers", type=parse_peers, default={}, metavar="FILE", help="other servers: see below")
    parser.add_argument("--via", choices=("nats", "typing"), default="nats", help="how events get to the node (default nats)")
    parser.add_argument("--scale", type=float, default=1, help="so many of each case's connections only, for a try")
    parser.add_argument("--json", metavar="FILE", help="append one line per run")
    arguments = parser.parse_args()
    arguments.variant = arguments.variant or [("roomcast", {})]
    arguments.cases = arguments.cases.split(",")
    wrong = [case for case in arguments.cases if case not in CASES]
    if wrong:
        parser.error(f"no such case: {', '.join(wrong)}; there are {', '.join(CASES)}")
    return arguments


class Servers:
    """Everything that is measured, by name."""

    def __init__(self, directory, arguments):
        self.arguments = arguments
        self.directory = directory
        keys = KeyPair("P-256")
        self.private_key, public_key = directory / "private.pem", directory / "public.pem"
        self.private_key.write_text(keys.private_pem)
        public_key.write_text(keys.public_pem)
        self.nats = NatsServer(directory / "nats")
        self.nodes = {
            name: new_node(name, directory, self.nats, {"auth.public_key_file": public_key, **options})
            for name, options in arguments.variant
        }
        self.others = {
            YARDSTICK: LimitServer("limit_send", directory / "limit_send"),
            COALESCING: LimitServer("limit_send", directory / "coalescing", "--coalesce"),
            "limit_uring": LimitServer("limit_uring", directory / "limit_uring"),
            **{name: peers.Peer(name, spec, directory / name) for name, spec in arguments.peers.items()},
        }
        self.overheads = {}

    def __enter__(self):
        start_nats(self.nats, self.directory)
        with contextlib.suppress(AssertionError):
            self.others["limit_uring"].start()
        if not self.others["limit_uring"].is_running():
            print("limit_uring: the kernel refuses io_uring here", file=sys.stderr)
            del self.others["limit_uring"]
        for server in self.all.values():
            if not server.is_running():
                server.start()
        return self

    def __exit__(self, *_):
        for server in [*self.all.values(), self.nats]:
            server.kill()

    @property
    def first_node(self):
        return next(iter(self.nodes))

    @property
    def all(self):
        return {**self.others, **self.nodes}

    def of_case(self, case):
        return [name for name in self.all if name != COALESCING or case.has_coalescing]

    def renew(self, name):
        """Without the memory that earlier connections have left."""
        self.all[name].kill()
        self.all[name].start()

    def run(self, name, scenario, load, node_load):
        """The figures; `node_load`: options that only a node is to get."""
        is_node = name in self.nodes
        bench = Bench(self.all[name], nats=self.nats)
        done = bench.start(scenario, **load, **(node_load if is_node else {}))
        if done.returncode not in (0, 1):
            raise SystemExit(f"report: {name}: {done.stderr}")
        return {**json.loads(done.stdout), "is_faulty": done.returncode == 1}

    def frame_overhead(self, name, payload):
        """Bytes that a server's frame has beside a payload of about that size."""
        if (name, payload) not in self.overheads:
            found = self.run(name, "fanout", {**PROBE, "payload": payload}, {"via": self.arguments.via})
            self.overheads[name, payload] = round(found["frame_bytes"]) - payload
        return self.overheads[name, payload]

    def payload_for(self, name, payload):
        """With which the frames are as long as the first node's with `payload`."""
        if name in self.nodes:
            return payload
        wanted = payload + self.frame_overhead(self.first_node, payload) - self.frame_overhead(name, payload)
        if wanted < PAYLOAD_MIN:
            raise SystemExit(f"report: {name} cannot send frames as short as a node's")
        return wanted


def load_of(servers, case, name, arguments):
    load = scaled(case.load, arguments.scale)
    if case.kind.scenario != "connect":
        load["opening"] = OPENING
    if case.kind.scenario in ("fanout", "burst"):
        load["duration"] = arguments.seconds
        load["payload"] = servers.payload_for(name, load["payload"])
    if case.kind.scenario == "fanout":
        load["warmup"] = arguments.warmup
    if case.kind.scenario == "idle":
        load["duration"] = 0.1  # its CPU time is not shown
    return load


def node_load_of(servers, case, arguments):
    if case.kind.scenario in ("fanout", "burst"):
        return {"via": arguments.via}
    return {"jwt-key": servers.private_key} if case.alg == "ES256" else {}


def measure(servers, key, arguments):
    """[{server: figures} for each round]"""
    case = CASES[key]
    names = servers.of_case(case)
    loads = {name: load_of(servers, case, name, arguments) for name in names}
    node_load = node_load_of(servers, case, arguments)
    rounds = []
    for number in range(arguments.rounds):
        found = {}
        for name in in_turn(names, number):
            if case.kind.is_fresh:
                servers.renew(name)
            found[name] = servers.run(name, case.kind.scenario, loads[name], node_load)
            if arguments.json:
                with open(arguments.json, "a") as file:
                    file.write(json.dumps({"case": key, "server": name, "round": number, **found[name]}) + "\n")
        rounds.append({name: found[name] for name in names})
    return rounds


def print_figures(case, name, rounds):
    of_server = [found[name] for found in rounds]
    figure = case.kind.figure
    ratios = [found[name][figure] / found[YARDSTICK][figure] if found[YARDSTICK][figure] else 0 for found in rounds]
    further = [
        format(statistics.median(found[field] for found in of_server) / divisor, style)
        for field, divisor, style in case.kind.columns.values()
    ]
    if any(found.get("generator_saturated") for found in of_server):
        further[0] += "*"
    print_row(
        case.title,
        name,
        spread(ratios, ".2f"),
        spread([found[figure] for found in of_server], ",.0f" if case.kind.scenario == "idle" else ".2f"),
        *further,
        str(sum(found["is_faulty"] for found in of_server)),
    )


def print_head(kind):
    titles = ["load", "server", "ratio", kind.title, *kind.columns, "faulty runs"]
    print()
    print_row(*titles)
    print_row(*("---" for _ in titles))


def report(servers, arguments):
    """True when something was lost, repeated or disordered."""
    kind, is_faulty = None, False
    for key in arguments.cases:
        case = CASES[key]
        rounds = measure(servers, key, arguments)
        if case.kind is not kind:
            kind = case.kind
            print_head(kind)
        for name in rounds[0]:
            print_figures(case, name, rounds)
        is_faulty = is_faulty or any(figures["is_faulty"] for found in rounds for figures in found.values())
    return is_faulty


def main():
    arguments = parse_arguments()
    scale = "" if arguments.scale == 1 else f"; {arguments.scale:g} of the connections that are named"
    print(f"{machine()}; {arguments.rounds} rounds, {arguments.seconds:g} s of each load{scale}")
    with tempfile.TemporaryDirectory(prefix="roomcast-report.") as directory:
        with Servers(pathlib.Path(directory), arguments) as servers:
            is_faulty = report(servers, arguments)
    print("\nRatio: to the figure of limit_send in the same round. `*`: the generator was saturated in a round.")
    return 1 if is_faulty else 0


if __name__ == "__main__":
    sys.exit(main())
