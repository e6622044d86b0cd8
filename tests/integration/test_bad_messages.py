"""What clients must not send: each is answered with the documented error or close code, counted, and nobody else
is disturbed."""
import json

import pytest

from harness import raw
from harness.events import Event
from harness.waiting import eventually

CHAT = "b0000000-0000-4000-8000-000000000001"
SINCE = {"epoch": "abc", "seq": 1}


@pytest.fixture(autouse=True)
def bystander_goes_on_receiving(request, stack, connect, other_chat):
    """Around every test here: clients on both nodes that must not notice anything."""
    bystanders = [connect(0), connect(1)]
    for bystander in bystanders:
        bystander.subscribe(other_chat)
    yield
    event = Event(chat=other_chat)
    stack.xadd(event)
    for bystander in bystanders:
        bystander.expect("chat.message.posted", id=event.id, seq=1)
        bystander.expect_nothing_pending()


BAD = {
    "not JSON": ("hello", "INVALID_JSON"),
    "empty": ("", "INVALID_JSON"),
    "half": ('{"type":"ping"', "INVALID_JSON"),
    "trailing text": ('{"type":"ping"} x', "INVALID_JSON"),
    "single quotes": ("{'type':'ping'}", "INVALID_JSON"),
    "NaN": ('{"type":"ping","id":NaN}', "INVALID_JSON"),
    "array": ('[{"type":"ping"}]', "INVALID_JSON"),
    "string": ('"ping"', "INVALID_JSON"),
    "number": ("7", "INVALID_JSON"),
    "null": ("null", "INVALID_JSON"),
    "no type": ("{}", "INVALID_MESSAGE"),
    "type is a number": ('{"type":7}', "INVALID_MESSAGE"),
    "type is null": ('{"type":null}', "INVALID_MESSAGE"),
    "unknown type": ('{"type":"chat.delete_everything"}', "UNKNOWN_TYPE"),
    "type in another case": ('{"type":"PING"}', "UNKNOWN_TYPE"),
    "a server's type": ('{"type":"connected"}', "UNKNOWN_TYPE"),
    "no chat_id": ('{"type":"subscribe.chat"}', "INVALID_MESSAGE"),
    "chat_id is a number": ('{"type":"subscribe.chat","chat_id":7}', "INVALID_MESSAGE"),
    "chat_id is null": ('{"type":"subscribe.chat","chat_id":null}', "INVALID_MESSAGE"),
    "chat_id is no UUID": ('{"type":"subscribe.chat","chat_id":"room-1"}', "INVALID_MESSAGE"),
    "chat_id too long": ('{"type":"subscribe.chat","chat_id":"%s0"}' % CHAT, "INVALID_MESSAGE"),
    "chat_id is a wildcard": ('{"type":"subscribe.chat","chat_id":"*"}', "INVALID_MESSAGE"),
    "chats is an object": ('{"type":"subscribe.chat","chats":{}}', "INVALID_MESSAGE"),
    "chats is empty": ('{"type":"subscribe.chat","chats":[]}', "INVALID_MESSAGE"),
    "chats of strings": ('{"type":"subscribe.chat","chats":["%s"]}' % CHAT, "INVALID_MESSAGE"),
    "chats without chat_id": ('{"type":"subscribe.chat","chats":[{}]}', "INVALID_MESSAGE"),
    "a bad chat in a batch": ('{"type":"subscribe","chats":[{"chat_id":"%s"},{"chat_id":"x"}]}' % CHAT, "INVALID_MESSAGE"),
    "too many chats": (json.dumps({"type": "subscribe", "chats": [{"chat_id": CHAT}] * 129}), "INVALID_MESSAGE"),
    "since is a number": ('{"type":"subscribe.chat","chat_id":"%s","since":7}' % CHAT, "INVALID_MESSAGE"),
    "since without epoch": ('{"type":"subscribe.chat","chat_id":"%s","since":{"seq":1}}' % CHAT, "INVALID_MESSAGE"),
    "since without seq": ('{"type":"subscribe.chat","chat_id":"%s","since":{"epoch":"a"}}' % CHAT, "INVALID_MESSAGE"),
    "seq is negative": (json.dumps({"type": "subscribe", "chat_id": CHAT, "since": {**SINCE, "seq": -1}}), "INVALID_MESSAGE"),
    "seq is text": (json.dumps({"type": "subscribe", "chat_id": CHAT, "since": {**SINCE, "seq": "1"}}), "INVALID_MESSAGE"),
    "seq is a fraction": (json.dumps({"type": "subscribe", "chat_id": CHAT, "since": {**SINCE, "seq": 1.5}}), "INVALID_MESSAGE"),
    "epoch too long": (json.dumps({"type": "subscribe", "chat_id": CHAT, "since": {"epoch": "a" * 500, "seq": 1}}), "INVALID_MESSAGE"),
    "id is an object": ('{"type":"ping","id":{}}', "INVALID_MESSAGE"),
    "id is negative": ('{"type":"ping","id":-1}', "INVALID_MESSAGE"),
    "id beyond 32 bits": ('{"type":"ping","id":4294967296}', "INVALID_MESSAGE"),
    "id is a huge number": ('{"type":"ping","id":1e999}', "INVALID_MESSAGE"),
    "id is a long text": ('{"type":"ping","id":"%s"}' % ("x" * 5000), "INVALID_MESSAGE"),
    "is_typing is text": ('{"type":"chat.typing","chat_id":"%s","is_typing":"yes"}' % CHAT, "INVALID_MESSAGE"),
    "typing without chat": ('{"type":"chat.typing"}', "INVALID_MESSAGE"),
    "no token": ('{"type":"auth.refresh"}', "INVALID_MESSAGE"),
    "token is a number": ('{"type":"auth.refresh","token":7}', "INVALID_MESSAGE"),
    "a member twice": ('{"type":"ping","type":"pong"}', ("INVALID_JSON", "INVALID_MESSAGE")),
    "too deep": ('{"type":"ping","x":' + "[" * 16 + "]" * 16 + "}", "INVALID_JSON"),
    "very deep": ('{"type":"ping","x":' + "[" * 30000, "INVALID_JSON"),
    "lone surrogate": (r'{"type":"ping","id":"\ud800"}', "INVALID_JSON"),
    "NUL": (r'{"type":"ping","id":"a\u0000b"}', ("INVALID_JSON", "INVALID_MESSAGE")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_message_gets_an_error_and_the_connection_lives(stack, connect, name):
    text, code = BAD[name]
    client = connect(0)
    before = stack.nodes[0].metrics()["roomcast_client_messages_total", "result", "bad"]
    client.send(text)
    error = client.expect("error")
    assert error["code"] == code or error["code"] in code
    assert error["temporary"] is False
    assert len(error["message"]) < 300, "long input is not echoed"
    assert stack.nodes[0].metrics()["roomcast_client_messages_total", "result", "bad"] == before + 1
    client.send(type="ping", id=1)
    client.expect("pong", id=1)


def test_an_error_names_chat_and_id_when_they_could_be_read(connect):
    client = connect(0)
    client.send('{"type":"subscribe.chat","chat_id":"%s","since":7,"id":"q"}' % CHAT)
    client.expect_error("INVALID_MESSAGE", id="q", chat_id=CHAT)


def test_a_forbidden_chat_is_refused_and_counted(stack, connect, chat):
    client = connect(0, chats=[])
    before = stack.nodes[0].metrics()["roomcast_client_messages_total", "result", "forbidden"]
    client.send(type="subscribe.chat", chat_id=chat, id=2)
    client.expect_error("FORBIDDEN", chat_id=chat, id=2)
    stack.xadd(Event(chat=chat))
    assert stack.nodes[0].metrics()["roomcast_client_messages_total", "result", "forbidden"] == before + 1
    client.expect_nothing_pending()


def test_repeated_wrong_messages_close_with_4005(extra_node, open_client):
    node = extra_node({"limits.errors": 3, "limits.messages_per_s": 1000, "limits.messages_burst": 1000})
    client = open_client(node)
    for _ in range(3):
        client.send("nonsense")
        client.expect_error("INVALID_JSON")
    client.send("nonsense")
    assert client.skip_until("disconnect")["code"] == 4005
    assert client.expect_close().code == 4005
    eventually(lambda: node.metrics()["roomcast_closes_total", "code", "4005"] == 1)


def test_too_many_messages_get_errors_then_4129(extra_node, open_client):
    node = extra_node({"limits.messages_per_s": 1, "limits.messages_burst": 5})
    client = open_client(node)
    for _ in range(500):
        try:
            client.send(type="ping")
        except Exception:  # closed meanwhile, as it should be
            break
    pongs = limited = 0
    frame = client.next()
    while frame.type != "disconnect":
        pongs += frame.type == "pong"
        limited += frame.type == "error" and frame["code"] == "RATE_LIMITED" and frame["temporary"]
        frame = client.next()
    assert pongs >= 5 and limited >= 1
    assert frame["code"] == 4129 and frame["reconnect"] is True
    assert client.expect_close().code == 4129
    assert node.metrics()["roomcast_client_messages_total", "result", "rate_limited"] >= limited


# -- frames


def test_a_message_over_the_limit_closes_with_4009(stack, connect):
    client = connect(0)
    before = stack.nodes[0].metrics()["roomcast_closes_total", "code", "4009"]
    client.send('{"type":"ping","id":"%s"}' % ("x" * 70_000))
    client.expect_disconnect(4009)
    eventually(lambda: stack.nodes[0].metrics()["roomcast_closes_total", "code", "4009"] == before + 1)


def test_a_message_at_the_limit_is_read(connect):
    client = connect(0)
    text = '{"type":"ping","x":"%s"}'
    client.send(text % ("x" * (65536 - len(text) + 2)))
    client.expect("pong")


def test_an_announced_but_endless_message_is_not_waited_for(stack):
    with raw.WebSocket(stack.nodes[0].port) as peer:
        head = bytes([0x81, 0x80 | 127]) + (2**40).to_bytes(8, "big") + b"\0\0\0\0"
        try:
            peer.send(head + b"x" * 200_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        code, texts = peer.read_close()
        assert code in (4009, 1009, None)
        if texts:
            assert texts[-1]["code"] == 4009


def closes_with(stack, metric_code):
    return stack.nodes[0].metrics()["roomcast_closes_total", "code", metric_code]


def test_a_binary_frame_closes_with_1003(stack):
    before = closes_with(stack, "1003")
    with raw.WebSocket(stack.nodes[0].port) as peer:
        peer.send_frame(raw.BINARY, b'{"type":"ping"}')
        code, _ = peer.read_close()
        assert code == 1003
    eventually(lambda: closes_with(stack, "1003") == before + 1)


@pytest.mark.parametrize(
    "text",
    [b'{"type":"\xff"}', b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'{"type":"ping"}\xe2\x82'],
    ids=["stray", "overlong", "surrogate", "beyond", "cut-off"],
)
def test_invalid_utf8_closes_with_1007(stack, text):
    before = closes_with(stack, "1007")
    with raw.WebSocket(stack.nodes[0].port) as peer:
        peer.send_frame(raw.TEXT, text)
        code, _ = peer.read_close()
        assert code == 1007
    eventually(lambda: closes_with(stack, "1007") == before + 1)


def test_a_fragmented_message_is_read_as_one(stack):
    with raw.WebSocket(stack.nodes[0].port) as peer:
        text = '{"type":"ping","id":"Grüße 👋"}'.encode()
        peer.send_frame(raw.TEXT, text[:1], final=False)
        for byte in text[1:-1]:  # also through the middle of characters
            peer.send_frame(raw.CONTINUATION, bytes([byte]), final=False)
        peer.send_frame(raw.PING, b"between")
        peer.send_frame(raw.CONTINUATION, text[-1:])
        opcode, payload = peer.read_frame()
        assert (opcode, payload) == (raw.PONG, b"between")
        assert peer.expect_text("pong")["id"] == "Grüße 👋"


def test_fragments_over_the_limit_close_with_4009(stack):
    with raw.WebSocket(stack.nodes[0].port) as peer:
        try:
            peer.send_frame(raw.TEXT, b"x" * 30_000, final=False)
            for _ in range(10):
                peer.send_frame(raw.CONTINUATION, b"x" * 30_000, final=False)
        except (BrokenPipeError, ConnectionResetError):
            pass
        code, texts = peer.read_close()
        assert code in (4009, 1009) and (code == 1009 or texts[-1]["code"] == 4009)


PROTOCOL_FAULTS = {
    "unmasked": lambda peer: peer.send_frame(raw.TEXT, b"{}", masked=False),
    "reserved bit": lambda peer: peer.send_frame(raw.TEXT, b"{}", reserved=1),
    "unknown opcode": lambda peer: peer.send_frame(0x3, b"x"),
    "unknown control opcode": lambda peer: peer.send_frame(0xB, b"x"),
    "long ping": lambda peer: peer.send_frame(raw.PING, b"x" * 126),
    "fragmented ping": lambda peer: peer.send_frame(raw.PING, b"x", final=False),
    "continuation of nothing": lambda peer: peer.send_frame(raw.CONTINUATION, b"x"),
    "a message inside a message": lambda peer: (
        peer.send_frame(raw.TEXT, b"{", final=False),
        peer.send_frame(raw.TEXT, b"{}"),
    ),
    "one-byte close": lambda peer: peer.send_frame(raw.CLOSE, b"\x03"),
    "forbidden close code": lambda peer: peer.send_frame(raw.CLOSE, (1005).to_bytes(2, "big")),
}


@pytest.mark.parametrize("name", PROTOCOL_FAULTS)
def test_a_fault_of_the_framing_closes_with_1002(stack, name):
    before = closes_with(stack, "1002")
    with raw.WebSocket(stack.nodes[0].port) as peer:
        PROTOCOL_FAULTS[name](peer)
        code, _ = peer.read_close()
        assert code == 1002
    eventually(lambda: closes_with(stack, "1002") == before + 1)


def test_a_close_frame_is_answered(stack):
    before = closes_with(stack, "client")
    with raw.WebSocket(stack.nodes[0].port) as peer:
        peer.send_frame(raw.CLOSE, (1000).to_bytes(2, "big") + b"bye")
        code, _ = peer.read_close()
        assert code == 1000
        assert peer.is_ended_by_peer()
    eventually(lambda: closes_with(stack, "client") == before + 1)


def test_pings_of_the_client_are_answered(stack):
    with raw.WebSocket(stack.nodes[0].port) as peer:
        for payload in (b"", b"x" * 125):
            peer.send_frame(raw.PING, payload)
            assert peer.read_frame() == (raw.PONG, payload)


def test_a_connection_that_breaks_is_counted_and_cleaned_up(extra_node, open_client, chat):
    node = extra_node()  # to which nobody else comes and goes
    client, other = open_client(node), open_client(node)
    client.subscribe(chat)
    client.drop()
    eventually(lambda: node.metrics()["roomcast_closes_total", "code", "1006"] == 1, what="it is counted")
    assert node.metrics()["roomcast_connections"] == 1
    other.send(type="ping")
    other.expect("pong")


# -- peers that do not read or answer


def test_no_pong_closes_with_4202(extra_node, open_client):
    node = extra_node({"ping.interval_s": 1, "ping.timeout_s": 1})
    alive = open_client(node)  # the library answers pings
    with raw.WebSocket(node.port) as silent:
        code, texts = silent.read_close()
        assert code == 4202
        assert texts[-1]["type"] == "disconnect" and texts[-1]["code"] == 4202 and texts[-1]["reconnect"] is True
    eventually(lambda: node.metrics()["roomcast_closes_total", "code", "4202"] == 1)
    alive.send(type="ping")
    alive.expect("pong")


def test_a_client_that_does_not_read_is_closed_with_4108_and_delays_nobody(extra_node, open_client, stack, chat):
    node = extra_node({"limits.queue_messages": 16, "limits.queue_bytes": 65536})
    reader = open_client(node)
    reader.subscribe(chat)
    with raw.WebSocket(node.port) as stalled:
        stalled.send_frame(raw.TEXT, json.dumps({"type": "subscribe", "chat_id": chat}))
        stalled.expect_text("ack")
        slow = ("roomcast_closes_total", "code", "4108")
        text = "x" * 100_000
        for number in range(1, 400):
            stack.xadd(Event(payload=json.dumps({"chat_id": chat, "text": text})))
            reader.expect("chat.message.posted", seq=number)
            if "code=4108" in node.log_text():
                break
        # It takes nothing any more, so the close cannot be said to it; after a while it is cut.
        eventually(lambda: node.metrics()[slow] == 1, timeout=20)
    eventually(lambda: node.metrics()["roomcast_queued_bytes"] == 0, what="its queue is freed")
