#!/usr/bin/python3
"""Makes the parts of the chart that follow from the option table, and compares or writes them.

    tests/chart/generate.py            compares; exit 1 and a diff when the chart differs
    tests/chart/generate.py --write    writes them into helm/roomcast

They are files/options.json (what the templates know of each option), values.schema.json (values.schema.base.json with
the options filled in) and the list of options in values.yaml. REFERENCE names the program that prints the table
(default: the release build's).
"""
import difflib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/roomcast"
REFERENCE = os.environ.get("REFERENCE", str(ROOT / ".build/release/tests/reference"))

# May hold a password, and have no variant that names a file.
URLS = ("nats.url", "redis.url")
ADDRESS = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"
WIDTH = 118


def options():
    return json.loads(subprocess.run([REFERENCE, "options-json"], check=True, capture_output=True, text=True).stdout)


# --- files/options.json


def way_of_secret(option):
    """How a value from a Secret reaches the program: as a file whose path another key holds, as a file whose path is
    the value, by the environment; or not at all."""
    if option["type"] == "SECRET":
        return "file"
    if option["type"] == "PATH":
        return "path"
    return "environment" if option["key"] in URLS else ""


def table(rows):
    lines = [
        json.dumps({
            "key": row["key"],
            "type": row["type"],
            "default": row["default"],
            "programs": row["programs"],
            "variable": "ROOMCAST_" + row["key"].replace(".", "_").upper(),
            "secret": way_of_secret(row),
        })
        for row in rows
    ]
    return '{"options": [\n  ' + ",\n  ".join(lines) + "\n]}\n"


# --- values.schema.json


def length(row):
    return {"minLength": row["min"], "maxLength": row["max"]}


def decimal(text):
    value = int(text) / 1000
    return int(value) if value == int(value) else value


def value_schema(row):
    kind, note = row["type"], row["help"]
    if kind == "INT":
        schema = {"type": "integer", "minimum": row["min"], "maximum": row["max"]}
        note = f"{row['unit']}: {note}" if row["unit"] else note
    elif kind == "DECIMAL":
        schema = {"type": "number", "minimum": decimal(row["min"]), "maximum": decimal(row["max"]), "multipleOf": 0.001}
    elif kind == "BOOL":
        schema = {"type": "boolean"}
    elif kind == "CHOICE":
        schema = {"type": "string", "enum": row["unit"].split("|")}
    elif kind == "ADDRESS":
        schema = {"type": "string", "pattern": ADDRESS}
    elif kind == "LIST":
        schema = {"type": "array", "items": {"type": "string", **length(row)}}
    else:
        schema = {"type": "string", **length(row)}
    return {"description": note, **or_null(schema)}


def or_null(schema):
    """null, over a value of another file, is as if it had never been said."""
    return {**schema, "type": [schema["type"], "null"], **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}


def put(tree, key, leaf):
    """Puts `leaf` at the dotted `key`, with an object schema for each group on the way."""
    *groups, last = key.split(".")
    for group in groups:
        tree = tree["properties"].setdefault(group, {"type": ["object", "null"], "additionalProperties": False, "properties": {}})
    tree["properties"][last] = leaf


def configuration_schema(rows):
    tree = {"type": ["object", "null"], "additionalProperties": False, "properties": {}}
    for row in rows:
        if row["type"] == "SECRET":
            path = {"type": ["string", "null"], "maxLength": 4096}
            put(tree, row["key"] + "_file", {"description": f"file that holds it, from a volume of your own: {row['help']}", **path})
        else:
            put(tree, row["key"], value_schema(row))
    tree["properties"]["events"] = {"$ref": "#/definitions/events"}
    return tree


def secrets_schema(rows):
    tree = {"type": ["object", "null"], "additionalProperties": False, "properties": {}}
    for row in rows:
        if way_of_secret(row):
            put(tree, row["key"], {"$ref": "#/definitions/secretKey"})
    return tree


def schema(rows):
    base = json.loads((pathlib.Path(__file__).parent / "values.schema.base.json").read_text())
    base["definitions"]["config"] = configuration_schema(rows)
    base["definitions"]["secrets"] = secrets_schema(rows)
    return json.dumps(base, indent=1) + "\n"


# --- the list in values.yaml


def sample_value(row):
    if row["type"] == "LIST":
        return "[" + ", ".join(json.dumps(item) for item in row["default"].split(",") if item) + "]"
    if row["type"] in ("INT", "DECIMAL", "BOOL"):
        return row["default"]
    return json.dumps(row["default"])


def allowed(row):
    if row["type"] in ("INT", "DECIMAL"):
        low, high = (row["min"], row["max"]) if row["type"] == "INT" else (decimal(row["min"]), decimal(row["max"]))
        return f"{low} to {high} {row['unit']}".strip()
    return row["unit"].replace("|", ", ") if row["type"] == "CHOICE" else ""


def commented(text, indent):
    """`text` as comment lines of at most WIDTH characters."""
    lines, line = [], ""
    for word in text.split():
        if line and len(indent) + len(line) + len(word) + 5 > WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [f"# {indent}# {part}" for part in [*lines, line]]


def listed(rows):
    lines, group = [], []
    for row in rows:
        *path, last = row["key"].split(".")
        for depth, name in enumerate(path):
            if group[: depth + 1] != path[: depth + 1]:
                lines.append("# " + "  " * (depth + 1) + name + ":")
        group = path
        indent = "  " * (len(path) + 1)
        note = "; ".join(part for part in (row["help"], allowed(row)) if part)
        if row["type"] == "SECRET":
            lines += commented(f"a secret, by secrets.{row['key']}: {note}", indent)
            lines.append(f'# {indent}{last}_file: ""')
            continue
        lines += commented(note, indent)
        lines.append(f"# {indent}{last}: {sample_value(row)}")
    lines += commented("rows added to the built-in event table: {event: NAME, type: NAME, to: chat or user}", "  ")
    lines.append("#   events: []")
    return lines


def values(rows):
    made, inside = [], False
    for line in (CHART / "values.yaml").read_text().splitlines():
        if line == "# </options>":
            inside = False
        if not inside:
            made.append(line)
        if line == "# <options>":
            inside = True
            made += ["# config:", *listed(rows)]
    return "\n".join(made) + "\n"


# ---


def main():
    rows = options()
    made = {
        CHART / "files/options.json": table(rows),
        CHART / "values.schema.json": schema(rows),
        CHART / "values.yaml": values(rows),
    }
    differ = False
    for path, text in made.items():
        old = path.read_text() if path.exists() else ""
        if sys.argv[1:] == ["--write"]:
            path.write_text(text)
        elif old != text:
            differ = True
            name = str(path.relative_to(ROOT))
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), text.splitlines(True), name, "from the option table"))
    if differ:
        sys.exit("the chart differs from the option table; run tests/reference --write")


if __name__ == "__main__":
    main()
