"""The manual pages: without a fault that man or mandoc finds, and with every flag and option in them."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.processes import ROOT, run_program

pytestmark = pytest.mark.heavy  # the same in every build

BUILD = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build" / "release")).resolve()
PAGES = ["roomcast.1", "roomcast-relay.1", "roomcast-bench.1", "roomcast.yaml.5"]


def read(page):
    """As a reader sees it, without hyphenation and justification."""
    text = subprocess.run(
        ["man", "--no-hyphenation", "--no-justification", "-E", "UTF-8", "-l", str(BUILD / "manual" / page)],
        env={**os.environ, "MANWIDTH": "500", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    return re.sub(r".\x08", "", text)


@pytest.mark.parametrize("page", PAGES)
def test_man_has_nothing_to_warn_of(page):
    done = subprocess.run(
        ["man", "--warnings=all", "-E", "UTF-8", "-l", str(BUILD / "manual" / page)],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "" and len(done.stdout) > 1000


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_no_fault(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", BUILD / "manual" / page], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("program", ["roomcast", "roomcast-relay", "roomcast-bench"])
def test_every_flag_of_help_is_in_the_page(program):
    shown = run_program(program, "--help").stdout
    flags = set(re.findall(r"^  (--[a-z0-9-]+)", shown, re.MULTILINE))
    page = set(re.findall(r"^ +(--[a-z0-9-]+)", read(f"{program}.1"), re.MULTILINE))
    assert len(flags) > 40 and flags - page == set()


@pytest.mark.parametrize("command", ["publish", "listen", "token", "top"])
def test_every_flag_of_a_command_is_in_the_page(command):
    shown = run_program("roomcast", command, "--help").stdout.partition("Options, as")[0]
    flags = set(re.findall(r"^  (--[a-z0-9-]+)", shown, re.MULTILINE))
    section = re.search(rf"^   {command}$(.*?)^(?:   \w|\w)", read("roomcast.1"), re.MULTILINE | re.DOTALL)[1]
    assert flags and flags - set(re.findall(r"--[a-z0-9-]+", section)) == set()


def test_every_option_of_the_reference_is_in_the_page_of_the_configuration():
    table = re.search(r"<!-- reference:options -->(.*?)<!-- /reference:options -->", (ROOT / "cluster/REFERENCE.md").read_text(), re.DOTALL)[1]
    rows = re.findall(r"^\| `([a-z_.0-9]+)`.*?\| (?:`[^`]*`|empty) \| .*?\| `(ROOMCAST_\w+)` ", table, re.MULTILINE)
    page = read("roomcast.yaml.5")
    assert len(rows) > 100
    for key, variable in rows:
        assert re.search(rf"^ +{re.escape(key)}\b", page, re.MULTILINE) and f"Environment: {variable}." in page, key
