"""What the reports of this folder share: the nodes under load, what they run on and what they use, and how figures are
shown. Importing it makes tests/integration/harness importable."""
import os
import pathlib
import platform
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import tokens  # noqa: E402
from harness.bench import NODE_OPTIONS  # noqa: E402
from harness.processes import Node, Relay  # noqa: E402


def new_node(name, directory, nats, options=None):
    """A node without the limits that are there against such loads; not started."""
    environment = {"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}
    return Node(name, directory / name, {**NODE_OPTIONS, "nats.url": nats.url, **(options or {})}, environment)


def start_nats(nats, directory):
    """With the streams, which a relay makes: a node waits for them."""
    nats.start()
    relay = Relay("relay", directory / "relay", {"nats.url": nats.url, "redis.stream": "", "redis.patterns": ""})
    relay.start()
    relay.kill()


def anonymous_bytes(process):
    """Memory of its own: heap and stacks, without files."""
    text = pathlib.Path(f"/proc/{process.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB$", text, re.MULTILINE)[1]) * 1024


def in_turn(names, number):
    """In an order that begins with another one each round: who comes first is not always the same."""
    first = number % len(names)
    return names[first:] + names[:first]


def spread(values, style):
    """The median, and between what the values lie."""
    middle = format(statistics.median(values), style)
    return middle if len(values) < 2 else f"{middle} ({min(values):{style}} to {max(values):{style}})"


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), Linux {platform.release()}"
