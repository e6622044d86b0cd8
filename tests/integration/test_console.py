"""/console: what an operator sees of two nodes and a relay, and does to them, by the key of admin.key."""
import contextlib
import json
import signal
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import tokens
from harness.events import Event
from harness.processes import get
from harness.waiting import eventually, seconds

KEY = "the-admin-key-of-the-integration-tests"
POSTS = ("disconnect/", "drain/", "replay/", "revoke")


def ask(node, path, key=KEY, body=None, **headers):
    """The answer of /console/api."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    is_post = path.startswith(POSTS)
    data = (body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b"") if is_post else None
    answer = get(f"{node.admin_url}/console/api/{path}", data=data, headers=headers, method="POST" if is_post else "GET")
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
    return answer


def answers(node, path, **how):
    answer = ask(node, path, **how)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["answers"]


def from_relay(node, path, status, **how):
    (answer,) = answers(node, path, **how)
    assert (answer["kind"], answer["status"]) == ("relay", status), answer
    return answer["body"]


@contextlib.contextmanager
def held_up(process):
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def message_of(answer):
    return json.loads(answer.body)["error"]["message"]


def known(node):
    """The kinds of those whom the node knows and can ask."""
    members = json.loads(get(node.admin_url + "/cluster").body)["members"]
    return {member["kind"] for member in members if member["kind"] == "node" or member["active"]}


@pytest.fixture(scope="module")
def guarded(scratch, _session_running):
    """Two nodes with a key, a relay, NATS, Redis."""
    from harness.stack import Stack

    stack = Stack(scratch / "console", node_options={"admin.key": KEY, "cluster.heartbeat_ms": 200}, relay_options={"admin.key": KEY, "cluster.heartbeat_ms": 200})
    _session_running.watch(*stack.processes())
    stack.start()
    eventually(lambda: all(known(node) == {"node", "relay"} for node in stack.nodes), what="the nodes know each other and the active relay")
    yield stack
    stack.stop()


@pytest.fixture
def joined(guarded, clients):
    def join(node, user, chat=None):
        clients.append(guarded.client(node, user))
        if chat:
            clients[-1].subscribe(chat)
        return clients[-1]

    return join


def test_the_page_and_its_files_come_from_the_node_alone_and_may_load_nothing_else(guarded):
    base = guarded.nodes[0].admin_url
    for path, kind in (("/console", "text/html"), ("/console/console.js", "text/javascript"), ("/console/chart.js", "text/javascript"), ("/console/console.css", "text/css")):
        answer = get(base + path)
        assert answer.status == 200 and answer.headers["Content-Type"].startswith(kind)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
        text = answer.body.decode()
        assert "https://" not in text and "//cdn" not in text
        for accepted, coding in (("br, GZIP;q=0.5", "gzip"), ("gzip; q=0", None), ("x-gzip", None)):
            assert get(base + path, headers={"Accept-Encoding": accepted}, method="HEAD").headers["Content-Encoding"] == coding
    assert get(base + "/console", data=b"", method="POST").status == 405
    assert get(base + "/console/api/nothing").status == 404


def test_without_a_key_set_the_page_is_there_and_says_that_inspection_is_off(stack):
    node = stack.nodes[0]
    assert json.loads(ask(node, "access", key=None).body)["inspection"] is False
    for path in ("live", "room/" + str(uuid.uuid4()), "user/a", "letters", "disconnect/a", "drain/x", "replay/1-1", "revoke"):
        for key in ("", KEY, None):
            answer = ask(node, path, key=key)
            assert answer.status == 403 and "set admin.key" in message_of(answer), path


def test_wrong_keys_are_refused_slowly_counted_and_logged_without_the_key(guarded):
    node = guarded.nodes[0]
    before = node.metrics()["roomcast_console_requests_total", "result", "refused"]
    assert json.loads(ask(node, "access", key=None).body)["inspection"] is True
    began = time.monotonic()
    for key in ("wrong-key-of-somebody", None):
        answer = ask(node, "live", key=key)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert time.monotonic() - began >= 1.8
    assert node.metrics()["roomcast_console_requests_total", "result", "refused"] == before + 2
    log = node.log_text()
    assert "console_refused" in log and "wrong-key-of-somebody" not in log and KEY not in log


def test_many_wrong_keys_at_once_do_not_hold_the_listener(guarded):
    node = guarded.nodes[0]
    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: ask(node, "live", key="wrong").status, range(40)))
        assert set(statuses) == {401, 429}
    assert ask(node, "live").status == 200


def test_another_origin_is_refused_also_with_the_key_and_the_page_s_own_is_not(guarded):
    node = guarded.nodes[0]
    for origin in ("https://evil.example", "null", node.admin_url + ".evil.example"):
        for path in ("live", "disconnect/nobody"):
            assert ask(node, path, Origin=origin).status == 403
    assert ask(node, "disconnect/nobody", Origin=node.admin_url).status == 200


def test_methods_and_ids_that_make_no_sense_are_refused(guarded):
    node = guarded.nodes[0]
    headers = {"Authorization": f"Bearer {KEY}"}
    assert get(node.admin_url + "/console/api/live", data=b"", headers=headers, method="POST").status == 405
    assert get(node.admin_url + "/console/api/disconnect/a", headers=headers).status == 405
    assert ask(node, "user/" + "x" * 129).status == 400
    assert ask(node, "user/a%0Ab").status == 400
    assert ask(node, "user/").status == 404
    assert {answer["status"] for answer in answers(node, "room/no-uuid")} == {400}
    assert ask(node, "drain/no-such-node").status == 404


def test_a_user_is_found_on_every_node_with_the_chats_and_where_from(guarded, joined, chat, user):
    joined(0, user, chat), joined(1, user, chat), joined(1, user)
    for asked in guarded.nodes:
        found = {answer["name"]: answer["body"] for answer in answers(asked, f"user/{user}")}
        assert {name: body["count"] for name, body in found.items()} == {"roomcast-0": 1, "roomcast-1": 2}
        sessions = [session for body in found.values() for session in body["sessions"]]
        assert [session["user"] for session in sessions] == [user] * 3
        assert sorted(len(session["chats"]) for session in sessions) == [0, 1, 1]
        assert {session["peer"] for session in sessions} == {"127.0.0.1"}
    assert [answer["body"]["count"] for answer in answers(asked, "user/nobody-at-all")] == [0, 0]


def test_a_user_with_a_strange_id_is_found_too(guarded, joined):
    name = 'a/b "c" <script>ü'
    joined(0, name)
    found = answers(guarded.nodes[1], "user/" + urllib.parse.quote(name, safe=""))
    assert [session["user"] for answer in found for session in answer["body"]["sessions"]] == [name]


def test_a_chat_shows_its_members_and_its_position_and_no_message(guarded, joined, chat, user):
    client = joined(0, user, chat)
    joined(1, "the-other", chat)
    guarded.xadd(Event("message.created", chat=chat, payload={"ChatID": chat, "Content": "a secret between us"}))
    client.expect("chat.message.posted", seq=1)
    answer = ask(guarded.nodes[1], f"room/{chat}")
    assert "secret" not in answer.body.decode()
    bodies = {one["name"]: one["body"] for one in json.loads(answer.body)["answers"]}
    assert sorted(session["user"] for body in bodies.values() for session in body["sessions"]) == sorted([user, "the-other"])
    assert bodies["roomcast-0"]["seq"] == 1 and bodies["roomcast-0"]["followed"]


def test_a_large_room_is_counted_whole_and_shown_in_part(guarded, joined, chat):
    count = 230  # two workers show 100 each
    for number in range(count):
        joined(0, f"member-{number}", chat)
    body = {one["name"]: one["body"] for one in answers(guarded.nodes[1], f"room/{chat}")}["roomcast-0"]
    assert body["count"] == count and 100 <= len(body["sessions"]) <= 200


def test_busy_rooms_and_closes_are_shown(guarded, joined, chat, user):
    client = joined(0, user, chat)
    guarded.xadd_all([Event("message.created", chat=chat) for _ in range(30)])
    client.expect("chat.message.posted", seq=1)
    client.skip_until("chat.message.posted")
    rooms = lambda: {room.get("chat"): room for answer in answers(guarded.nodes[1], "live") for room in answer["body"]["rooms"]}
    eventually(lambda: rooms().get(chat, {}).get("events", 0) >= 25, what="the room is among the busiest")
    assert rooms()[chat]["members"] == 1
    client.close()
    closes = lambda: [close for answer in answers(guarded.nodes[1], "live") for close in answer["body"]["closes"] if close["user"] == user]
    eventually(closes, what="the close is told")
    assert closes()[0]["reason"] == "the client closed it" and closes()[0]["code"] in (1000, 1005)
    assert abs(closes()[0]["at_ms"] / 1000 - time.time()) < 60


def test_a_user_is_disconnected_everywhere_may_come_back_and_it_is_logged(guarded, joined, user):
    here, there = joined(0, user), joined(1, user)
    done = answers(guarded.nodes[0], f"disconnect/{user}")
    assert sorted(answer["body"]["count"] for answer in done) == [1, 1]
    for client in (here, there):
        client.expect_disconnect(4110)
        assert client.expect_close().code == 4110
    joined(0, user)
    log = [line for line in guarded.nodes[0].log_text().splitlines() if "console_action" in line and user in line]
    assert len(log) == 2 and all("action=disconnect" in line and "by=127.0.0.1" in line and "status=200" in line for line in log)


def test_a_user_in_a_chat_a_token_and_a_user_are_revoked(guarded, clients, joined, chat, other_chat):
    node, user = guarded.nodes[0], str(uuid.uuid4())
    client = joined(1, user, chat)
    client.subscribe(other_chat)
    assert from_relay(node, "revoke", 202, body={"user_id": user, "chat_id": chat}) == {"revoked": True}
    client.expect("unsubscribed", chat_id=chat)
    bearer = guarded.client(1, token=tokens.mint("token-owner", jti="the-token-id"))
    clients.append(bearer)
    from_relay(node, "revoke", 202, body={"token_id": "the-token-id"})
    bearer.expect_disconnect(4003)
    from_relay(node, "revoke", 202, body={"user_id": user})
    client.expect_disconnect(4003)
    log = node.log_text()
    assert f"user {user} in chat {chat}" in log and "token the-token-id" in log
    for wrong in (b"", b"{}", b"[]", b'{"chat_id":"x"}', b"{"):
        assert ask(node, "revoke", body=wrong).status == 400


def test_a_chat_without_a_user_is_not_revoked_for_everybody(guarded, joined, chat, user):
    client = joined(1, user, chat)
    stored = lambda: guarded.relay.metrics()["roomcast_relay_revocations_total", "result", "stored"]
    before = stored()
    for body in ({"chat_id": chat}, {"chat_id": chat, "user_id": None}, {"chatId": chat, "before": 4102444800}):
        answer = ask(guarded.nodes[0], "revoke", body=body)
        assert answer.status == 400 and "user_id" in message_of(answer)
    guarded.xadd(Event("message.created", chat=chat))
    client.expect("chat.message.posted", seq=1)  # still in it
    assert stored() == before


def test_dead_letters_are_listed_shown_and_replayed_once(guarded):
    node, mark = guarded.nodes[0], str(uuid.uuid4())
    guarded.xadd(json.dumps({"event_type": "message.created", "note": mark}))
    listed = lambda: [letter for letter in from_relay(node, "letters", 200)["letters"] if letter.get("event_type") == "message.created"]
    eventually(listed, what="the letter is listed")
    letter = listed()[0]
    assert letter["reason"] and letter["bytes"] > 0 and "text" not in letter and not letter["truncated"]
    assert mark in from_relay(node, f"letter/{letter['entry']}", 200)["text"]
    before = guarded.redis.xlen("roomcast:events")
    entry = from_relay(node, f"replay/{letter['entry']}", 202)["entry"]
    assert guarded.redis.xlen("roomcast:events") == before + 1
    assert mark.encode() in guarded.redis.xrange("roomcast:events", entry, entry)[0][1][b"event"]
    assert guarded.redis.xrange("roomcast:dead", letter["entry"], letter["entry"]) == []
    eventually(lambda: any(again["entry"] != letter["entry"] for again in listed()), what="it is a letter again, as nothing was mended")
    assert "no such dead letter" in from_relay(node, f"replay/{letter['entry']}", 404)["problem"]
    from_relay(node, f"letter/{letter['entry']}", 404)
    assert guarded.redis.xlen("roomcast:events") == before + 1
    for process in (node, guarded.relay):
        assert mark not in process.log_text()


def test_dead_letters_are_paged_and_what_is_not_whole_is_not_replayed(guarded):
    node = guarded.nodes[0]
    ids = [guarded.redis.xadd("roomcast:dead", {"reason": f"r{n}", "source": "s", "ts": "2026-11-26T00:00:00Z", "event": b"\xff{", "truncated": "1"}).decode() for n in range(25)]
    page = from_relay(node, "letters", 200)
    assert [letter["entry"] for letter in page["letters"]] == ids[:4:-1] and page["count"] >= 25
    older = from_relay(node, f"letters/{page['letters'][-1]['entry']}", 200)
    assert [letter["entry"] for letter in older["letters"]][:5] == ids[4::-1]
    assert "not kept whole" in from_relay(node, f"replay/{ids[0]}", 409)["problem"]
    assert guarded.redis.xrange("roomcast:dead", ids[0], ids[0])
    assert "�" in from_relay(node, f"letter/{ids[0]}", 200)["text"]
    for text in (b"\x01" * 100_000, b"{" + b'"a":"b",' * 50_000):  # the first takes six times as much in JSON
        whole = from_relay(node, f"letter/{guarded.redis.xadd('roomcast:dead', {'event': text}).decode()}", 200)
        assert text.decode().startswith(whole["text"]) and whole["bytes"] == len(text) and whole["text_cut"] is True
        assert len(json.dumps(whole)) > 200_000
    for wrong in ("x", "1", "1-", "-1", "+", "1-1 COUNT"):
        from_relay(node, "letter/" + urllib.parse.quote(wrong), 400)
    guarded.redis.delete("roomcast:dead")


def test_a_node_that_is_gone_in_between_is_named_and_the_others_answer(make_stack):
    stack = make_stack(nodes=2, node_options={"admin.key": KEY, "cluster.heartbeat_ms": 2000}).start()
    asked, gone = stack.nodes
    members = lambda: [member["name"] for member in json.loads(get(asked.admin_url + "/cluster").body)["members"] if member["kind"] == "node"]
    eventually(lambda: members() == ["roomcast-1"], what="the other node is known")
    gone.kill()
    began = time.monotonic()
    by_name = {answer["name"]: answer for answer in answers(asked, "user/somebody")}
    assert 1 < time.monotonic() - began < seconds(5)
    assert by_name["roomcast-0"]["status"] == 200
    assert (by_name["roomcast-1"]["status"], by_name["roomcast-1"]["problem"]) == (0, "no answer in time (or admin.key is not set there)")
    stack.nats.stop()
    eventually(lambda: "not connected" in get(asked.admin_url + "/readyz").body.decode(), what="the node is cut off")
    by_name = {answer["name"]: answer for answer in answers(asked, "live")}
    assert by_name["roomcast-0"]["status"] == 200  # it knows its own clients without NATS


def test_questions_beyond_32_are_refused_and_actions_that_a_node_s_end_cuts_off_are_logged(make_stack):
    stack = make_stack(nodes=2, node_options={"admin.key": KEY, "cluster.heartbeat_ms": 2000}).start()
    asked, silent = stack.nodes
    members = lambda: [member["name"] for member in json.loads(get(asked.admin_url + "/cluster").body)["members"] if member["kind"] == "node"]
    eventually(lambda: members() == ["roomcast-1"], what="the other node is known")
    with held_up(silent), ThreadPoolExecutor(48) as pool:
        given = list(pool.map(lambda _: ask(asked, "live"), range(48)))
        whole, refused = ([answer for answer in given if answer.status == status] for status in (200, 503))
        assert len(whole) >= 32 and refused and len(whole) + len(refused) == 48
        assert {one["name"]: one["status"] for answer in whole for one in json.loads(answer.body)["answers"]} == {"roomcast-0": 200, "roomcast-1": 0}
        assert {json.loads(answer.body)["error"]["code"] for answer in refused} == {"OVERLOADED"}
        assert {one["name"] for one in answers(asked, "live")} == {"roomcast-0", "roomcast-1"}  # there is room again
        cut_off = pool.submit(ask, asked, "disconnect/somebody")
        eventually(lambda: asked.metrics()["roomcast_console_requests_total", "result", "acted"] == 1, what="the action is under way")
        asked.stop()
        assert cut_off.result().status == 503
    log = [line for line in asked.log_text().splitlines() if "console_action" in line and "on=somebody" in line]
    assert len(log) == 2 and all("action=disconnect" in line for line in log)
    assert ["status=200" in line for line in log] == [True, False]


def test_a_node_is_drained_by_another_and_whoever_is_there_is_sent_away(make_stack, open_client):
    stack = make_stack(nodes=2, node_options={"admin.key": KEY, "cluster.heartbeat_ms": 200}).start()
    asked, drained = stack.nodes
    instance = lambda: [member["instance"] for member in json.loads(get(asked.admin_url + "/cluster").body)["members"] if member["kind"] == "node"]
    eventually(instance, what="the other node is known")
    client = open_client(drained, "somebody")
    (answer,) = answers(asked, "drain/" + urllib.parse.quote(instance()[0]))
    assert answer["status"] == 202 and answer["body"]["draining"] and answer["body"]["count"] == 1
    client.expect_disconnect(4200)
    assert "action=drain" in asked.log_text() and 'cause="the console"' in drained.log_text()


def test_without_an_active_relay_letters_and_revocations_say_so(make_stack):
    stack = make_stack(nodes=1, node_options={"admin.key": KEY, "cluster.heartbeat_ms": 200}, relay_options={"cluster.heartbeat_ms": 200}).start()
    node = stack.nodes[0]
    stack.relay.stop()
    relays = lambda: [member for member in json.loads(get(node.admin_url + "/cluster").body)["members"] if member["kind"] == "relay"]
    eventually(lambda: not relays(), what="the relay is known to be gone")
    for path, body in (("letters", None), ("revoke", {"user_id": "u"}), ("replay/1-1", None)):
        answer = ask(node, path, body=body)
        assert answer.status == 503 and "no relay is active" in message_of(answer)


def test_without_a_key_of_their_own_nodes_and_relays_listen_to_nobody(make_stack, open_client, user):
    often = {"cluster.heartbeat_ms": 200}
    stack = make_stack(nodes=1, node_options={"admin.key": KEY, **often}, relay_options=often).start()
    asked, deaf = stack.nodes[0], stack.new_node("roomcast-1", {"admin.key": ""})
    stack.nodes.append(deaf)
    deaf.start()
    eventually(lambda: known(asked) == {"node", "relay"}, what="both are known")
    client = open_client(deaf, user)
    problem = "no answer in time (or admin.key is not set there)"
    assert {one["name"]: one.get("problem") for one in answers(asked, f"disconnect/{user}")} == {"roomcast-0": None, "roomcast-1": problem}
    assert [one["problem"] for one in answers(asked, "letters")] == [problem]
    client.send(type="ping", id=1)
    client.expect("pong", id=1)


@pytest.mark.parametrize("program", ["roomcast", "roomcast-relay"])
def test_a_short_key_is_refused_at_the_start(program):
    from harness.processes import run_program

    dev = ["--dev"] if program == "roomcast" else ["--redis-url=redis://127.0.0.1:1/0"]
    answer = run_program(program, "--check-config", *dev, "--admin-key=short")
    assert answer.returncode == 2 and "admin.key is shorter than 16 bytes" in answer.stderr
