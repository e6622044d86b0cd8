"""Who may come how often, and from where: the limits before a connection is one (cluster/OPERATING.md: Every limit)."""
import collections
import contextlib
import ipaddress
import re
import struct
import threading
import time
import uuid

import pytest

from harness import raw, tokens
from harness.authorization_service import AuthorizationService, deny
from harness.waiting import eventually, seconds


def ask(node, user="u", forwarded=(), headers=None):
    lines = {"Authorization": f"Bearer {tokens.mint(user)}", **(headers or {})}
    if forwarded:
        lines["X-Forwarded-For"] = forwarded
    return raw.ask_upgrade(node.port, headers=lines)


def refused(node, result):
    return node.metrics()["roomcast_handshakes_total", "result", result]


class Held(raw.Connection):
    """An upgraded connection that stays, and says where it comes from."""

    def __init__(self, node, user, forwarded):
        super().__init__(node.port)
        headers = {"Authorization": f"Bearer {tokens.mint(user)}", "X-Forwarded-For": forwarded}
        self.send(raw.upgrade_request(headers=headers))
        self.status = self.read_response().status


def test_too_few_descriptors_are_said_with_the_number_that_is_enough(extra_node):
    node = extra_node({"limits.connections": 4000, "workers": 2}, start=False)
    node.expect_log("limits.connections = 4000")

    def start_with(descriptors):
        node.command_prefix = ("prlimit", f"--nofile={descriptors}:{descriptors}")
        return node.spawn()

    assert start_with(4000).wait_exit() == 2
    enough = int(re.search(r"needs (\d+) file descriptors, and the hard limit is 4000", node.log_text())[1])
    assert start_with(enough - 1).wait_exit() == 2
    assert f"needs {enough} file descriptors, and the hard limit is {enough - 1}" in node.log_text()
    start_with(enough).wait_ready()


def test_connections_of_one_address_are_limited(extra_node, open_client):
    node = extra_node({"limits.connections_per_address": 2})
    first, _ = open_client(node, "one"), open_client(node, "two")
    response = ask(node, "three")
    assert response.status == 429 and response.error == "TOO_MANY_CONNECTIONS"
    assert int(response.headers["retry-after"]) > 0
    assert refused(node, "address_connections") == 1
    # A header that anybody can write makes nobody somebody else.
    assert ask(node, "three", "203.0.113.7").status == 429
    first.close()
    eventually(lambda: ask(node, "three").status == 101, what="a place is free again")


def test_behind_a_trusted_proxy_the_client_it_names_is_limited(extra_node):
    node = extra_node({"limits.connections_per_address": 1, "proxy.trusted": "127.0.0.0/8,10.0.0.0/8"})
    held = Held(node, "one", "203.0.113.7")
    assert held.status == 101
    node.wait_log(r"session_opened.*peer=203\.0\.113\.7")
    assert ask(node, "two", "203.0.113.7").status == 429
    assert ask(node, "two", "203.0.113.7:4711").status == 429
    # The rightmost that is no proxy of ours; what stands left of it anybody may have written.
    assert ask(node, "two", "198.51.100.1, 203.0.113.7, 10.1.2.3").status == 429
    assert ask(node, "two", "203.0.113.7, 198.51.100.1").status == 101
    assert ask(node, "two", "unknown, 198.51.100.2").status == 101
    # The proxy itself, when it names nobody, is not limited.
    assert ask(node, "two").status == 101 and ask(node, "two", "unknown").status == 101
    # One user's IPv6 network is one address.
    six = Held(node, "six", "2001:db8:1:2::1")
    assert six.status == 101
    assert ask(node, "two", "2001:db8:1:2:ffff::9").status == 429
    assert ask(node, "two", "2001:db8:1:3::1").status == 101
    held.socket.close()
    eventually(lambda: ask(node, "two", "203.0.113.7").status == 101, what="a place is free again")
    six.socket.close()


def test_handshakes_of_one_address_are_limited_and_others_are_not(extra_node):
    node = extra_node({"limits.handshakes_per_address": 1, "proxy.trusted": "127.0.0.1"})
    answers = [ask(node, forwarded="203.0.113.7") for _ in range(20)]
    assert [answer.status for answer in answers[:2]] == [101, 101]
    late = [answer for answer in answers if answer.status == 429]
    assert late and late[0].error == "RATE_LIMITED" and int(late[0].headers["retry-after"]) > 0
    assert refused(node, "address_rate") == len(late)
    assert ask(node, forwarded="203.0.113.8").status == 101
    eventually(lambda: ask(node, forwarded="203.0.113.7").status == 101, what="its time has come")


def test_handshakes_of_the_node_are_limited(extra_node):
    node = extra_node({"limits.handshakes_per_s": 2})
    answers = [ask(node) for _ in range(30)]
    late = [answer for answer in answers if answer.status == 503]
    assert answers[0].status == 101
    assert late and late[0].error == "OVERLOADED" and int(late[0].headers["retry-after"]) > 0
    assert refused(node, "rate") == len(late)


def test_proxy_networks_that_are_none_are_told(extra_node):
    node = extra_node({"proxy.trusted": "10.0.0.1/8"}, start=False)
    node.spawn()
    assert node.wait_exit(10) == 2
    assert "proxy.trusted" in node.log_text()


def test_who_never_completes_the_upgrade_keeps_nobody_out(extra_node, open_client):
    node = extra_node({"limits.pending_handshakes": 8, "limits.handshake_s": 60, "workers": 1})
    resident = open_client(node, "resident")
    with contextlib.ExitStack() as stack:
        def slow(say):
            connection = stack.enter_context(raw.Connection(node.port))
            connection.send(say)
            return connection

        first = slow(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        assert ask(node).status == 101  # and what came before was read
        for _ in range(40):  # each of them would hold its place for a minute
            slow(b"GET /ws HTTP/1.1\r\n")
        response = first.read_response()
        assert response.status == 503 and response.error == "OVERLOADED"
        assert int(response.headers["retry-after"]) > 0
        refused_pending = lambda: node.metrics()["roomcast_connections_refused_total", "reason", "pending"]
        eventually(lambda: refused_pending() >= 33, what="the oldest have made way")
        eventually(lambda: node.metrics()["roomcast_handshakes_pending"] == 8)
        for number in range(20):
            slow(b"")
            client = open_client(node, f"honest-{number % 4}")
            client.send(type="ping")
            client.expect("pong")
            client.close()
        resident.send(type="ping")
        resident.expect("pong")
    eventually(lambda: node.metrics()["roomcast_handshakes_pending"] == 0)


def test_who_was_refused_and_does_not_leave_makes_way(extra_node, open_client):
    node = extra_node({"limits.pending_handshakes": 8, "workers": 1})
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            connection = stack.enter_context(raw.Connection(node.port))
            connection.send(raw.upgrade_request("/nothing"))
            assert connection.read_response().status == 404  # and keeps its end open
        open_client(node, "honest")
    assert node.metrics()["roomcast_handshakes_total", "result", "not_found"] == 30


def test_a_flood_of_connections_leaves_the_others_healthy(extra_node, open_client):
    node = extra_node({"limits.pending_handshakes": 64, "limits.handshakes_per_address": 1000, "limits.errors": 5})
    residents = [open_client(node, f"resident-{number}") for number in range(4)]
    stopping = threading.Event()

    def flood(number):
        junk = [b"", b"GET /ws HTTP/1.1\r\n", raw.upgrade_request("/ws"), b"\0" * 100, raw.upgrade_request("/x")]
        held = collections.deque()
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                held.append(raw.Connection(node.port))
                held[-1].send(junk[(number + len(held)) % len(junk)])
            if len(held) > 100:
                with contextlib.suppress(OSError):
                    held.popleft().socket.close()
        for connection in held:
            connection.socket.close()

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 4
        rounds = 0
        while time.monotonic() < deadline:
            for resident in residents:
                resident.send(type="ping")
                resident.expect("pong", timeout=10)
            rounds += 1
            time.sleep(0.05)  # the limit of messages
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert rounds >= 5
    welcome = lambda: (answer := ask(node, "later")) is not None and answer.status == 101
    eventually(welcome, what="this address, whose own the flood was, may come again")
    assert node.is_running()


# -- the PROXY protocol

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(client="203.0.113.7", command=0x21, extra=b""):
    packed = ipaddress.ip_address(client).packed
    body = packed + packed + struct.pack(">HH", 4711, 80) + extra
    family = 0x11 if len(packed) == 4 else 0x21
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def proxied(node, header, pieces=1, forwarded=None):
    """The status that a client hears whose proxy sends that header; None when it is hung up on."""
    headers = {"Authorization": f"Bearer {tokens.mint('u')}", "X-Forwarded-For": forwarded}
    data = header + raw.upgrade_request(headers=headers)
    with raw.Connection(node.port) as connection:
        size = -(-len(data) // pieces)
        for at in range(0, len(data), size):
            connection.send(data[at:at + size])
            if pieces > 1:
                time.sleep(0.002)  # so that they are read one by one; if not, it proves less
        response = connection.read_response()
        return response.status if response else None


@pytest.fixture
def proxy_node(extra_node):
    return extra_node({"proxy.protocol": "v1v2", "proxy.trusted": "127.0.0.0/8", "limits.handshake_s": 1})


@pytest.mark.parametrize("pieces", [1, 60])
@pytest.mark.parametrize("header, client", [
    (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n", "203.0.113.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (version_2(), "203.0.113.7"),
    (version_2("2001:db8::7", extra=b"\x03\0\x04abcd"), "2001:db8::7"),
    (version_2(command=0x20), "127.0.0.1"),
])
def test_the_proxy_header_names_the_client(proxy_node, header, client, pieces):
    assert proxied(proxy_node, header, pieces) == 101
    proxy_node.wait_log(rf"session_opened.*peer=\"?{client}\"?(\s|$)")


def test_a_proxy_without_a_proper_header_is_hung_up_on(proxy_node):
    assert proxied(proxy_node, b"") is None
    assert proxied(proxy_node, b"PROXY TCP4 nonsense\r\n") is None
    assert proxied(proxy_node, SIGNATURE + b"\x21\x11\xff\xff") is None
    with raw.Connection(proxy_node.port) as silent, raw.Connection(proxy_node.port) as slow:
        slow.send(b"PROXY TCP4 ")
        assert silent.is_ended_by_peer() and slow.is_ended_by_peer()  # after limits.handshake_s
    eventually(lambda: proxy_node.metrics()["roomcast_connections_refused_total", "reason", "proxy_header"] == 5)
    eventually(lambda: proxy_node.metrics()["roomcast_handshakes_pending"] == 0)


def test_a_client_that_the_proxy_names_is_not_believed_further(proxy_node):
    # The client is 203.0.113.7, no proxy of ours: what it forwards itself counts for nothing.
    assert proxied(proxy_node, version_2(), forwarded="198.51.100.1") == 101
    proxy_node.wait_log(r"session_opened.*peer=203\.0\.113\.7")
    # An HTTP proxy of ours behind it is.
    assert proxied(proxy_node, version_2("127.0.0.9"), forwarded="198.51.100.1") == 101
    proxy_node.wait_log(r"session_opened.*peer=198\.51\.100\.1")


def test_the_header_is_refused_from_whoever_is_no_trusted_proxy(extra_node):
    node = extra_node({"proxy.protocol": "v1v2", "proxy.trusted": "10.0.0.0/8"})
    assert proxied(node, b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n") == 400
    assert proxied(node, version_2()) == 400
    assert proxied(node, b"") == 101


# -- messages


def test_a_message_nested_too_deeply_is_refused_and_counted(extra_node, open_client):
    node = extra_node({"limits.message_depth": 4})
    client = open_client(node)
    client.send('{"type":"ping","deep":[[[]]]}')
    client.expect("pong")
    client.send('{"type":"ping","deep":[[[[]]]]}')
    assert client.expect("error")["code"] in ("INVALID_JSON", "INVALID_MESSAGE")
    assert node.metrics()["roomcast_client_messages_total", "result", "bad"] == 1


# -- the error budget


def test_chats_that_the_service_denies_count_as_errors_and_silence_does_not(stack, extra_node, open_client):
    node = extra_node({"limits.errors": 3, "authorization.mode": "request", "authorization.timeout_ms": int(seconds(5) * 1000)})
    client = open_client(node, token=tokens.mint("u", chats=None))

    def try_chats(code, count=1):
        client.send(type="subscribe", chats=[{"chat_id": str(uuid.uuid4())} for _ in range(count)])
        for _ in range(count):
            client.expect_error(code)

    for _ in range(5):
        try_chats("UNAVAILABLE")  # nobody answers: that is not the client's fault
    with AuthorizationService(stack, deny):
        for _ in range(3):
            try_chats("FORBIDDEN", count=5)
        assert node.metrics()["roomcast_client_messages_total", "result", "forbidden"] == 15
        client.send(type="subscribe", chat_id=str(uuid.uuid4()))
        assert client.skip_until("disconnect")["code"] == 4005
        assert client.expect_close().code == 4005
    eventually(lambda: node.metrics()["roomcast_closes_total", "code", "4005"] == 1)


def test_trying_chats_that_are_forbidden_counts_as_errors(extra_node, open_client):
    node = extra_node({"limits.errors": 3})
    client = open_client(node, chats=[])
    for number in range(3):
        # Many in one message are one error: a client that comes back may have lost several chats.
        client.send(type="subscribe", chats=[{"chat_id": str(uuid.uuid4())} for _ in range(5)], id=number)
        for _ in range(5):
            client.expect_error("FORBIDDEN", id=number)
    client.send(type="subscribe", chat_id=str(uuid.uuid4()))
    assert client.skip_until("disconnect")["code"] == 4005
    assert client.expect_close().code == 4005
