"""Server-sent events: the protocol of the WebSocket as a stream of GET /events, by the rules of WHATWG HTML, section 9.2.

Every stream is read by a strict parser (harness/sse.py), and comes back with nothing but its last event id."""
import base64
import json
import random
import re
import signal
import socket
import threading
import time
import uuid

import pytest

from harness import raw, sse, tokens
from harness.authorization_service import AuthorizationService
from harness.certificates import Authority
from harness.events import Event, message
from harness.waiting import eventually, seconds


@pytest.fixture
def stream(stack, clients):
    """stream(node number or node, chats, ...): a stream whose chats are all acknowledged, and its acks."""

    def open_stream(node=0, chats=(), acks=True, **how):
        node = stack.nodes[node] if isinstance(node, int) else node
        opened = sse.Stream(node, chats=chats, **how)
        clients.append(opened)
        if acks and opened.response.status == 200:
            opened.acks = opened.expect_acks()
        return opened

    return open_stream


def new_chats(count):
    return [str(uuid.uuid4()) for _ in range(count)]


def notification(user, number=0):
    return Event("notification.created", payload={"user_id": user, "number": number})


def handshakes(node, result):
    return node.metrics()["roomcast_handshakes_total", "result", result]


# -- the answer


def test_a_stream_is_what_the_standard_asks_for_and_what_proxies_need(stream, chat):
    opened = stream(chats=[chat])
    headers = opened.response.headers
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store" and headers["x-accel-buffering"] == "no"
    # It ends with the connection: no length, no chunks (RFC 9112 section 6.3).
    assert headers["connection"] == "close" and "content-length" not in headers and "transfer-encoding" not in headers
    assert 1000 <= opened.retry < 5000


def test_clients_are_told_different_times_to_come_back(stream):
    assert len({stream().retry for _ in range(8)}) > 4


@pytest.mark.parametrize("path", ["/events", "/api/v1/events"])
@pytest.mark.parametrize("via", ["header", "query"])
def test_the_token_may_come_by_header_or_query(stream, user, via, path):
    assert stream(user=user, via=via, path=path).connected["user_id"] == user


def test_http_1_0_is_answered_too(stack, chat):
    """As nginx speaks to what is behind it, unless it is told otherwise."""
    with raw.Connection(stack.nodes[0].port) as connection:
        token = tokens.mint("old")
        connection.send(f"GET {sse.target([chat], token)} HTTP/1.0\r\n\r\n".encode())
        response = connection.read_response()
        assert response.status == 200 and response.headers["content-type"] == "text/event-stream"
        while b'"subscribed"' not in connection.received:
            assert connection.read_more()


def test_an_event_is_the_same_bytes_as_on_a_websocket(stack, stream, connect, chat):
    client, opened = connect(0), stream(chats=[chat])
    client.subscribe(chat)
    stack.xadd(Event(chat=chat, payload='{"chat_id":"%s","n":12345678901234567890,"t":"\\u00e9\\n✓ "}' % chat))
    assert opened.expect("chat.message.posted").text == client.expect("chat.message.posted").text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n\r\r\n"])
def test_a_payload_on_several_lines_stays_one_message(stack, stream, connect, chat, end):
    payload = '{"chat_id":"%s",%s"n":1,%s%s"m":[]}%s' % (chat, end, end, end, end)
    client, opened = connect(0), stream(chats=[chat])
    client.subscribe(chat)
    stack.xadd(Event(chat=chat, payload=payload))
    text = client.expect("chat.message.posted").text
    assert opened.expect("chat.message.posted").text == re.sub(r"[\r\n]+", "\n", text).removesuffix("\n")


def test_a_stream_without_chats_has_the_notifications(stack, stream, user):
    opened = stream(user=user)
    stack.xadd(notification(user, 7))
    assert opened.expect("notification.new")["data"]["number"] == 7


def test_chats_may_be_repeated_encoded_and_in_any_case(stream):
    first, second, third = new_chats(3)
    query = f"/events?x=1&chats={first.upper()}%2c{second}&&chats={first}&token=ignored%26chats%3Dnonsense&chats={third}"
    opened = stream(path=query, acks=False)
    assert {opened.expect("ack")["chat_id"] for _ in range(3)} == {first, second, third}


def test_presence_counts_who_has_a_stream(stream, connect, chat, user):
    witness = connect(1)
    witness.subscribe(chat)
    opened = stream(0, [chat], user=user)
    assert witness.expect("presence.changed", user_id=user)["is_online"] is True
    witness.send(type="presence.get", chat_id=chat)
    assert user in witness.expect("presence.state")["online"]
    opened.drop()


def test_typing_and_presence_come_and_move_no_place(stream, connect, chat):
    opened = stream(0, [chat])
    place = opened.last_event_id
    witness = connect(1)
    witness.subscribe(chat)
    witness.send(type="chat.typing", chat_id=chat)
    opened.expect("chat.typing", user_id=witness.user)
    assert opened.last_event_id == place


def test_connections_are_counted_by_kind(extra_node, stream, open_client):
    node = extra_node()
    open_client(node), stream(node), (last := stream(node))
    assert (node.metrics()["roomcast_connections"], node.metrics()["roomcast_connections_streaming"]) == (3, 2)
    last.drop()
    eventually(lambda: node.metrics()["roomcast_connections_streaming"] == 1)
    assert handshakes(node, "accepted") == 3


def test_streams_go_over_tls(stack, extra_node, stream, chat, tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.write("server")
    node = extra_node({"tls.cert_file": cert, "tls.key_file": key})
    connection = raw.Connection(node.port, secured=authority.client_context())
    opened = stream(node, [chat], connection=connection)
    stack.xadd_all([message(chat, number) for number in range(300)])
    for number in range(300):
        opened.expect("chat.message.posted", seq=number + 1)


def test_a_token_that_is_verified_on_another_thread_opens_a_stream_too(stack, extra_node, stream, chat, tmp_path):
    pair = tokens.KeyPair("RSA")
    (tmp_path / "key.pem").write_text(pair.public_pem)
    node = extra_node({"auth.public_key_file": tmp_path / "key.pem", "allowed_origins": "https://app.example"})
    token = tokens.mint("slow", key=pair.private_pem, algorithm="RS256")
    opened = stream(node, [chat], token=token, headers={"Origin": "https://app.example"})
    assert opened.response.headers["access-control-allow-origin"] == "https://app.example"
    stack.xadd(message(chat))
    opened.expect("chat.message.posted")
    place = opened.last_event_id
    opened.drop()
    witness = stream(node, [chat], token=token)
    stack.xadd(message(chat))
    witness.expect("chat.message.posted")
    again = stream(node, [chat], token=token, last_event_id=place)
    assert again.acks[chat]["replayed"] == 1
    bad = tokens.mint("slow", key=tokens.KeyPair("RSA").private_pem, algorithm="RS256")
    assert sse.refusal(node, sse.target([chat]), token=bad).status == 401


# -- refusals


def test_refusals_are_json_as_for_an_upgrade(stack):
    node = stack.nodes[0]
    good = tokens.mint("u")
    cases = [
        (401, "UNAUTHORIZED", "/events", "GET", None, {}),
        (401, "UNAUTHORIZED", "/events", "GET", tokens.mint("u", ttl=-100), {}),
        (404, "NOT_FOUND", "/events/", "GET", good, {}),
        (405, "METHOD_NOT_ALLOWED", "/events", "POST", good, {}),
        (405, "METHOD_NOT_ALLOWED", "/events", "DELETE", good, {}),
        (403, "ORIGIN_NOT_ALLOWED", "/events", "GET", good, {"Origin": "https://elsewhere.example"}),
        (400, "BAD_REQUEST", "/events?chats=nonsense", "GET", good, {}),
        (400, "BAD_REQUEST", f"/events?chats={uuid.uuid4()},,", "GET", good, {}),
        (400, "BAD_REQUEST", f"/events?chats={uuid.uuid4()}:abc", "GET", good, {}),
        (400, "BAD_REQUEST", f"/events?chats={uuid.uuid4()}:abc:-1", "GET", good, {}),
        (400, "BAD_REQUEST", "/events?chats=" + "f" * 8000, "GET", good, {}),
    ]
    for status, code, path, method, token, headers in cases:
        response = sse.refusal(node, path, method, headers, token)
        assert (response.status, response.error) == (status, code), (path[:100], response.body)
        assert status == 404 or response.headers["vary"] == "Origin"
        assert "access-control-allow-origin" not in response.headers
        if status == 405:
            assert response.headers["allow"] == "GET, OPTIONS"


def test_head_has_no_body_and_an_upgrade_is_sent_elsewhere(stack):
    with raw.Connection(stack.nodes[0].port) as connection:
        connection.send(b"HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n")
        while connection.read_more():
            pass
        head, _, body = connection.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ") and body == b""
    response = raw.ask_upgrade(stack.nodes[0].port, "/events", {"Authorization": f"Bearer {tokens.mint('u')}"})
    assert response.status == 400 and response.error == "BAD_REQUEST"


def test_bad_requests_are_counted(extra_node):
    node = extra_node()
    token = tokens.mint("u")
    for count, path in enumerate(["/events?chats=x", sse.target(new_chats(129))], start=1):
        assert sse.refusal(node, path, token=token).status == 400
        assert handshakes(node, "bad_request") == count


@pytest.mark.parametrize("limit", [2, 128, 500])
def test_as_many_chats_as_the_limit_and_at_most_128(extra_node, stream, limit):
    node = extra_node({"limits.rooms": limit})
    most = min(limit, 128)
    chats = new_chats(most + 1)
    assert len(stream(node, chats[:most]).acks) == most
    twice = stream(node, path=sse.target([*chats[:most], chats[0]]), acks=False)
    assert {twice.expect("ack")["chat_id"] for _ in range(most)} == set(chats[:most])
    response = sse.refusal(node, sse.target(chats), token=tokens.mint("u"))
    assert response.status == 400 and response.error == "ROOM_LIMIT"


def test_connection_limits_count_streams_and_websockets_together(extra_node, stream, open_client):
    node = extra_node({"limits.connections_per_user": 2, "limits.connections": 3})
    open_client(node, "busy"), (first := stream(node, user="busy"))
    response = sse.refusal(node, "/events", token=tokens.mint("busy"))
    assert (response.status, response.error) == (429, "TOO_MANY_CONNECTIONS") and int(response.headers["retry-after"]) > 0
    stream(node, user="other")
    response = sse.refusal(node, "/events", token=tokens.mint("third"))
    assert (response.status, response.error) == (503, "OVERLOADED") and int(response.headers["retry-after"]) > 0
    first.drop()
    eventually(lambda: raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint('busy')}"}).status == 101)


def test_the_pace_of_the_door_holds_for_streams(extra_node):
    node = extra_node({"limits.handshakes_per_address": 1})
    token = tokens.mint("u")
    ask = lambda: sse.refusal(node, "/events?chats=x", token=token).status
    assert ask() == 400
    eventually(lambda: ask() == 429, what="it is too fast")


def test_a_draining_node_refuses_streams(extra_node, stream):
    node = extra_node({"drain.spread_s": 600, "drain.timeout_s": 3600})
    stream(node)
    node.signal(signal.SIGTERM)
    eventually(lambda: node.readyz().status == 503)
    response = sse.refusal(node, "/events", token=tokens.mint("u"))
    assert (response.status, response.error, response.headers["retry-after"]) == (503, "DRAINING", "1")
    node.signal(signal.SIGTERM)
    node.wait_exit()


def test_pages_of_allowed_origins_may_read_the_answers_and_no_others(extra_node, stream, chat):
    node = extra_node({"allowed_origins": "https://app.example"})
    origin = {"Origin": "https://app.example"}
    opened = stream(node, [chat], headers=origin)
    refused = sse.refusal(node, "/events?chats=x", headers=origin, token=tokens.mint("u"))
    for headers in (opened.response.headers, refused.headers):
        assert headers["access-control-allow-origin"] == "https://app.example" and headers["vary"] == "Origin"
    foreign = sse.refusal(node, "/events", headers={"Origin": "https://other.example"}, token=tokens.mint("u"))
    assert foreign.status == 403 and "access-control-allow-origin" not in foreign.headers
    assert "access-control-allow-origin" not in stream(node).response.headers


def test_a_page_may_ask_before_it_sets_headers(extra_node):
    """Fetch, section 3.2.2: without it `fetch` sends no Authorization to another origin."""
    node = extra_node({"allowed_origins": "https://app.example"})
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    response = sse.refusal(node, "/events", "OPTIONS", asked)
    assert response.status == 204 and response.body == b"" and "content-length" not in response.headers
    with raw.Connection(node.port) as connection:
        lines = ["OPTIONS /events HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in asked.items())]
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        while connection.read_more():
            pass
        assert connection.received.endswith(b"\r\n\r\n") and connection.received.count(b"\r\n\r\n") == 1
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert "Authorization" in response.headers["access-control-allow-headers"]
    assert response.headers["access-control-allow-methods"] == "GET"
    assert handshakes(node, "preflight") == 2 and "handshake_refused" not in node.log_text()
    assert sse.refusal(node, "/events", "OPTIONS", {**asked, "Origin": "https://other.example"}).status == 403


# -- who may read, and who may stay


def test_a_chat_that_may_not_be_read_is_an_error_and_the_others_go_on(stack, stream, chat, other_chat):
    opened = stream(0, [chat, other_chat], allowed=[chat], acks=False)
    answers = {frame["chat_id"]: frame for frame in (opened.next(), opened.next())}
    assert answers[other_chat]["code"] == "FORBIDDEN" and answers[chat].type == "ack"
    stack.xadd_all([message(other_chat), message(chat)])
    opened.expect("chat.message.posted", chat_id=chat)


def test_a_service_decides_when_it_is_asked(stack, extra_node, stream, chat, other_chat):
    node = extra_node({"authorization.mode": "request", "authorization.timeout_ms": int(seconds(5) * 1000)})
    with AuthorizationService(stack) as service:
        service.decide = lambda question: {"allowed": question["chat_id"] == chat}
        opened = stream(node, [chat, other_chat], allowed=None, acks=False)
        answers = {frame["chat_id"]: frame for frame in (opened.next(), opened.next())}
        assert answers[other_chat]["code"] == "FORBIDDEN" and answers[chat].type == "ack"


def test_a_removed_member_leaves_the_chat_and_a_revoked_user_the_node(stack, stream, chat, other_chat, user):
    opened = stream(0, [chat, other_chat], user=user)
    stack.xadd(Event("chat.member_removed", payload={"chat_id": chat, "user_id": user}))
    assert opened.skip_until("unsubscribed")["chat_id"] == chat
    stack.xadd(message(other_chat))
    opened.skip_until("chat.message.posted")
    stack.revoke({"user_id": user})
    frame = opened.expect_disconnect(4003)
    assert frame["reconnect"] is False
    response = sse.refusal(stack.nodes[0], sse.target([chat]), headers={"Last-Event-ID": opened.last_event_id}, token=tokens.mint(user))
    assert response.status == 401  # by which EventSource ends for good: section 9.2.3


def test_an_expired_token_ends_the_stream_with_4201(extra_node, stream):
    node = extra_node({"auth.expiry_grace_s": 0, "auth.leeway_s": 0})
    opened = stream(node, token=tokens.mint("u", ttl=int(seconds(3))))
    assert opened.expect_disconnect(4201)["reconnect"] is True


def test_a_one_time_token_opens_one_stream(extra_node, stream):
    node = extra_node({"auth.one_time": True})
    token = tokens.mint("u", jti=str(uuid.uuid4()), ttl=50)
    stream(node, token=token)
    assert sse.refusal(node, "/events", token=token).status == 401


def test_a_drained_stream_is_told_and_ends_and_goes_on_elsewhere(stack, extra_node, stream, chat):
    node = extra_node()
    opened = stream(node, [chat])
    stack.xadd(message(chat, 1))
    opened.expect("chat.message.posted", seq=1)
    node.signal(signal.SIGTERM)
    frame = opened.expect_disconnect(4200)
    assert frame["reconnect"] is True and opened.retry == frame["retry_after_ms"]
    assert node.wait_exit() == 0
    stack.xadd(message(chat, 2))
    again = stream(1, [chat], last_event_id=opened.last_event_id)
    assert again.acks[chat]["recovered"] is True
    again.expect("chat.message.posted", seq=2)


# -- coming back


class Reader:
    """Takes in whatever comes, and checks that no event comes twice, out of order or with a hole."""

    def __init__(self):
        self.taken = {}  # by chat; "": the notifications
        self.places = {}
        self.last_event_id = ""
        self.acks = []

    def take(self, text, last_event_id):
        frame = json.loads(text)
        self.last_event_id = last_event_id
        if frame["type"] == "ack":
            self.acks.append(frame)
        if frame["type"] not in ("chat.message.posted", "notification.new"):
            return
        room = frame.get("chat_id", "")
        if room in self.places:
            assert frame["seq"] == self.places[room] + 1, (room, self.places[room], frame)
        self.places[room] = frame["seq"]
        self.taken.setdefault(room, []).append(frame["data"]["number"])

    def count(self):
        return sum(len(numbers) for numbers in self.taken.values())


def read_some(node, user, chats, reader, wanted, max_bytes=None, via="header"):
    """One connection, until `wanted` says that it is enough, the stream ends, or so many bytes have come: then it is
    cut where it is."""
    parser = sse.Parser(reader.last_event_id)
    with raw.Connection(node.port) as connection:
        headers = [f"Authorization: Bearer {tokens.mint(user)}", "Host: x"]
        query = {}
        if reader.last_event_id and via == "header":
            headers.append(f"Last-Event-ID: {reader.last_event_id}")
        elif reader.last_event_id:
            query["last_event_id"] = reader.last_event_id
        connection.send(("\r\n".join([f"GET {sse.target(chats, **query)} HTTP/1.1", *headers]) + "\r\n\r\n").encode())
        response = connection.read_response()
        if response is None or response.status == 503:
            return
        assert response.status == 200, response.body
        left = max_bytes if max_bytes is not None else 1 << 40
        data = connection.received
        while left > 0:
            for block in parser.feed(data[:left]):
                if block.data is not None:
                    reader.take(block.data, block.last_event_id)
            left -= len(data)
            if left <= 0 or wanted(reader):
                return
            data = connection.read_more()
            if not data:
                return


@pytest.mark.parametrize("via", ["header", "query"])
def test_wherever_a_stream_is_cut_nothing_is_lost_and_nothing_comes_twice(stack, via):
    """Four chats and the notifications; cut in 40 places, each time on another node, by bytes."""
    dice = random.Random(7)
    user, chats = str(uuid.uuid4()), new_chats(4)
    reader = Reader()
    read_some(stack.nodes[0], user, chats, reader, lambda it: len(it.acks) == 4)
    total = 200
    events = [message(dice.choice(chats), number) if dice.random() < 0.8 else notification(user, number) for number in range(total)]
    for turn in range(40):
        stack.xadd_all(events[turn * 5 : turn * 5 + 5])
        read_some(stack.nodes[turn % 2], user, chats, reader, lambda it: it.count() == turn * 5 + 5, dice.randrange(1, 6000), via)
    read_some(stack.nodes[0], user, chats, reader, lambda it: it.count() == total, via=via)
    assert all(ack["recovered"] is True for ack in reader.acks[4:])
    assert sorted(sum(reader.taken.values(), [])) == list(range(total))


def test_a_node_that_is_killed_while_many_rooms_move_costs_no_stream_anything(stack, extra_node):
    """Streams with other and common chats, on a node that dies without a word while events come; they come back to others."""
    node = extra_node()
    nodes = [node]
    chats = new_chats(30)
    total = 1500
    users = [str(uuid.uuid4()) for _ in range(6)]
    own = {user: chats[number * 2 : number * 2 + 18] for number, user in enumerate(users)}
    readers = {user: Reader() for user in users}
    for user in users:
        read_some(node, user, own[user], readers[user], lambda it: len(it.acks) == 18)
        readers[user].acks.clear()
    failures = []

    def follow(user):
        dice = random.Random(user)
        expected = sum(1 for number in range(total) if chats[number % 30] in own[user])
        deadline = time.monotonic() + seconds(60)
        try:
            while readers[user].count() < expected:
                assert time.monotonic() < deadline, f"{readers[user].count()} of {expected}"
                try:
                    read_some(dice.choice(nodes), user, own[user], readers[user], lambda it: it.count() == expected)
                except OSError:  # the node is gone
                    pass
        except AssertionError as failure:
            failures.append((user, failure))

    threads = [threading.Thread(target=follow, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for start in range(0, total, 50):
        stack.xadd_all([message(chats[number % 30], number) for number in range(start, start + 50)])
        if start == total // 3 // 50 * 50:
            eventually(lambda: all(reader.count() > 0 for reader in readers.values()), what="events are on their way")
            nodes[:] = stack.nodes
            node.kill()
    for thread in threads:
        thread.join()
    assert failures == []
    for user in users:
        assert readers[user].taken == {
            chat: [number for number in range(total) if chats[number % 30] == chat] for chat in own[user]
        }
        assert all(ack["recovered"] is True for ack in readers[user].acks)


def test_a_stream_of_128_chats_resumes_all_of_them_by_one_id(stack, stream, user):
    chats = new_chats(128)
    opened = stream(0, chats, user=user)
    stack.xadd_all([message(chat, 1) for chat in chats])
    for _ in chats:
        opened.expect("chat.message.posted", seq=1)
    assert len(opened.last_event_id) < 8192
    opened.drop()
    stack.xadd_all([message(chat, 2) for chat in chats])
    again = stream(1, chats, user=user, last_event_id=opened.last_event_id, acks=False)
    came = {}
    while len(came) < len(chats):
        frame = again.next()
        if frame.type == "chat.message.posted":
            came[frame["chat_id"]] = frame["seq"]
        elif frame.type == "ack":
            assert frame["recovered"] is True
    assert set(came.values()) == {2}


def test_what_came_before_the_ack_of_another_chat_does_not_lose_that_ones_place(stack, stream, user, chat, other_chat):
    """The place of a chat is kept in every id from the first one on, though nothing of it was sent again yet."""
    opened = stream(0, [chat, other_chat], user=user)
    stack.xadd(message(chat, 1))
    opened.expect("chat.message.posted")
    place = opened.last_event_id
    again = stream(1, [other_chat], user=user, last_event_id=place)  # the first is not asked for
    assert set(again.acks) == {other_chat} and again.acks[other_chat]["recovered"] is True
    both = stream(1, [chat, other_chat, *new_chats(1)], user=user, last_event_id=place)  # and a new one
    assert [both.acks[key].message.get("recovered") for key in (chat, other_chat)] == [True, True]
    assert sum("recovered" in ack for ack in both.acks.values()) == 2


def test_what_cannot_be_recovered_is_told_as_an_event_of_its_own(stack, stream, user, chat, other_chat):
    opened = stream(0, [chat, other_chat], user=user)
    stack.xadd_all([message(chat, 1), message(other_chat, 1)])
    frames = {}
    for _ in range(2):
        frame = opened.expect("chat.message.posted")
        frames[frame["chat_id"]] = frame
    epoch = frames[chat]["epoch"]
    forged = opened.last_event_id.replace(f"{epoch}.1", f"{epoch}.7")  # from the future
    assert forged != opened.last_event_id
    again = stream(1, [chat, other_chat], user=user, last_event_id=forged)
    assert again.acks[chat]["recovered"] is False and again.acks[chat]["seq"] == 1
    assert again.acks[other_chat]["recovered"] is (frames[other_chat]["epoch"] != epoch)
    # It goes on from the place that it was told.
    assert f"{epoch}.1" in again.last_event_id and f"{epoch}.7" not in again.last_event_id
    stack.xadd(message(chat, 2))
    again.expect("chat.message.posted", seq=2)


def test_the_header_counts_before_the_query_and_that_before_the_chats(stack, stream, connect, chat, user):
    witness = connect(0)
    witness.subscribe(chat)
    stack.xadd_all([message(chat, number) for number in range(4)])
    frames = [witness.expect("chat.message.posted") for _ in range(4)]

    def replayed(chats=(chat,), **how):
        opened = stream(1, list(chats), user=user, acks=False, **how)
        ack = opened.skip_until("ack")
        while ack["action"] != "subscribed":
            ack = opened.skip_until("ack")
        return ack["replayed"]

    epoch = frames[0]["epoch"]
    since = (chat, {"epoch": epoch, "seq": 1})
    assert replayed([since]) == 3
    early = stream(0, [chat], user=user)
    base = early.last_event_id
    later = base.replace(f"{epoch}.4", f"{epoch}.3")
    assert later != base
    assert replayed([since], query={"last_event_id": later}) == 1
    assert replayed([since], query={"last_event_id": later}, last_event_id=base) == 0


def test_missed_notifications_come_before_later_ones(stack, stream, user):
    opened = stream(0, user=user)
    stack.xadd_all([notification(user, number) for number in range(3)])
    opened.expect("notification.new", seq=1)
    place = opened.last_event_id
    opened.drop()
    again = stream(1, user=user, last_event_id=place, acks=False)
    ack = again.expect("ack", action="notifications")
    assert ack["recovered"] is True
    stack.xadd(notification(user, 3))
    for seq in (2, 3, 4):
        again.expect("notification.new", seq=seq)


# -- who does not behave


FORGED = [
    "v1", "v1~", "v1~~", "v2~.abc.1", "x", "~" * 200, "v1~.abc.99999999999999999999", "v1~.abc.-1", "v1~.ABC.1", "v1~" + "A" * 22 + ".abc",
    "v1~" + "A" * 22 + ".abc.1.2", "v1~.abc.1" * 300, "v1" + "~.abcdefghijklmno.9007199254740991" * 300, "1042", "%00", "v1~." + "a" * 16 + ".1",
]


@pytest.mark.parametrize("number", range(len(FORGED)))
def test_a_forged_id_resumes_nothing_and_harms_nobody(stack, stream, chat, number):
    forged = FORGED[number]
    opened = stream(0, [chat], last_event_id=forged, acks=False)
    acks = {}
    while chat not in acks:
        frame = opened.expect("ack")
        acks[frame.message.get("chat_id")] = frame
    assert acks[chat].message.get("recovered", False) is False
    stack.xadd(message(chat))
    opened.expect("chat.message.posted", seq=1)


def test_an_id_that_cannot_be_read_is_not_recovered_even_when_it_is_lost_again(stream, chat, other_chat):
    """Else the second connection would take the chat that was not answered yet for one that never had a place."""
    opened = stream(0, [chat, other_chat], last_event_id="of another server", acks=False)
    answered = opened.expect("ack", action="subscribed")
    assert answered["recovered"] is False
    left = other_chat if answered["chat_id"] == chat else chat
    place = opened.last_event_id
    name = base64.urlsafe_b64encode(uuid.UUID(left).bytes).decode().rstrip("=")
    assert f"~{name}.-.0" in place
    again = stream(1, [chat, other_chat], last_event_id=place)
    assert again.acks[left]["recovered"] is False and again.acks[answered["chat_id"]]["recovered"] is True


def test_a_huge_id_and_thousands_of_chats_are_refused(stack, connect):
    bystander = connect(0)
    node, token = stack.nodes[0], tokens.mint("u")
    assert sse.refusal(node, "/events", headers={"Last-Event-ID": "v1" + "~.a.1" * 5000}, token=token).status == 431
    assert sse.refusal(node, sse.target(new_chats(3000)), token=token).status in (414, 431)
    assert sse.refusal(node, sse.target(new_chats(300)), token=token).error == "ROOM_LIMIT"
    assert sse.refusal(node, "/events", headers={"Last-Event-ID": "a\r\nLast-Event-ID: b"}, token=token).status == 400
    bystander.send(type="ping")
    bystander.expect("pong")


def test_a_half_request_is_cut_off_as_any_other(extra_node):
    node = extra_node({"limits.handshake_s": 1})
    with raw.Connection(node.port) as connection:
        connection.send(b"GET /events?chats=")
        assert connection.read_response().status == 408
        assert connection.is_ended_by_peer()


def test_who_goes_on_talking_is_not_heard_and_cut_off_when_it_is_too_much(extra_node, stream, chat):
    node = extra_node()
    opened = stream(node, [chat])
    opened.connection.send(b'GET /events HTTP/1.1\r\nHost: x\r\n\r\n{"type":"subscribe.chat"}')
    closes = lambda: node.metrics()["roomcast_closes_total", "code", "1002"]

    def too_much():
        try:
            opened.connection.send(b"x" * 65536)
        except OSError:
            pass
        return closes() == 1

    eventually(too_much)
    opened.expect_close()
    assert node.metrics().total("roomcast_client_messages_total") == 0


def test_comments_come_at_the_interval_of_pings_and_no_pong_is_waited_for(extra_node, stream):
    node = extra_node({"ping.interval_s": 1, "ping.timeout_s": 1})
    opened = stream(node)
    eventually(lambda: opened.comments >= 4, what="comments")
    assert opened.is_whole is None, "it has ended"


def test_a_stream_that_is_not_read_is_closed_with_4108_and_resumes(stack, extra_node, stream, chat):
    node = extra_node({"limits.queue_messages": 16, "limits.queue_bytes": 65536, "limits.slow_grace_s": 1})
    reader, token = stream(node, [chat]), tokens.mint("slow")
    with raw.Connection(node.port) as stalled:
        stalled.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.send(f"GET {sse.target([chat], token)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        text = "x" * 100_000
        for number in range(1, 400):
            stack.xadd(Event(payload=json.dumps({"chat_id": chat, "text": text})))
            reader.expect("chat.message.posted", seq=number)
            if "code=4108" in node.log_text():
                break
        eventually(lambda: node.metrics()["roomcast_closes_total", "code", "4108"] == 1, timeout=20)
    eventually(lambda: node.metrics()["roomcast_queued_bytes"] == 0, what="its queue is freed")
    witness, last = stream(node, [chat]), reader.last_event_id
    reader.drop()
    event = message(chat)
    stack.xadd(event)
    witness.expect("chat.message.posted", id=event.id)  # so the node knows of it
    assert stream(node, [chat], user=reader.user, last_event_id=last).acks[chat]["replayed"] == 1


def test_a_payload_of_nothing_but_line_ends_costs_no_more_than_its_length(stack, stream, chat):
    opened = stream(chats=[chat])
    stack.xadd(Event(chat=chat, payload='{"chat_id":"%s",%s"n":1}' % (chat, "\r" * 400_000)))
    frame = opened.expect("chat.message.posted")
    assert frame["data"] == {"chat_id": chat, "n": 1} and len(frame.text) < 1000


def test_a_chat_that_cannot_be_asked_about_ends_the_stream_which_comes_back_for_it(make_stack, chat):
    stack = make_stack(node_options={"rooms.join_timeout_ms": 500}).start()
    node = stack.nodes[0]
    with_notifications = sse.Stream(node, "ann")
    stack.nats.kill()
    cut_off = sse.Stream(node, "ann", chats=[chat])
    cut_off.expect("error", code="UNAVAILABLE")
    cut_off.expect_disconnect(4100)
    assert cut_off.retry > 0
    stack.nats.start()
    eventually(node.is_ready, what="the node has NATS again")

    def come_back():
        """As an EventSource does, until the chat can be asked about."""
        again = sse.Stream(node, "ann", chats=[chat], last_event_id=cut_off.last_event_id)
        try:
            return again if set(again.expect_acks()) == {chat} else None
        except AssertionError:
            again.drop()
            return None

    back = eventually(come_back, what="the stream has its chat")
    stack.xadd(message(chat))
    back.expect("chat.message.posted")
    for one in (back, cut_off, with_notifications):
        one.drop()
