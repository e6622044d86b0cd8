"""What somebody is told who types something wrong, or asks a process that is not well: the cause, and what to do."""
import os
import subprocess

import pytest

from harness import tokens
from harness.command import run_roomcast
from harness.ports import free_port
from harness.processes import ROOT
from harness.waiting import eventually


@pytest.mark.parametrize(
    "words, said",
    [
        (["helo"], "the first argument is neither an option (--name=value) nor a command: publish, listen, token, top, probe, completion"),
        (["--lisen", "127.0.0.1:1"], "--lisen: unknown flag; did you mean --listen?"),
        (["token", "--dev", "--user", "ann", "--chats", "general"], "--chats general: chat ids are UUIDs"),
        (["token", "--dev", "--user", ""], "--user: a user id is 1 to 128 bytes"),
        (["token", "--user", "ann", "--auth-hmac-secret", "short"], "auth.hmac_secret is shorter than 32 bytes"),
        (["publish", "--dev", "--chat", "general"], "--chat general: a chat's id is a UUID"),
    ],
)
def test_a_wrong_word_is_told_once_and_by_its_name(words, said):
    done = run_roomcast(*words)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line and line.startswith("roomcast")


def test_a_word_that_may_be_a_secret_is_not_repeated():
    assert "hunter2" not in run_roomcast("hunter2").stderr


@pytest.mark.parametrize("command", ["publish", "listen", "token", "top"])
def test_the_help_of_a_command_lists_only_what_matters_to_it(command):
    shown = run_roomcast(command, "--help").stdout
    assert shown.count("usage:") + shown.count("Usage:") == 1 and "--rebalance-rate" not in shown
    assert len(shown.splitlines()) < 110


def test_probe_tells_whether_nobody_listens_or_what_is_missing(extra_node):
    nobody = f"http://127.0.0.1:{free_port()}/readyz"
    done = run_roomcast("probe", nobody)
    assert (done.returncode, done.stderr) == (1, f"roomcast probe: {nobody}: nobody listens there\n")
    node = extra_node({"nats.url": f"nats://127.0.0.1:{free_port()}"}, start=False)
    node.spawn()
    url = node.admin_url + "/readyz"
    eventually(lambda: "nobody listens" not in run_roomcast("probe", url).stderr, what="the node listens")
    done = run_roomcast("probe", url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"roomcast probe: {url}: answers with HTTP status 503: ") and "nats: not connected" in done.stderr


def speak(*arguments, token=None):
    environment = {**os.environ, "ROOMCAST_TOKEN": token or ""}
    command = [ROOT / "cluster" / "speak", *arguments]
    return subprocess.run(command, env=environment, input='{"type":"ping"}\n', capture_output=True, text=True, timeout=20, check=False)


def test_speak_tells_why_it_cannot_speak(stack):
    url, nobody = stack.nodes[0].url, f"ws://127.0.0.1:{free_port()}/ws"
    for arguments, token, said in [
        ((url,), None, "ROOMCAST_TOKEN is not set"),
        ((nobody,), "x", f"nobody listens at {nobody}"),
        (("example",), "x", "scheme isn't ws or wss"),
        ((url,), "x", "HTTP 401: the token is not valid here"),
    ]:
        done = speak(*arguments, token=token)
        assert done.returncode in (1, 2) and done.stdout == "" and said in done.stderr and "Traceback" not in done.stderr
    done = speak(url, token=tokens.mint("anna"))
    assert (done.returncode, done.stderr) == (0, "speak: closed with 1000\n")
    assert done.stdout.splitlines()[0].startswith('<- {"type":"connected"')
