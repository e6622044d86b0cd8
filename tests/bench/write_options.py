#!/usr/bin/env python3
"""What compression and put-off writes cost: CPU time of a node per delivery, bytes on the wire, writes.

    tests/bench/write_options.py [--members 1000] [--rate 20] [--bytes 1000] [--seconds 4] [--rounds 3]
        [--variant websocket.compression=6 --variant write.delay_ms=5 ...]

Each variant is a node of one worker with that option; "plain" is one without. Each round measures all of them, in an
order that moves on from round to round; a ratio is that of two figures of one round. The clients of a node with
compression take their events compressed, and inflate them. Starts nats-server and the nodes on loopback, in a temporary
directory. ROOMCAST_BIN: the build, as for tests/integration."""
import argparse
import pathlib
import tempfile

from servers import in_turn, machine, new_node, print_row, spread, start_nats
from harness.bench import Bench
from harness.processes import NatsServer

PLAIN = "plain"


def measure(bench, node, options, arguments):
    """Microseconds, bytes and writes per delivery."""
    before = node.metrics()
    found = bench.run(
        "fanout",
        members=arguments.members,
        rate=arguments.rate,
        payload=arguments.bytes,
        duration=arguments.seconds,
        warmup=0.5,
        opening=512,
        **({"compression": True} if "websocket.compression" in options else {}),
    )
    after = node.metrics()
    writes, deliveries = (after[name] - before[name] for name in ("roomcast_writes_total", "roomcast_deliveries_total"))
    return {"us": found["server_us_per_delivery"], "bytes": found["frame_bytes"], "writes": writes / deliveries}


def run(directory, variants, arguments):
    """[{variant: figures} for each round]"""
    nats = NatsServer(directory / "nats")
    nodes = {name: new_node(name, directory, nats, options) for name, options in variants.items()}
    rounds = []
    try:
        start_nats(nats, directory)
        for node in nodes.values():
            node.start()
        for number in range(arguments.rounds):
            found = {}
            for name in in_turn(list(nodes), number):
                found[name] = measure(Bench(nodes[name], nats=nats), nodes[name], variants[name], arguments)
            rounds.append(found)
    finally:
        for server in [*nodes.values(), nats]:
            server.kill()
    return rounds


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options]")
    parser.add_argument("--members", type=int, default=1000, help="of the one room (default 1000)")
    parser.add_argument("--rate", type=float, default=20, help="events per second (default 20)")
    parser.add_argument("--bytes", type=int, default=1000, help="of an event's data (default 1000)")
    parser.add_argument("--seconds", type=float, default=4, help="measured in each run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is shown (default 3)")
    parser.add_argument("--variant", action="append", metavar="KEY=VALUE", help="of a node (default websocket.compression=6)")
    arguments = parser.parse_args()
    arguments.variant = arguments.variant or ["websocket.compression=6"]
    return arguments


def main():
    arguments = parse_arguments()
    options = [dict([text.split("=", 1)]) for text in arguments.variant]
    variants = {PLAIN: {}, **{"-".join(*option.items()): option for option in options}}
    with tempfile.TemporaryDirectory(prefix="roomcast-bench.") as directory:
        rounds = run(pathlib.Path(directory), variants, arguments)
    print(f"{machine()}; {arguments.rounds} rounds of {arguments.seconds:g} s\n")
    print_row("node", "ratio", "CPU us per delivery", "bytes", "writes")
    print_row("---", "---", "---", "---", "---")
    for name in variants:
        figures = {what: [found[name][what] for found in rounds] for what in ("us", "bytes", "writes")}
        ratios = [found[name]["us"] / found[PLAIN]["us"] for found in rounds]
        print_row(
            name, spread(ratios, ".2f"), spread(figures["us"], ".2f"), spread(figures["bytes"], ".0f"), spread(figures["writes"], ".3f")
        )


if __name__ == "__main__":
    main()
