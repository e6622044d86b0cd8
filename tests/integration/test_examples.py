"""The programs in README.md and proto/README.md, taken from there as they stand, publish to a real Redis, and a client hears them.

What they need besides comes from the languages' own registries, as examples/ pins it, into .build/examples. A
language whose tools are not on this machine is skipped."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from harness import npm
from harness.processes import ROOT, TESTS
from harness.waiting import eventually, seconds

pytestmark = pytest.mark.heavy  # the same in every build

README = "\n".join((ROOT / name).read_text() for name in ("README.md", "proto/README.md"))
PINNED = TESTS / "integration" / "examples"


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md and proto/README.md show nothing in {language}"
    return found


def workshop(language, *pinned):
    """A directory that stays for the next run, with the pinned files in it."""
    home = ROOT / ".build" / "examples" / language
    home.mkdir(parents=True, exist_ok=True)
    for name in pinned:
        shutil.copy(PINNED / name, home)
    return home


def need(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")


def run(*command, cwd, timeout=300, **environment):
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds(timeout),
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"


@pytest.fixture
def heard(stack, connect, chat):
    """heard(command): runs the program with a chat, and is content when a client there hears its message."""
    client = connect(1)
    client.subscribe(chat)

    def expect_hello(*command, cwd):
        run(*command, chat, cwd=cwd, timeout=60, REDIS_URL=stack.redis_server.url, NATS_URL=stack.nats.url)
        frame = client.expect("chat.message.posted")
        assert frame["data"] == {"chat_id": chat, "content": "Hello"}
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", frame["id"]) and frame["ts"].startswith("20")
        assert stack.dead_letters() == [] or all(chat not in entry["event"] for entry in stack.dead_letters())

    return expect_hello


def test_the_python_program_publishes(heard):
    home = workshop("python")
    (home / "publish.py").write_text(blocks("python")[0])
    heard(sys.executable, "publish.py", cwd=home)


def node_program(mark):
    """Where the program with this mark in it is, as publish.js."""
    home = npm.install("examples", ROOT / ".build" / "examples" / "node")
    (program,) = [block for block in blocks("js") if mark in block]
    (home / "publish.js").write_text(program)
    return home


def test_the_node_program_publishes(heard):
    heard("node", "publish.js", cwd=node_program("REDIS_URL"))


def test_the_node_program_publishes_by_request_on_nats(heard, stack, watch):
    relay = stack.new_relay("relay-of-requests")
    relay.options["relay.nats_requests"] = "true"
    watch(relay)
    home = node_program("NATS_URL")
    relay.spawn().wait_standby()
    stack.relay.stop()
    try:
        eventually(relay.is_ready, what="it is active, and hears requests")
        heard("node", "publish.js", cwd=home)
    finally:
        assert relay.stop() == 0
        stack.relay.start()


def test_the_go_program_publishes(heard):
    need("go")
    home = workshop("go", "go.mod", "go.sum")
    (home / "main.go").write_text(next(block for block in blocks("go") if block.startswith("package main")))
    assert subprocess.run(["gofmt", "-l", "."], cwd=home, capture_output=True, check=True).stdout == b""
    run("go", "build", "-o", "publish", ".", cwd=home)
    heard("./publish", cwd=home)


def test_the_java_program_publishes(heard):
    need("java", "javac", "mvn")
    home = workshop("java", "pom.xml")
    if not list(home.glob("lib/jedis-*.jar")):
        run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", cwd=home)
    (home / "Publish.java").write_text(blocks("java")[0])
    run("javac", "-Xlint", "-Werror", "-cp", "lib/*", "-d", "classes", "Publish.java", cwd=home)
    heard("java", "-cp", "lib/*:classes", "Publish", cwd=home)


# -- the outbox


class Row:
    def __init__(self, number, event):
        self.id, self.event = number, event


class Database:
    """An outbox in memory, whose transactions can be broken off before the commit."""

    def __init__(self, rows):
        self.rows, self.dies, self.transactions = rows, False, 0

    @contextlib.contextmanager
    def transaction(self):
        before = list(self.rows)
        self.transactions += 1
        try:
            yield
            if self.dies:
                raise ConnectionError("it died before the commit")
        except ConnectionError:
            self.rows = before
            raise

    def query(self, statement):
        assert statement == "SELECT id, event FROM outbox ORDER BY id LIMIT 100 FOR UPDATE"
        return sorted(self.rows, key=lambda row: row.id)[:100]

    def execute(self, statement, parameters):
        assert statement == "DELETE FROM outbox WHERE id = ANY(%s)"
        self.rows = [row for row in self.rows if row.id not in parameters[0]]


def test_the_outbox_loop_that_dies_before_its_commit_delivers_once_and_in_order(stack, connect, chat):
    names = {}
    exec(next(block for block in blocks("python") if "def carry(" in block), names)
    events = [
        {"id": f"{chat}-{number}", "event_type": "message.posted", "payload": {"chat_id": chat, "number": number}}
        for number in range(150)
    ]
    database = Database([Row(number, json.dumps(event)) for number, event in enumerate(events)])
    client = connect(0)
    client.subscribe(chat)
    database.dies = True
    with pytest.raises(ConnectionError):
        names["carry"](database, stack.redis)
    assert len(database.rows) == 150
    database.dies = False
    while database.rows:
        names["carry"](database, stack.redis)
    assert database.transactions == 3
    frames = [client.expect("chat.message.posted") for _ in range(150)]
    assert [frame["data"]["number"] for frame in frames] == list(range(150))
    assert [frame["seq"] for frame in frames] == list(range(1, 151))
