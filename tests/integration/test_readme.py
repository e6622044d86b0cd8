"""What the README tells people to type does what it says. (Node and Go are not run: no Redis library for them here.)"""
import json
import re
import shlex
import subprocess

from harness.processes import ROOT, get
from harness.stack import API_KEY

README = (ROOT / "README.md").read_text()
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


def test_the_python_lines_publish(stack, connect, chat):
    code = re.search(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[1]
    assert "redis.Redis()" in code
    client = connect(0)
    client.subscribe(chat)
    names = {"chat_id": chat}
    exec(code.replace("redis.Redis()", f"redis.Redis(port={stack.redis_server.port})"), names)
    names["r"].close()
    assert client.expect("chat.message.posted")["data"] == {"chat_id": chat, "content": "Hello"}


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
