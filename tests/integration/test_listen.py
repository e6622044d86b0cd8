"""`roomcast listen`: a client for terminals and scripts, that resumes, and says why when it cannot go on."""
import base64
import contextlib
import hashlib
import itertools
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import tokens
from harness.certificates import Authority
from harness.command import Listening, run_roomcast
from harness.events import Event, message
from harness.ports import free_port
from harness.processes import binary, clean_environment
from harness.waiting import eventually, seconds


LONG_ENOUGH_S = str(int(seconds(3)))  # to begin, and to hear what is there


@pytest.fixture
def listen(new_directory):
    """listen(*arguments, user="ben"): running, with a token in its environment."""
    running = []

    def start(*arguments, user="ben", token=None, environment=None):
        directory = new_directory("listen")
        directory.mkdir()
        environment = environment or {"ROOMCAST_TOKEN": tokens.mint(user) if token is None else token}
        running.append(Listening(directory, *arguments, environment=environment))
        return running[-1]

    yield start
    for one in running:
        one.kill()


def run_listen(*arguments, token=None, **how):
    environment = {"ROOMCAST_TOKEN": tokens.mint("ben") if token is None else token}
    return run_roomcast("listen", *arguments, environment=environment, **how)


# -- what it prints


def test_events_are_printed_as_they_came_one_to_a_line(stack, listen, chat, other_chat):
    listening = listen("--url", stack.nodes[0].url, "--chat", chat, "--chat", other_chat, "--count", "3").wait_subscribed()
    first = Event(chat=chat, payload='{"chat_id":"%s",\n "n":9223372036854775807}' % chat)
    notice = Event("notification.created", payload={"user_id": "ben"})
    for event in (first, message(other_chat), notice):
        stack.xadd(event)
    assert listening.wait() == 0
    frames = {frame["id"]: (frame, line) for frame, line in zip(listening.frames(), listening.lines())}
    assert len(frames) == 3 and frames[notice.id][0]["type"] == "notification.new"
    frame, line = frames[first.id]
    assert frame["chat_id"] == chat and '"n":9223372036854775807' in line
    assert "connected to ws://" in listening.told() and "as ben, node roomcast-0" in listening.told()


def test_raw_prints_acks_too(stack, listen, chat):
    listening = listen("--url", stack.nodes[0].url, "--chat", chat, "--raw", "--count", "1").wait_subscribed()
    stack.xadd(message(chat))
    assert listening.wait() == 0
    types = [frame["type"] for frame in listening.frames()]
    assert types[0] == "connected" and types.count("ack") == 2 and types[-1] == "chat.message.posted"


def on_terminal(environment, *arguments):
    """What it writes on a pseudo-terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [binary("roomcast"), "listen", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env={**clean_environment(environment), "TERM": "xterm"},
    )
    os.close(slave)
    written = b""
    try:
        while select.select([master], [], [], seconds(20))[0]:
            written += os.read(master, 65536)
    except OSError:  # EIO: it has ended
        pass
    finally:
        os.close(master)
        process.kill()  # nothing, when it has
        status = process.wait()
    assert status == 0
    return written.decode()


def test_on_a_terminal_events_are_for_people_and_cannot_steer_it(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd(Event(chat=chat, payload='{"chat_id":"%s","content":"a \u009b31m b \u202e c"}' % chat))
    seen = client.expect("chat.message.posted")
    since = f"{seen['epoch']}:{seen['seq'] - 1}"
    arguments = ("--url", stack.nodes[0].url, "--chat", chat, "--since", since, "--count", "1")
    environment = {"ROOMCAST_TOKEN": tokens.mint("ben")}
    coloured = on_terminal(environment, *arguments)
    assert "\x1b[32mchat.message.posted\x1b[0m" in coloured and "#1" in coloured and chat[:8] in coloured
    plain = on_terminal({**environment, "NO_COLOR": "1"}, *arguments)
    assert "chat.message.posted" in plain and "\x1b" not in plain
    for text in (coloured, plain):
        assert "a ?31m b ? c" in text


def test_it_ends_when_nobody_reads_it_any_more(stack, chat):
    command = [binary("roomcast"), "listen", "--url", stack.nodes[0].url, "--chat", chat, "--raw"]
    environment = clean_environment({"ROOMCAST_TOKEN": tokens.mint("ben")})
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert json.loads(process.stdout.readline())["type"] == "connected"
    process.stdout.close()
    stack.xadd(message(chat))
    numbers = itertools.count()
    deadline = time.monotonic() + seconds(20)
    while process.poll() is None and time.monotonic() < deadline:
        stack.xadd(message(chat, next(numbers)))
        select.select([], [], [], 0.05)
    assert process.wait(seconds(1)) == 0


# -- resume


def test_a_killed_node_costs_nothing_and_repeats_nothing(make_stack, listen, chat):
    stack = make_stack(nodes=2).start()
    urls = [word for node in stack.nodes for word in ("--url", node.url)]
    listening = listen(*urls, "--chat", chat, "--count", "300").wait_subscribed()
    stack.xadd_all([message(chat, number) for number in range(100)])
    eventually(lambda: len(listening.lines()) >= 20)
    stack.nodes[0].kill()
    stack.xadd_all([message(chat, number) for number in range(100, 300)])
    assert listening.wait() == 0, listening.told()
    frames = listening.frames()
    assert [frame["seq"] for frame in frames] == list(range(1, 301))
    assert [frame["data"]["number"] for frame in frames] == list(range(300))
    assert "coming back" in listening.told() and "node roomcast-1" in listening.told()


def test_a_drain_sends_it_to_the_next_node_and_back(make_stack, listen, chat):
    stack = make_stack(nodes=1).start()
    listening = listen("--url", stack.nodes[0].url, "--chat", chat, "--count", "2").wait_subscribed()
    stack.xadd(message(chat, 0))
    eventually(lambda: len(listening.lines()) == 1)
    assert stack.nodes[0].stop() == 0
    stack.xadd(message(chat, 1))
    stack.nodes[0].start()
    assert listening.wait() == 0, listening.told()
    assert "(4200)" in listening.told()
    assert [frame["seq"] for frame in listening.frames() if "seq" in frame] == [1, 2]


def test_since_begins_behind_an_event(stack, connect, chat):
    client = connect(0)
    client.subscribe(chat)
    stack.xadd_all([message(chat, number) for number in range(5)])
    frames = [client.expect("chat.message.posted") for _ in range(5)]
    place = f"{frames[1]['epoch']}:{frames[1]['seq']}"
    done = run_listen("--url", stack.nodes[0].url, "--chat", chat, "--since", place, "--count", "3")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [3, 4, 5]


def test_a_place_that_cannot_be_resumed_is_said(stack, listen, chat):
    listening = listen("--url", stack.nodes[0].url, "--chat", chat, "--since", "nowhere:7", "--count", "1").wait_subscribed()
    assert f"{chat}: some events were missed for good" in listening.told()
    stack.xadd(message(chat))
    assert listening.wait() == 0


def test_a_new_token_is_read_from_the_file_when_the_old_one_expires(extra_node, stack, listen, chat, tmp_path):
    node = extra_node({"auth.leeway_s": 0, "auth.expiry_grace_s": 0})
    file = tmp_path / "token"
    file.write_text(tokens.mint("ben", ttl=int(seconds(3))) + "\n")
    listening = listen("--url", node.url, "--chat", chat, "--token-file", file, "--count", "1").wait_subscribed()
    file.write_text(tokens.mint("ben"))
    eventually(lambda: "(4201)" in listening.told() and listening.told().count("subscribed\n") == 2, timeout=20)
    stack.xadd(message(chat))
    assert listening.wait() == 0, listening.told()


# -- when it cannot go on


def test_fewer_events_than_asked_for_are_a_failure(stack, chat):
    done = run_listen("--url", stack.nodes[0].url, "--chat", chat, "--count", "1", "--timeout", "1")
    assert (done.returncode, done.stdout) == (1, "") and "0 of 1 events after 1 s" in done.stderr
    assert run_listen("--url", stack.nodes[0].url, "--chat", chat, "--timeout", LONG_ENOUGH_S).returncode == 0


def test_a_chat_that_may_not_be_read_ends_it_unless_another_one_may(stack, listen, chat, other_chat):
    token = tokens.mint("ben", [other_chat])
    done = run_listen("--url", stack.nodes[0].url, "--chat", chat, token=token)
    assert done.returncode == 1 and f"{chat}: FORBIDDEN: " in done.stderr
    listening = listen("--url", stack.nodes[0].url, "--chat", chat, "--chat", other_chat, "--count", "1", token=token)
    listening.wait_subscribed()
    stack.xadd(message(other_chat))
    assert listening.wait() == 0 and "FORBIDDEN" in listening.told()


def test_a_right_that_is_taken_away_ends_it(stack, listen, chat):
    by_chat = listen("--url", stack.nodes[0].url, "--chat", chat).wait_subscribed()
    everywhere = listen("--url", stack.nodes[0].url, "--chat", chat, user="listener-everywhere").wait_subscribed()
    stack.revoke({"user_id": "ben", "chat_id": chat}, {"user_id": "listener-everywhere"})
    assert by_chat.wait() == 1 and "MEMBERSHIP_REVOKED" in by_chat.told()
    assert everywhere.wait() == 1 and "access revoked" in everywhere.told()


@pytest.mark.parametrize(
    "token, path, status, message",
    [
        ("nonsense", "/ws", 1, "answers 401: "),
        (tokens.mint("ben", ttl=-1000), "/ws", 1, "the token is refused"),
        (None, "/elsewhere", 1, "a node's is /ws"),
        ("two\nlines", "/ws", 1, "the token holds what no token holds"),
    ],
    ids=["no token at all", "expired", "another path", "not even a header"],
)
def test_a_refusal_is_explained(stack, token, path, status, message):
    done = run_listen("--url", f"ws://127.0.0.1:{stack.nodes[0].port}{path}", token=token)
    assert done.returncode == status and message in done.stderr
    assert token is None or token not in done.stderr


def test_nobody_and_somebody_else_at_the_address_are_said(stack):
    done = run_listen("--url", f"ws://127.0.0.1:{free_port()}")
    assert done.returncode == 1 and "nobody listens there; is a node running there?" in done.stderr
    done = run_listen("--url", f"ws://127.0.0.1:{stack.redis_server.port}")
    assert done.returncode == 1 and ("the upgrade was not answered" in done.stderr or "no WebSocket server" in done.stderr)
    done = run_listen("--url", stack.relay.admin_url.replace("http", "ws") + "/livez")
    assert done.returncode == 1 and "answers 200" in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--chat", "general"], "a chat's id is a UUID"),
        (["--url", "http://127.0.0.1"], "neither ws:// nor wss://"),
        (["--url", "ws://me:secret@127.0.0.1"], "a user or a password"),
        (["--url", "ws://127.0.0.1:99999"], "its port is not a number"),
        (["--url", "ws://"], "names no host"),
        (["--since", "a:1"], "give one --chat"),
        (["--chat", "CHAT", "--since", "a"], "must be epoch:seq"),
        (["--chat", "CHAT", "--since", "a:99999999999999999999"], "must be epoch:seq"),
        (["--count", "none"], "--count = \"none\": must be a whole number"),
        (["--timeout", "0"], "must be a whole number from 1"),
        (["--timeout"], "--timeout needs a value"),
        (["--fruit"], "--fruit: unknown flag"),
        (["--dev"], "--dev needs --user"),
        (["--user", "ben"], "no key to make a token with"),
        (["--user", "ben", "--token-file", "x"], "a token either is there or is made"),
    ],
    ids=str,
)
def test_wrong_use_is_refused_with_what_to_do(chat, arguments, message):
    done = run_listen(*[chat if word == "CHAT" else word for word in arguments])
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr


def test_without_a_token_it_says_where_one_comes_from(chat, tmp_path):
    done = run_roomcast("listen", "--chat", chat)
    assert done.returncode == 2 and "--token-file, or ROOMCAST_TOKEN, or --dev" in done.stderr
    done = run_roomcast("listen", "--chat", chat, "--token-file", tmp_path / "absent")
    assert done.returncode == 1 and "absent: No such file" in done.stderr


def test_a_token_is_made_for_a_user_with_the_nodes_key(stack, listen, chat):
    where = ("--user", "carla", "--chat", chat, "--url", stack.nodes[0].url)
    listening = listen(*where, environment={"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}).wait_subscribed()
    assert "as carla, node" in listening.told()
    refused = run_roomcast("listen", *where, "--dev")
    assert refused.returncode == 1 and "answers 401" in refused.stderr


# -- TLS


def test_the_certificate_of_a_node_is_checked(extra_node, stack, listen, chat, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.write("node")
    node = extra_node({"tls.cert_file": certificate, "tls.key_file": key})
    listening = listen("--url", node.url, "--chat", chat, "--ca", authority.file, "--count", "50").wait_subscribed()
    stack.xadd_all([message(chat, number) for number in range(50)])
    assert listening.wait() == 0, listening.told()
    listen("--url", node.url.replace("127.0.0.1", "localhost"), "--chat", chat, "--ca", authority.file).wait_subscribed()
    refused = run_listen("--url", node.url)
    assert refused.returncode == 1 and "not trusted" in refused.stderr and "--ca" in refused.stderr
    wrong_host = run_listen("--url", node.url.replace("127.0.0.1", "127.1"), "--ca", authority.file)  # the same place by a name that it has not
    assert wrong_host.returncode == 1 and "not trusted: hostname mismatch" in wrong_host.stderr
    no_file = run_listen("--url", node.url, "--ca", tmp_path / "absent.pem")
    assert no_file.returncode == 1 and "no PEM certificate" in no_file.stderr
    plain = run_listen("--url", stack.relay.admin_url.replace("http://", "wss://"))
    assert plain.returncode == 1 and "TLS handshake failed" in plain.stderr


# -- against servers that are none, or mean harm


class Hostile:
    """Answers every upgrade, or with `answer` instead, and then does `then(connection)`. `came`: when each connection was made, by the
    monotonic clock."""

    def __init__(self, then=lambda connection: None, accept=None, answer=None):
        self.then, self.accept, self.answer = then, accept, answer
        self.came = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/ws"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.came.append(time.monotonic())
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                    head += part
                key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)[1]
                right = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
                upgrade = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {self.accept or right}", "", ""]
                connection.sendall((self.answer or "\r\n".join(upgrade)).encode())
                self.then(connection)


def text_frame(message):
    payload = json.dumps(message).encode()
    return bytes([0x81, 126]) + len(payload).to_bytes(2, "big") + payload


CONNECTED = text_frame({"type": "connected", "connection_id": "c", "user_id": "ben", "node": "n", "ping_interval_ms": 25000, "pad": "x" * 126})


def test_a_server_that_lets_everybody_in_and_drops_them_is_not_asked_without_a_pause(chat):
    for say in (b"", CONNECTED):
        with Hostile(lambda connection, say=say: connection.sendall(say)) as server:
            run_listen("--url", server.url, "--url", server.url, "--chat", chat, "--timeout", LONG_ENOUGH_S)
        assert 2 <= len(server.came) <= 10


def test_the_time_is_kept_while_a_server_sends_pongs_without_end(chat):
    def flood(connection):
        connection.sendall(CONNECTED)
        while True:
            connection.sendall(b"\x8a\x00" * 1000)

    with Hostile(flood) as server:
        begin = time.monotonic()
        run_listen("--url", server.url, "--chat", chat, "--timeout", "2")
    assert time.monotonic() - begin < seconds(8)


def test_a_wrong_accept_key_is_said_and_not_tried_again(chat):
    with Hostile(accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA=") as server:
        done = run_listen("--url", server.url, "--chat", chat, "--timeout", "5")
    assert done.returncode == 1 and "does not speak WebSocket" in done.stderr and len(server.came) == 1


def test_a_refusal_that_announces_more_than_is_wanted_is_cut(chat):
    body = json.dumps({"success": False, "error": {"code": "OVERLOADED", "message": "x" * 100_000}})
    with Hostile(answer=f"HTTP/1.1 503 Busy\r\nContent-Length: {len(body)}\r\n\r\n{body}") as server:
        done = run_listen("--url", server.url, "--chat", chat)
    assert done.returncode == 1 and "answers 503; the node takes nobody now" in done.stderr


def test_what_a_server_said_before_it_hung_up_is_heard(chat):
    """Though nothing can be answered any more."""
    goodbye = text_frame({"type": "disconnect", "code": 4003, "reason": "access revoked", "reconnect": False, "pad": "x" * 126})

    def hang_up(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # with a reset
        connection.sendall(CONNECTED + goodbye)

    with Hostile(hang_up) as server:
        done = run_listen("--url", server.url, "--chat", chat, "--timeout", LONG_ENOUGH_S)
    assert done.returncode == 1 and "the server ends the connection: access revoked" in done.stderr and len(server.came) == 1


def test_a_token_in_the_address_is_refused_and_not_shown(chat):
    token = tokens.mint("ben")
    done = run_listen("--url", f"ws://127.0.0.1:1/ws?token={token}", "--chat", chat)
    assert done.returncode == 2 and "--token-file" in done.stderr and token not in done.stderr


def test_raw_on_a_terminal_cannot_steer_it(chat):
    with Hostile(lambda connection: connection.sendall(CONNECTED + b"\x81\x06{\x1b[31m")) as server:
        written = on_terminal({"ROOMCAST_TOKEN": tokens.mint("ben")}, "--url", server.url, "--chat", chat, "--raw", "--timeout", LONG_ENOUGH_S)
    assert "[31m" in written and "\x1b" not in written
