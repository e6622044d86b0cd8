"""What the README tells people to type does what it says. (The programs in it: test_examples.py.)"""
import contextlib
import json
import re
import shlex
import subprocess

import pytest

from harness import tokens
from harness.command import Listening, run_roomcast
from harness.events import Event, message
from harness.processes import ROOT, get
from harness.stack import API_KEY
from harness.waiting import eventually, seconds

README = "\n".join((ROOT / name).read_text() for name in ("README.md", "proto/README.md"))
CLUSTER = ROOT / "cluster"
SCRIPTS = {file.name for file in (CLUSTER / "drills").iterdir() if file.is_file() and file.suffix == ""}
DRILLS = sorted(SCRIPTS - {"run-all"})


def test_the_redis_cli_line_publishes(stack, connect):
    line = re.search(r"^    (redis-cli XADD .*)$", README, re.MULTILINE)[1]
    client = connect(0)
    client.subscribe(re.search(r'"chat_id":"([0-9a-f-]{36})"', line)[1])
    program, *arguments = shlex.split(line)
    command = [program, "-p", str(stack.redis_server.port), *arguments]
    subprocess.run(command, check=True, timeout=20, capture_output=True)
    assert client.expect("chat.message.posted")["data"]["content"] == "Hello"


def test_the_curl_line_publishes(stack, connect):
    line = re.search(r"^    (curl -X POST http://127.0.0.1:9091/v1/events .*)$", README, re.MULTILINE)[1]
    arguments = shlex.split(line)
    body = arguments[arguments.index("-d") + 1]
    event = json.loads(body)[0]
    name, _, value = arguments[arguments.index("-H") + 1].replace("$RELAY_API_KEY", API_KEY).partition(": ")
    client = connect(0)
    client.subscribe(event["payload"]["chat_id"])
    answer = get(stack.relay.admin_url + "/v1/events", data=body.encode(), headers={name: value}, method="POST")
    assert answer.status == 202
    client.expect("chat.message.posted", id=event["id"])


@pytest.mark.parametrize("lost", [False, True], ids=["nothing-lost", "one-lost"])
def test_the_check_of_a_migration_finds_what_never_came(stack, extra_node, chat, other_chat, tmp_path, lost):
    program = tmp_path / "check.py"
    program.write_text(re.search(r"^```python\n(.*?)^```", (CLUSTER / "MIGRATING.md").read_text(), re.MULTILINE | re.DOTALL)[1])
    node = extra_node()  # to which nobody else comes
    command = ["/usr/bin/python3", program, node.url, stack.redis_server.url, f"{chat},{other_chat}", str(seconds(2))]
    checking = subprocess.Popen(command, env={"ROOMCAST_TOKEN": tokens.mint("migrating")}, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: node.metrics()["roomcast_subscriptions"] == 2, what="it looks on")
        stack.xadd_all([message(of, number) for number in range(5) for of in (chat, other_chat)])
        while lost and checking.poll() is None:  # of a type that has no row: in the stream, and never told
            stack.xadd(Event("invoice.paid", payload={"chat_id": chat}))
            with contextlib.suppress(subprocess.TimeoutExpired):
                checking.wait(0.1)
        wrong = checking.communicate(timeout=seconds(20))[1].splitlines()
    finally:
        checking.kill()
    assert all("never came" in line for line in wrong) and bool(wrong) == lost and checking.returncode == lost


def lines_of(section, command):
    text = re.search(rf"^## {section}$(.*?)^## ", README, re.MULTILINE | re.DOTALL)[1]
    return [shlex.split(line) for line in re.findall(rf"^    (?:.*/)?(roomcast {command} .*)$", text, re.MULTILINE)]


def test_the_lines_that_publish_and_listen_work(stack, tmp_path):
    (listen,) = [line for line in lines_of("One process, for development", "listen")]
    (publish,) = [line for line in lines_of("One process, for development", "publish")]
    relay = stack.relay.options["relay.listen"]
    environment = {"ROOMCAST_RELAY_API_KEY": API_KEY, "ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}
    listening = Listening(tmp_path, *listen[2:], "--url", stack.nodes[0].url, "--count", "1", environment=environment)
    try:
        listening.wait_subscribed()
        done = run_roomcast(*publish[1:], "--relay", f"http://{relay}", environment=environment)
        assert done.returncode == 0, done.stderr
        assert listening.wait() == 0 and listening.frames()[0]["data"] == {"content": "Hello"}
    finally:
        listening.kill()


def test_every_flag_in_the_lines_that_publish_and_listen_is_known():
    lines = lines_of("Publishing", "publish")
    lines += lines_of("Listening from a terminal", "listen")
    assert len(lines) >= 4
    for line in lines:
        shown = run_roomcast(line[1], "--help").stdout
        assert [word for word in line if word.startswith("--") and f"\n  {word} " not in shown] == []


# The commands of README.md -> the file that runs each, and how it does.
RUN_BY = {
    "cluster/quickstart": ("tests/run", "cluster/quickstart --smoke"),
    "tests/run": (".ci/run", "tests/run"),
    ".build/release/bin/roomcast --dev": ("tests/integration/test_dev.py", '"--dev"'),
    ".build/release/bin/roomcast listen": ("tests/integration/test_readme.py", 'lines_of("One process, for development", "listen")'),
    ".build/release/bin/roomcast publish": ("tests/integration/test_readme.py", 'lines_of("One process, for development", "publish")'),
    "cluster/install-packages build": ("tests/run", "cluster/install-packages"),
    "cmake --preset release && cmake --build --preset release": ("tests/run", 'cmake --build --preset "$1"'),
    "cmake --install .build/release": ("tests/install", "cmake --install"),
}


def test_every_command_of_readme_is_run_by_something():
    prose = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    assert len(commands) >= len(RUN_BY)
    for command in commands:
        found = [by for start, by in RUN_BY.items() if command == start or command.startswith(f"{start} --")]
        assert found, f"nothing runs {command!r}: see RUN_BY"
        assert all(how in (ROOT / file).read_text() for file, how in found), command


def test_every_folder_of_the_sources_is_told_of():
    readme = (ROOT / "README.md").read_text()
    folders = {f"src/{folder.name}" for folder in (ROOT / "src").iterdir() if folder.is_dir()}
    assert folders - set(re.findall(r"`(src/\w+)`", readme)) == set()


def output_of(*command):
    return subprocess.run(command, check=True, timeout=20, capture_output=True, text=True).stdout


def test_every_drill_is_run_by_run_all():
    listed = output_of(CLUSTER / "drills" / "run-all", "--list")
    assert sorted(listed.split()) == DRILLS and len(DRILLS) > 15


def test_every_drill_has_a_paragraph_of_its_own():
    explained = re.findall(r"^\*\*`([a-z-]+)`\*\*: ", (CLUSTER / "README.md").read_text(), re.MULTILINE)
    assert sorted(explained) == DRILLS


def test_every_command_of_cluster_up_is_explained():
    text = (CLUSTER / "README.md").read_text()
    commands = re.findall(r"^    ([a-z]+) ", output_of(CLUSTER / "up", "--help"), re.MULTILINE)
    assert len(commands) > 10
    table = "".join(line for line in text.splitlines() if line.startswith("| `"))
    assert [command for command in commands if not re.search(rf"`{command}[ `]", table)] == []
