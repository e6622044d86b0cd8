"""Rights that are taken away: at once, on every node, for good, and by no way round."""
import json
import threading
import time
import uuid

import pytest

from harness import raw, tokens
from harness.events import Event, message
from harness.raw import status_of
from harness.waiting import eventually, seconds

AT_ONCE = 1  # second: what the README promises


def timed(what, start):
    took = time.monotonic() - start
    print(f"{what}: {took * 1000:.0f} ms")
    assert took < seconds(AT_ONCE)


def later_token(user, **more):
    """Issued after everything so far, as by an issuer that knows of it: times are whole seconds."""
    issued = int(time.time()) + 2
    return tokens.mint(user, iat=issued, **more)


def removed(chat, user, event_type="chat.member_removed"):
    return Event(event_type, chat, payload={"chat_id": chat, "user_id": user})


def post_event(stack, event):
    answer = stack.post(event)
    assert answer.status == 202, answer.body


SOURCES = {
    "stream": lambda stack, event: stack.xadd(event),
    "pubsub": lambda stack, event: stack.publish(event, "events.access"),
    "http": post_event,
}


def access_revoked(**payload):
    return Event("access.revoked", payload=payload)


@pytest.fixture
def pair(connect, user):
    """A user's client on each node, with one token."""
    token = tokens.mint(user, jti=str(uuid.uuid4()))
    return [connect(node, user, token=token) for node in (0, 1)]


def jti_of(client):
    import jwt

    return jwt.decode(client.token, options={"verify_signature": False})["jti"]


@pytest.mark.parametrize("source", SOURCES)
def test_a_removed_member_is_out_of_the_chat_on_every_node_within_a_second(stack, pair, connect, chat, other_chat, user, source):
    other = connect(1, chats=[chat])
    for client in (*pair, other):
        client.subscribe(chat)
    for client in pair:
        client.subscribe(other_chat)
    start = time.monotonic()
    SOURCES[source](stack, removed(chat, user))
    for client in pair:
        ended = client.skip_until("unsubscribed")
        assert ended["chat_id"] == chat and ended["code"] == "MEMBERSHIP_REVOKED"
    timed(f"member removed by {source}", start)
    other.expect("chat.member_removed", chat_id=chat)
    later = message(other_chat)
    stack.xadd(message(chat))
    stack.xadd(later)
    for client in pair:
        assert client.expect("chat.message.posted", chat_id=other_chat)["id"] == later.id
        client.send(type="subscribe.chat", chat_id=chat, id=4)
        client.expect_error("FORBIDDEN", chat_id=chat, id=4)
    other.expect("chat.message.posted", chat_id=chat)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("whom", ["user", "token"])
def test_a_revoked_user_or_token_is_cut_off_on_every_node_within_a_second(stack, pair, connect, chat, user, source, whom):
    spared = connect(0, user, token=later_token(user, jti="another")) if whom == "token" else connect(0)
    for client in (*pair, spared):
        client.subscribe(chat)
    start = time.monotonic()
    SOURCES[source](stack, access_revoked(**({"user_id": user} if whom == "user" else {"token_id": jti_of(pair[0])})))
    for client in pair:
        farewell = client.expect_disconnect(4003)
        assert farewell["reconnect"] is False
    timed(f"{whom} revoked by {source}", start)
    for node in stack.nodes:
        assert status_of(node, pair[0].token) == 401
    stack.xadd(message(chat))
    spared.expect("chat.message.posted")


def test_a_deleted_chat_is_closed_to_everybody(stack, pair, connect, chat):
    others = [connect(node, chats=[chat]) for node in (0, 1)]
    for client in (*pair, *others):
        client.subscribe(chat)
    start = time.monotonic()
    stack.xadd(Event("chat.deleted", chat, payload={"chat_id": chat}))
    for client in (*pair, *others):
        assert client.skip_until("unsubscribed")["code"] == "CHAT_DELETED"
    timed("chat deleted", start)
    fresh = connect(0, token=later_token("somebody"))
    fresh.send(type="subscribe.chat", chat_id=chat)
    fresh.expect_error("FORBIDDEN", chat_id=chat)


def test_posted_revocations_are_stored_when_they_are_accepted(stack, connect, chat, user):
    member, bearer = connect(0, user), connect(1, token=tokens.mint("somebody", jti=str(uuid.uuid4())))
    member.subscribe(chat)
    start = time.monotonic()
    stack.revoke({"user_id": user, "chat_id": chat}, {"token_id": jti_of(bearer)})
    assert member.skip_until("unsubscribed")["code"] == "MEMBERSHIP_REVOKED"
    bearer.expect_disconnect(4003)
    timed("two revocations posted", start)
    for body, status in (("{}", 400), ("[]", 400), ("x", 400), (json.dumps([{"user_id": user}, {"user_id": ""}]), 400)):
        assert stack.post(body, path="/v1/revocations").status == status
    assert stack.post(json.dumps({"user_id": user}), key="wrong", path="/v1/revocations").status == 401


def test_no_way_leads_back_but_a_fresh_token(stack, connect, chat, user):
    token = tokens.mint(user)
    client = connect(0, user, token=token)
    place = client.subscribe(chat).position
    stack.revoke({"user_id": user, "chat_id": chat})
    client.skip_until("unsubscribed")
    # On this connection, from where it was; with the same token again; on another node.
    client.send(type="subscribe.chat", chat_id=chat, since=place)
    client.expect_error("FORBIDDEN", chat_id=chat)
    client.send(type="auth.refresh", token=token)
    client.expect("ack", action="refreshed")
    client.send(type="subscribe.chat", chat_id=chat, since=place)
    client.expect_error("FORBIDDEN", chat_id=chat)
    elsewhere = connect(1, user, token=token)
    elsewhere.send(type="subscribe.chat", chats=[{"chat_id": chat, "since": place}])
    elsewhere.expect_error("FORBIDDEN", chat_id=chat)
    for way_back in (client, elsewhere):
        way_back.send(type="auth.refresh", token=later_token(user))
        way_back.expect("ack", action="refreshed")
        way_back.subscribe(chat)


def test_a_revoked_token_cannot_be_refreshed_with_or_stand_in_for_another(stack, connect, user):
    revoked, good = tokens.mint(user, jti="r-" + user), tokens.mint(user, jti="g-" + user)
    client = connect(0, user, token=good)
    stack.revoke({"token_id": "r-" + user})
    eventually(lambda: status_of(stack.nodes[0], revoked) == 401, what="the node knows of the revocation")
    client.send(type="auth.refresh", token=revoked)
    assert "revoked" in client.expect_error("UNAUTHORIZED")["message"]
    client.send(type="ping", id=1)
    client.expect("pong", id=1)  # the old token is as good as before


def test_a_token_that_does_not_say_when_it_was_issued_is_bound(stack, connect, user):
    client = connect(0, user, token=tokens.mint(user, iat=None))
    stack.revoke({"user_id": user, "before": 1_000_000_000})  # long before any token of today
    client.expect_disconnect(4003)
    connect(0, user).expect_nothing_pending()


def test_a_member_who_is_added_again_is_let_in_with_the_old_token(stack, connect, chat, user):
    client = connect(0, user, token=tokens.mint(user))
    client.subscribe(chat)
    stack.xadd(removed(chat, user))
    client.skip_until("unsubscribed")
    stack.xadd(removed(chat, user, "chat.member_added"))

    def is_in():
        client.send(type="subscribe.chat", chat_id=chat)
        return client.next().type == "ack"

    eventually(is_in, what="the revocation was lifted")
    stack.xadd(removed(chat, user))
    client.skip_until("unsubscribed")


def test_nothing_that_was_published_after_the_answer_reaches_the_revoked(stack, connect, chat, user):
    """With a publisher that never pauses, to a client that reads everything."""
    stop, marks = threading.Event(), []
    client = connect(0, user, token=tokens.mint(user))
    client.subscribe(chat)

    def publish():
        number = 0
        while not stop.is_set():
            number += 1
            stack.xadd(Event("message.created", chat, payload={"chat_id": chat, "number": number, "revoked": bool(marks)}))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        client.expect("chat.message.posted")
        stack.revoke({"user_id": user, "chat_id": chat})
        marks.append(True)  # from here on events say so
        frames = []
        while True:
            frame = client.next()
            if frame.type == "unsubscribed":
                break
            frames.append(frame)
        watcher = connect(1, chats=[chat])
        watcher.subscribe(chat)
        while not watcher.skip_until("chat.message.posted")["data"]["revoked"]:
            pass
        client.expect_nothing_pending()
    finally:
        stop.set()
        thread.join()
    assert not any(frame["data"]["revoked"] for frame in frames if frame.type == "chat.message.posted")


def test_revocations_outlive_node_relay_and_nats(make_stack, open_client, chat, user):
    stack = make_stack(nodes=2).start()
    token = tokens.mint(user, jti="j-" + user)
    stack.revoke({"token_id": "j-" + user}, {"user_id": "other", "chat_id": chat})
    for process in (stack.nodes[0], stack.relay, stack.nats):
        process.kill()
        process.start()
        stack.nodes[0].wait_ready()
        assert status_of(stack.nodes[0], token) == 401
        client = open_client(stack.nodes[0], "other", token=tokens.mint("other", iat=int(time.time()) - 60))
        client.send(type="subscribe.chat", chat_id=chat)
        client.expect_error("FORBIDDEN", chat_id=chat)


def test_a_node_that_does_not_know_what_is_revoked_lets_nobody_in(make_stack, user):
    stack = make_stack(nodes=1)
    stack.nats.start()
    stack.redis_server.start()
    node = stack.nodes[0]
    node.spawn()
    eventually(lambda: "revocations: not loaded" in node.readyz().body.decode(), what="the node waits for what is revoked")
    refused = raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint(user)}"})
    assert (refused.status, refused.error) == (503, "UNAVAILABLE")
    assert "retry-after" in {name.lower() for name in refused.headers}
    stack.relay.start()
    node.wait_ready()
    assert status_of(node, tokens.mint(user)) == 101


@pytest.mark.heavy
def test_while_the_stream_has_no_leader_the_nodes_hear_of_it_all_the_same(make_stack, open_client, user):
    stack = make_stack(nodes=2, cluster=True, relay_options={"stream.replicas": 3})
    stack.start()
    token = tokens.mint(user)
    pair = [open_client(node, user, token=token) for node in stack.nodes]
    connections = {server.name: server for server in stack.nats.servers}
    victim = leader_of_revocations(stack)
    connections[victim].kill()
    start = time.monotonic()
    stack.xadd(access_revoked(user_id=user))
    for client in pair:
        client.expect_disconnect(4003)
    timed("user revoked without a leader", start)
    connections[victim].start()
    eventually(lambda: stack.pending_entries() == 0, timeout=60, what="it is stored and acknowledged")
    assert status_of(stack.nodes[0], token) == 401


def leader_of_revocations(stack):
    from harness.processes import get

    def look():
        for server in stack.nats.servers:
            jsz = json.loads(get(server.monitor_url + "/jsz?streams=true&config=true").body)
            for account in jsz.get("account_details", []):
                for stream in account.get("stream_detail", []):
                    if stream["name"].endswith("_revocations") and stream.get("cluster", {}).get("leader"):
                        return stream["cluster"]["leader"]
        return None

    found = []
    eventually(lambda: found.append(look()) or found[-1], what="the stream of revocations has a leader")
    return found[-1]
