"""Other servers in a report: an ini file with one section for each.

    [uWebSockets]
    command = /opt/uws/rooms --port {port}      started for the report, and ended with it
    url = ws://127.0.0.1:{port}/                {port}: a free one
    subscribe = {"join":"{room}"}
    publish = {"to":"{room}","text":"{payload}"}

    [Nchan]
    pids = 4711,4712                            runs already: whose CPU time and memory are its own
    url = ws://127.0.0.1:8090/room
    subscribe = x
    publish = {payload}

Also: hello, hello-answer, answer, subprotocol, and binary = yes, compression = yes. They are the options of
`roomcast-bench --target raw-ws`, which explains them and what a template may hold."""
import configparser
import os
import pathlib
import shlex
import socket
import urllib.parse

import servers  # noqa: F401 - makes harness importable
from harness.ports import free_port
from harness.processes import Process

OWN = ("command", "pids", "url")
TEMPLATES = ("hello", "hello-answer", "subscribe", "publish", "answer", "subprotocol")
FLAGS = ("binary", "compression")


def is_listening(host, port):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def descendants(pid):
    """The process and all that it has started."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += descendants(int(child))
    return found


class Peer(Process):
    """One section of the file."""

    def __init__(self, name, spec, directory):
        super().__init__(name, directory)
        self.spec = spec
        self.choose_ports()
        flags = [f"--{key}" for key in FLAGS if spec.getboolean(key, False)]
        templates = [f"--{key}={spec[key]}" for key in TEMPLATES if key in spec]
        self.bench_arguments = ["--target=raw-ws", *flags, *templates]

    def choose_ports(self):
        self.free = free_port()

    def _filled(self, key):
        return self.spec[key].replace("{port}", str(self.free))

    @property
    def url(self):
        return self._filled("url")

    def command(self):
        return shlex.split(self._filled("command"))

    def is_ready(self):
        address = urllib.parse.urlsplit(self.url)
        return is_listening(address.hostname, address.port)

    @property
    def is_ours(self):
        return "command" in self.spec

    @property
    def pids(self):
        return descendants(self.process.pid) if self.is_ours else self.spec["pids"].split(",")

    def start(self):
        return super().start() if self.is_ours else self

    def kill(self):
        """With what it has started."""
        if not self.is_running():
            return
        for pid in self.pids[1:]:
            os.kill(pid, 9)
        super().kill()


def problem_of(name, spec):
    unknown = set(spec) - {*OWN, *TEMPLATES, *FLAGS}
    if unknown:
        return f"[{name}]: {', '.join(sorted(unknown))}: no such option"
    missing = [key for key in ("url", "subscribe", "publish") if key not in spec]
    if missing:
        return f"[{name}]: {', '.join(missing)} is missing"
    if ("command" in spec) == ("pids" in spec):
        return f"[{name}]: either command or pids: who is measured?"
    return None


def read_peers(path):
    """{name: section}. ValueError says what is wrong."""
    file = configparser.ConfigParser(interpolation=None, default_section="", delimiters=("=",))
    try:
        with open(path) as text:
            file.read_file(text)
    except (OSError, configparser.Error) as error:
        raise ValueError(str(error)) from None
    problems = [problem for name in file.sections() if (problem := problem_of(name, file[name]))]
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return {name: file[name] for name in file.sections()}
