"""The files that a node serves to browsers on its public listener."""
import gzip
import http.client
import subprocess

import pytest

from harness.processes import TESTS
from harness.waiting import eventually, seconds

SOURCE = TESTS.parent / "src" / "web"


def ask(node, method="GET", path="/roomcast.js", **headers):
    """(status, headers, body)"""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=seconds())
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def files(node, result):
    return node.metrics()["roomcast_files_total", "result", result]


def test_anybody_gets_the_module_with_what_pages_of_other_origins_need(stack):
    status, headers, body = ask(stack.nodes[0], Origin="https://elsewhere.example")
    assert status == 200 and b"export function connect" in body
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "no-cache" and headers["Vary"] == "Accept-Encoding"


def test_its_types_are_beside_it(stack):
    status, _, body = ask(stack.nodes[0], path="/roomcast.d.ts")
    assert (status, body) == (200, (SOURCE / "roomcast.d.ts").read_bytes())


@pytest.mark.parametrize(
    "accepted, coding",
    [("gzip", "gzip"), ("br, GZIP;q=0.5", "gzip"), ("gzip;q=0", None), ("gzip;q=0.000, br", None), ("identity", None), ("xgzip", None)],
)
def test_it_is_compressed_for_who_says_so(stack, accepted, coding):
    plain = ask(stack.nodes[0])[2]
    _, headers, body = ask(stack.nodes[0], Accept_Encoding=accepted)
    assert headers["Content-Encoding"] == coding
    assert (gzip.decompress(body) if coding else body) == plain


def test_who_has_it_is_told_so_by_every_node_in_either_form(stack):
    tag = ask(stack.nodes[0])[1]["ETag"]
    before = files(stack.nodes[1], "unchanged")
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        status, headers, body = ask(stack.nodes[1], If_None_Match=known, Accept_Encoding="gzip")
        assert (status, headers["ETag"], body) == (304, tag, b"")
    assert ask(stack.nodes[1], If_None_Match='"other"')[0] == 200
    eventually(lambda: files(stack.nodes[1], "unchanged") == before + 4, what="four answers counted as unchanged")


def test_head_tells_the_length_and_sends_nothing(stack):
    whole = ask(stack.nodes[0])[2]
    status, headers, body = ask(stack.nodes[0], "HEAD")
    assert (status, int(headers["Content-Length"]), body) == (200, len(whole), b"")


def test_other_methods_and_other_paths_are_refused(stack):
    assert ask(stack.nodes[0], "POST")[0] == 405
    for path in ("/roomcast.j", "/roomcast.js/", "/", "/../roomcast.js", "/package.json"):
        assert ask(stack.nodes[0], path=path)[0] == 404


def test_files_count_against_the_pace_of_handshakes(extra_node):
    node = extra_node({"limits.handshakes_per_address": 5})
    statuses = [ask(node)[0] for _ in range(40)]
    assert statuses[0] == 200 and 429 in statuses


def make_small(script):
    return subprocess.run(["sed", "-E", "-f", SOURCE / "script.sed"], input=script, capture_output=True, text=True)


def test_a_script_that_is_made_small_keeps_its_texts():
    script = """// A comment.
const one = "a // b"; // and another
    const two = 'https://x // y', three = `//`; // "kept"

    // indented
"""
    assert make_small(script).stdout == """const one = "a // b";
const two = 'https://x // y', three = `//`; // "kept"
"""


@pytest.mark.parametrize("script", ["const text = `a\n// b`;\n", 'const text = "a // b\\\n c";\n'])
def test_a_script_with_a_text_over_several_lines_is_not_built(script):
    made = make_small(script)
    assert made.returncode == 1 and "script.sed understands no text over several lines" in made.stderr
