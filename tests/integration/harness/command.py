"""`roomcast publish` and `roomcast listen`, as people and scripts run them."""
import json
import subprocess

from .processes import binary, clean_environment
from .waiting import eventually, seconds


def run_roomcast(*arguments, environment=None, stdin="", timeout=20):
    """To its end: subprocess.CompletedProcess with text output."""
    return subprocess.run(
        [binary("roomcast"), *map(str, arguments)],
        env=clean_environment(environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds(timeout),
        check=False,
    )


class Listening:
    """A `roomcast listen` that runs."""

    def __init__(self, directory, *arguments, environment=None):
        self.out, self.err = directory / "out", directory / "err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", binary("roomcast"), "listen", *map(str, arguments)],
                env=clean_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def told(self):
        return self.err.read_text()

    def wait_subscribed(self):
        eventually(lambda: "subscribed\n" in self.told() or self.process.poll() is not None, what="it is subscribed")
        assert self.process.poll() is None, self.told()
        return self

    def lines(self):
        return self.out.read_text().splitlines()

    def frames(self):
        return [json.loads(line) for line in self.lines()]

    def wait(self, timeout=30):
        """The exit status."""
        return self.process.wait(seconds(timeout))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
