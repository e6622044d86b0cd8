"""A whole cluster on one machine: its processes, its networks, and how it is steered from outside.

The servers themselves are started by the classes of the integration tests."""
import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

# Of the classes named above: module -> Debian package.
NEEDS = {"cryptography": "python3-cryptography", "jsonschema": "python3-jsonschema", "jwt": "python3-jwt", "redis": "python3-redis",
         "websockets": "python3-websockets", "yaml": "python3-yaml"}  # fmt: skip

if missing := [package for module, package in NEEDS.items() if not importlib.util.find_spec(module)]:
    sys.exit(f"{sys.argv[0]}: packages are missing: {' '.join(missing)}; cluster/install-packages installs them")
