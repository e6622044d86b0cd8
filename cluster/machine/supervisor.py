"""Keeps a cluster running, and does what the subcommands of cluster/up ask for.

Processes are made in the main thread only: the kernel ends them with the thread that made them (pdeathsig), so they
live as long as the supervisor and no longer. Requests run in threads of their own, and hand that part over."""
import concurrent.futures
import contextlib
import json
import os
import queue
import signal
import subprocess
import threading

from harness.processes import ROOT

from .control import Refused, Server
from .partitions import Partitions

WATCH_SECONDS = 0.2
END_SECONDS = 5  # for nodes and relays, before they are killed
STATE = "state.json"


class Supervisor:
    def __init__(self, cluster, directory, has_networks):
        self.cluster = cluster
        self.directory = directory
        self.has_networks = has_networks
        self.partitions = Partitions(cluster)
        self._work = queue.SimpleQueue()
        self._claims = set()
        self._claims_lock = threading.Lock()
        self._is_ending = False
        self._told = {}  # process name -> the subprocess whose end was told

    # -- the main thread

    def open(self, handle):
        """Others find the cluster from now on, and may ask: stay() answers. `handle(supervisor, request, say)`."""
        self.write_state()
        Server(self.directory, lambda request, answer: handle(self, request, answer))

    def stay(self, say):
        """Serves requests until one says that the cluster is to end."""
        while not self._is_ending:
            try:
                self._work.get(timeout=WATCH_SECONDS)()
            except queue.Empty:
                self._watch(say)

    def _watch(self, say):
        for process in self.cluster.processes():
            child = process.process
            if child is not None and child.poll() is not None and self._told.get(process.name) is not child:
                self._told[process.name] = child
                say(f"{process.name} {end_of(process)}")

    def end(self):
        """Ends all processes: first those that are clients of the others."""
        programs = [*self.cluster.nodes, *self.cluster.relays]
        for process in self.cluster.processes():
            if process.is_running():
                process.signal(signal.SIGCONT)  # one that stands still hears no other signal
        for process in programs:
            if process.is_running():
                process.signal(signal.SIGTERM)
        for process in programs:
            if process.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait_exit(END_SECONDS)
        self.cluster.release()

    # -- any thread

    def on_main(self, function):
        """Its result, when the main thread has called it."""
        result = concurrent.futures.Future()

        def run():
            try:
                result.set_result(function())
            except Exception as error:  # it belongs to who asked
                result.set_exception(error)

        self._work.put(run)
        return result.result()

    @contextlib.contextmanager
    def claim(self, *names):
        """Nobody else changes these processes meanwhile."""
        with self._claims_lock:
            busy = self._claims & set(names)
            if busy:
                raise Refused(f"{', '.join(sorted(busy))}: another command is at work there")
            self._claims |= set(names)
        try:
            yield
        finally:
            with self._claims_lock:
                self._claims -= set(names)

    def ask_end(self):
        def end():
            self._is_ending = True

        self._work.put(end)

    def write_state(self):
        """What subcommands need that do not ask the supervisor."""
        environment = environment_of(self.cluster, self.directory)
        state = {"pid": os.getpid(), "networks": self.has_networks, "environment": environment}
        draft = self.directory / (STATE + ".new")
        draft.write_text(json.dumps(state))
        draft.rename(self.directory / STATE)


def end_of(process):
    """How it ended, for people."""
    status = process.process.returncode
    return f"was ended by signal {-status}" if status < 0 else f"ended with {status}"


def environment_of(cluster, directory):
    """What programs of ours, and scripts, need to find the cluster."""
    return {
        "PATH": f"{ROOT / '.build' / 'release' / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "ROOMCAST_NATS_URL": cluster.nats.url,
        "ROOMCAST_REDIS_URL": cluster.redis_server.url,
        "ROOMCAST_AUTH_HMAC_SECRET_FILE": str(directory / "hmac_secret"),
        "ROOMCAST_RELAY_API_KEY_FILE": str(directory / "api_key"),
        "CLUSTER_NODES": ",".join(node.url for node in cluster.nodes),
        "CLUSTER_ADMIN": ",".join(node.admin_url for node in cluster.nodes),
        "CLUSTER_RELAYS": ",".join(relay.admin_url for relay in cluster.relays),
    }
