"""Short drills of cluster/drills against the real programs: fewer clients and events, one fault each."""
import json
import subprocess

import pytest

from harness.processes import ROOT
from harness.waiting import seconds

SHORT = ["--clients", "50", "--events", "2000", "--rounds", "1", "--cut-every", "8"]
CANNOT = 77  # no network namespaces here

pytestmark = pytest.mark.heavy


def run(name, *options):
    """(exit status, result)."""
    command = [ROOT / "cluster" / "drills" / name, "--json", *SHORT, *options]
    drill = subprocess.run(command, capture_output=True, text=True, timeout=seconds(240), check=False)
    print(drill.stderr)
    lines = drill.stdout.splitlines()
    return drill.returncode, json.loads(lines[-1]) if lines else None


@pytest.mark.parametrize("name", ["kill-node", "kill-relay", "pause-node", "partition-node"])
def test_clients_lose_nothing(name):
    status, result = run(name, "--rate", "75" if name == "partition-node" else "100")
    if status == CANNOT:
        pytest.skip("no network namespaces here")
    assert status == 0, result and result["failures"]
    assert result["faults"] == 1 and result["cuts"] > 0
    assert result["published"] == 2000 and result["delivered"] == result["expected"]


def test_a_rollout_costs_nothing_and_spreads_the_clients():
    options = ("--clients", "200", "--rate", "120", "--cut-every", "0", "--node-option", "drain.spread_s=5")
    status, result = run("rolling-restart", *options)
    assert status == 0, result and result["failures"]
    assert result["faults"] == 1 and result["client_counts"]["disconnect 4200"] > 30
    assert result["delivered"] == result["expected"]


def test_a_drill_sees_what_clients_lose_that_do_not_resume():
    status, result = run("cut-clients", "--rate", "200", "--careless", "--deadline", "1")
    assert status == 1
    assert result["lost"] > 0 and result["delivered"] + result["lost"] == result["expected"]
    assert result["duplicated"] == result["reordered"] == 0
