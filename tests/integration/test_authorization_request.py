"""authorization.mode request: a domain service is asked over NATS who may read which chat."""
import json
import time
import uuid

import pytest

from harness import raw, tokens
from harness.authorization_service import AuthorizationService, allow, deny, say_nothing
from harness.events import message
from harness.waiting import eventually, seconds

# Slow builds answer later; what is to stay without an answer need not wait so long.
OPTIONS = {"authorization.mode": "request", "authorization.timeout_ms": int(seconds(5) * 1000), "rooms.join_timeout_ms": 60000}
IMPATIENT = {**OPTIONS, "authorization.timeout_ms": int(seconds(1) * 1000)}


@pytest.fixture
def node(extra_node):
    return extra_node(OPTIONS)


@pytest.fixture
def service(stack):
    with AuthorizationService(stack) as running:
        yield running


@pytest.fixture
def make_client(open_client):
    """make_client(node, user, claim=...): whose token names no chats."""

    def make(node, user, **claims):
        return open_client(node, user, token=tokens.mint(user, chats=None, **claims))

    return make


def refuse(client, chat, code, temporary, **members):
    client.send(type="subscribe", chat_id=chat, **members)
    client.expect_error(code, chat_id=chat, temporary=temporary)


def authorizations(node, result):
    return node.metrics()["roomcast_authorizations_total", "result", result]


# -- the decision


def test_the_service_decides_by_user_chat_and_claims(stack, node, service, make_client, chat, other_chat, user):
    service.decide = lambda question: {"allowed": question["chat_id"] == chat and "reader" in question["claims"]["roles"]}
    reader = make_client(node, user, roles=["reader"], big=2**60 + 1)
    reader.subscribe(chat.upper())
    refuse(reader, other_chat, "FORBIDDEN", temporary=False)
    refuse(make_client(node, "guest", roles=[]), chat, "FORBIDDEN", temporary=False)
    first = service.questions[0]
    assert first["user_id"] == user and first["chat_id"] == chat
    assert first["claims"]["sub"] == user and first["claims"]["big"] == 2**60 + 1
    event = message(chat)
    stack.xadd(event)
    assert reader.expect("chat.message.posted")["id"] == event.id
    assert authorizations(node, "allowed") == 1 and authorizations(node, "denied") == 2


def test_the_tokens_chats_do_not_let_anybody_in(node, service, open_client, chat):
    service.decide = deny
    refuse(open_client(node, chats=[chat]), chat, "FORBIDDEN", temporary=False)
    refuse(open_client(node, chats="*"), chat, "FORBIDDEN", temporary=False)


def test_a_resume_asks_too(stack, node, service, make_client, chat, user):
    position = make_client(node, user).subscribe(chat).position
    stack.xadd_all([message(chat, number) for number in range(3)])
    service.decide = deny
    refuse(make_client(node, "other"), chat, "FORBIDDEN", temporary=False, since=position)
    service.decide = allow
    third = make_client(node, "third")
    assert third.subscribe(chat, since=position)["recovered"] is True
    for number in range(3):
        assert third.expect("chat.message.posted")["data"]["number"] == number


# -- no answer


def test_without_a_service_the_error_is_temporary(stack, node, make_client, chat, user):
    client = make_client(node, user)
    refuse(client, chat, "UNAVAILABLE", temporary=True)
    with AuthorizationService(stack):
        client.subscribe(chat)


def test_silence_and_garbage_are_temporary_errors_and_not_remembered(extra_node, service, make_client, chat, user):
    node = extra_node(IMPATIENT)
    client = make_client(node, user)
    service.decide = say_nothing
    refuse(client, chat, "UNAVAILABLE", temporary=True)
    for garbage in (b"", b"true", b'{"allowed":1}', b'{"allowed":true,"cache_s":-1}', b'{"allowed":true}' + b" " * 2000):
        service.decide = lambda _question: garbage
        refuse(client, chat, "UNAVAILABLE", temporary=True)
    assert authorizations(node, "unavailable") == 1 and authorizations(node, "bad") == 5
    assert "authorization_unavailable" in node.log_text()
    service.decide = allow
    client.subscribe(chat)


def test_while_nats_is_away_nobody_is_let_in(make_stack, open_client, chat, other_chat):
    stack = make_stack(node_options={**OPTIONS, "rooms.join_timeout_ms": int(seconds(0.5) * 1000)}).start()
    service = AuthorizationService(stack)
    client = open_client(stack.nodes[0])
    client.subscribe(chat)
    stack.nats.stop()
    refuse(client, other_chat, "UNAVAILABLE", temporary=True)
    stack.nats.start()
    service.close()
    service = AuthorizationService(stack)
    eventually(lambda: stack.nodes[0].is_ready(), what="the node is back")
    client.subscribe(other_chat)
    service.close()


# -- answers that are kept


def test_an_answer_holds_as_long_as_it_says_and_no_longer(extra_node, service, make_client, chat, other_chat, user):
    # Asks again without pause until the answer changes.
    node = extra_node({**OPTIONS, "authorization.cache_s": 3600, "limits.messages_per_s": 10000, "limits.messages_burst": 10000})
    client = make_client(node, user)
    service.decide = lambda question: {"allowed": question["chat_id"] == chat, "cache_s": 1}
    started = time.monotonic()
    client.subscribe(chat)
    client.unsubscribe(chat)
    client.subscribe(chat)
    refuse(client, other_chat, "FORBIDDEN", temporary=False)
    refuse(client, other_chat, "FORBIDDEN", temporary=False)
    if time.monotonic() - started < 1:
        assert len(service.questions) == 2
        assert authorizations(node, "cached") == 2
    service.decide = deny

    def is_refused_now():
        client.unsubscribe(chat)
        client.send(type="subscribe", chat_id=chat, id="again")
        while (frame := client.next()).type == "presence.changed":
            pass
        assert frame["id"] == "again"
        return frame.message.get("code") == "FORBIDDEN"

    eventually(is_refused_now, what="the permission has run out")
    assert time.monotonic() - started >= 1


def test_with_cache_0_every_subscribe_asks(extra_node, service, make_client, chat, user):
    node = extra_node({**OPTIONS, "authorization.cache_s": 0})
    client = make_client(node, user)
    for count in range(1, 4):
        client.subscribe(chat)
        client.unsubscribe(chat)
        service.expect_asked(count)


# -- many at once


def test_subscribes_of_one_pair_at_once_are_one_question(node, service, make_client, chat, user):
    service.decide = say_nothing
    clients = [make_client(node, user) for _ in range(10)]
    for client in clients:
        client.send(type="subscribe", chat_id=chat)
        client.expect_nothing_pending()
    service.expect_asked(1)
    assert node.metrics()["roomcast_authorizations_waiting"] == 1
    assert service.release() == 1
    for client in clients:
        client.expect("ack", action="subscribed", chat_id=chat)
    assert len(service.questions) == 1


def test_a_storm_of_subscribes_reaches_the_service_256_at_a_time(extra_node, service, make_client):
    node = extra_node({**OPTIONS, "authorization.timeout_ms": 60000})
    service.decide = say_nothing
    clients = [make_client(node, f"user-{number}") for number in range(16)]
    for client in clients:
        client.send(type="subscribe", chats=[{"chat_id": str(uuid.uuid4())} for _ in range(125)])
    eventually(lambda: node.metrics()["roomcast_authorizations_waiting"] == 2000, what="all 2,000 wait")
    answered = 0
    while answered < 2000:
        under_way = min(256, 2000 - answered)
        eventually(lambda: len(service.held) >= under_way, what=f"{under_way} questions")
        assert len(service.held) == under_way
        answered += service.release()
        service.expect_asked(min(answered + 256, 2000))
    for client in clients:
        for _ in range(125):
            client.expect("ack", action="subscribed")
    metrics = node.metrics()
    assert metrics["roomcast_authorizations_waiting"] == 0 and metrics["roomcast_subscriptions"] == 2000


# -- fresh tokens


def refresh(client, **claims):
    client.send(type="auth.refresh", token=tokens.mint(client.user, chats=None, **claims))
    client.expect("ack", action="refreshed")


def by_claim(question):
    return {"allowed": question["chat_id"] in question["claims"]["rooms"]}


def test_a_refresh_ends_what_the_service_denies_to_the_new_token(node, service, make_client, chat, other_chat, user):
    service.decide = by_claim
    client = make_client(node, user, rooms=[chat, other_chat])
    client.subscribe(chat)
    client.subscribe(other_chat)
    refresh(client, rooms=[chat])
    client.expect("unsubscribed", chat_id=other_chat, code="MEMBERSHIP_REVOKED")
    refuse(client, other_chat, "FORBIDDEN", temporary=False)
    refresh(client, rooms=[chat, other_chat])
    client.subscribe(other_chat)
    assert node.metrics()["roomcast_subscriptions"] == 2


def test_after_a_refresh_a_denial_of_the_old_token_is_forgotten(node, service, make_client, chat, user):
    service.decide = by_claim
    client = make_client(node, user, rooms=[])
    refuse(client, chat, "FORBIDDEN", temporary=False)
    refresh(client, rooms=[chat])
    client.subscribe(chat)


def test_a_permission_of_the_old_token_that_comes_after_the_refresh_does_not_last(node, service, make_client, chat, user):
    service.decide = say_nothing
    client = make_client(node, user, rooms=[chat])
    client.send(type="subscribe", chat_id=chat)
    service.expect_asked(1)
    refresh(client, rooms=[])
    service.decide = by_claim
    service.release(by_claim)
    client.expect("ack", action="subscribed", chat_id=chat)
    client.expect("unsubscribed", chat_id=chat, code="MEMBERSHIP_REVOKED")


def test_after_a_refresh_silence_ends_no_subscription(extra_node, stack, service, make_client, chat, user):
    node = extra_node(IMPATIENT)
    client = make_client(node, user)
    client.subscribe(chat)
    service.decide = say_nothing
    refresh(client)
    eventually(lambda: authorizations(node, "unavailable") == 1, what="the question has ended")
    client.expect_nothing_pending()
    event = message(chat)
    stack.xadd(event)
    assert client.expect("chat.message.posted")["id"] == event.id


def test_a_token_with_too_many_claims_is_refused_with_the_reason(node):
    token = tokens.mint("u", chats=None, filler="x" * 8200)
    response = raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {token}"})
    assert response.status == 401 and response.error == "UNAUTHORIZED"
    assert "authorization.mode request" in json.loads(response.body)["error"]["message"]
