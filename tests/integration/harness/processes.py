"""The real servers and programs, each a child process in a directory of its own.

A process is ended by its own pid only. If the test run itself is killed, the kernel ends them (pdeathsig).
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import redis

from . import contract_http, metrics
from .ports import free_port
from .waiting import eventually, seconds

TESTS = pathlib.Path(__file__).resolve().parents[2]
ROOT = TESTS.parent

_SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
_ERROR_LINE = re.compile(r'^ts=\S+ level=error\b|"level":"error"')
_PORT_TAKEN = re.compile(r"[Aa]ddress (already )?in use")

# Without a proxy, whatever the environment says: everything is on this machine.
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def binary(name):
    """`roomcast` or `roomcast-relay` of the build in ROOMCAST_BIN (default: .build/release)."""
    build = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build" / "release")).resolve()
    place = build / "bin" / name
    if not place.is_file():
        raise FileNotFoundError(f"no {place}: build it first, or set ROOMCAST_BIN")
    return str(place)


def sanitizer_options():
    """tests/support/sanitizers.env, which tests/run reads as well."""
    lines = (TESTS / "support" / "sanitizers.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.replace("%SUPPORT%", str(TESTS / "support")) for name, value in pairs}


def clean_environment(extra=None):
    """The environment for a program: nothing of the developer's own ROOMCAST_* settings gets in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROOMCAST_")}
    return {**kept, **sanitizer_options(), **(extra or {})}


class Process:
    """One child process. `start` may be called again after `stop` or `kill`: same directory, same ports."""

    stop_seconds = 15
    command_prefix = ()  # words before the command, as nsenter's, for a network namespace of its own
    host = "127.0.0.1"  # where it listens

    def __init__(self, name, directory):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / "log"
        self.process = None
        self.log_seen = 0  # bytes of the log already judged
        self._expected = []
        self._signals_sent = set()

    # -- life

    def command(self):
        raise NotImplementedError

    def environment(self):
        return clean_environment()

    def is_ready(self):
        raise NotImplementedError

    def spawn(self):
        """Starts it without waiting until it is ready."""
        assert not self.is_running(), f"{self.name} runs already"
        self._signals_sent = set()
        command = ["setpriv", "--pdeathsig", "KILL", "--", *self.command_prefix, *map(str, self.command())]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def start(self):
        for _ in range(3):
            self.spawn()
            try:
                return self.wait_ready()
            except AssertionError:
                if self.is_running() or not _PORT_TAKEN.search(self.log_text()):
                    raise
                self.choose_ports()
        raise AssertionError(f"{self.name}: no free port found")

    def choose_ports(self):
        raise NotImplementedError

    def wait_ready(self, timeout=30):
        def ready():
            if not self.is_running():
                return True
            return self.is_ready()

        eventually(ready, timeout, lambda: f"{self.name} is ready; its log ends with:\n{self.log_tail()}")
        assert self.is_running(), f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}"
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self._signals_sent.add(number)
        self.process.send_signal(number)

    def died_of(self):
        """The number of a signal that nobody here sent, once."""
        status = self.process.poll()
        if status is None or status >= 0 or -status in self._signals_sent:
            return None
        self._signals_sent.add(-status)
        return -status

    def wait_exit(self, timeout=None):
        """The exit status."""
        return self.process.wait(seconds(timeout or self.stop_seconds))

    def stop(self):
        """SIGTERM, and the exit status; None when it was not running."""
        if not self.is_running():
            return None
        self.signal(signal.SIGTERM)
        try:
            return self.wait_exit()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end:\n{self.log_tail()}") from None

    def peak_memory(self):
        """Bytes that were resident at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024

    def kill(self):
        """kill -9."""
        if self.is_running():
            self.signal(signal.SIGKILL)
            self.process.wait()

    # -- log

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=25):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def wait_log(self, pattern):
        """The part of the log that matches, as soon as it is there."""
        sought = re.compile(pattern, re.MULTILINE)
        return eventually(lambda: sought.search(self.log_text()), what=f"{self.name} logs {pattern}")[0]

    def expect_log(self, pattern):
        """Lines that match may be errors, when there are any: the test provokes them. To see that there are: wait_log()."""
        self._expected.append(re.compile(pattern))

    def take_new_log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_seen)
            new = log.read()
        self.log_seen += len(new)
        return new.decode(errors="replace").splitlines()

    def faults_in_log(self):
        """What nobody expected since the last call."""
        return []


class NatsServer(Process):
    def __init__(self, directory, name="nats", cluster=None, index=0):
        super().__init__(name, directory)
        self.cluster = cluster
        self.index = index
        self.extra_flags = []
        self.extra_environment = {}
        self.choose_ports()

    def choose_ports(self):
        self.port = free_port()
        self.monitor_port = free_port()

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def command(self):
        command = ["nats-server", "--name", self.name, "--addr", self.host, "--port", self.port]
        command += ["--http_port", self.monitor_port, "--jetstream", "--store_dir", self.directory / "store"]
        if self.cluster:
            command += self.cluster.flags(self.index)
        return [*command, *self.extra_flags]

    def environment(self):
        return clean_environment(self.extra_environment)

    def is_ready(self):
        return get(f"{self.monitor_url}/healthz").status == 200

    @property
    def monitor_url(self):
        return f"http://{self.host}:{self.monitor_port}"


class NatsCluster:
    """Servers with JetStream; a single one is no cluster."""

    def __init__(self, directory, size=3):
        self.route_ports = [free_port() for _ in range(size)]
        self.route_hosts = ["127.0.0.1"] * size
        self.servers = [
            NatsServer(pathlib.Path(directory) / f"nats-{i}", f"nats-{i}", cluster=self, index=i) for i in range(size)
        ]

    def flags(self, index):
        if len(self.servers) == 1:
            return []
        addresses = [f"nats://{host}:{port}" for host, port in zip(self.route_hosts, self.route_ports)]
        return ["--cluster_name", "tests", "--cluster", addresses[index], "--routes", ",".join(addresses)]

    @property
    def url(self):
        return ",".join(server.url for server in self.servers)

    def start(self):
        for server in self.servers:
            server.spawn()
        for server in self.servers:
            server.wait_ready()
        return self

    def stop(self):
        for server in self.servers:
            server.stop()


class RedisServer(Process):
    def __init__(self, directory, name="redis"):
        super().__init__(name, directory)
        self.choose_ports()

    def choose_ports(self):
        self.port = free_port()
        self.client = redis.Redis(host=self.host, port=self.port, socket_timeout=seconds(30))

    @property
    def url(self):
        return f"redis://{self.host}:{self.port}/0"

    def command(self):
        return ["redis-server", "--bind", self.host, "--port", self.port, "--dir", self.directory] + [
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *("--protected-mode", "no"),  # it refuses other hosts than its own, which there are in network namespaces
        ]

    def is_ready(self):
        try:
            return self.client.ping()
        except redis.RedisError:
            return False


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


def get(url, data=None, headers=None, method=None, timeout=10):
    """An HTTP request; every status is an answer. OSError when there is none."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with _http.open(request, timeout=seconds(timeout)) as given:
            answer = Answer(given.status, given.headers, given.read())
    except urllib.error.HTTPError as error:
        with error:
            answer = Answer(error.code, error.headers, error.read())
    contract_http.check(request.host, request.get_method(), request.selector, answer, data)
    return answer


class Program(Process):
    """A program of ours. `options` are option keys as in the table: {"ping.interval_s": 1}."""

    executable = None
    ready_key = None  # the option that holds the address of /readyz

    def __init__(self, name, directory, options, environment=None):
        super().__init__(name, directory)
        self.options = dict(options)
        self.extra_environment = dict(environment or {})
        self.choose_ports()

    def spawn(self):
        if self.executable in ("roomcast", "roomcast-relay"):  # a build for conformance has more endpoints
            contract_http.note_listeners(self.options)
        return super().spawn()

    def flags(self):
        return [f"--{key.replace('.', '-').replace('_', '-')}={text(value)}" for key, value in self.options.items()]

    def command(self):
        return [binary(self.executable), *self.flags()]

    def environment(self):
        return clean_environment(self.extra_environment)

    @property
    def admin_url(self):
        return f"http://{self.options[self.ready_key]}"

    def is_ready(self):
        return self.readyz().status == 200

    def readyz(self):
        return get(self.admin_url + "/readyz")

    def metrics(self):
        answer = get(self.admin_url + "/metrics")
        assert answer.status == 200
        return metrics.parse(answer.body.decode())

    def faults_in_log(self):
        faults = []
        for line in self.take_new_log():
            suspicious = _ERROR_LINE.search(line) or _SANITIZER_REPORT.search(line)
            if suspicious and not any(pattern.search(line) for pattern in self._expected):
                faults.append(f"{self.name}: {line}")
        return faults


def text(value):
    """A value as the option table reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Relay(Program):
    executable = "roomcast-relay"
    ready_key = "relay.listen"

    def choose_ports(self):
        self.options["relay.listen"] = f"{self.host}:{free_port()}"

    def is_ready(self):
        """At work. A relay beside an active one is ready too, but see is_standby."""
        return self.readyz_is("ready")

    def is_standby(self):
        return self.readyz_is("standby")

    def readyz_is(self, text):
        answer = self.readyz()
        return answer.status == 200 and answer.body.decode().strip() == text

    def wait_standby(self, timeout=30):
        eventually(self.is_standby, timeout, f"{self.name} stands by; its log ends with:\n{self.log_tail()}")
        return self


class Node(Program):
    executable = "roomcast"
    ready_key = "admin.listen"

    def choose_ports(self):
        self.port = free_port()
        self.options["listen"] = f"{self.host}:{self.port}"
        self.options["admin.listen"] = f"{self.host}:{free_port()}"

    @property
    def url(self):
        scheme = "wss" if "tls.cert_file" in self.options else "ws"
        return f"{scheme}://{self.host}:{self.port}/ws"


class Dev(Node):
    """`roomcast --dev`: node and relay in one process."""

    def choose_ports(self):
        super().choose_ports()
        self.options["relay.listen"] = f"127.0.0.1:{free_port()}"

    def command(self):
        return [*super().command(), "--dev"]


def run_program(executable, *arguments, environment=None, timeout=10):
    """Runs a program to its end: subprocess.CompletedProcess with text output."""
    return subprocess.run(
        [binary(executable), *arguments],
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds(timeout),
        check=False,
    )


if sys.version_info < (3, 11):
    raise RuntimeError("run these tests with Debian's own Python: /usr/bin/python3")
