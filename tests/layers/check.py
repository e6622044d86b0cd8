#!/usr/bin/env python3
"""Which folder may include which, and which file may include which foreign library.

    tests/layers/check.py              checks src/ and include/ (and first that it finds planted faults)

The arrows: cli -> node, relay -> core, io -> wire (only its value types for io: none) -> base. The rules stand in
the two tables below; a new library is a new row.
"""
import fnmatch
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder of src/ or include/roomcast/ -> folders of include/roomcast/ that it may include.
LAYERS = {
    "base": {"base"},
    "config": {"config", "base"},
    "wire": {"wire", "base"},
    "core": {"core", "wire", "base"},
    "io": {"io", "base"},
    "web": {"web", "base"},
    "node": {"node", "core", "io", "wire", "config", "web", "base"},
    "relay": {"relay", "core", "io", "wire", "config", "base"},
    "bench": {"bench", "io", "wire", "base"},
    "top": {"top", "io", "wire", "base"},
    "publish": {"publish", "io", "wire", "base"},
    "listen": {"listen", "io", "wire", "base"},
    "manual": {"manual", "config", "base"},
    "cli": {"node", "relay", "bench", "top", "publish", "listen", "manual", "core", "io", "wire", "config", "base"},
}

# Foreign header -> files that may include it. One library, one adapter; the rest of the tree cannot tell which
# library it is.
FOREIGN = {
    "uv.h": ["src/io/loop.c", "src/io/ws_*.c"],
    "libwebsockets.h": ["src/io/ws_*.c"],
    "nats/*": ["src/io/bus_nats*"],
    "liburing.h": ["src/io/ws_uring.c"],
    "hiredis/*": ["src/io/redis_*.c"],
    "zlib.h": ["src/io/deflate.c"],
    "microhttpd.h": ["src/io/http_server.c"],
    "yaml.h": ["src/config/yaml_file.c"],
    "jansson.h": ["src/wire/*", "src/io/jetstream_api.c"],
    "jwt.h": ["src/wire/token*.c"],
    "openssl/*": ["src/wire/token*.c", "src/wire/jwk.c", "src/io/tls_*", "src/bench/crowd_tls.c"],
    "curl/*": ["src/io/https_client.c"],
    "sodium.h": ["src/base/*.c", "src/web/asset.c", "src/wire/token*.c", "src/wire/jwk.c", "src/wire/seal.c", "src/wire/stream_cursor.c", "src/io/jetstream_api.c", "src/io/bus_nats_access.c"],
    "protobuf-c/*": ["src/wire/*"],
    "roomcast/v1/*.pb-c.h": ["src/wire/*"],
    "uthash.h": ["include/roomcast/base/hash.h"],  # with our keyed hash only
    "utlist.h": ["src/*"],
    "grp.h": ["src/cli/process.c"],
    "pwd.h": ["src/cli/process.c"],
    "setjmp.h": ["src/base/guarded_heap.c"],  # nothing else leaves a function that way
}

# The C library and POSIX.
SYSTEM = re.compile(
    r"^(assert|ctype|dirent|errno|fcntl|inttypes|limits|locale|math|netdb|poll|pthread|sched|semaphore|signal|spawn|stdarg|stdatomic|stdbool"
    r"|stddef|stdint|stdio|stdlib|string|strings|termios|time|unistd|dlfcn|malloc"
    r"|sys/[a-z]+|netinet/[a-z]+|arpa/inet|linux/[a-z]+)\.h$"
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', re.MULTILINE)


def layer_of(path):
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    if parts[:2] == ["include", "roomcast"]:
        return parts[2]
    return None


def fault_of_foreign(path, header):
    for pattern, files in FOREIGN.items():
        if fnmatch.fnmatch(header, pattern):
            if any(fnmatch.fnmatch(path, allowed) for allowed in files):
                return None
            return f"{path}: <{header}> belongs into {', '.join(files)} only"
    if SYSTEM.match(header):
        return None
    return f"{path}: <{header}> is in no table of tests/layers/check.py: which files may include it?"


def fault_of_own(path, header):
    layer, target = layer_of(path), header.split("/")[1]
    if target in LAYERS.get(layer, set()):
        return None
    return f"{path}: {layer} must not include <{header}>"


def faults_of(path, text):
    """`path` as seen from the root of the tree."""
    faults = []
    if layer_of(path) not in LAYERS:
        faults.append(f"{path}: lies in no known layer")
    for angle, quoted in INCLUDE.findall(text):
        if quoted:
            if "/" in quoted:
                faults.append(f'{path}: "{quoted}" reaches out of its folder')
            elif path.startswith("include/"):
                faults.append(f'{path}: public headers name each other as <roomcast/...>, not "{quoted}"')
        elif angle.startswith("roomcast/") and not angle.startswith("roomcast/v1/"):
            faults.append(fault_of_own(path, angle))
        else:
            faults.append(fault_of_foreign(path, angle))
    return [fault for fault in faults if fault]


PLANTED = {
    "src/core/x.c": "#include <roomcast/io/bus.h>",
    "src/io/x.c": "#include <roomcast/core/rooms.h>",
    "src/base/x.c": "#include <roomcast/wire/token.h>",
    "src/node/x.c": "#include <roomcast/relay/relay.h>",
    "src/relay/x.c": "#include <nats/nats.h>",
    "src/cli/x.c": "#include <uv.h>",
    "include/roomcast/io/x.h": "  #  include <jansson.h>",
    "src/wire/x.c": '#include "../base/log_line.h"',
    "src/config/x.c": "#include <unheard/of.h>",
    "src/attic/x.c": "#include <stdio.h>",
}


def main():
    blind = [path for path, text in PLANTED.items() if not faults_of(path, text)]
    if blind:
        sys.exit(f"layers: planted faults were not found: {blind}")
    files = sorted(path for folder in ("src", "include") for path in (ROOT / folder).rglob("*.[ch]"))
    if len(files) < 50:
        sys.exit("layers: there are hardly any files; is this the right tree?")
    faults = [
        fault for file in files for fault in faults_of(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    ]
    print("\n".join(faults) if faults else f"layers: {len(files)} files obey")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
