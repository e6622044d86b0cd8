"""cluster/up: a cluster on this machine, started, looked at, broken and ended as its help says."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness.events import message
from harness.processes import ROOT
from harness.waiting import eventually, seconds

CANNOT = 77  # no network namespaces here
QUICK = ("--nats", "1", "--relays", "1", "--option", "workers=1")


class Up:
    """The program, for one directory."""

    def __init__(self, directory):
        self.directory = directory

    def run(self, *words, timeout=90):
        command = [ROOT / "cluster" / "up", "--dir", self.directory, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds(timeout), check=False)
        print(done.stdout + done.stderr)
        return done

    def do(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self):
        return {process["name"]: process for process in json.loads(self.do("status", "--json"))}

    def variables(self):
        """What `exec` gives a program."""
        return dict(line.split("=", 1) for line in self.do("exec", "--", "env").splitlines() if "=" in line)

    def log(self, name):
        return (self.directory / name / "log").read_text()


@pytest.mark.parametrize("script", ["up", "drills/kill-node", "drills/run-all"])
def test_packages_that_are_missing_are_named_with_what_installs_them(script):
    done = subprocess.run(["/usr/bin/python3", "-S", ROOT / "cluster" / script, "--help"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "python3-jsonschema" in done.stderr and done.stderr.endswith("cluster/install-packages installs them\n")


def processes_of(directory):
    """Pids of all that runs with this directory in its command line, or in it."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if str(directory).encode() in words or place.startswith(str(directory)):
            found.append((int(entry.name), words))
    return found


@pytest.fixture
def up(tmp_path):
    cluster = Up(tmp_path / "cluster")
    yield cluster
    cluster.run("down")
    eventually(lambda: not processes_of(cluster.directory), 20, "nothing is left of the cluster")


@pytest.fixture
def started(up):
    """Two nodes."""
    up.do("--nodes", "2", *QUICK, "--detach")
    return up


def test_events_pass_through_the_cluster_with_the_token_it_prints(up, open_client, chat):
    printed = up.do("--nodes", "2", *QUICK, "--detach").splitlines()
    token = next(line for line in printed if line.startswith("eyJ"))
    status = up.status()
    assert {name: process["state"] for name, process in status.items()} == {
        **{"roomcast-0": "ready", "roomcast-1": "ready", "relay-0": "ready", "redis": "ready", "nats-0": "ready"}
    }
    reader = open_client(status["roomcast-1"]["address"], token=token)
    reader.subscribe(chat)
    port = status["redis"]["address"].rsplit(":", 1)[1].split("/")[0]
    event = message(chat)
    up.do("exec", "--", "redis-cli", "-p", port, "XADD", "roomcast:events", "*", "event", event.text)
    reader.expect("chat.message.posted", id=event.id)
    assert up.status()["roomcast-1"]["connections"] == 1
    minted = up.do("exec", "--", "roomcast", "token", "--user", "ben").strip()
    open_client(status["roomcast-0"]["address"], token=minted)


def test_what_is_killed_stays_away_until_it_is_started(started):
    assert "gone" in started.do("kill", "roomcast-0")
    status = started.status()["roomcast-0"]
    assert status["state"] == "was ended by signal 9" and status["pid"] is None
    assert started.run("kill", "roomcast-0").returncode == 1
    assert "ready" in started.do("start", "roomcast-0")
    again = started.status()["roomcast-0"]
    assert again["state"] == "ready" and again["address"] == status["address"]
    assert "runs already" in started.run("start", "roomcast-0").stderr


def test_a_node_is_added_drained_and_rolled(started):
    assert "roomcast-2 is ready" in started.do("add", "node")
    assert started.variables()["CLUSTER_NODES"].count("ws://") == 3
    started.do("drain", "roomcast-0")
    before = started.status()
    assert before["roomcast-0"]["state"] == "ended with 0" and before["roomcast-2"]["state"] == "ready"
    started.do("roll")
    after = started.status()
    assert after["roomcast-0"]["state"] == "ended with 0", "a roll starts nobody who did not run"
    for name in ("roomcast-1", "roomcast-2"):
        assert after[name]["state"] == "ready" and after[name]["pid"] != before[name]["pid"]


def test_a_paused_process_stands_still_until_it_is_resumed(started):
    started.do("pause", "roomcast-1")
    assert started.status()["roomcast-1"]["state"] == "paused"
    started.do("resume", "roomcast-1")
    eventually(lambda: started.status()["roomcast-1"]["state"] == "ready", what="it goes on")


def test_a_second_cluster_is_refused_in_the_directory_of_a_running_one(started):
    before = started.status()
    second = started.run("--nodes", "1", *QUICK, "--detach")
    assert second.returncode == 1 and "runs in" in second.stderr
    assert started.status() == before


def test_a_directory_with_other_things_in_it_is_left_alone(up):
    up.directory.mkdir()
    (up.directory / "precious").write_text("kept")
    refused = up.run(*QUICK, "--detach")
    assert refused.returncode == 1 and "not empty" in refused.stderr
    assert [entry.name for entry in up.directory.iterdir()] == ["precious"]


def test_down_leaves_the_logs_and_no_process(started):
    assert processes_of(started.directory), "they are found while they run"
    started.do("down")
    assert processes_of(started.directory) == []
    assert "event=listening" in started.log("roomcast-0")
    done = started.run("status")
    assert done.returncode == 1 and "no cluster runs" in done.stderr


def test_all_processes_end_with_the_supervisor_however_that_ends(started):
    state = json.loads((started.directory / "state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    eventually(lambda: not processes_of(started.directory), 20, "they are gone")
    assert started.do("--nodes", "1", *QUICK, "--detach"), "and the directory can be used again"


def test_a_cluster_that_does_not_start_says_why(up):
    refused = up.run(*QUICK, "--option", "no.such=1", "--detach")
    assert refused.returncode == 1 and "unknown flag" in refused.stderr
    eventually(lambda: not processes_of(up.directory), what="nothing is left of it")


def test_files_are_for_the_owner_only(started):
    assert started.directory.stat().st_mode & 0o777 == 0o700
    for name in ("control.sock", "hmac_secret", "api_key"):
        assert (started.directory / name).stat().st_mode & 0o077 == 0, name


def test_a_partition_without_networks_is_refused_as_not_possible(started):
    refused = started.run("partition", "roomcast-0")
    assert refused.returncode == CANNOT and "--netns" in refused.stderr


@pytest.mark.heavy
def test_partitions_cut_what_they_say_and_heal(up):
    done = up.run("--netns", "--nodes", "2", "--nats", "3", "--option", "workers=1", "--detach")
    if done.returncode == CANNOT:
        pytest.skip("no network namespaces here")
    assert done.returncode == 0, done.stderr

    def state(name):
        return up.status()[name]["state"]

    up.do("partition", "roomcast-0")
    up.do("partition", "relay-1", "--from", "redis")
    eventually(lambda: "nats: not connected" in state("roomcast-0"), 30, "the node notices")
    eventually(lambda: "redis" in state("relay-1"), 30, "the relay notices")
    assert state("roomcast-1") == state("relay-0") == "ready"
    assert up.status()["roomcast-0"]["cut_off_from"] == ["NATS"] and up.status()["redis"]["cut_off_from"] == ["relay-1"]
    up.do("heal", "roomcast-0")
    eventually(lambda: state("roomcast-0") == "ready", 30, "the node is back")
    assert "redis" in state("relay-1"), "only the one was healed"
    up.do("heal")
    eventually(lambda: state("relay-1") == "standby", 30, "the relay is back")
    up.do("partition", "nats-0", "--from", "nats")
    eventually(lambda: state("nats-0") == "not ready", 40, "the server is alone")
    up.do("heal")
    eventually(lambda: state("nats-0") == "ready", 40, "the server is back")
    assert "do not talk" in up.run("partition", "roomcast-0", "--from", "redis").stderr
    assert "ready" in up.do("add", "node"), "on a host of its own"
    assert up.do("exec", "--", "sh", "-c", "curl -s ${CLUSTER_ADMIN##*,}/readyz").strip() == "ready"
