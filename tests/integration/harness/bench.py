"""roomcast-bench against a node or a limit program."""
import json
import socket
import subprocess

from . import tokens
from .ports import free_port
from .processes import Process, binary, clean_environment
from .waiting import seconds

# What a node needs so that the load is not what its limits are for.
NODE_OPTIONS = {
    "workers": 1,
    "log.level": "warn",
    "limits.messages_per_s": 100000,
    "limits.messages_burst": 100000,
    "limits.typing_ms": 0,
}


class LimitServer(Process):
    """tests/bench/limit_send or limit_uring. The latter ends with 77 where the kernel refuses io_uring."""

    bench_arguments = ("--target=raw-ws", "--subscribe=s{room}", r"--publish=p{room}\n{payload}")

    def __init__(self, executable, directory, *flags):
        super().__init__(executable, directory)
        self.executable = executable
        self.flags = flags
        self.choose_ports()

    def choose_ports(self):
        self.port = free_port()

    @property
    def url(self):
        return f"ws://{self.host}:{self.port}/"

    def command(self):
        return [binary(self.executable), "--listen", self.port, *self.flags]

    def is_ready(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0


class Bench:
    """`server`: a Node, or one of another protocol, which says in `bench_arguments` how to speak it."""

    def __init__(self, server, nats=None, redis=None):
        self.server = server
        self.nats = nats
        self.redis = redis

    def target(self):
        if hasattr(self.server, "bench_arguments"):
            return self.server.bench_arguments
        arguments = [f"--jwt-secret={tokens.SECRET}"]
        if self.nats:
            arguments.append(f"--nats-url={self.nats.url}")
        if self.redis:
            arguments.append(f"--redis-url={self.redis.url}")
        return arguments

    def command(self, scenario, **options):
        """`options` are flags: in_flight=16 is --in-flight=16, hops=True is --hops."""
        arguments = [binary("roomcast-bench"), scenario, f"--url={self.server.url}", *self.target()]
        pids = getattr(self.server, "pids", None) or [self.server.process.pid]
        arguments += [f"--server-pid={','.join(map(str, pids))}", "--json=-"]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            arguments.append(flag if value is None or value is True else f"{flag}={value}")
        return arguments

    def start(self, scenario, **options):
        """subprocess.CompletedProcess."""
        return subprocess.run(
            self.command(scenario, **options),
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds(120),
            check=False,
        )

    def run(self, scenario, **options):
        """The figures. Something lost fails: status 1 is no success."""
        done = self.start(scenario, **options)
        assert done.returncode == 0, f"status {done.returncode}: {done.stderr}{done.stdout}"
        return json.loads(done.stdout)
