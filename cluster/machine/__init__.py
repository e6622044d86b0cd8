"""A whole cluster on one machine: its processes, its networks, and how it is steered from outside.

The servers themselves are started by the classes of the integration tests."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
