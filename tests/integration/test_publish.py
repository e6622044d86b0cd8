"""`roomcast publish`: events from a terminal or a script, by Redis and by a relay, and what it says when that fails."""
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import uuid

import pytest

from harness.certificates import Authority
from harness.command import run_roomcast
from harness.ports import free_port
from harness.processes import binary, clean_environment
from harness.stack import API_KEY
from harness.waiting import seconds

KEY = {"ROOMCAST_RELAY_API_KEY": API_KEY}


@pytest.fixture
def by_redis(stack):
    return lambda *arguments, **how: run_roomcast("publish", "--redis", stack.redis_server.url, *arguments, **how)


@pytest.fixture
def by_relay(stack):
    def publish(*arguments, environment=None, **how):
        where = ("publish", "--relay", stack.relay.admin_url)
        return run_roomcast(*where, *arguments, environment=KEY if environment is None else environment, **how)

    return publish


def id_of(done):
    assert done.returncode == 0, done.stderr
    return re.match(r"([0-9a-f-]{36}) ", done.stdout)[1]


# -- both ways


def test_an_event_by_redis_reaches_clients_and_the_verdict_is_said_to_be_unheard(stack, connect, by_redis, chat):
    client = connect(0)
    client.subscribe(chat)
    done = by_redis("--chat", chat, "--data", '{"content":"Hello","n":9223372036854775807}')
    frame = client.expect("chat.message.posted", id=id_of(done))
    assert frame.raw_data == '{"content":"Hello","n":9223372036854775807}' and frame["ts"].endswith("Z")
    place = re.search(r" added to roomcast:events as (\d+-\d+)$", done.stdout.strip())[1]
    assert stack.redis.xrange("roomcast:events", place, place)
    assert "not heard" in done.stderr


def test_an_event_by_a_relay_is_stored_and_a_repeated_id_is_stored_once(connect, by_relay, chat):
    client = connect(0)
    client.subscribe(chat)
    event_id = str(uuid.uuid4())
    for _ in range(2):
        done = by_relay("--chat", chat, "--type", "message.edited", "--event-id", event_id)
        assert done.stdout == f"{event_id} stored\n" and done.stderr == "" and done.returncode == 0
    last = id_of(by_relay("--chat", chat))
    client.expect("chat.message.edited", id=event_id, seq=1)
    client.expect("chat.message.posted", id=last, seq=2)


def test_an_event_for_a_user_is_a_notification(connect, by_relay, by_redis):
    client = connect(0, user="Jörg \"quoted\"")
    for publish in (by_relay, by_redis):
        sent = id_of(publish("--user", "Jörg \"quoted\"", "--data", '{"text":"you are named"}'))
        assert client.expect("notification.new", id=sent)["data"] == {"text": "you are named"}


def test_an_event_without_a_row_is_skipped_and_the_exit_status_says_so(by_relay, by_redis, chat):
    done = by_relay("--chat", chat, "--type", "nothing.known")
    assert done.returncode == 3 and re.match(r"[0-9a-f-]{36} skipped: the relay has no row", done.stdout)
    assert "no row for the event's type" in by_redis("--chat", chat, "--type", "nothing.known").stderr


def test_data_comes_from_a_file_or_from_standard_input(connect, by_relay, chat, tmp_path):
    client = connect(0)
    client.subscribe(chat)
    file = tmp_path / "data.json"
    file.write_text(' {"from": "a file"}\n')
    assert client.expect("chat.message.posted", id=id_of(by_relay("--chat", chat, "--data", f"@{file}"))).raw_data == '{"from": "a file"}'
    sent = id_of(by_relay("--chat", chat, "--data", "-", stdin='{"from":"standard input"}'))
    assert client.expect("chat.message.posted", id=sent)["data"] == {"from": "standard input"}


def test_each_line_is_an_event_and_a_wrong_one_stops_none_of_the_others(connect, by_relay, chat):
    client = connect(0)
    client.subscribe(chat)
    done = by_relay("--lines", "--chat", chat, stdin='{"n":1}\n{"n":\n\n{"n":3}')
    assert done.returncode == 1 and done.stdout.count(" stored\n") == 2
    assert "line 2: the data is not valid JSON" in done.stderr and "2 stored, 0 skipped, 1 wrong" in done.stderr
    assert [client.expect("chat.message.posted")["data"]["n"] for _ in range(2)] == [1, 3]


def test_lines_without_a_target_are_whole_events_and_get_ids_where_they_have_none(connect, by_redis, chat):
    client = connect(0)
    client.subscribe(chat)
    events = [{"id": "mine", "event_type": "message.posted", "payload": {"chat_id": chat}},
              {"event_type": "message.posted", "payload": {"chat_id": chat}, "id": None}]  # fmt: skip
    done = by_redis("--lines", stdin="".join(json.dumps(event) + "\n" for event in events))
    assert done.returncode == 0, done.stderr
    ids = [line.split()[0] for line in done.stdout.splitlines()]
    assert ids[0] == "mine" and uuid.UUID(ids[1])
    assert [client.expect("chat.message.posted")["id"] for _ in range(2)] == ids


def test_a_line_with_a_nul_byte_is_wrong_and_the_next_one_is_not(by_redis, chat):
    done = by_redis("--lines", "--chat", chat, stdin='{"n":1}\0\n{"n":2}\n')
    assert done.returncode == 1 and "1 added, 0 skipped, 1 wrong" in done.stderr, done.stderr


def test_a_line_longer_than_an_event_ends_it(by_redis, chat):
    done = by_redis("--lines", "--chat", chat, "--relay-max-event-bytes=1024", stdin=f'{{"a":"{"x" * 2000}"}}\n{{}}\n')
    assert done.returncode == 1 and done.stdout == "" and "line 1: it is longer than an event may be" in done.stderr


def test_an_id_that_makes_an_event_too_large_makes_it_wrong(by_redis, chat):
    event = {"event_type": "message.posted", "payload": {"chat_id": chat}, "pad": ""}
    event["pad"] = "x" * (1024 - len(json.dumps(event)))
    done = by_redis("--lines", "--relay-max-event-bytes=1024", stdin=json.dumps(event))
    assert done.returncode == 1 and done.stdout == "" and "line 1: the event has more than 1024 bytes" in done.stderr
    assert by_redis("--lines", "--relay-max-event-bytes=1024", stdin=json.dumps({**event, "pad": "x", "id": "mine"})).returncode == 0


def test_it_ends_when_nobody_reads_what_became_of_the_events(stack, chat):
    reader, writer = os.pipe()
    os.close(reader)
    before = stack.redis.xlen("roomcast:events")
    command = [binary("roomcast"), "publish", "--lines", "--redis", stack.redis_server.url, "--chat", chat]
    try:
        done = subprocess.run(command, env=clean_environment(), input=b"{}\n" * 3, stdout=writer, stderr=subprocess.PIPE, timeout=seconds(20), check=False)
    finally:
        os.close(writer)
    assert done.returncode == 1 and b"line 1: what became of it cannot be written to standard output" in done.stderr
    assert b"the lines behind this one were not published" in done.stderr and stack.redis.xlen("roomcast:events") == before + 1


def test_dev_goes_to_the_relay_of_a_development_node_with_its_key(stack, chat):
    refused = run_roomcast("publish", "--dev", "--relay-listen", stack.relay.options["relay.listen"], "--chat", chat)
    assert refused.returncode == 1 and "does not take the key (401)" in refused.stderr  # this one has another key


# -- wrong use


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--chat or --user is missing"),
        (["--chat"], "--chat needs a value"),
        (["--chat", "--data={}"], "--chat needs a value"),
        (["--lines=yes"], "--lines takes no value"),
        (["--chat", "general"], "is a UUID"),
        (["--chat", "CHAT", "--user", "ben"], "goes to one of them"),
        (["--chat", "CHAT", "--relay", "http://127.0.0.1:1"], "one of these ways"),
        (["--chat", "CHAT", "--fruit"], "--fruit: unknown flag"),
        (["--chat", "CHAT", "--data", "@/nowhere"], "no such file"),
        (["--chat", "CHAT", "--data", "{"], "the data is not valid JSON"),
        (["--chat", "CHAT", "--data", '1},"id":"x","y":{'], "the data is not valid JSON"),
        (["--chat", "CHAT", "--data", '{},"id":"x"'], "the data is not one JSON value"),
        (["--chat", "CHAT", "--event-id", "with space"], "printable ASCII"),
        (["--chat", "CHAT", "--event-id", ""], "must not be empty"),
        (["--chat", "CHAT", "--type", "notification.created"], "goes to a user: give --user"),
        (["--user", "ben", "--type", "message.posted"], "goes to a chat: give --chat"),
        (["--chat", "CHAT", "--data", '{"chat_id":"99999999-2222-4222-8222-222222222222"}'], "names 99999999-"),
        (["--chat", "CHAT", "--relay-max-event-bytes=1024", "--data", f'"{"x" * 1000}"'], "relay.max_event_bytes"),
        (["--lines", "--data", "{}"], "come from the lines"),
        (["--lines", "--type", "x"], "each line is a whole event"),
    ],
    ids=str,
)
def test_wrong_use_is_refused_with_what_to_do_and_nothing_is_published(stack, by_redis, chat, arguments, message):
    before = stack.redis.xlen("roomcast:events")
    done = by_redis(*[chat if word == "CHAT" else word for word in arguments])
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr
    assert stack.redis.xlen("roomcast:events") == before


def test_an_event_that_will_not_change_what_it_may_be_meant_to_is_warned_of(by_relay, chat):
    done = by_relay("--chat", chat, "--type", "chat.member_removed")
    assert done.returncode == 0 and "no right changes" in done.stderr


def test_secrets_among_the_arguments_are_warned_of_and_others_are_not(stack, by_relay, chat, tmp_path):
    file = tmp_path / "key"
    file.write_text(API_KEY)
    done = by_relay("--chat", chat, f"--relay-api-key-file={file}", environment={})
    assert (done.returncode, done.stderr) == (0, "")
    done = by_relay("--chat", chat, f"--relay-api-key={API_KEY}", environment={})
    assert done.returncode == 0 and "can be seen by others" in done.stderr and API_KEY not in done.stderr
    done = run_roomcast("publish", "--redis", f"redis://:a-password@127.0.0.1:{stack.redis_server.port}", "--chat", chat)
    assert "can be seen by others" in done.stderr and "a-password" not in done.stderr + done.stdout


# -- others at the other end


def test_nobody_at_the_address_is_said_with_what_to_check(chat):
    port = free_port()
    done = run_roomcast("publish", "--relay", f"http://127.0.0.1:{port}", "--chat", chat, environment=KEY)
    assert done.returncode == 1 and f"no relay answers at http://127.0.0.1:{port}/v1/events" in done.stderr
    done = run_roomcast("publish", "--redis", f"redis://127.0.0.1:{port}", "--chat", chat)
    assert done.returncode == 1 and "Redis: " in done.stderr and "is it running there?" in done.stderr
    done = run_roomcast("publish", "--lines", "--redis", f"redis://127.0.0.1:{port}", "--chat", chat, stdin="1\n2\n")
    assert done.returncode == 1 and "line 1: that ends it" in done.stderr and "line 2" not in done.stderr


def test_a_redis_that_hangs_up_between_two_events_is_said(chat):
    hung_up = threading.Event()

    def serve(listener):
        connection, _ = listener.accept()
        while b"XADD" not in (asked := connection.recv(65536)):
            connection.sendall(b"+OK\r\n")
            assert asked
        connection.sendall(b"$3\r\n1-1\r\n")
        connection.shutdown(socket.SHUT_WR)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # with a reset behind the end: whoever writes then is sent SIGPIPE
        hung_up.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        command = [binary("roomcast"), "publish", "--lines", "--redis", f"redis://127.0.0.1:{listener.getsockname()[1]}", "--chat", chat]
        process = subprocess.Popen(command, env=clean_environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.stdin.write("{}\n")
            process.stdin.flush()
            assert " added to " in process.stdout.readline() and hung_up.wait(seconds(20))
            _, told = process.communicate("{}\n", timeout=seconds(20))
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 1 and "line 2: Redis: " in told and "line 2: that ends it" in told


@pytest.mark.parametrize(
    "url, environment, status, message",
    [
        ("ftp://127.0.0.1", KEY, 2, "neither https nor http"),
        ("127.0.0.1:9091", KEY, 2, "--relay: "),
        ("http://me:secret@127.0.0.1:1", KEY, 2, "a user or a password"),
        ("http://127.0.0.1:1", {}, 2, "needs the relay's key"),
        ("http://127.0.0.1:1", {"ROOMCAST_RELAY_API_KEY": "two\nlines"}, 1, "cannot stand in a header"),
    ],
)
def test_what_cannot_be_an_address_or_a_key_is_refused(chat, url, environment, status, message):
    done = run_roomcast("publish", "--relay", url, "--chat", chat, environment=environment)
    assert done.returncode == status and message in done.stderr and "secret" not in done.stderr


def test_a_wrong_key_and_a_wrong_path_and_a_large_event_are_told_apart(stack, by_relay, chat):
    done = by_relay("--chat", chat, environment={"ROOMCAST_RELAY_API_KEY": "another"})
    assert done.returncode == 1 and "(401)" in done.stderr and "ROOMCAST_RELAY_API_KEY" in done.stderr
    done = run_roomcast("publish", "--relay", stack.relay.admin_url + "/v2/events", "--chat", chat, environment=KEY)
    assert done.returncode == 1 and "(404)" in done.stderr and "relay.listen" in done.stderr
    large = ("--relay-max-event-bytes=8388608", "--data", "-")
    done = by_relay("--chat", chat, *large, stdin=json.dumps("x" * 600_000))
    assert done.returncode == 1 and "(413)" in done.stderr and "relay.max_event_bytes" in done.stderr


class Answering:
    """An HTTP server that gives one answer, whatever it is asked."""

    def __init__(self, status, body=b"", headers=(), context=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                for name, value in [*headers, ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


UNAVAILABLE = b'{"success":false,"error":{"code":"UNAVAILABLE","message":"not all events are stored\\u001b[31m"}}'


@pytest.mark.parametrize(
    "status, body, headers, message",
    [
        (503, UNAVAILABLE, [("Retry-After", "1")], "not all events are stored\\u001b[31m; try again in a few seconds"),
        (301, b"", [("Location", "http://127.0.0.1:1/")], "redirects are not followed"),
        (202, b"<html>", [], "not a relay's"),
        (202, b'{"accepted":7}', [], "not a relay's"),
        (500, b"\xff", [], "status 500"),
        (400, b'{"error":{"message":"event 0 is bad"}}', [], "refuses it (400): event 0 is bad"),
    ],
)
def test_what_else_may_answer_is_explained(chat, status, body, headers, message):
    with Answering(status, body, headers) as port:
        done = run_roomcast("publish", "--relay", f"http://127.0.0.1:{port}/", "--chat", chat, environment=KEY)
    assert done.returncode == 1 and message in done.stderr and done.stdout == ""


def test_the_certificate_of_an_https_relay_is_checked(chat, tmp_path):
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.write("relay"))
    with Answering(202, b'{"success":true,"accepted":1}', context=context) as port:
        where = ("publish", "--relay", f"https://127.0.0.1:{port}", "--chat", chat)
        done = run_roomcast(*where, "--ca", authority.file, environment=KEY)
        assert done.returncode == 0, done.stderr
        refused = run_roomcast(*where, environment=KEY)
        assert refused.returncode == 1 and "certificate" in refused.stderr
