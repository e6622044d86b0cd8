"""What can be done to a running cluster. Each command: (supervisor, say, what was asked for by name) -> the answer."""
import signal
import subprocess

from harness.waiting import eventually

from . import states
from .cluster import NODES_MAX, RELAYS_MAX
from .control import Refused

READY_SECONDS = 60
DRAIN_DEFAULT_SECONDS = 45  # the default of drain.timeout_s
DRAIN_EXTRA_SECONDS = 15


def handle(supervisor, request, say):
    request = dict(request)
    name = request.pop("command")
    if name not in COMMANDS:
        raise Refused(f"no such command: {name}")
    return COMMANDS[name](supervisor, say, **request)


def status(supervisor, _):
    return states.all_of(supervisor.cluster, supervisor.partitions)


def kill(supervisor, _, name, number):
    process = _running(supervisor, name)
    process.signal(number)
    if number == signal.SIGKILL:
        process.wait_exit()
        return f"{name} is gone"
    return f"{name} was sent {signal.Signals(number).name}"


def start(supervisor, _, name):
    process = supervisor.cluster.named(name)
    with supervisor.claim(name):
        if process.is_running():
            raise Refused(f"{name} runs already")
        return _start(supervisor, process)


def restart(supervisor, say, name):
    process = supervisor.cluster.named(name)
    with supervisor.claim(name):
        if process.is_running():
            say(_end(process))
        return _start(supervisor, process)


def pause(supervisor, _, name):
    process = _running(supervisor, name)
    process.signal(signal.SIGSTOP)
    eventually(lambda: states.kernel_state(process) == "T", 5, f"{name} stands still")
    return f"{name} stands still"


def resume(supervisor, _, name):
    process = _running(supervisor, name)
    process.signal(signal.SIGCONT)
    eventually(lambda: states.kernel_state(process) != "T", 5, f"{name} goes on")
    return f"{name} goes on"


def partition(supervisor, _, name, other=None):
    return supervisor.on_main(lambda: supervisor.partitions.cut(name, other))


def heal(supervisor, _, name=None):
    count = supervisor.on_main(lambda: supervisor.partitions.heal(name))
    return f"{count} healed" if count else "nothing was cut"


def add(supervisor, _, kind):
    cluster = supervisor.cluster
    existing, most, make = {
        "node": (cluster.nodes, NODES_MAX, cluster.add_node),
        "relay": (cluster.relays, RELAYS_MAX, cluster.add_relay),
    }[kind]
    with supervisor.claim("add"):
        if len(existing) >= most:
            raise Refused(f"there are {most} already")
        process = supervisor.on_main(make)
        supervisor.write_state()
        return _start(supervisor, process)


def drain(supervisor, _, name):
    process = _running(supervisor, name)
    if process not in (*supervisor.cluster.nodes, *supervisor.cluster.relays):
        raise Refused(f"{name} is neither node nor relay")
    with supervisor.claim(name):
        return _end(process)


def roll(supervisor, say):
    """Node after node: drain, start, wait until ready."""
    nodes = [node for node in supervisor.cluster.nodes if node.is_running()]
    with supervisor.claim(*(node.name for node in nodes)):
        for node in nodes:
            say(_end(node))
            say(_start(supervisor, node))
    return f"{len(nodes)} nodes were rolled"


def down(supervisor, _):
    supervisor.ask_end()
    return "ending"


def _running(supervisor, name):
    process = supervisor.cluster.named(name)
    if not process.is_running():
        raise Refused(f"{name} does not run")
    return process


def _start(supervisor, process):
    """On its ports and with its files, as before."""
    supervisor.on_main(process.spawn)
    process.wait_ready(READY_SECONDS)
    return f"{process.name} is ready"


def _end(process):
    """In good order, as long as its drain may take."""
    process.signal(signal.SIGTERM)
    limit = int(getattr(process, "options", {}).get("drain.timeout_s", DRAIN_DEFAULT_SECONDS))
    try:
        process.wait_exit(limit + DRAIN_EXTRA_SECONDS)
    except subprocess.TimeoutExpired:
        raise Refused(f"{process.name} did not end within {limit + DRAIN_EXTRA_SECONDS} s") from None
    return f"{process.name} has ended"


COMMANDS = {
    command.__name__: command
    for command in (status, kill, start, restart, pause, resume, partition, heal, add, drain, roll, down)
}
