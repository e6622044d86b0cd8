"""The directory of a cluster: who has it, its secrets, what is left of the last one in it."""
import fcntl
import json
import os
import pathlib
import secrets
import shutil
import sys
import time

from harness.processes import run_program

from .cluster import Cluster
from .supervisor import STATE

END_SECONDS = 60
SECRETS = ("hmac_secret", "api_key")


class InUse(Exception):
    """The directory cannot be taken."""


class Home:
    def __init__(self, directory, lock):
        self.directory = directory
        self._lock = lock  # a descriptor: held as long as this process lives, by nobody else
        self._waiting = None  # where the process waits that was started by the user, with `detach`

    @classmethod
    def take(cls, directory):
        """Makes it, or clears what the last cluster there has left."""
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "lock").exists() and any(directory.iterdir()):
            raise InUse(f"{directory} is not empty, and no directory of a cluster")
        lock = _try_lock(directory)
        if lock is None:
            raise InUse(f"a cluster runs in {directory} already: cluster/up status, cluster/up down")
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
        directory.chmod(0o700)
        for name in SECRETS:
            descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        return cls(directory, lock)

    def leave(self):
        """What tells others that a cluster runs here; its logs stay. The lock goes with the process."""
        for name in (STATE, "control.sock"):
            (self.directory / name).unlink(missing_ok=True)

    @staticmethod
    def wait_until_left(directory):
        deadline = time.monotonic() + END_SECONDS
        while (lock := _try_lock(directory)) is None:
            if time.monotonic() > deadline:
                raise InUse(f"the cluster in {directory} has not ended within {END_SECONDS} s")
            time.sleep(0.05)
        os.close(lock)

    @staticmethod
    def read_state(directory):
        try:
            return json.loads((pathlib.Path(directory) / STATE).read_text())
        except FileNotFoundError:
            raise ConnectionError(f"no cluster runs in {directory}") from None

    def cluster(self, arguments):
        """As the arguments want it."""
        return Cluster(
            self.directory,
            nodes=arguments.nodes,
            nats=arguments.nats,
            relays=arguments.relays,
            node_options=dict(arguments.option),
            relay_options=dict(arguments.relay_option),
            node_secrets={"ROOMCAST_AUTH_HMAC_SECRET_FILE": str(self.directory / "hmac_secret")},
            relay_secrets={"ROOMCAST_RELAY_API_KEY_FILE": str(self.directory / "api_key")},
        )

    def mint_token(self, user):
        words = ["token", "--user", user, "--chats", "*", "--ttl", "86400"]
        words += ["--auth-hmac-secret-file", str(self.directory / "hmac_secret")]
        return run_program("roomcast", *words).stdout.strip()

    # -- in the background

    def detach(self):
        """This process goes on in the background, with its output in the file `supervisor.log`. Returns what tells the
        process that the user sees, which ends with the first `let_go`, or with 1 when this one ends before."""
        reading, writing = os.pipe()
        if os.fork():
            os.close(writing)
            with os.fdopen(reading) as told:
                words = told.read()
            text, is_ready, _ = words.partition("\0")
            if is_ready:
                print(text, flush=True)
            else:
                print((self.directory / "supervisor.log").read_text(), end="", file=sys.stderr, flush=True)
            os._exit(0 if is_ready else 1)
        os.close(reading)
        os.setsid()
        self._waiting = os.fdopen(writing, "w")
        log = os.open(self.directory / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for descriptor in (log, nothing):
            os.close(descriptor)
        return self._waiting.write

    def let_go(self):
        self._waiting.write("\0")
        self._waiting.close()


def _try_lock(directory):
    """The locked descriptor; None when another process has it. Not a file object: that would let the lock go
    while the interpreter still ends."""
    lock = os.open(pathlib.Path(directory) / "lock", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
