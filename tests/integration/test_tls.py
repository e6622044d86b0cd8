"""TLS on the WebSocket endpoint: what it carries, what it refuses, and how its certificate is replaced."""
import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from harness import raw
from harness.certificates import Authority, key_pem
from harness.events import Event, message
from harness.ports import free_port
from harness.processes import get, run_program
from harness.tokens import SECRET
from harness.waiting import eventually, seconds


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secured_node(extra_node, authority):
    """secured_node(options): a node with a certificate of `authority`, server.pem and server.key."""

    def make(options=None, **how):
        cert, key = authority.write("server", **how)
        return extra_node({"tls.cert_file": cert, "tls.key_file": key, **(options or {})})

    return make


@pytest.fixture
def trusting(authority):
    return authority.client_context()


def handshakes(node, result):
    return node.metrics()["roomcast_tls_handshakes_total", "result", result]


def loads(node, result):
    return node.metrics()["roomcast_tls_certificate_loads_total", "result", result]


def serial(node, trusting):
    """Of the certificate that a newcomer is shown."""
    with raw.Connection(node.port, secured=trusting) as connection:
        return connection.socket.getpeercert()["serialNumber"]


# -- what it carries


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_are_served_by_tls_1_2_and_1_3(stack, secured_node, trusting, open_client, chat, version):
    trusting.minimum_version = trusting.maximum_version = version
    node = secured_node()
    client = open_client(node, secured=trusting)
    client.subscribe(chat)
    for number in range(3):
        stack.xadd(message(chat, number))
    for number in range(3):
        assert client.expect("chat.message.posted", seq=number + 1)["data"]["number"] == number
    client.close()
    assert handshakes(node, "full") == 1


@pytest.mark.parametrize("io_uring", ["true", "false"])
def test_every_client_of_a_room_gets_every_event_once_and_in_order(stack, secured_node, trusting, open_client, chat, io_uring):
    node = secured_node({"write.io_uring": io_uring, "workers": 2})
    clients = [open_client(node, f"user-{i}", secured=trusting) for i in range(40)]
    for client in clients:
        client.subscribe(chat)
    for number in range(30):
        stack.xadd(message(chat, number))
    for client in clients:
        got = [client.skip_until("chat.message.posted")["data"]["number"] for _ in range(30)]
        assert got == list(range(30))


def test_a_client_that_reads_slowly_gets_long_events_whole(stack, secured_node, trusting, chat):
    """More than the kernel takes: the rest of the records waits, and nothing overtakes it."""
    node = secured_node()
    ws = raw.WebSocket(node.port, secured=trusting)
    ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ws.send_frame(raw.TEXT, '{"type":"subscribe.chat","chat_id":"%s"}' % chat)
    ws.expect_text("ack")
    letters = "".join(random.choices("abcdefgh", k=50000))
    for number in range(6):
        stack.xadd(Event(chat=chat, payload={"chat_id": chat, "number": number, "letters": letters}))
    eventually(lambda: node.metrics()["roomcast_blocked_connections"] == 1, what="records wait for the client")
    for number in range(6):
        data = ws.expect_text("chat.message.posted")["data"]
        assert data["number"] == number and data["letters"] == letters
    ws.socket.close()


def test_the_request_and_the_first_messages_may_come_in_one_record(secured_node, trusting):
    node = secured_node()
    with raw.Connection(node.port, secured=trusting) as connection:
        ping = raw.frame(raw.TEXT, b'{"type":"ping"}')
        connection.send(raw.upgrade_request(headers={"Authorization": f"Bearer {raw.tokens.mint('u')}"}) + ping * 2)
        assert connection.read_response().status == 101
        kinds = [connection.read_frame()[1][:20].split(b'"')[3] for _ in range(3)]
        assert kinds == [b"connected", b"pong", b"pong"]


def test_a_client_that_comes_again_resumes_its_session(secured_node, trusting):
    node = secured_node()
    with raw.WebSocket(node.port, secured=trusting) as first:
        session = first.socket.session  # its ticket came before the first answer
    with socket.create_connection(("127.0.0.1", node.port), timeout=seconds()) as plain:
        with trusting.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as again:
            assert again.session_reused
            again.sendall(raw.upgrade_request())
            assert b"401" in again.recv(4096)
    assert (handshakes(node, "full"), handshakes(node, "resumed")) == (1, 1)


def test_the_end_is_said_before_the_connection_ends(secured_node, trusting):
    """A client that got everything can tell so from one whose connection was cut (RFC 8446 section 6.1)."""
    node = secured_node()
    with raw.WebSocket(node.port, secured=trusting) as peer:
        peer.send_frame(raw.CLOSE, (1000).to_bytes(2, "big"))
        assert peer.read_close()[0] == 1000
        assert peer.socket.recv(1) == b""  # SSLEOFError when the end had not been said
    with raw.Connection(node.port, secured=trusting) as refused:
        refused.send(raw.upgrade_request())
        assert refused.read_response().status == 401
        assert refused.socket.recv(1) == b""


def test_a_proxy_names_the_client_before_tls_begins(secured_node, trusting):
    node = secured_node({"proxy.protocol": "v1v2", "proxy.trusted": "127.0.0.1"})
    with raw.WebSocket(node.port, secured=trusting, first=b"PROXY TCP4 203.0.113.7 203.0.113.1 4711 443\r\n"):
        assert "peer=203.0.113.7" in node.log_text()


# -- what it refuses


def test_plain_http_is_told_what_to_do(secured_node):
    node = secured_node()
    response = raw.ask_upgrade(node.port)
    assert response.status == 400 and response.error == "TLS_REQUIRED"
    assert b"wss://" in response.body
    assert handshakes(node, "plain_http") == 1


def refused_handshake(node, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(settings.pop("ciphers", "ALL:@SECLEVEL=0"))
    alpn = settings.pop("alpn", None)
    if alpn:
        context.set_alpn_protocols(alpn)
    for name, value in settings.items():
        setattr(context, name, value)
    with pytest.raises(ssl.SSLError) as caught:
        raw.Connection(node.port, secured=context)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:.*TLSv1")
def test_old_versions_and_weak_ciphers_are_refused(secured_node):
    node = secured_node(kind="rsa")
    old = ssl.TLSVersion.TLSv1_1
    assert "protocol version" in refused_handshake(node, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=old)
    for ciphers in ["AES128-SHA:AES256-GCM-SHA384", "ECDHE+AES+SHA", "DHE", "aNULL"]:  # no forward secrecy, CBC, ...
        only = ssl.TLSVersion.TLSv1_2
        assert "handshake failure" in refused_handshake(node, ciphers=ciphers + ":@SECLEVEL=0", maximum_version=only)
    assert handshakes(node, "failed") == 5
    assert "event=tls_failed" in node.log_text()


def test_tls_1_2_is_refused_where_1_3_is_asked_for(secured_node, trusting):
    node = secured_node({"tls.min_version": "1.3"})
    assert "protocol version" in refused_handshake(node, maximum_version=ssl.TLSVersion.TLSv1_2)
    with raw.WebSocket(node.port, secured=trusting) as peer:
        assert peer.socket.version() == "TLSv1.3"


def test_http_2_is_not_spoken(secured_node, trusting):
    node = secured_node()
    assert "no application protocol" in refused_handshake(node, alpn=["h2"])
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    with raw.WebSocket(node.port, secured=trusting) as peer:
        assert peer.socket.selected_alpn_protocol() == "http/1.1"


def test_who_does_not_go_on_with_the_handshake_is_cut_off_in_time(secured_node, trusting):
    node = secured_node({"limits.handshake_s": 1})
    hello = client_hello()
    slow = [raw.Connection(node.port) for _ in range(20)]
    for connection in slow:
        connection.send(hello[:40])
    silent = raw.Connection(node.port)
    with raw.WebSocket(node.port, secured=trusting) as honest:
        for connection in [*slow, silent]:
            assert connection.is_ended_by_peer()
            connection.socket.close()
        honest.send_frame(raw.TEXT, '{"type":"ping"}')
        honest.expect_text("pong")
    eventually(lambda: handshakes(node, "abandoned") == 20, what="all are counted")


def test_the_pace_of_an_address_holds_before_its_tls_handshakes_cost_anything(secured_node, trusting):
    node = secured_node({"limits.handshakes_per_address": 2, "proxy.protocol": "v1v2", "proxy.trusted": "127.0.0.1"})

    def come(address):
        headers = {"Authorization": f"Bearer {raw.tokens.mint('u')}"}
        first = f"PROXY TCP4 {address} 203.0.113.1 4711 443\r\n".encode()
        try:
            return raw.ask_upgrade(node.port, headers=headers, secured=trusting, first=first).status
        except (ssl.SSLError, OSError):
            return "cut off"

    answers = [come("203.0.113.7") for _ in range(30)]
    assert answers[:4] == [101] * 4 and "cut off" in answers
    assert node.metrics()["roomcast_connections_refused_total", "reason", "rate"] == answers.count("cut off")
    assert node.metrics()["roomcast_handshakes_total", "result", "address_rate"] == 0
    assert come("203.0.113.8") == 101


def test_clients_behind_a_trusted_proxy_are_told_apart_after_tls(secured_node, trusting):
    node = secured_node({"limits.handshakes_per_address": 1, "proxy.trusted": "127.0.0.1"})

    def come(address):
        headers = {"Authorization": f"Bearer {raw.tokens.mint('u')}", "X-Forwarded-For": address}
        return raw.ask_upgrade(node.port, headers=headers, secured=trusting).status

    assert {come("203.0.113.7") for _ in range(20)} == {101, 429}
    assert come("203.0.113.8") == 101


def test_many_small_records_cost_no_more_writes_than_the_same_without_tls(secured_node, trusting):
    """A hundred pings in a hundred records of one segment: answered together."""
    node = secured_node()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with raw.Connection(node.port) as wire:

        def pump(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    wire.send(outgoing.read())
                    assert wire.read_more()
                    incoming.write(wire.received)
                    wire.received = b""

        pump(stream.do_handshake)
        stream.write(raw.upgrade_request(headers={"Authorization": f"Bearer {raw.tokens.mint('u')}"}))
        text = b""
        while b'"connected"' not in text:
            text += pump(lambda: stream.read(65536))
        for number in range(100):
            stream.write(raw.frame(raw.PING, b"%03d" % number))
        wire.send(outgoing.read())
        pongs = pump(lambda: stream.read(65536))
        assert pongs == b"".join(b"\x8a\x03%03d" % number for number in range(100)), len(pongs)


def test_a_peer_that_changes_keys_without_end_is_cut_off(secured_node):
    node = secured_node({"limits.handshake_s": 60})
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{node.port}", "-tls1_3", "-quiet", "-no_ign_eof"]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def change_keys():
        if client.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(b"K\n")
                client.stdin.flush()
        return handshakes(node, "failed") == 1

    try:
        eventually(lambda: handshakes(node, "full") == 1, what="connected")
        eventually(change_keys, timeout=40, what="the node has had enough")
    finally:
        client.kill()
        client.wait()
        with contextlib.suppress(BrokenPipeError):
            client.stdin.close()
    assert "too many key updates" in node.log_text()


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        stream.do_handshake()
    return outgoing.read()


def test_garbage_costs_its_sender_the_connection_and_nobody_else(secured_node, trusting):
    node = secured_node()
    dice = random.Random(7)
    hello = client_hello()
    with raw.WebSocket(node.port, secured=trusting) as honest:
        for number in range(200):
            data = bytearray(hello if number % 2 else dice.randbytes(dice.randrange(1, 600)))
            for _ in range(dice.randrange(1, 8)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with raw.Connection(node.port) as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                assert connection.is_ended_by_peer()
        honest.send_frame(raw.TEXT, '{"type":"ping"}')
        honest.expect_text("pong")
    total = node.metrics().total("roomcast_tls_handshakes_total")
    assert total - handshakes(node, "full") >= 190  # the rest was so short that it might have been anything


def test_a_record_that_was_tampered_with_ends_the_connection(secured_node, trusting):
    node = secured_node()
    with raw.WebSocket(node.port, secured=trusting) as peer, raw.WebSocket(node.port, secured=trusting) as other:
        under_tls = socket.socket(fileno=os.dup(peer.socket.fileno()))
        with under_tls:
            under_tls.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises((ssl.SSLError, ConnectionError)):
                while peer.socket.recv(100):
                    pass
        other.send_frame(raw.TEXT, '{"type":"ping"}')
        other.expect_text("pong")
    eventually(lambda: "code=1006" in node.log_text(), what="the end is in the log")
    assert handshakes(node, "failed") == 1


# -- how the certificate is replaced


def test_sighup_replaces_the_certificate_under_open_connections(stack, secured_node, authority, trusting, open_client, chat):
    node = secured_node()
    before = serial(node, trusting)
    client = open_client(node, secured=trusting)
    client.subscribe(chat)
    authority.write("server")
    node.signal(signal.SIGHUP)
    eventually(lambda: loads(node, "loaded") == 2, what="the certificate was read again")
    assert serial(node, trusting) != before
    stack.xadd(Event(chat=chat))
    client.expect("chat.message.posted", seq=1)
    client.send(type="ping")
    client.expect("pong")


def test_changed_files_are_noticed_also_behind_links_as_kubernetes_changes_them(extra_node, authority, trusting, tmp_path):
    place = tmp_path / "mounted"
    for version in ["..1", "..2"]:
        (place / version).mkdir(parents=True)
        for name, text in zip(["tls.crt", "tls.key"], authority.issue(version)):
            (place / version / name).write_bytes(text)
    (place / "..data").symlink_to("..1")
    for name in ["tls.crt", "tls.key"]:
        (place / name).symlink_to(f"..data/{name}")
    node = extra_node({"tls.cert_file": place / "tls.crt", "tls.key_file": place / "tls.key"})
    before = serial(node, trusting)
    (place / "..new").symlink_to("..2")
    (place / "..new").rename(place / "..data")
    eventually(lambda: serial(node, trusting) != before, what="the new certificate is shown")
    assert (loads(node, "loaded"), loads(node, "failed")) == (2, 0)


@pytest.mark.parametrize("fault", ["garbage", "another key", "gone"])
def test_what_cannot_be_loaded_changes_nothing_and_is_told(secured_node, authority, trusting, fault):
    node = secured_node()
    node.expect_log("event=certificate_not_loaded")
    before = serial(node, trusting)
    cert, key = authority.directory / "server.pem", authority.directory / "server.key"
    good = authority.issue("next")
    if fault == "garbage":
        cert.write_bytes(b"no certificate")
    elif fault == "another key":
        key.write_bytes(good[1])
    else:
        cert.unlink()
    eventually(lambda: loads(node, "failed") == 1, what="the fault was noticed")
    line = next(line for line in node.log_text().splitlines() if "certificate_not_loaded" in line)
    assert ("tls.key_file" if fault == "another key" else "tls.cert_file") in line
    assert serial(node, trusting) == before
    cert.write_bytes(good[0])
    key.write_bytes(good[1])
    eventually(lambda: serial(node, trusting) != before, what="the good one was noticed")
    assert loads(node, "failed") == 1


def test_an_expired_certificate_is_told_and_the_date_is_a_metric(secured_node, authority):
    node = secured_node(days=-1)
    node.expect_log("event=certificate_expired")
    assert "event=certificate_expired" in node.log_text()
    expiry = node.metrics()["roomcast_tls_certificate_expiry_timestamp_seconds"]
    assert "level=error" in node.log_text() and 0 < expiry < os.stat(authority.file).st_mtime


def test_sighup_does_no_harm_to_a_node_without_a_certificate(extra_node, open_client):
    node = extra_node()
    client = open_client(node)
    node.signal(signal.SIGHUP)
    eventually(lambda: "event=reloading" in node.log_text(), what="the signal was taken")
    client.send(type="ping")
    client.expect("pong")
    assert get(node.admin_url + "/readyz").status == 200


@pytest.mark.parametrize(
    "fault, said",
    [
        ("no key named", "tls.cert_file and tls.key_file belong together"),
        ("cert missing", 'server.pem": No such file or directory'),
        ("cert no PEM", "holds no certificate in PEM"),
        ("key no PEM", "holds no private key in PEM"),
        ("key of another", "is not the key of the certificate"),
        ("key with password", "is protected by a password"),
    ],
)
def test_files_that_cannot_serve_end_the_start_with_a_clear_message(authority, fault, said):
    cert, key = authority.write("server")
    if fault == "cert missing":
        cert.unlink()
    elif fault == "cert no PEM":
        cert.write_text("hello")
    elif fault == "key no PEM":
        key.write_text("hello")
    elif fault == "key of another":
        key.write_bytes(authority.issue("other")[1])
    elif fault == "key with password":
        key.write_bytes(key_pem(authority.key, b"secret"))
    flags = ["--tls-cert-file", cert, "--listen", f"127.0.0.1:{free_port()}", "--admin-listen", f"127.0.0.1:{free_port()}"]
    if fault != "no key named":
        flags += ["--tls-key-file", key]
    done = run_program("roomcast", *map(str, flags), environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_storm_of_handshakes_lets_everybody_in_and_events_go_on(stack, secured_node, trusting, open_client, chat):
    """Many at once, with the costlier kind of key: everybody gets in, and events go on."""
    node = secured_node(kind="rsa")
    client = open_client(node, secured=trusting)
    client.subscribe(chat)
    problems = []

    def come():
        try:
            for _ in range(10):
                with raw.WebSocket(node.port, secured=trusting):
                    pass
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    crowd = [threading.Thread(target=come) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for number in range(20):
        stack.xadd(message(chat, number))
    for number in range(20):
        assert client.expect("chat.message.posted")["data"]["number"] == number
    for thread in crowd:
        thread.join()
    assert problems == []
    assert handshakes(node, "full") == 81
