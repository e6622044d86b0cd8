"""The WebSocket endpoint as conformance suites see it: an echo on the node's own way in and out, in a build of its own
(ROOMCAST_CONFORMANCE). The cases are those of the Autobahn test suite, by its numbers, where they say something else
than their neighbours; each is closed properly, or must fail with the code that RFC 6455 demands."""
import os
import random
import struct
import time
import zlib

import pytest

from harness import raw, tokens
from harness.certificates import Authority
from harness.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from harness.waiting import seconds

MIB = 1024 * 1024


@pytest.fixture(scope="module", params=["plain", "tls"])
def node(request, shared_stack, tmp_path_factory):
    options = {"websocket.compression": 6}
    secured = None
    if request.param == "tls":
        authority = Authority(tmp_path_factory.mktemp("tls"))
        options["tls.cert_file"], options["tls.key_file"] = authority.write("server")
        secured = authority.client_context()
    node = shared_stack.new_node(f"conformance-{request.param}", options)
    node.secured = secured
    node.executable = "../conformance/roomcast_conformance"
    node.start()
    yield node
    assert node.faults_in_log() == []
    assert node.stop() == 0


class Echo(raw.Connection):
    """An upgraded connection to /echo."""

    def __init__(self, node, headers=None):
        super().__init__(node.port, secured=node.secured)
        self.send(raw.upgrade_request("/echo", headers))
        self.response = self.read_response()
        assert self.response.status == 101, self.response.body

    def expect(self, opcode, payload):
        frame = self.read_frame()
        assert frame is not None, "the connection ended"
        assert frame[0] == opcode and frame[1] == payload, (frame[0], frame[1][:100])

    def expect_closed(self, code):
        """A close frame with this code, and the end."""
        frame = self.read_frame()
        assert frame is not None and frame[0] == CLOSE, frame
        assert frame[1][:2] == (struct.pack("!H", code) if code else b""), frame[1]
        assert self.is_ended_by_peer()

    def finish(self):
        """The case is over, and nothing unexpected came: a proper close shows it."""
        self.send(frame(CLOSE, struct.pack("!H", 1000)))
        self.expect_closed(1000)


def frame(opcode, payload=b"", final=True, reserved=0, masked=True):
    """As raw.frame, also for megabytes."""
    if len(payload) < 65536 or not masked:
        return raw.frame(opcode, payload, final, masked, reserved)
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode, 0x80 | 127]) + struct.pack("!Q", len(payload))
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def fragments(opcode, payload, size):
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    last = len(pieces) - 1
    return b"".join(frame(CONTINUATION if i else opcode, piece, i == last) for i, piece in enumerate(pieces))


def chop(peer, data, size):
    """In separate segments; of a long one only the first hundred."""
    peer.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
    for at in range(0, min(len(data), 100 * size), size):
        peer.send(data[at : at + size])
    peer.send(data[100 * size :])


# -- 1: framing


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["1.1-text", "1.2-binary"])
def test_1_messages_of_every_form_of_length_come_back(node, opcode):
    with Echo(node) as peer:
        for length in (0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537):
            payload = b"*" * length if opcode == TEXT else bytes([0xFE]) * length
            peer.send(frame(opcode, payload))
            peer.expect(opcode, payload)
        payload = b"x" * 66000  # 1.1.8: chopped
        chop(peer, frame(opcode, payload), 997)
        peer.expect(opcode, payload)
        peer.finish()


# -- 2: pings and pongs


def test_2_pings_are_answered_with_what_they_carry(node):
    with Echo(node) as peer:
        for payload in (b"", b"Hello, world!", bytes([0, 0xFF, 0xFE, 0xFD, 0, 0xFF]), b"\xfe" * 125):
            peer.send(frame(PING, payload))
            peer.expect(PONG, payload)
        chop(peer, frame(PING, b"\xfe" * 125), 1)  # 2.6
        peer.expect(PONG, b"\xfe" * 125)
        peer.send(frame(PONG) + frame(PONG, b"unsolicited"))  # 2.7, 2.8
        peer.send(frame(PONG, b"x") + frame(PING, b"after"))  # 2.9
        peer.expect(PONG, b"after")
        peer.send(b"".join(frame(PING, b"payload-%d" % i) for i in range(100)))  # 2.10
        for i in range(100):
            peer.expect(PONG, b"payload-%d" % i)
        chop(peer, b"".join(frame(PING, b"payload-%d" % i) for i in range(10)), 1)  # 2.11
        for i in range(10):
            peer.expect(PONG, b"payload-%d" % i)
        peer.finish()


# -- 3, 4, and what of 1, 2, 5 and 7 has to fail

LONG_FORM = bytes([0x81, 0x80 | 126, 0, 1]) + b"\0\0\0\0" + b"x"
LONGER_FORM = bytes([0x81, 0x80 | 127]) + struct.pack("!Q", 65535) + b"\0\0\0\0"
NEGATIVE = bytes([0x82, 0x80 | 127]) + struct.pack("!Q", 1 << 63) + b"\0\0\0\0"

FAULTS = {
    "2.5 long ping": frame(PING, b"\xfe" * 126),
    **{f"3 reserved bits {bits}": frame(TEXT, b"Hello", reserved=bits) for bits in (1, 2, 3, 5, 6, 7)},
    "3.6 reserved bits in a ping": frame(PING, b"x", reserved=4),
    "3.7 reserved bits in a close": frame(CLOSE, reserved=7),
    **{f"4.1 opcode {opcode}": frame(opcode, b"") for opcode in (3, 4, 5, 6, 7)},
    **{f"4.2 opcode {opcode}": frame(opcode, b"x") for opcode in (11, 12, 13, 14, 15)},
    "5.1 fragmented ping": frame(PING, b"a", final=False) + frame(CONTINUATION, b"b"),
    "5.2 fragmented pong": frame(PONG, b"a", final=False) + frame(CONTINUATION, b"b"),
    "5.9 continuation of nothing": frame(CONTINUATION, b"x") + frame(TEXT, b"y"),
    "5.12 unfinished continuation of nothing": frame(CONTINUATION, b"x", final=False),
    "5.18 text inside a text": frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
    "5.18 binary inside a text": frame(TEXT, b"a", final=False) + frame(BINARY, b"b"),
    "reserved bit in a continuation": frame(TEXT, b"a", final=False) + frame(CONTINUATION, b"b", reserved=4),
    "unmasked text": frame(TEXT, b"x", masked=False),
    "unmasked ping": frame(PING, b"x", masked=False),
    "unmasked close": frame(CLOSE, b"", masked=False),
    "length not in its shortest form": LONG_FORM,
    "length not in its shortest form, 64 bits": LONGER_FORM,
    "length with the highest bit": NEGATIVE,
    "7.3.2 close body of one byte": frame(CLOSE, b"a"),
    "7.3.6 close body of 126 bytes": frame(CLOSE, struct.pack("!H", 1000) + b"*" * 124),
    **{
        f"7.9 close code {code}": frame(CLOSE, struct.pack("!H", code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_protocol_ends_with_1002_after_what_came_before(node, name):
    with Echo(node) as peer:
        peer.send(frame(TEXT, b"before") + FAULTS[name] + frame(PING, b"never answered"))
        peer.expect(TEXT, b"before")
        peer.expect_closed(1002)
    with Echo(node) as peer:  # in single bytes it is the same
        chop(peer, FAULTS[name], 1)
        peer.expect_closed(1002)


# -- 5: fragmentation


def test_5_fragments_are_put_together_around_control_frames(node):
    with Echo(node) as peer:
        peer.send(frame(TEXT, b"fragment1", False) + frame(CONTINUATION, b"fragment2"))  # 5.3
        peer.expect(TEXT, b"fragment1fragment2")
        peer.send(frame(TEXT, b"fragment1", False) + frame(PING, b"ping") + frame(CONTINUATION, b"fragment2"))  # 5.6
        peer.expect(PONG, b"ping")
        peer.expect(TEXT, b"fragment1fragment2")
        chop(peer, frame(BINARY, b"a", False) + frame(PING, b"ping") + frame(CONTINUATION, b"b"), 1)  # 5.8
        peer.expect(PONG, b"ping")
        peer.expect(BINARY, b"ab")
        peer.send(frame(TEXT, b"", False) + frame(CONTINUATION, b"", False) + frame(CONTINUATION, b""))  # 6.1.2
        peer.expect(TEXT, b"")
        pieces = b"".join(frame(CONTINUATION, b"%d" % i, i == 4) + frame(PING, b"%d" % i) for i in range(5))
        peer.send(frame(TEXT, b"x", False) + pieces)  # 5.19: the last ping comes behind the message
        for i in range(4):
            peer.expect(PONG, b"%d" % i)
        seen = sorted([peer.read_frame(), peer.read_frame()])
        assert seen == [(TEXT, b"x01234"), (PONG, b"4")]
        peer.finish()


# -- 6: UTF-8

GOOD_TEXTS = [
    "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff",
    "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe", "\U0003ffff", "\U000fffff",
]  # fmt: skip
BAD_TEXTS = [
    b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0\x20", b"\xc3", b"\xe0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
    b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xfc\x84\x80\x80\x80\x80",
    "κόσμε".encode() + b"\xed\xa0\x80edited",
]  # fmt: skip


def test_6_valid_text_comes_back_however_it_is_cut(node):
    with Echo(node) as peer:
        for text in GOOD_TEXTS:
            payload = text.encode()
            for data in (frame(TEXT, payload), fragments(TEXT, payload, 1)):
                peer.send(data)
                peer.expect(TEXT, payload)
        whole = "".join(GOOD_TEXTS).encode()
        chop(peer, fragments(TEXT, whole, 1), 3)
        peer.expect(TEXT, whole)
        peer.finish()


@pytest.mark.parametrize("payload", BAD_TEXTS, ids=lambda payload: payload.hex())
def test_6_invalid_text_ends_with_1007(node, payload):
    for data in (frame(TEXT, payload), fragments(TEXT, payload, 1)):
        with Echo(node) as peer:
            peer.send(data)
            peer.expect_closed(1007)


def test_6_4_invalid_text_fails_before_the_message_is_complete(node):
    with Echo(node) as peer:  # between fragments
        peer.send(frame(TEXT, "κόσμε".encode(), False) + frame(CONTINUATION, b"\xf4\x90", False))
        peer.expect_closed(1007)
    with Echo(node) as peer:  # within a frame whose end never comes
        head, mask = bytes([0x81, 0x80 | 126]) + struct.pack("!H", 1000), b"\0\0\0\0"
        peer.send(head + mask + "κόσμε".encode() + b"\xf4\x90")
        peer.expect_closed(1007)


# -- 7: the close


def test_7_1_what_follows_the_close_is_ignored(node):
    close = frame(CLOSE, struct.pack("!H", 1000))
    for after in (frame(TEXT, b"late"), frame(PING, b"late"), close, frame(3, b"late"), b"\xff" * 1000):
        with Echo(node) as peer:
            peer.send(frame(TEXT, b"before") + close + after)
            peer.expect(TEXT, b"before")
            peer.expect_closed(1000)
    with Echo(node) as peer:  # 7.1.5: within a message
        peer.send(frame(TEXT, b"begun", False) + close + frame(CONTINUATION, b"ended"))
        peer.expect_closed(1000)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_7_7_a_proper_code_comes_back(node, code):
    with Echo(node) as peer:
        peer.send(frame(CLOSE, struct.pack("!H", code) + b"*" * 123))
        peer.expect_closed(code)


def test_7_3_a_close_without_code_is_answered_without(node):
    with Echo(node) as peer:
        peer.send(frame(CLOSE))
        peer.expect_closed(None)


def test_7_5_a_reason_that_is_no_utf8_ends_with_1007(node):
    with Echo(node) as peer:
        peer.send(frame(CLOSE, struct.pack("!H", 1000) + b"\xce\xba\xed\xa0\x80"))
        peer.expect_closed(1007)


# -- 9, 10: size and shape


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.1-text", "9.2-binary"])
def test_9_large_messages_come_back(node, opcode):
    for size in (MIB // 4, 4 * MIB, 16 * MIB):
        with Echo(node) as peer:
            payload = b"\xc3\xa9" * (size // 2) if opcode == TEXT else os.urandom(size)
            peer.send(frame(opcode, payload))
            peer.expect(opcode, payload)
            peer.finish()


@pytest.mark.parametrize("size", [64, 1024, 65536])
def test_9_3_large_messages_in_fragments_come_back(node, size):
    payload = os.urandom(MIB)
    with Echo(node) as peer:
        peer.send(fragments(BINARY, payload, size))
        peer.expect(BINARY, payload)
        peer.finish()


def test_9_5_segments_of_any_size_make_no_difference(node):
    payload = random.Random(9).randbytes(20_000)
    with Echo(node) as peer:
        for size in (1, 7, 125, 126, 4096):
            chop(peer, frame(BINARY, payload), size)
            peer.expect(BINARY, payload)
        peer.finish()


@pytest.mark.parametrize("size", [0, 16, 1024])
def test_9_7_many_messages_come_back_in_order(node, size):
    with Echo(node) as peer:
        for begin in range(0, 1000, 100):
            texts = [b"%06d" % i + b"*" * size if size else b"" for i in range(begin, begin + 100)]
            peer.send(b"".join(frame(TEXT, text) for text in texts))
            for text in texts:
                peer.expect(TEXT, text)
        peer.finish()


def test_10_a_message_in_frames_of_an_odd_size_comes_back(node):
    with Echo(node) as peer:
        peer.send(fragments(TEXT, b"*" * 65536, 1300))
        peer.expect(TEXT, b"*" * 65536)
        peer.finish()


# -- 12, 13: compression

OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=15; client_max_window_bits=9",
]


def deflated(payload):
    packer = zlib.compressobj(9, zlib.DEFLATED, -9)
    data = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_12_compressed_messages_are_read(node, offer, opcode):
    with Echo(node, {"Sec-WebSocket-Extensions": offer}) as peer:
        agreed = peer.response.headers["sec-websocket-extensions"]
        assert agreed.startswith("permessage-deflate") and "client_no_context_takeover" in agreed
        for size in (0, 16, 64, 256, 1024, 4096, 32768, 131072):
            payload = (b"lorem ipsum " * (size // 12 + 1))[:size]
            packed = deflated(payload)
            peer.send(frame(opcode, packed, reserved=4))
            peer.expect(opcode, payload)
            half = len(packed) // 2
            peer.send(frame(opcode, packed[:half], False, reserved=4) + frame(CONTINUATION, packed[half:]))
            peer.expect(opcode, payload)
            peer.send(frame(opcode, payload))  # not compressed, which is always allowed
            peer.expect(opcode, payload)
        peer.finish()


def test_12_compressed_text_is_judged_when_it_is_unpacked(node):
    for bad, code in ((deflated(b"\xed\xa0\x80"), 1007), (b"\xff\xff\xff\xff", 1007)):
        with Echo(node, {"Sec-WebSocket-Extensions": OFFERS[0]}) as peer:
            peer.send(frame(TEXT, bad, reserved=4))
            peer.expect_closed(code)


# -- the endpoint itself


def test_the_rest_of_the_node_is_as_ever(node, open_client):
    assert "conformance_build" in node.log_text()
    assert raw.ask_upgrade(node.port, "/ws", secured=node.secured).status == 401
    assert raw.ask_plain(node.port, "/echo", secured=node.secured).status in (404, 426)
    with raw.WebSocket(node.port, secured=node.secured) as peer:
        peer.send_frame(BINARY, b"{}")
        assert peer.read_close()[0] == 1003
    client = open_client(node, secured=node.secured)
    client.send(type="ping")
    client.expect("pong")


def test_connections_that_ended_are_forgotten(node):
    deadline = time.monotonic() + seconds(10)
    while node.metrics()["roomcast_connections"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- the handshake, on an ordinary node: RFC 6455 section 4.2.1


def ask(stack, request):
    with raw.Connection(stack.nodes[0].port) as connection:
        connection.send(request)
        return connection.read_response()


def authorized(**headers):
    return {"Authorization": f"Bearer {tokens.mint('u')}", **{name.replace("_", "-"): value for name, value in headers.items()}}


ACCEPTED = {
    "names in lower case": {"Upgrade": None, "Connection": None, "upgrade": "websocket", "connection": "upgrade"},
    "values in other cases": {"Upgrade": "WebSocket", "Connection": "UPGRADE"},
    "lists": {"Upgrade": "h2c, websocket", "Connection": "keep-alive, Upgrade"},
    "no blanks": {"Upgrade": None, "Upgrade:websocket\r\nX": "y"},
    "an empty body": {"Content-Length": "0"},
    "unknown extensions": {"Sec-WebSocket-Extensions": "x-webkit-deflate-frame, foo; bar=\"b,az\""},
    "malformed extensions": {"Sec-WebSocket-Extensions": ";;,=\"permessage-deflate"},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_proper_upgrade_is_accepted_in_every_spelling(stack, name):
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    response = ask(stack, raw.upgrade_request(headers=authorized(Sec_WebSocket_Key=key, **ACCEPTED[name])))
    assert response.status == 101
    assert response.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3
    assert response.headers["upgrade"].lower() == "websocket" and response.headers["connection"].lower() == "upgrade"
    assert "sec-websocket-extensions" not in response.headers and "sec-websocket-protocol" not in response.headers


REFUSED = {
    "wrong version": ({"Sec-WebSocket-Version": "8"}, 400),
    "two versions": ({"Sec-WebSocket-Version": "13, 8"}, 400),
    "no version": ({"Sec-WebSocket-Version": None}, 400),
    "no key": ({"Sec-WebSocket-Key": None}, 400),
    "key of 15 bytes": ({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"}, 400),
    "key of 17 bytes": ({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA="}, 400),
    "key that is no base64": ({"Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!=="}, 400),
    "key twice": ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}, 400),
    "no host": ({"Host": None}, 400),
    "host twice": ({"host": "evil.example.com"}, 400),
    "authorization twice": ({"authorization": "Bearer x"}, 400),
    "no upgrade": ({"Upgrade": None}, 400),
    "another upgrade": ({"Upgrade": "h2c"}, 400),
    "connection without upgrade": ({"Connection": "keep-alive"}, 400),
    "body": ({"Content-Length": "5"}, 400),
    "chunked": ({"Transfer-Encoding": "chunked"}, 400),
    "blank before the colon": ({"X-Header ": "x"}, 400),
    "folded header": ({"X-Header": "x\r\n folded"}, 400),
    "control character": ({"X-Header": "x\x00y"}, 400),
    "oversized extensions": ({"Sec-WebSocket-Extensions": "permessage-deflate; " * 1000}, 431),
    "too many headers": ({f"X-Header-{i}": "x" for i in range(120)}, 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_upgrade_that_is_not_proper_is_refused(stack, name):
    headers, status = REFUSED[name]
    response = ask(stack, raw.upgrade_request(headers=authorized(**headers)))
    assert response.status == status and response.error and response.headers["connection"] == "close"
    if "version" in name:
        assert response.headers["sec-websocket-version"] == "13"  # section 4.4


@pytest.mark.parametrize(
    "method,version,status",
    [("POST", "HTTP/1.1", 400), ("HEAD", "HTTP/1.1", 400), ("get", "HTTP/1.1", 400), ("GET", "HTTP/1.0", 400),
     ("GET", "HTTP/2.0", 505), ("GET", "HTTP/1.1x", 400), ("PRI", "HTTP/2.0", 505)],
)  # fmt: skip
def test_other_methods_and_versions_are_refused(stack, method, version, status):
    assert ask(stack, raw.upgrade_request(headers=authorized(), method=method, version=version)).status == status


@pytest.mark.parametrize("request_line", [b"GET /ws", b"GET  /ws HTTP/1.1", b"GET /ws#x HTTP/1.1", b"GET /w s HTTP/1.1", b"/ws"])
def test_a_malformed_request_line_is_refused(stack, request_line):
    _, _, rest = raw.upgrade_request(headers=authorized()).partition(b"\r\n")
    assert ask(stack, request_line + b"\r\n" + rest).status == 400


def test_lines_end_in_cr_lf(stack):
    request = raw.upgrade_request(headers=authorized())
    assert ask(stack, request.replace(b"\r\n", b"\n")).status == 400
    assert ask(stack, b"\r\n" + request).status == 101  # RFC 9112 section 2.2


def test_what_was_said_before_a_close_is_answered_before_it(stack):
    with raw.WebSocket(stack.nodes[0].port) as peer:
        peer.send(frame(TEXT, b'{"type":"ping","id":1}') + frame(CLOSE, struct.pack("!H", 1000)))
        code, texts = peer.read_close()
        assert code == 1000 and [text["type"] for text in texts] == ["pong"]
    with raw.WebSocket(stack.nodes[0].port) as peer:
        peer.send(frame(TEXT, b'{"type":"ping","id":1}') + frame(3, b"x"))
        code, texts = peer.read_close()
        assert code == 1002 and [text["type"] for text in texts] == ["pong"]
