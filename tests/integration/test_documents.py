"""The documents lead where they say: every relative link, and every heading that one names."""
import pathlib
import re
import subprocess

import pytest

from harness.processes import ROOT

NAMES = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()  # fmt: skip


def prose(path):
    """Without what stands in code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    here = ROOT / name
    links = re.findall(r"\]\(([^)\s]+)\)", prose(here))
    broken = []
    for link in links:
        target, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        there = pathlib.Path(here.parent / target).resolve() if target else here
        if not there.exists() or (heading and heading not in anchors(there)):
            broken.append(link)
    assert broken == []


def test_the_documents_are_found():
    assert {"README.md", "proto/README.md", "cluster/OPERATING.md", "cluster/SECURITY.md", "helm/roomcast/README.md"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_test_and_source_that_is_named_is_there(name):
    """As `tests/integration/test_x.py`; a bare `test_x.py` is one of the integration tests."""
    text = prose(ROOT / name)
    named = set(re.findall(r"`((?:tests|src|include|cluster|proto|helm)/[\w./-]+\.[a-z]+)`", text))
    named |= {f"tests/integration/{test}" for test in re.findall(r"`(test_\w+\.py)`", text)}
    missing = [path for path in sorted(named) if not list(ROOT.glob(path)) and not list(ROOT.glob(f"tests/*/{pathlib.Path(path).name}"))]
    assert missing == []


def test_no_comment_names_a_document_that_is_not_here():
    """As numbered chapters of one that only its writers have."""
    found = subprocess.run(["git", "grep", "-nE", r"\b(PROTOCOL|ARCHITECTURE)( [0-9]|\.md|$)", "--", "*.c", "*.h", "*.py", "*.md", "cluster", ":!tests/integration/test_documents.py"], cwd=ROOT, capture_output=True, text=True, check=False).stdout  # fmt: skip
    assert found == ""
