#!/usr/bin/env python3
"""How far neighbours are felt in small rooms: a room of 10,000 loaded without pause, storms of handshakes, readers that
have stopped.

    tests/bench/isolation.py [--runs 3] [--seconds 10] [--neighbours hot,HS256,ES256,stalled] [--hot 10000] [--json FILE]

The same load of small rooms is measured alone, in the node of the neighbour, and in another node of the same machine. The
last is the control: what it pays is the machine's time that all share; what more the neighbour's node takes is its own
doing. Readers that have stopped take no time, so they have no control; they are members of one of the measured rooms.

Neighbours' generators run with the least priority, and nodes with one worker. Starts nats-server and two nodes on free
ports of loopback, in a temporary directory. A loss ends it. ROOMCAST_BIN: the build, as for tests/integration."""
import argparse
import contextlib
import json
import pathlib
import statistics
import tempfile

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from servers import machine, new_node, start_nats
from harness.bench import Bench
from harness.processes import NatsServer, Process
from harness.waiting import eventually

SMALL_ROOMS = {"rooms": 10, "members": 10, "rate": 200}
# So long that a reader who takes in nothing falls behind within a second.
STALLED = {"stalled": 10, "payload": 16000}
STORM = {"connections": 1000, "rounds": 1000}
FOR_EVER = 86400  # seconds
NAMES = {
    "hot": "a room of {hot:,}, four publishers without pause",
    "HS256": "a storm of handshakes, HS256",
    "ES256": "a storm of handshakes, ES256",
    "stalled": "readers that have stopped",
}


class Neighbour(Process):
    """A load of a node that goes on until it is killed."""

    def __init__(self, directory, bench, is_there, scenario, **load):
        super().__init__("neighbour", directory)
        self.bench = bench
        self.is_there = is_there
        self.load = (scenario, load)

    def command(self):
        scenario, load = self.load
        return ["nice", "-n", "19", *self.bench.command(scenario, **load)]

    def is_ready(self):
        return self.is_there(self.bench.server.metrics())


class Lab:
    """One nats-server, the node that has the neighbours, and another one."""

    def __init__(self, directory, arguments):
        self.directory = directory
        self.arguments = arguments
        self.nats = NatsServer(directory / "nats")
        self.private_key, public_key = directory / "private.pem", directory / "public.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        self.private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.private_key.chmod(0o600)
        public_key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.shared, self.other = (
            new_node(name, directory, self.nats, {"auth.public_key_file": public_key}) for name in ("shared", "other")
        )

    def __enter__(self):
        start_nats(self.nats, self.directory)
        for server in (self.shared, self.other):
            server.start()
        return self

    def __exit__(self, *_):
        for server in (self.other, self.shared, self.nats):
            server.kill()

    def bench(self, node):
        return Bench(node, nats=self.nats)

    def measure(self, node, scenario="fanout", **load):
        return self.bench(node).run(scenario, duration=self.arguments.seconds, warmup=1, **SMALL_ROOMS, **load)

    def neighbour(self, name):
        bench = self.bench(self.shared)
        if name == "hot":
            members = self.arguments.hot
            load = {"members": members, "in_flight": 4, "warmup": 0, "duration": FOR_EVER}
            return self.beside(bench, lambda metrics: metrics["roomcast_subscriptions"] >= members, "fanout", **load)
        before = self.handshakes()
        key = {"jwt_key": self.private_key} if name == "ES256" else {}
        return self.beside(bench, lambda _: self.handshakes() > before + 100, "connect", **STORM, **key)

    def handshakes(self):
        return self.shared.metrics()["roomcast_handshakes_total", "result", "accepted"]

    @contextlib.contextmanager
    def beside(self, *how, **load):
        neighbour = Neighbour(self.directory / "neighbour", *how, **load)
        neighbour.start()
        try:
            yield
            assert neighbour.is_running(), f"the neighbour has ended:\n{neighbour.log_tail()}"
        finally:
            neighbour.kill()
        eventually(lambda: self.shared.metrics()["roomcast_connections"] == 0, 60, "the neighbour's connections are closed")


def measure_round(lab, name, number):
    """{"alone": figures, "shared": figures, "other": figures}; which node comes first alternates."""
    if name == "stalled":
        found = lab.measure(lab.shared, "slow", **STALLED)
        alone = {key.removeprefix("alone_"): value for key, value in found.items() if key.startswith("alone_")}
        return {"alone": alone, "shared": found}
    found = {"alone": lab.measure(lab.other)}
    with lab.neighbour(name):
        before = lab.handshakes()
        for place in ("shared", "other")[:: 1 if number % 2 == 0 else -1]:
            found[place] = lab.measure(getattr(lab, place))
        assert name == "hot" or lab.handshakes() > before, "no storm"
    return found


def latency(found, place, point):
    return found[place][f"latency_{point}_us"]


def cells(rounds):
    """p50 and p99 of each place; the ratios of p99 in the same round."""
    median = lambda value: f"{statistics.median(value(found) for found in rounds):.2f}"
    for place in ("alone", "shared", "other"):
        for point in ("p50", "p99"):
            is_there = place in rounds[0]
            yield median(lambda found: latency(found, place, point) / 1000) if is_there else ""
    for place in ("alone", "other"):
        ratio = lambda found: latency(found, "shared", "p99") / latency(found, place, "p99")
        yield median(ratio) if place in rounds[0] else ""


def print_row(*columns):
    print("| " + " | ".join(columns) + " |", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of which the medians are shown")
    parser.add_argument("--seconds", type=float, default=10, help="measured in each place of each run")
    parser.add_argument("--neighbours", default=",".join(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--hot", type=int, default=10000, help="members of the hot room")
    parser.add_argument("--json", help="append one line per measurement")
    arguments = parser.parse_args()
    arguments.neighbours = arguments.neighbours.split(",")
    wrong = [name for name in arguments.neighbours if name not in NAMES]
    if wrong:
        parser.error(f"no such neighbour: {', '.join(wrong)}; there are {', '.join(NAMES)}")
    return arguments


def note(arguments, name, found):
    if arguments.json:
        with open(arguments.json, "a") as file:
            for place, figures in found.items():
                file.write(json.dumps({"neighbour": name, "place": place, **figures}) + "\n")


def main():
    arguments = parse_arguments()
    print(f"{machine()}; medians of {arguments.runs} runs of {arguments.seconds:g} s\n")
    places = ("alone", "in its node", "in another node")
    points = [f"{place}, {point} ms" for place in places for point in ("p50", "p99")]
    columns = ["neighbour", *points, "in its node to alone, p99", "to another node"]
    print_row(*columns)
    print_row(*("---" for _ in columns))
    with tempfile.TemporaryDirectory(prefix="roomcast-isolation.") as directory:
        with Lab(pathlib.Path(directory), arguments) as lab:
            for name in arguments.neighbours:
                rounds = [measure_round(lab, name, number) for number in range(arguments.runs)]
                for found in rounds:
                    note(arguments, name, found)
                print_row(NAMES[name].format(hot=arguments.hot), *cells(rounds))


if __name__ == "__main__":
    main()
