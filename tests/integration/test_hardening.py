"""What the processes may do, what others may see of them, and how the programs are compiled."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import tokens
from harness.processes import ROOT, binary, run_program
from harness.stack import API_KEY

PROGRAMS = ["roomcast", "roomcast-relay", "roomcast-bench"]
NOBODY = 65534


def readelf(program, *what):
    return subprocess.run(
        ["readelf", "--wide", *what, binary(program)], capture_output=True, text=True, check=True, timeout=30
    ).stdout


def is_sanitized(program):
    return "__asan_init" in readelf(program, "--dyn-syms", "--syms") or "__tsan_init" in readelf(program, "--syms")


# -- the programs


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_is_position_independent_and_its_tables_are_read_only(program):
    assert re.search(r"Type:\s+DYN", readelf(program, "--file-header"))
    segments = readelf(program, "--program-headers")
    assert "GNU_RELRO" in segments
    dynamic = readelf(program, "--dynamic")
    assert "BIND_NOW" in dynamic or re.search(r"FLAGS_1.*NOW", dynamic)
    assert re.search(r"FLAGS_1.*PIE", dynamic)
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_memory_of_the_program_is_writable_and_executable(program):
    stack = re.search(r"GNU_STACK.*", readelf(program, "--program-headers"))[0]
    assert " RWE " not in stack and " RW " in stack
    loads = re.findall(r"^\s+LOAD\s.*", readelf(program, "--program-headers"), re.MULTILINE)
    assert loads and not [line for line in loads if re.search(r"\sRWE\s|\sRW?\s?WE\s", line)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_stack_is_guarded_and_calls_are_fortified(program):
    symbols = readelf(program, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    if not is_sanitized(program):  # they have checks of their own
        assert re.search(r"__(memcpy|snprintf|vsnprintf|fprintf|printf)_chk", symbols)
    # Marks where indirect calls may land. The file as a whole is not marked: Debian's startup objects are not.
    if os.uname().machine == "x86_64":
        assert pathlib.Path(binary(program)).read_bytes().count(b"\xf3\x0f\x1e\xfa") > 100


@pytest.mark.parametrize("program", ["roomcast", "roomcast-relay"])
def test_a_release_has_no_echo_endpoint(program):
    assert b"/echo" not in pathlib.Path(binary(program)).read_bytes()
    assert "conformance" not in run_program(program, "--version").stdout


# -- the processes


def proc(process, name):
    return pathlib.Path(f"/proc/{process.process.pid}/{name}").read_bytes()


def core_limit(process):
    return re.search(r"^Max core file size\s+(\S+)", proc(process, "limits").decode(), re.MULTILINE)[1]


def is_hidden(process):
    """Not dumpable: what /proc shows of it belongs to root, or another owner than the process."""
    return os.stat(f"/proc/{process.process.pid}/maps").st_uid == 0


def status_field(process, name):
    return re.search(rf"^{name}:[ \t]*(.*)$", proc(process, "status").decode(), re.MULTILINE)[1].split()


def test_a_process_leaves_no_core_and_gains_no_rights(stack):
    for process in (stack.nodes[0], stack.relay):
        assert core_limit(process) == "0"
        assert status_field(process, "NoNewPrivs") == ["1"]


def test_the_environment_of_a_process_has_no_secrets(stack):
    assert tokens.SECRET.encode() not in proc(stack.nodes[0], "environ")
    assert API_KEY.encode() not in proc(stack.relay, "environ")
    assert b"PATH=" in proc(stack.relay, "environ")


def test_secrets_do_not_stay_on_the_command_line(extra_node, open_client):
    node = extra_node({"auth.hmac_secret": tokens.SECRET}, start=False)
    del node.extra_environment["ROOMCAST_AUTH_HMAC_SECRET"]
    node.start()
    assert tokens.SECRET.encode() not in proc(node, "cmdline") and b"--auth-hmac-secret=xxx" in proc(node, "cmdline")
    client = open_client(node)
    client.send(type="ping")
    client.expect("pong")


def test_core_dumps_can_be_allowed(extra_node):
    node = extra_node({"process.core_dumps": True})
    hard = re.search(r"^Max core file size\s+\S+\s+(\S+)", proc(node, "limits").decode(), re.MULTILINE)[1]
    assert core_limit(node) == hard


def memory_copies(process, secret):
    """Where it stands in the process's writable memory: a line of /proc/PID/maps for each."""
    found = []
    with open(f"/proc/{process.process.pid}/mem", "rb", buffering=0) as memory:
        for line in proc(process, "maps").decode().splitlines():
            addresses, rights, *_ = line.split()
            begin, end = (int(address, 16) for address in addresses.split("-"))
            if not rights.startswith("rw") or end - begin > 1 << 30:
                continue
            try:
                memory.seek(begin)
                data = memory.read(end - begin) or b""
            except OSError:
                continue
            found += [line] * data.count(secret)
    return found


def mapping_size(line):
    begin, end = (int(address, 16) for address in line.split()[0].split("-"))
    return end - begin


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
def test_a_secret_stands_in_locked_memory_and_nowhere_else(extra_node, open_client):
    node = extra_node()
    for _ in range(5):  # which verifies tokens with it
        client = open_client(node)
        client.send(type="ping")
        client.expect("pong")
    copies = memory_copies(node, tokens.SECRET.encode())
    pages = [mapping for mapping in copies if mapping_size(mapping) == os.sysconf("SC_PAGE_SIZE")]
    assert len(pages) == 2, copies  # the configuration's and the verifier's, a page of its own for each
    if not is_sanitized("roomcast"):  # a sanitizer keeps the environment that it has read, and locks nothing
        assert len(copies) == 2, copies
        assert int(status_field(node, "VmLck")[0]) >= 8


def test_secrets_are_compared_in_constant_time():
    """Read in the source: time tells nothing reliable on a busy machine."""
    assert re.search(r"int secret_equal\([^)]*\)\s*\{[^}]*sodium_memcmp\(", (ROOT / "src/base/random.c").read_text())
    assert re.search(r"bool http_bears\([^)]*\)\s*\{[^}]*secret_equal\(", (ROOT / "src/io/http_server.c").read_text())
    secrets = "(relay_api_key|admin_key|auth_hmac_secret)"
    users = [file for file in (ROOT / "src").rglob("*.c") if re.search(rf"->{secrets}\b", file.read_text())]
    assert users
    for file in users:
        comparison = rf"\b(strn?cmp|memcmp|slice_equal|strn?casecmp)\([^;]*->{secrets}\b(?!\[)"
        assert not re.search(comparison, file.read_text()), file
    for file in ("src/relay/source_http.c", "src/node/admin_console.c"):
        assert "http_bears(" in (ROOT / file).read_text()


@needs_root
def test_root_becomes_the_user_that_is_configured(extra_node, open_client):
    node = extra_node({"process.user": f"{NOBODY}:{NOBODY}"})
    for field in ("Uid", "Gid"):
        assert status_field(node, field) == [str(NOBODY)] * 4
    assert status_field(node, "Groups") == []
    assert int(status_field(node, "CapEff")[0], 16) == int(status_field(node, "CapPrm")[0], 16) == 0
    assert core_limit(node) == "0" and is_hidden(node)
    assert "running_as_root" not in node.log_text()
    client = open_client(node)
    client.send(type="ping")
    client.expect("pong")


@needs_root
def test_the_same_user_cannot_look_into_the_process(extra_node):
    node = extra_node({"process.user": f"{NOBODY}:{NOBODY}"})
    open_node = extra_node({"process.user": f"{NOBODY}:{NOBODY}", "process.core_dumps": True})

    def may_read(process, name):
        as_nobody = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--"]
        command = [*as_nobody, "head", "-c", "1", f"/proc/{process.process.pid}/{name}"]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    for name in ("environ", "maps", "smaps_rollup", "auxv"):
        assert not may_read(node, name) and may_read(open_node, name), name
    assert may_read(node, "statm")  # what roomcast-bench needs


@needs_root
@pytest.mark.parametrize("user", ["root", "0:0", "1000:0", "nobody-of-that-name", "1000:", "99999999999:1"])
def test_a_user_that_it_cannot_become_is_refused(user):
    environment = {"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}
    ended = run_program("roomcast", "--process-user", user, environment=environment)
    assert ended.returncode == 2 and f'process.user = "{user}"' in ended.stderr


@needs_root
def test_root_is_warned_about(stack):
    assert "running_as_root" in stack.nodes[0].log_text() and "running_as_root" in stack.relay.log_text()


READ_ONLY = """
mount --make-rprivate / && mount --rbind / / && mount -o remount,bind,ro / || exit 99
for mount in $(awk '{print $2}' /proc/self/mounts); do
    case $mount in /proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$mount" 2>/dev/null ;; esac
done
touch "$PWD/written" 2>/dev/null && exit 98
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


@needs_root
def test_nobody_on_a_read_only_file_system_can_run_it(extra_node, open_client, chat):
    probe = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", "true"]
    if subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode:
        pytest.skip("no mounts of our own can be made here")
    node = extra_node(start=False)
    node.command_prefix = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh")
    node.start()
    assert status_field(node, "Uid") == [str(NOBODY)] * 4
    assert int(status_field(node, "CapBnd")[0], 16) == 0
    client = open_client(node)
    client.subscribe(chat)
