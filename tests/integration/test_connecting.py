"""proto/README.md: ways to connect, and refusals before the upgrade."""
import pytest

from harness import raw, tokens
from harness.client import SUBPROTOCOL
from harness.waiting import eventually


@pytest.mark.parametrize("via", ["subprotocol", "header", "query"])
def test_the_token_may_come_by(connect, user, via):
    client = connect(0, user, via=via)
    assert client.connected["user_id"] == user
    assert client.connected["node"] == "roomcast-0"
    assert client.subprotocol == (SUBPROTOCOL if via == "subprotocol" else None)


def test_both_documented_paths_lead_to_the_endpoint(stack, open_client):
    for path in ("/ws", "/api/v1/ws"):
        open_client(f"ws://127.0.0.1:{stack.nodes[0].port}{path}")


def test_the_subprotocol_token_comes_before_header_and_query(stack):
    good, bad = tokens.mint("first"), "bad.token.here"
    port = stack.nodes[0].port
    protocols = f"{SUBPROTOCOL}, bearer.{good}"
    headers = {"Sec-WebSocket-Protocol": protocols, "Authorization": f"Bearer {bad}"}
    assert raw.ask_upgrade(port, f"/ws?token={bad}", headers).status == 101
    headers = {"Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, bearer.{bad}", "Authorization": f"Bearer {good}"}
    assert raw.ask_upgrade(port, f"/ws?token={good}", headers).status == 401
    assert raw.ask_upgrade(port, f"/ws?token={good}", {"Authorization": f"Bearer {bad}"}).status == 401


def test_the_server_answers_the_subprotocol_and_never_the_token(stack):
    protocols = f"{SUBPROTOCOL}, bearer.{tokens.mint('u')}"
    response = raw.ask_upgrade(stack.nodes[0].port, headers={"Sec-WebSocket-Protocol": protocols})
    assert response.headers["sec-websocket-protocol"] == SUBPROTOCOL


def test_connected_says_when_the_token_expires(connect):
    token = tokens.mint("u", ttl=1234)
    client = connect(token=token)
    import jwt

    expected = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert client.connected["expires_at"] == expected
    assert client.connected["ping_interval_ms"] == 25000


def test_connection_ids_are_unique(connect):
    ids = {connect(number % 2).connected["connection_id"] for number in range(6)}
    assert len(ids) == 6


def test_a_user_id_that_is_a_uuid_is_told_in_lower_case(connect, user):
    assert connect(0, user.upper()).connected["user_id"] == user


@pytest.mark.parametrize("path", ["/", "/wss", "/ws/", "/ws2", "/metrics", "/livez", "/readyz", "/v1/events"])
def test_other_paths_are_404(stack, path):
    token = tokens.mint("u")
    assert raw.ask_upgrade(stack.nodes[0].port, path, {"Authorization": f"Bearer {token}"}).error == "NOT_FOUND"
    response = raw.ask_plain(stack.nodes[0].port, path)
    assert response.status == 404 and response.error == "NOT_FOUND"


def test_plain_http_on_the_endpoint_is_426(stack):
    before = stack.nodes[0].metrics()["roomcast_handshakes_total", "result", "bad_request"]
    response = raw.ask_plain(stack.nodes[0].port, "/ws")
    assert response.status == 426 and response.error == "UPGRADE_REQUIRED"
    assert stack.nodes[0].metrics()["roomcast_handshakes_total", "result", "bad_request"] == before + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": None},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": None},
        {"Host": None},
    ],
    ids=["old-version", "no-version", "bad-key", "no-key", "no-host"],
)
def test_a_malformed_upgrade_is_400(stack, headers):
    headers = {"Authorization": f"Bearer {tokens.mint('u')}", **headers}
    response = raw.ask_upgrade(stack.nodes[0].port, headers=headers)
    assert response.status in (400, 426) and response.error in ("BAD_REQUEST", "UPGRADE_REQUIRED")


def test_an_upgrade_must_be_a_get(stack):
    headers = {"Authorization": f"Bearer {tokens.mint('u')}", "Content-Length": "0"}
    response = raw.ask_upgrade(stack.nodes[0].port, headers=headers, method="POST")
    assert 400 <= response.status < 500 and response.error


def test_garbage_instead_of_http_ends_the_connection(stack, connect):
    bystander = connect(0)
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, b"\0" * 5000, b"hello\r\n\r\n"):
        with raw.Connection(stack.nodes[0].port) as connection:
            connection.send(garbage)
            assert connection.is_ended_by_peer()
    bystander.send(type="ping")
    bystander.expect("pong")


# -- limits of the request


def expect_no_upgrade(node, request):
    """The connection ends without an upgrade, with an HTTP error or silently, and it is counted."""
    before = node.metrics().total("roomcast_handshakes_total") - node.metrics()["roomcast_handshakes_total", "result", "accepted"]
    with raw.Connection(node.port) as connection:
        try:
            connection.send(request)
            response = connection.read_response()
        except (BrokenPipeError, ConnectionResetError):
            response = None
        assert response is None or 400 <= response.status < 500
        if response and response.body:
            assert response.error in ("BAD_REQUEST", "URI_TOO_LONG", "HEADERS_TOO_LARGE", "UNAUTHORIZED")

    def counted():
        now = node.metrics()
        refused = now.total("roomcast_handshakes_total") - now["roomcast_handshakes_total", "result", "accepted"]
        return refused == before + 1

    eventually(counted, what="the refusal is counted")


@pytest.mark.parametrize("place", ["query", "header", "subprotocol"])
def test_a_token_of_64_kib_is_refused(stack, connect, place):
    bystander = connect(0)
    token = tokens.mint("u", padding="x" * 65536)
    if place == "query":
        request = raw.upgrade_request(f"/ws?token={token}")
    elif place == "header":
        request = raw.upgrade_request(headers={"Authorization": f"Bearer {token}"})
    else:
        request = raw.upgrade_request(headers={"Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, bearer.{token}"})
    expect_no_upgrade(stack.nodes[0], request)
    bystander.send(type="ping")
    bystander.expect("pong")


def test_headers_without_end_are_refused_and_cut_off(stack, connect):
    bystander = connect(0)
    line = b"X-More: " + b"y" * 1000 + b"\r\n"
    with raw.Connection(stack.nodes[0].port) as connection:
        connection.send(b"GET /ws HTTP/1.1\r\nHost: x\r\n" + line * 100)
        response = connection.read_response()
        assert response.status == 431 and response.error == "HEADERS_TOO_LARGE"

        def cut_off():  # what comes after the answer is thrown away, for a while
            try:
                connection.send(line)
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True

        eventually(cut_off, timeout=20, what="the connection is cut")
    bystander.send(type="ping")
    bystander.expect("pong")


def test_a_request_that_is_never_finished_is_cut_off(extra_node):
    node = extra_node({"limits.handshake_s": 1})
    with raw.Connection(node.port) as connection:
        connection.send(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        assert connection.read_response().status == 408
        assert connection.is_ended_by_peer()
    with raw.Connection(node.port) as connection:  # not even one byte
        assert connection.is_ended_by_peer()
    # Slow heads are told apart from malformed ones.
    assert node.metrics()["roomcast_handshakes_total", "result", "late"] == 2
    assert node.metrics()["roomcast_handshakes_total", "result", "bad_request"] == 0


def test_heads_that_are_too_large_are_counted_as_such(extra_node):
    node = extra_node({"limits.header_bytes": 2048})
    too_large = [
        raw.upgrade_request("/ws?x=" + 3000 * "x"),
        raw.upgrade_request(headers={"X-Long": 3000 * "x"}),
        raw.upgrade_request(headers={f"X-{number}": "y" for number in range(100)}),
    ]
    for count, (request, status) in enumerate(zip(too_large, (414, 431, 431)), start=1):
        with raw.Connection(node.port) as connection:
            connection.send(request)
            assert connection.read_response().status == status
        assert node.metrics()["roomcast_handshakes_total", "result", "too_large"] == count
    assert node.metrics()["roomcast_handshakes_total", "result", "bad_request"] == 0


def test_a_large_token_below_the_limit_is_accepted(stack, open_client):
    chats = [f"00000000-0000-4000-8000-{number:012}" for number in range(200)]
    token = tokens.mint("u", chats)
    assert len(token) > 8000
    client = open_client(stack.nodes[0], token=token)
    client.subscribe(chats[-1])


# -- origins


def origin_answer(node, origin):
    headers = {"Authorization": f"Bearer {tokens.mint('u')}", "Origin": origin, "Host": f"127.0.0.1:{node.port}"}
    response = raw.ask_upgrade(node.port, headers=headers)
    if response.status == 403:
        assert response.error == "ORIGIN_NOT_ALLOWED"
    return response.status


def test_pages_of_other_origins_are_refused_by_default(stack):
    node = stack.nodes[0]
    before = node.metrics()["roomcast_handshakes_total", "result", "origin_not_allowed"]
    assert origin_answer(node, "https://evil.example.com") == 403
    assert origin_answer(node, "null") == 403
    assert origin_answer(node, f"http://127.0.0.1:{node.port}") == 101
    assert origin_answer(node, None) == 101  # no browser
    assert node.metrics()["roomcast_handshakes_total", "result", "origin_not_allowed"] == before + 2


def test_configured_origins_are_allowed(extra_node):
    node = extra_node({"allowed_origins": "https://app.example.com,https://*.chat.example.com"})
    assert origin_answer(node, "https://app.example.com") == 101
    assert origin_answer(node, "https://eu.chat.example.com") == 101
    assert origin_answer(node, "http://app.example.com") == 403
    assert origin_answer(node, "https://app.example.com.evil.org") == 403
    assert origin_answer(node, "https://evilchat.example.com") == 403


def test_the_upgrade_is_counted_and_the_connection_gauge_follows(stack, connect):
    node = stack.nodes[0]
    before = node.metrics()
    client = connect(0)
    during = node.metrics()
    accepted = ("roomcast_handshakes_total", "result", "accepted")
    assert during[accepted] == before[accepted] + 1
    client.close()
    eventually(lambda: node.metrics()["roomcast_connections"] < during["roomcast_connections"])
