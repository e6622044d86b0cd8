#!/usr/bin/python3
"""Records the load shapes that simulate.py plays: the connections of three real nodes, scraped by a real Prometheus.

    tests/chart/autoscaling/record.py [SHAPE]...     all, or those named; writes shapes/SHAPE.json

Real are the nodes, NATS, the clients' connections (handshakes, cuts, refusals, tries again) and what Prometheus made of
them. Who wants to be connected when is drawn at random, by the rules beside each shape: this is nobody's production.
A file is the answer of /api/v1/query_range for QUERY, as it came. ROOMCAST_BIN: the build (default: the release build).
"""
import asyncio
import pathlib
import random
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests/integration"), str(ROOT / "tests/chart"), str(ROOT / "cluster/drills")]

from harness import tokens  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.waiting import eventually  # noqa: E402
from scraping import Prometheus  # noqa: E402
from websocket import Connection, upgrade_request  # noqa: E402

QUERY = "sum(roomcast_connections)"
USERS, NODES, SEED = 4000, 3, 7
RETRY_S, RETRY_MAX_S = 0.5, 8  # doubled each time, and anything from a half to one and a half of it
SPREAD_S = 5  # over which those who are there at the beginning connect


class User:
    """Is connected when it wants to be and its network is up, at a node chosen anew each time."""

    def __init__(self, name, nodes, network):
        self.token = tokens.mint(name)
        self.nodes, self.network = nodes, network
        self.wants, self.connection, self.failures, self.timer = False, None, 0, None

    def come(self):
        self.wants = True
        self.connect()

    def go(self):
        self.wants = False
        self.cut()

    def cut(self):
        if self.connection:
            self.connection.abort()

    def connect(self):
        if self.wants and not self.connection and self.network["up"]:
            node = random.choice(self.nodes)
            request = upgrade_request("127.0.0.1", node.port, "/ws", self.token)
            self.connection = Connection(self, request, asyncio.get_running_loop().time())
            asyncio.ensure_future(self._connect(self.connection, node.port))

    async def _connect(self, connection, port):
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
        except OSError:
            self.on_lost(connection)

    def on_open(self, connection):
        self.failures = 0
        if not self.wants or not self.network["up"]:  # that changed while it was on its way
            connection.abort()

    def on_text(self, _, text):
        pass

    def on_refused(self, _, status):
        pass

    def on_lost(self, _):
        self.connection = None
        if self.timer:
            self.timer.cancel()
        pause = min(RETRY_S * 2**self.failures, RETRY_MAX_S) * random.uniform(0.5, 1.5)
        self.failures += 1
        self.timer = asyncio.get_running_loop().call_later(pause, self.connect)


class Scene:
    def __init__(self, stack):
        self.stack, self.network = stack, {"up": True}
        self.users = [User(f"user-{number}", stack.nodes, self.network) for number in range(USERS)]

    def at(self, seconds, action):
        """`seconds` after the recording began, or before: at most SPREAD_S."""
        asyncio.get_running_loop().call_later(max(0, SPREAD_S + seconds), action)

    def lose_the_network(self):
        self.network["up"] = False
        for user in self.users:
            user.cut()

    def find_the_network(self):
        self.network["up"] = True
        for user in self.users:
            user.connect()


def sessions(scene, user, begin, end):
    """From `begin` to `end` in the app and out of it: sessions of 60 s in the mean, pauses of 10 s."""
    at = begin
    while at < end:
        scene.at(at, user.come)
        at = min(at + random.expovariate(1 / 60), end)
        scene.at(at, user.go)
        at += random.expovariate(1 / 10)


def morning(scene, length):
    """A sixth is there all night; the others begin their day some time, most of them in the middle of the recording."""
    for number, user in enumerate(scene.users):
        night = number % 6 == 0
        begin = random.uniform(-SPREAD_S, 0) if night else random.gauss(length / 2, length / 7)
        sessions(scene, user, begin, length + 60)


def evening(scene, length):
    """All are there; five of six end their day some time, most of them in the first half."""
    for number, user in enumerate(scene.users):
        end = length + 60 if number % 6 == 0 else random.gauss(length * 0.4, length / 6)
        sessions(scene, user, random.uniform(-SPREAD_S, 0), end)


def avalanche(scene, length):
    """A fifth is there. At 60 s the network is gone for everybody, for 15 s; when it is back all come at once, and with them
    the others, within a minute or so. At 180 s a node is killed, and started again 5 s later."""
    for number, user in enumerate(scene.users):
        scene.at(random.uniform(-SPREAD_S, 0) if number % 5 == 0 else 75 + random.expovariate(1 / 20), user.come)
    scene.at(60, scene.lose_the_network)
    scene.at(75, scene.find_the_network)
    scene.at(180, scene.stack.nodes[0].kill)
    scene.at(185, scene.stack.nodes[0].spawn)


SHAPES = {"morning": (morning, 180), "avalanche": (avalanche, 300), "evening": (evening, 180)}  # and for how many seconds


async def play(shape, scene, length):
    """When it began, unix seconds."""
    shape(scene, length)
    await asyncio.sleep(SPREAD_S)
    began = time.time()
    await asyncio.sleep(length)
    for user in scene.users:
        user.go()
    return began


def record(name, directory):
    shape, length = SHAPES[name]
    random.seed(SEED)
    stack = Stack(directory, nodes=NODES).start()
    targets = {f"roomcast-{number}": node.options["admin.listen"] for number, node in enumerate(stack.nodes)}
    prometheus = Prometheus(directory / "prometheus", "chat", targets, "groups: []\n").start()
    try:
        eventually(lambda: prometheus.query("count(roomcast_connections)") == {"": NODES}, what="all nodes are scraped")
        began = asyncio.run(play(shape, Scene(stack), length))
        answer = prometheus.answer("/api/v1/query_range", query=QUERY, start=int(began), end=int(began) + length, step=1)
    finally:
        prometheus.kill()
        for process in stack.processes():
            process.kill()
    (HERE / "shapes" / f"{name}.json").write_bytes(answer + b"\n")


def main():
    for name in sys.argv[1:] or SHAPES:
        with tempfile.TemporaryDirectory() as directory:
            record(name, pathlib.Path(directory))


if __name__ == "__main__":
    main()
