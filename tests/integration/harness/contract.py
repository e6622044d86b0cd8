"""proto/asyncapi.yaml and proto/openapi.yaml, held against what is really said: every frame that a node sends to a
client of the tests, every message of theirs that a node takes (contract_frames.py), every HTTP answer of node and relay
(contract_http.py).

What does not fit is noted where it is seen, in whichever thread, and fails the test that it came in (conftest.py)."""
import pathlib

import jsonschema
import yaml

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
SHOWN = 600  # characters of what is wrong

violations = []


def take_violations():
    """What was noted since the last call."""
    taken = violations[:]
    del violations[: len(taken)]
    return taken


def read(name):
    return yaml.load((PROTO / name).read_text(), yaml.CSafeLoader)


def resolved(document, node):
    """A part of the document, with its references replaced by what they name; the contracts hold no cycles."""
    if isinstance(node, list):
        return [resolved(document, element) for element in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        assert node["$ref"].startswith("#/"), f"a reference that leads out of the document: {node['$ref']}"
        target = document
        for step in node["$ref"][2:].split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return resolved(document, target)
    return {name: pattern_of_python(value) if name == "pattern" else resolved(document, value) for name, value in node.items()}


def pattern_of_python(pattern):
    """To JSON Schema (ECMA 262) `$` is the end; to Python it is also before a line feed that ends the text."""
    return pattern[:-1] + r"\Z" if isinstance(pattern, str) and pattern.endswith("$") else pattern


def problem(validator, instance):
    """What is wrong, in words; None when nothing is."""
    if validator.is_valid(instance):
        return None
    error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
    place = "/".join(map(str, error.path))
    return f"{place + ': ' if place else ''}{error.message[:SHOWN]}"
