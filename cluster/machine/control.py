"""How a running cluster is told what to do: JSON lines over a Unix socket in its directory, for its owner alone.

One request a connection. Answers: any number of {"say": text}, then {"done": value} or {"error": text, "status": n}."""
import json
import os
import pathlib
import socket
import subprocess
import threading

NAME = "control.sock"
REQUEST_MAX = 65536
PATIENCE_SECONDS = 5  # for a request to be complete


class Refused(Exception):
    """The request was not carried out. `status`: exit status of the program that asked."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


class _Directory:
    """A short name for it: the path of a Unix socket must not be longer than 107 bytes."""

    def __init__(self, directory):
        self._descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)

    def __enter__(self):
        return f"/proc/self/fd/{self._descriptor}/{NAME}"

    def __exit__(self, *_):
        os.close(self._descriptor)


class Server:
    """`handle(request, say)` runs in a thread of its own for each request; what it returns is the answer, Refused and
    what a failed process raises become an error."""

    def __init__(self, directory, handle):
        self._handle = handle
        (pathlib.Path(directory) / NAME).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with _Directory(directory) as path:
                self._listener.bind(path)
        finally:
            os.umask(before)
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        def send(**message):
            try:
                connection.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                pass  # who asked has gone; what it asked for is done all the same

        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            try:
                request = json.loads(connection.makefile("rb").readline(REQUEST_MAX))
                send(done=self._handle(request, lambda text: send(say=text)))
            except Refused as error:
                send(error=str(error), status=error.status)
            except (AssertionError, LookupError, OSError, TypeError, ValueError, subprocess.SubprocessError) as error:
                send(error=str(error) or type(error).__name__, status=1)


def ask(directory, say, **request):
    """Refused; ConnectionError when nobody answers there. `say(text)`: for what is told on the way."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            with _Directory(directory) as path:
                connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            for line in connection.makefile("rb"):
                answer = json.loads(line)
                if "say" in answer:
                    say(answer["say"])
                elif "error" in answer:
                    raise Refused(answer["error"], answer["status"])
                else:
                    return answer["done"]
    except OSError as error:
        raise ConnectionError(f"no cluster runs in {directory}") from error
    raise ConnectionError(f"the cluster in {directory} ended before it answered")
