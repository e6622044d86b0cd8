"""What the reports of this folder share: the nodes under load, what they run on and what they use. Importing it makes
tests/integration/harness importable."""
import os
import pathlib
import platform
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import tokens  # noqa: E402
from harness.bench import NODE_OPTIONS  # noqa: E402
from harness.processes import Node  # noqa: E402


def new_node(name, directory, nats, options=None):
    """A node without the limits that are there against such loads; not started."""
    environment = {"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}
    return Node(name, directory / name, {**NODE_OPTIONS, "nats.url": nats.url, **(options or {})}, environment)


def anonymous_bytes(process):
    """Memory of its own: heap and stacks, without files."""
    text = pathlib.Path(f"/proc/{process.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB$", text, re.MULTILINE)[1]) * 1024


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), Linux {platform.release()}"
