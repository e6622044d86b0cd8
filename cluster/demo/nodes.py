"""The nodes that the demo's page connects to: which of them serve now, and the wish to have one killed.

A wish is a line of its name to the pipe that cluster/quickstart reads: it alone knows the process, being its parent,
kills it, and starts it again some seconds later."""
import http.client
import os
import threading
import time

from refused import Refused

ANSWER_SECONDS = 1
DEATH_SECONDS = 2


class Nodes:
    def __init__(self, nodes, pipe):
        """`nodes`: (name, port, port of its admin address); `pipe`: path of the named pipe."""
        self._nodes = nodes
        self._pipe = pipe
        self._killing = threading.Lock()

    def described(self):
        return [{"name": name, "url": f"ws://127.0.0.1:{port}/ws", "script": f"http://127.0.0.1:{port}/roomcast.js"}
                for name, port, _ in self._nodes]  # fmt: skip

    def sources(self):
        """For the page's Content-Security-Policy: where scripts come from, and where it may connect to."""
        ports = [port for _, port, _ in self._nodes]
        return [f"http://127.0.0.1:{port}" for port in ports], [f"ws://127.0.0.1:{port}" for port in ports]

    def states(self):
        return [{"name": name, "ready": is_ready(admin_port)} for name, _, admin_port in self._nodes]

    def kill(self, wanted):
        """Returns when the node is dead, so that who asks for the states afterwards is not told the old one. One at a time: two
        that look at once would each see the other's node up."""
        with self._killing:
            self._kill(wanted)

    def _kill(self, wanted):
        states = {state["name"]: state["ready"] for state in self.states()}
        if wanted not in states:
            raise Refused(404, "NO_SUCH_NODE", f"the nodes are {' and '.join(states)}")
        down = [name for name, ready in states.items() if not ready]
        if down:
            raise Refused(409, "NODE_DOWN", f"{' and '.join(down)} is not up yet: wait until it is, so that one remains")
        self._wish(wanted)
        admin_port = next(port for name, _, port in self._nodes if name == wanted)
        deadline = time.monotonic() + DEATH_SECONDS
        while is_ready(admin_port):
            if time.monotonic() > deadline:
                raise Refused(504, "NOT_KILLED", f"{wanted} still runs: cluster/quickstart has not killed it")
            time.sleep(0.01)

    def _wish(self, name):
        try:
            pipe = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:  # ENXIO: nobody reads it
            raise Refused(503, "NOT_SUPERVISED", f"nobody is there to kill a node: {error.strerror}") from error
        try:
            os.write(pipe, f"{name}\n".encode())
        finally:
            os.close(pipe)


def is_ready(admin_port):
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
