"""Reads the little YAML that --print-config writes, without a YAML library: nested keys and scalars."""
import re

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?: +(?P<value>.*?))?(?: +#.*)?$")


def read(text):
    """Dotted key -> value without its quotes."""
    values = {}
    path = []  # (indent, key)
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        indent = len(match["indent"])
        while path and path[-1][0] >= indent:
            path.pop()
        path.append((indent, match["key"]))
        if match["value"]:
            values[".".join(key for _, key in path)] = match["value"].strip('"')
    return values
