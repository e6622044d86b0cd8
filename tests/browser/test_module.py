"""roomcast.js without a browser: in Node.js against a scripted server, its types, and what npm would publish."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build/release"))
SERVED = BUILD / "src/web/roomcast.js"
SCRIPT = (ROOT / "src/web/roomcast.js").read_text()
TYPES = (ROOT / "src/web/roomcast.d.ts").read_text()
ASYNCAPI = (ROOT / "proto/asyncapi.yaml").read_text()


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


@pytest.mark.parametrize("module", [ROOT / "src/web/roomcast.js", SERVED], ids=["as written", "as served"])
def test_every_rare_order_is_gone_through_right(module):
    answer = run("node", "--test", HERE / "client/roomcast.test.mjs", env={**os.environ, "ROOMCAST_JS": str(module)})
    assert answer.returncode == 0, answer.stdout[-6000:]
    assert int(re.search(r"^# pass (\d+)", answer.stdout, re.M)[1]) > 0


@pytest.mark.parametrize("sample", ["good.ts", "bad.ts", "declared.ts"])
def test_the_types_take_what_is_right_and_refuse_what_is_wrong(sample):
    answer = run("tsc", "--noEmit", "--strict", "--target", "es2020", "--module", "es2020", "--moduleResolution", "node",
                 "--lib", "es2021,dom", HERE / "types" / sample)  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def listed(name):
    """The texts in a union type of roomcast.d.ts."""
    return re.findall(r'"([^"]+)"', re.search(rf"export type {name} =\n(.*?);", TYPES, re.DOTALL)[1])


def test_the_types_name_every_event_that_a_server_sends_without_configuration():
    rows = re.findall(r'^EVENT\("[^"]+", "([^"]+)"', (ROOT / "include/roomcast/wire/event_table.h").read_text(), re.MULTILINE)
    assert sorted(listed("EventType")) == sorted(set(rows))


def test_the_types_name_every_code_that_the_server_or_the_client_itself_gives():
    enums = re.findall(r"enum: \[([A-Z_, ]+)\]", ASYNCAPI[ASYNCAPI.index("    unsubscribed:") :])
    rows = re.search(r"^    MessageErrorCode:.*?enum: ?(.*?)\n    \w", ASYNCAPI, re.MULTILINE | re.DOTALL)[1]
    of_server = {code for enum in [enums[0], rows] for code in re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", enum)}
    own = set(re.findall(r'(?:RoomcastError\(|code: )"([A-Z_]+)"', SCRIPT))
    assert {"MEMBERSHIP_REVOKED", "FORBIDDEN"} <= of_server and {"CLOSED", "LEFT"} <= own
    assert listed("ErrorCode") == sorted(of_server | own)


def test_the_defaults_that_the_types_tell_are_the_scripts():
    told = re.findall(r"@default (\d+)\n? *\*/\n  (\w+)\?", TYPES)
    assert len(told) == TYPES.count("@default") == 5
    for value, name in told:
        assert re.search(rf"\b{name}: ([\d_]+)", SCRIPT)[1].replace("_", "") == value


def test_npm_packs_the_module_and_its_types_and_nothing_else(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    for name in ("package.json", "roomcast.js", "roomcast.d.ts"):
        shutil.copy(ROOT / "src/web" / name, package)
    answer = run("npm", "pack", "--json", "--offline", cwd=package)
    assert answer.returncode == 0, answer.stderr
    packed = json.loads(answer.stdout)[0]
    assert sorted(file["path"] for file in packed["files"]) == ["package.json", "roomcast.d.ts", "roomcast.js"]
    assert packed["version"] == re.search(r"project\(roomcast VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
