"""`roomcast top`: the cluster as its heartbeats tell it, on a terminal and elsewhere."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import raw
from harness.events import Event
from harness.processes import binary, clean_environment, run_program
from harness.waiting import eventually, seconds

BEAT_MS = 200
OPTIONS = {"cluster.heartbeat_ms": BEAT_MS}
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def cluster(make_stack):
    return make_stack(nodes=2, node_options=OPTIONS, relay_options=OPTIONS).start()


def once(stack, *words):
    done = run_program("roomcast", "top", "--once", "--json", "--nats-url", stack.nats.url, *words, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def nodes_of(look):
    return {node["name"]: node for node in look["nodes"]}


class Terminal:
    """The program on a pseudo-terminal, and what it has drawn there."""

    def __init__(self, stack, *words, rows=24, columns=80):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        command = [binary("roomcast"), "top", "--interval", "1", "--nats-url", stack.nats.url, *words]
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            env={**clean_environment(), "TERM": "xterm"},
            start_new_session=True,
        )

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 65536)
        return self.output

    def frames(self):
        """The lines of each whole look, without what steers the terminal."""
        drawn = self.read().decode().split("\x1b[H")[1:]
        whole = [frame.partition("\x1b[J")[0] for frame in drawn if "\x1b[J" in frame]
        return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", frame).split("\r\n") for frame in whole]

    def wait_text(self, *texts, timeout=15):
        """The first look that shows all of these."""

        def shown():
            frames = self.frames()
            return frames and all(any(text in line for line in frames[-1]) for text in texts) and frames[-1]

        return eventually(shown, timeout, f"{texts} are shown; at last: {self.frames()[-1:]}")

    def wait_end(self):
        """The exit status, when it has given the terminal back as it was."""
        status = self.process.wait(seconds(10))
        assert self.process.stderr.read() == b""
        output = self.read()
        assert output.count(ENTER) == output.count(LEAVE) and output.rstrip().endswith(LEAVE)
        assert output.rindex(b"\x1b[?25h") > output.rindex(b"\x1b[?25l"), "the cursor is back"
        assert termios.tcgetattr(self.slave) == self.before
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(cluster):
    opened = []

    def open_terminal(*words, **size):
        opened.append(Terminal(cluster, *words, **size))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_json_agrees_with_metrics(cluster, open_client, chat):
    reader = open_client(cluster.nodes[1])
    reader.subscribe(chat)
    for _ in range(5):
        cluster.xadd(Event(chat=chat))
        reader.expect("chat.message.posted")

    def agrees():
        look = once(cluster)
        node, metrics = nodes_of(look)["roomcast-1"], cluster.nodes[1].metrics()
        assert node["connections"] == metrics["roomcast_connections"] == 1
        assert node["rooms"] == metrics["roomcast_rooms"] == 2
        assert node["deliveries_total"] == metrics["roomcast_deliveries_total"] >= 5
        assert node["accepted_total"] == metrics["roomcast_handshakes_total", "result", "accepted"]
        (relay,) = look["relays"]
        assert relay["stored_total"] == cluster.relay.metrics()["roomcast_relay_events_total", "result", "stored"] == 5
        assert relay["active"] and relay["state"] == "active"
        assert look["totals"]["connections"] == 1 and look["totals"]["nodes"] == 2
        return look

    look = eventually(agrees, what="beats have told it all")
    assert [node["name"] for node in look["nodes"]] == ["roomcast-0", "roomcast-1"]
    assert nodes_of(look)["roomcast-0"]["admin"] == cluster.nodes[0].options["admin.listen"]
    by_connections = once(cluster, "--sort", "connections")
    assert [node["name"] for node in by_connections["nodes"]] == ["roomcast-1", "roomcast-0"]


def test_a_client_that_reads_nothing_is_counted_as_slow(cluster, chat):
    node = cluster.nodes[0]
    with raw.WebSocket(node.port) as stalled:
        stalled.send_frame(raw.TEXT, json.dumps({"type": "subscribe", "chat_id": chat}))
        stalled.expect_text("ack")
        big = {"chat_id": chat, "content": "x" * 100000}
        sent = 0

        def is_slow():
            nonlocal sent
            if sent < 200:
                cluster.xadd_all(Event(chat=chat, payload=big) for _ in range(20))
                sent += 20
            return node.metrics()["roomcast_blocked_connections"] == 1

        eventually(is_slow, 20, "its kernel buffer is full")
        eventually(lambda: nodes_of(once(cluster))["roomcast-0"]["blocked"] == 1, what="top says so")
    eventually(lambda: node.metrics()["roomcast_blocked_connections"] == 0, what="it has gone")


def test_admin_listeners_are_asked_instead_of_nats(cluster, terminal, open_client):
    open_client(cluster.nodes[1])
    first, second = (node.options["admin.listen"] for node in cluster.nodes)

    def sees_all(*addresses):
        words = ["--nats-url", "nats://127.0.0.1:9", "--admin", ",".join(addresses)]
        done = run_program("roomcast", "top", "--once", "--json", *words, timeout=30)
        assert done.returncode == 0, done.stderr
        look = json.loads(done.stdout)
        assert nodes_of(look)["roomcast-1"]["connections"] == 1
        assert nodes_of(look)["roomcast-1"]["deliveries_per_s"] is not None
        assert look["totals"]["nodes"] == 2 and look["totals"]["active_relays"] == 1
        return look["source"]

    eventually(lambda: sees_all(first, f"http://{second}/") == "admin: 2 of 2 answer", what="both are asked")
    assert sees_all(first) == "admin: 1 of 1 answers", "one knows the others"
    screen = terminal("--admin", f"{first},{second},{cluster.relay.options['relay.listen']}")
    screen.wait_text("admin: 2 of 3 answer")  # a relay has no GET /cluster
    cluster.nodes[0].stop()
    screen.wait_text("admin: 1 of 3 answer")
    screen.wait_text("1 node, ")
    os.write(screen.master, b"q")
    assert screen.wait_end() == 0


def test_nobody_heard_is_exit_status_1(make_stack):
    stack = make_stack(nodes=0)
    stack.nats.start()
    began = time.monotonic()
    done = run_program("roomcast", "top", "--once", "--nats-url", stack.nats.url, timeout=30)
    assert done.returncode == 1 and "No process has been heard yet" in done.stdout
    assert time.monotonic() - began < seconds(20)


@pytest.mark.parametrize(
    "words", [["--interval", "0"], ["--interval", "61"], ["--sort", "age"], ["--interval"], ["--admin", "x"], ["--admin", "a:1,b:0"], ["--no-such"], ["--nats-url", "x:y:z"]]
)
def test_wrong_arguments_are_refused(words):
    done = run_program("roomcast", "top", *words)
    assert done.returncode == 2 and words[0].strip("-").replace("nats-url", "nats.url") in done.stderr


def test_looks_are_drawn_in_place_and_the_terminal_is_given_back(terminal):
    screen = terminal()
    shown = screen.wait_text("roomcast-0 ", "roomcast-1 ", "relay-0 ", "NATS: connected")
    assert shown[0].startswith("roomcast top ") and "NATS: connected" in shown[0]
    assert any(line.startswith("roomcast-0 ") and " serving " in line for line in shown)
    assert any(line.startswith("relay-0 ") and " active " in line for line in shown)
    eventually(lambda: len(screen.frames()) >= 3, what="it is drawn again")
    output = screen.read()
    assert output.count(ENTER) == 1
    assert all(len(frame) <= 24 and max(map(len, frame)) <= 80 for frame in screen.frames())
    assert b"\n\x1b[J" not in output, "nothing that scrolls at the end"
    os.write(screen.master, b"q")
    assert screen.wait_end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(terminal, number):
    screen = terminal()
    screen.wait_text("roomcast-0")
    screen.process.send_signal(number)
    assert screen.wait_end() == 0


def test_a_stop_gives_the_terminal_back_until_it_goes_on(terminal):
    screen = terminal()
    screen.wait_text("roomcast-0")
    screen.process.send_signal(signal.SIGTSTP)
    eventually(lambda: screen.read().rstrip().endswith(LEAVE), what="it has left the screen")
    assert termios.tcgetattr(screen.slave) == screen.before
    screen.process.send_signal(signal.SIGCONT)
    eventually(lambda: screen.read().count(ENTER) == 2, what="it is back")
    os.write(screen.master, b"q")
    assert screen.wait_end() == 0


def test_another_size_of_the_terminal_is_taken_at_once(terminal):
    screen = terminal("--interval", "60")
    screen.wait_text("NODE")
    screen.resize(10, 200)

    def is_wide():
        screen.process.send_signal(signal.SIGWINCH)  # again and again: a node may not have been heard yet
        return any(" ADMIN" in line for line in screen.frames()[-1]) and screen.frames()[-1]

    assert len(eventually(is_wide, what="it has as many columns as the terminal")) <= 10


def test_a_killed_node_turns_silent_and_goes(terminal, cluster):
    screen = terminal()
    screen.wait_text("roomcast-1")
    cluster.nodes[1].kill()
    screen.wait_text("1 silent")
    assert any(line.startswith("roomcast-1 ") and " silent " in line for line in screen.frames()[-1])
    eventually(lambda: not any("roomcast-1" in line for line in screen.frames()[-1]), what="it is dropped")


def test_nats_away_is_said(terminal, cluster):
    screen = terminal()
    screen.wait_text("roomcast-1")
    cluster.nats.stop()
    screen.wait_text("NATS: not connected")


def test_elsewhere_looks_are_plain_text_one_below_the_other(cluster):
    command = [binary("roomcast"), "top", "--interval", "1", "--nats-url", cluster.nats.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment(), text=True)
    try:
        lines = []
        while sum(line.startswith("roomcast top ") for line in lines) < 3:
            lines.append(process.stdout.readline())
        assert not any("\x1b" in line for line in lines)
        assert any(line.startswith("roomcast-0 ") for line in lines)
        process.stdout.close()  # as `| head` does
        assert process.wait(seconds(10)) == 1
    finally:
        process.kill()
        process.wait()
