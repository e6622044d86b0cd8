"""The demo chat's server: what it serves, what it refuses, and what reaches Redis. With a Redis of its own; nodes and the reader
of the pipe are made here, so that all their states can be had."""
import base64
import contextlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.ports import free_port  # noqa: E402
from harness.processes import Process, RedisServer  # noqa: E402
from harness.waiting import eventually  # noqa: E402

CHAT = "11111111-1111-4111-8111-111111111111"
SECRET = "0123456789abcdef0123456789abcdef"


class FakeNode:
    """A node's admin address, which says whether it is ready."""

    def __init__(self):
        self.ready = True
        node = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if node.ready and self.path == "/readyz" else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class DemoServer(Process):
    def __init__(self, directory, redis_port, nodes):
        super().__init__("demo", directory)
        self.redis_port = redis_port
        self.nodes = nodes
        self.pipe = self.directory / "pipe"
        os.mkfifo(self.pipe)
        (self.directory / "secret").write_text(SECRET + "\n")
        self.choose_ports()

    def choose_ports(self):
        self.port = free_port()

    def command(self):
        nodes = [word for i, node in enumerate(self.nodes) for word in ("--node", f"roomcast-{i}", 9000 + i, node.port)]
        return ["/usr/bin/python3", "-B", ROOT / "cluster/demo/server.py", "--port", self.port, "--redis-port", self.redis_port,
                "--secret-file", self.directory / "secret", "--chat", CHAT, "--kill-pipe", self.pipe, *nodes]  # fmt: skip

    def is_ready(self):
        return self.ask("GET", "/setup")[0] == 200

    def ask(self, method, path, body=None, headers=None):
        """Status, headers, and the body: parsed when it is JSON."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
        is_json = answer.headers["Content-Type"].startswith("application/json")
        return answer.status, answer.headers, json.loads(text) if is_json else text

    def refusal(self, *request, **how):
        status, _, body = self.ask(*request, **how)
        return status, body["error"]["code"]

    def raw(self, request):
        """What it answers to these bytes until it ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server.start()
    server.kill()


@pytest.fixture(scope="module")
def nodes():
    made = [FakeNode(), FakeNode()]
    yield made
    for node in made:
        node.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory, redis_server, nodes):
    server = DemoServer(tmp_path_factory.mktemp("demo"), redis_server.port, nodes)
    yield server.start()
    assert server.stop() == 0
    assert "Traceback" not in server.log_text()


@pytest.fixture
def demo(running, redis_server, nodes):
    """One server for all tests, with a Redis that is empty and nodes that are ready."""
    redis_server.client.flushall()
    for node in nodes:
        node.ready = True
    return running


def events(redis_server):
    return [json.loads(fields[b"event"]) for _, fields in redis_server.client.xrange("roomcast:events")]


def post(demo, text="Hello", user="ann"):
    status, _, body = demo.ask("POST", "/messages", {"user": user, "text": text})
    assert status == 201
    return body


# -- what it does


def test_the_page_and_its_files_are_served_under_a_policy_that_allows_no_markup_and_no_strangers(demo):
    status, headers, page = demo.ask("GET", "/")
    assert status == 200 and b"<main" in page
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["require-trusted-types-for"] == "'script'"
    assert policy["script-src"] == "'self' http://127.0.0.1:9000 http://127.0.0.1:9001"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:9000 ws://127.0.0.1:9001"
    assert headers["X-Content-Type-Options"] == "nosniff"
    for file in (ROOT / "cluster/demo/page").iterdir():
        if file.name != "index.html":
            assert demo.ask("GET", f"/{file.name}")[2] == file.read_bytes()


def test_the_page_names_nothing_outside_and_no_code_of_its_own():
    texts = [file.read_text() for file in (ROOT / "cluster/demo/page").iterdir()]
    for text in texts:
        assert "https://" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text and "style=" not in text and "onclick=" not in text


def test_a_token_is_signed_short_lived_and_for_the_demos_chat_only(demo):
    head, claims, signature = demo.ask("GET", "/token?user=ben")[2]["token"].split(".")
    expected = hmac.digest(SECRET.encode(), f"{head}.{claims}".encode(), "sha256")
    assert base64.urlsafe_b64decode(signature + "=") == expected
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (decoded["sub"], decoded["chats"]) == ("ben", [CHAT])
    assert 0 < decoded["exp"] - time.time() <= 60


def test_what_changes_becomes_domain_events_in_order_with_a_version_that_grows(demo, redis_server):
    message = post(demo, "Grüße 👋")["message_id"]
    assert demo.ask("PUT", f"/messages/{message}", {"user": "ann", "text": "Hallo"})[0] == 200
    assert demo.ask("DELETE", f"/messages/{message}", {"user": "ann"})[0] == 200
    seen = events(redis_server)
    assert [event["event_type"] for event in seen] == ["message.posted", "message.edited", "message.deleted"]
    assert [event["payload"]["content"] for event in seen] == ["Grüße 👋", "Hallo", ""]
    assert [event["payload"]["version"] for event in seen] == [1, 2, 3]
    assert {event["payload"]["chat_id"] for event in seen} == {CHAT}
    history = demo.ask("GET", "/history?user=ben")[2]["messages"]
    assert history[-1] == seen[-1]["payload"]


def test_only_the_author_changes_a_message_and_not_after_its_deletion(demo, redis_server):
    message = post(demo, user="ann")["message_id"]
    assert demo.refusal("PUT", f"/messages/{message}", {"user": "ben", "text": "x"}) == (403, "NOT_YOURS")
    assert demo.refusal("DELETE", f"/messages/{message}", {"user": "ben"}) == (403, "NOT_YOURS")
    assert demo.ask("DELETE", f"/messages/{message}", {"user": "ann"})[0] == 200
    assert demo.refusal("PUT", f"/messages/{message}", {"user": "ann", "text": "x"}) == (404, "NO_SUCH_MESSAGE")
    assert len(events(redis_server)) == 2


def test_a_task_that_is_given_to_somebody_notifies_them_and_nobody_else(demo, redis_server):
    status, _, task = demo.ask("PUT", "/tasks/invite", {"user": "ann", "assignee": "ben"})
    assert status == 200 and task["assignee_id"] == "ben"
    assert demo.ask("PUT", "/tasks/invite", {"user": "ben", "status": "done"})[0] == 200
    assert demo.ask("PUT", "/tasks/invite", {"user": "ann", "assignee": ""})[2]["assignee_id"] is None
    seen = events(redis_server)
    assert [event["event_type"] for event in seen] == ["task.updated", "notification.created", "task.updated", "task.updated"]
    assert seen[1]["payload"]["user_id"] == "ben" and "Invite" in seen[1]["payload"]["text"]
    assert len(demo.ask("GET", "/history?user=ben")[2]["notifications"]) == 1
    assert demo.ask("GET", "/history?user=ann")[2]["notifications"] == []


def test_a_mention_notifies_and_a_long_one_is_cut(demo, redis_server):
    post(demo, "@Ben " + "x" * 1000, user="ann")
    note = events(redis_server)[-1]["payload"]
    assert note["user_id"] == "ben" and len(note["text"]) == 140


def test_the_history_holds_the_last_two_hundred_messages(demo):
    for number in range(205):
        post(demo, f"number {number}")
    texts = [message["content"] for message in demo.ask("GET", "/history?user=ann")[2]["messages"]]
    assert texts == [f"number {number}" for number in range(5, 205)]


def test_a_storm_writes_all_its_lines_and_no_second_one_runs_beside_it(demo, redis_server):
    assert demo.ask("POST", "/storm", {"lines": 60, "per_second": 20})[2]["started"] is True
    assert demo.ask("POST", "/storm", {"lines": 2, "per_second": 50})[2]["started"] is False
    eventually(lambda: len(events(redis_server)) == 60, what="all lines")
    assert {event["payload"]["author_id"] for event in events(redis_server)} == {"robin"}
    assert demo.refusal("POST", "/storm", {"lines": 501, "per_second": 1}) == (400, "INVALID_STORM")


def kill_what_is_named(reader, nodes):
    """As cluster/quickstart does, once."""
    name = eventually(lambda: read_line(reader))
    nodes[int(name.removeprefix("roomcast-"))].ready = False


def read_line(reader):
    try:
        return os.read(reader, 100).decode().strip()
    except BlockingIOError:
        return None


def test_a_node_is_killed_by_who_reads_the_pipe_and_only_while_all_are_up(demo, nodes):
    assert demo.refusal("POST", "/kill", {"node": "roomcast-0"}) == (503, "NOT_SUPERVISED")
    reader = os.open(demo.pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert demo.refusal("POST", "/kill", {"node": "roomcast-2"}) == (404, "NO_SUCH_NODE")
        assert demo.refusal("POST", "/kill", {"node": "roomcast-0"}) == (504, "NOT_KILLED")
        assert os.read(reader, 100) == b"roomcast-0\n"
        killed = threading.Thread(target=kill_what_is_named, args=(reader, nodes))
        killed.start()
        assert demo.ask("POST", "/kill", {"node": "roomcast-1"})[0] == 202
        killed.join()
        assert demo.ask("GET", "/nodes")[2]["nodes"] == [{"name": "roomcast-0", "ready": True}, {"name": "roomcast-1", "ready": False}]
        assert demo.refusal("POST", "/kill", {"node": "roomcast-0"}) == (409, "NODE_DOWN")
        with pytest.raises(BlockingIOError):
            os.read(reader, 100)
    finally:
        os.close(reader)


def test_without_redis_nothing_has_changed(demo, redis_server):
    before = demo.ask("GET", "/history?user=ann")[2]
    redis_server.stop()
    try:
        assert demo.refusal("POST", "/messages", {"user": "ann", "text": "x"}) == (503, "BUS_DOWN")
        assert demo.refusal("PUT", "/tasks/notes", {"user": "ben", "status": "done"}) == (503, "BUS_DOWN")
        assert demo.ask("GET", "/history?user=ann")[2] == before
    finally:
        redis_server.start()
    post(demo)


# -- what it refuses


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", ""])
def test_a_name_that_another_sites_dns_could_have_given_to_this_address_is_refused(demo, host):
    headers = {"Host": host.format(port=demo.port)}
    assert demo.refusal("GET", "/token?user=ann", headers=headers) == (421, "WRONG_HOST")


def test_two_hosts_or_none_are_refused(demo):
    own = f"Host: 127.0.0.1:{demo.port}\r\n"
    for hosts in (own + own, own + "Host: evil.example\r\n", ""):
        assert demo.raw(f"GET /setup HTTP/1.1\r\n{hosts}\r\n".encode()).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1", "null", ""])
@pytest.mark.parametrize("request_", [("GET", "/token?user=ann", None), ("POST", "/messages", {"user": "ann", "text": "x"}), ("POST", "/kill", {"node": "roomcast-0"})])
def test_pages_of_other_origins_are_refused_whatever_they_ask(demo, redis_server, origin, request_):
    refused = demo.refusal(*request_, headers={"Origin": origin.format(port=demo.port)})
    assert refused == (403, "ORIGIN_NOT_ALLOWED") and events(redis_server) == []


def test_the_own_origin_may_ask_and_nobody_is_told_that_others_may(demo):
    own = {"Origin": f"http://127.0.0.1:{demo.port}"}
    status, headers, _ = demo.ask("POST", "/messages", {"user": "ann", "text": "x"}, headers=own)
    assert status == 201 and "Access-Control-Allow-Origin" not in headers
    assert demo.ask("OPTIONS", "/messages", headers=own)[0] == 501


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_of_another_site_can_send_is_refused(demo, redis_server, media):
    refused = demo.refusal("POST", "/messages", {"user": "ann", "text": "x"}, headers={"Content-Type": media})
    assert refused == (415, "UNSUPPORTED_MEDIA_TYPE") and events(redis_server) == []


BAD_BODIES = {
    "nothing": (b"", 400, "INVALID_JSON"),
    "no JSON": (b"{", 400, "INVALID_JSON"),
    "no UTF-8": (b'{"user":"ann","text":"\xff"}', 400, "INVALID_JSON"),
    "too deep": (b"[" * 16000, 400, "INVALID_JSON"),
    "a list": ([], 400, "INVALID_BODY"),
    "a field missing": ({"user": "ann"}, 400, "INVALID_FIELDS"),
    "a field too many": ({"user": "ann", "text": "x", "message_id": "1"}, 400, "INVALID_FIELDS"),
    "a number for a text": ({"user": "ann", "text": 1}, 400, "INVALID_FIELDS"),
    "a stranger": ({"user": "eve", "text": "x"}, 400, "NO_SUCH_USER"),
    "the bot": ({"user": "robin", "text": "x"}, 400, "NO_SUCH_USER"),
    "no text": ({"user": "ann", "text": " \n\t "}, 400, "EMPTY_TEXT"),
    "half a surrogate pair": (b'{"user":"ann","text":"\\ud83d"}', 400, "INVALID_TEXT"),
    "a text too long": ({"user": "ann", "text": "x" * 2001}, 413, "TEXT_TOO_LONG"),
    "a body too large": (b'{"user":"ann","text":"' + b"x" * 16384 + b'"}', 413, "PAYLOAD_TOO_LARGE"),
}


@pytest.mark.parametrize("body, status, code", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_message_is_refused_with_its_reason_and_reaches_nobody(demo, redis_server, body, status, code):
    assert demo.refusal("POST", "/messages", body) == (status, code)
    assert events(redis_server) == []


def test_the_longest_text_is_taken_whatever_its_characters_are(demo):
    status, _, message = demo.ask("POST", "/messages", json.dumps({"user": "ann", "text": "👋" * 2000}, ensure_ascii=False).encode())
    assert status == 201 and message["content"] == "👋" * 2000


@pytest.mark.parametrize("fields, code", [({"status": "gone"}, "INVALID_STATUS"), ({"assignee": "eve"}, "NO_SUCH_USER"),
                                          ({"status": 1}, "INVALID_FIELDS"), ({"title": "x"}, "INVALID_FIELDS")])  # fmt: skip
def test_a_bad_change_of_a_task_is_refused(demo, redis_server, fields, code):
    assert demo.refusal("PUT", "/tasks/notes", {"user": "ann", **fields}) == (400, code)
    assert demo.refusal("PUT", "/tasks/other", {"user": "ann"}) == (404, "NO_SUCH_TASK")
    assert events(redis_server) == []


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/page/demo.js", "//etc/passwd", "/messages/x", "/tasks/a/b", "/demo.js/"])
def test_nothing_but_what_is_named_is_served(demo, path):
    assert demo.refusal("GET", path) == (404, "NOT_FOUND")


def test_wrong_methods_and_queries_are_refused(demo):
    assert demo.refusal("GET", "/kill") == (405, "METHOD_NOT_ALLOWED")
    assert demo.refusal("POST", "/demo.js", {}) == (404, "NOT_FOUND")
    assert demo.refusal("GET", "/token?user=eve") == (400, "NO_SUCH_USER")
    assert demo.refusal("GET", "/token") == (400, "INVALID_FIELDS")
    assert demo.refusal("GET", "/token?user=%ff") == (400, "BAD_REQUEST")
    assert demo.refusal("PATCH", "/messages", {})[0] == 501


@pytest.mark.parametrize("framing", ["Content-Length: -1", "Content-Length: 99999999999999", "Content-Length: x", "Content-Length: 2\r\nContent-Length: 3",
                                     "Transfer-Encoding: chunked", "Content-Length: 10"])  # fmt: skip
def test_a_body_whose_length_is_not_known_ends_the_connection(demo, framing):
    head = f"POST /messages HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
    hidden = f"GET /setup HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\n\r\n" if framing != "Content-Length: 10" else "{}"
    answer = demo.raw((head + hidden).encode())
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.split()[1].startswith(b"4") and b"chat_id" not in answer


def test_a_body_that_ends_early_is_not_acted_on_even_if_it_could_be_read(demo, redis_server):
    body = json.dumps({"user": "ann", "text": "x"})
    head = f"POST /messages HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\nContent-Type: application/json\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    assert b"the body ended early" in demo.raw((head + body).encode())
    assert events(redis_server) == []


def test_it_is_only_on_loopback(demo):
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{demo.port}"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{demo.port}"]
