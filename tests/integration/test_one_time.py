"""auth.one_time: a token opens one connection, on whichever node, and no other."""
import secrets
import threading
import time
import uuid

import pytest

from harness import raw, tokens
from harness.processes import get, run_program
from harness.waiting import eventually, seconds

ONE_TIME = {"auth.one_time": "true"}


def mint(user="u", **claims):
    return tokens.mint(user, **{"jti": str(uuid.uuid4()), **claims})


def ask(node, token, **headers):
    return raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {token}", **headers})


def used(node):
    return node.metrics()["roomcast_handshakes_total", "result", "used"]


def expect_used(node, token):
    answer = ask(node, token)
    assert answer.status == 401 and answer.error == "UNAUTHORIZED"
    assert b"used before: get a new one for each connection" in answer.body


def remembered(node):
    return node.metrics()["roomcast_used_tokens"]


def known_to_both(pair):
    """How many tokens both nodes know as used, when they have heard of those of other tests too."""

    def counts():
        found = [remembered(node) for node in pair]
        return found if found[0] == found[1] else None

    return eventually(counts, what="both have heard of all")[0]


@pytest.fixture(scope="module")
def pair(shared_stack, tmp_path_factory):
    """Two nodes of the shared stack's NATS, with the option."""
    nodes = [shared_stack.new_node(f"once-{number}", {**ONE_TIME, "workers": 2}) for number in range(2)]
    for node in nodes:
        node.start()
    yield nodes
    for node in nodes:
        assert node.stop() == 0 and node.faults_in_log() == []


def test_a_token_opens_one_connection(pair, open_client, user):
    node, before = pair[0], used(pair[0])
    token = mint(user)
    client = open_client(node, user, token=token)
    expect_used(node, token)
    client.close()
    expect_used(node, token)
    assert used(node) == before + 2
    assert ask(node, mint(user)).status == 101


def test_it_opens_none_on_another_node_either(pair):
    token = mint()
    known = known_to_both(pair)
    assert ask(pair[0], token).status == 101
    eventually(lambda: remembered(pair[1]) == known + 1, what="the other node has heard of it")
    expect_used(pair[1], token)


def test_the_log_says_why_and_not_which(pair):
    token = mint(jti="a-jti-that-nobody-should-read")
    assert ask(pair[0], token).status == 101

    def logged():
        expect_used(pair[0], token)
        return "the token was used before" in pair[0].log_text()

    eventually(logged, what="a refusal is logged")
    for node in pair:
        assert "a-jti-that-nobody-should-read" not in node.log_text() and token not in node.log_text()


@pytest.mark.parametrize(
    "claims, missing",
    [({"jti": None}, b"jti"), ({"jti": ""}, b"jti"), ({"jti": "x" * 65}, b"jti"), ({"jti": 7}, b"jti"), ({"exp": None}, b"exp")],
    ids=["none", "empty", "too long", "a number", "no exp"],
)
def test_a_token_without_jti_or_exp_is_refused_and_told_what_it_lacks(extra_node, claims, missing):
    node = extra_node({**ONE_TIME, "auth.require_expiry": "false"})
    answer = ask(node, mint(**claims))
    assert answer.status == 401 and missing in answer.body
    assert node.metrics()["roomcast_handshakes_total", "result", "unauthorized"] == 1
    assert remembered(node) == 0


def test_one_jti_of_two_users_is_two_tokens(pair):
    jti = str(uuid.uuid4())
    assert [ask(pair[0], mint(user, jti=jti)).status for user in ("one", "two", "one")] == [101, 101, 401]


def test_what_roomcast_token_makes_is_good_for_one_use(pair):
    made = [
        run_program("roomcast", "token", "--user", "anna", environment={"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET}).stdout.strip()
        for _ in range(2)
    ]
    assert [ask(pair[0], token).status for token in [*made, made[0]]] == [101, 101, 401]


def test_without_the_option_a_token_is_good_many_times(stack):
    token = mint()
    assert [ask(stack.nodes[0], token).status for _ in range(3)] == [101] * 3
    assert remembered(stack.nodes[0]) == 0


def test_a_refusal_for_another_reason_does_not_use_it_up(extra_node, open_client):
    node = extra_node({**ONE_TIME, "limits.connections_per_user": 1, "limits.connections": 64, "limits.connections_per_address": 2})
    token = mint("anna")
    assert ask(node, token, Origin="https://elsewhere.example").status == 403
    assert raw.ask_upgrade(node.port, "/nowhere", {"Authorization": f"Bearer {token}"}).status == 404
    assert ask(node, token, **{"Sec-WebSocket-Version": "12"}).status in (400, 426)

    other = open_client(node, "anna", token=mint("anna"))
    assert ask(node, token).error == "TOO_MANY_CONNECTIONS"  # of the user
    other.close()
    eventually(lambda: node.metrics()["roomcast_connections"] == 0, what="the client is gone")

    others = [open_client(node, name, token=mint(name)) for name in ("ben", "carla")]
    assert ask(node, token).error == "TOO_MANY_CONNECTIONS"  # of the address
    others[0].close()
    eventually(lambda: node.metrics()["roomcast_connections"] == 1, what="the client is gone")
    assert remembered(node) == 3
    assert ask(node, token).status == 101
    eventually(lambda: node.metrics()["roomcast_connections"] == 1, what="that connection is gone")
    expect_used(node, token)


def test_a_draining_node_does_not_use_it_up(extra_node, pair, open_client):
    node = extra_node({**ONE_TIME, "drain.timeout_s": 60, "drain.spread_s": 60})
    open_client(node, "anna", token=mint("anna"))
    token = mint("ben")
    assert get(node.admin_url + "/drain", data=b"", method="POST").status == 202
    assert ask(node, token).error == "DRAINING"
    assert ask(pair[0], token).status == 101


def test_what_is_refused_as_used_takes_no_place(extra_node):
    node = extra_node({**ONE_TIME, "limits.connections_per_user": 2})
    token = mint("anna")
    with raw.Connection(node.port) as connection:
        connection.send(raw.upgrade_request(headers={"Authorization": f"Bearer {token}"}))
        assert connection.read_response().status == 101
        for _ in range(4):
            expect_used(node, token)
        assert node.metrics()["roomcast_connections"] == 1
        assert ask(node, mint("anna")).status == 101


def refresh(client, token):
    client.send(type="auth.refresh", token=token, id=9)


def test_a_refresh_uses_its_token_up_too(pair, open_client, user):
    first, second = mint(user), mint(user)
    client = open_client(pair[0], user, token=first)
    refresh(client, first)
    assert "used before" in client.expect_error("UNAUTHORIZED", id=9)["message"]
    refresh(client, mint(user, jti=None))
    assert "jti" in client.expect_error("UNAUTHORIZED", id=9)["message"]
    known = known_to_both(pair)
    refresh(client, second)
    client.expect("ack", action="refreshed")
    eventually(lambda: remembered(pair[1]) == known + 1, what="the other node has heard of it")
    refresh(client, second)
    client.expect_error("UNAUTHORIZED", id=9)
    for node in pair:
        expect_used(node, second)


def test_a_refresh_with_the_token_of_another_user_does_not_use_it_up(pair, open_client, user):
    client = open_client(pair[0], user, token=mint(user))
    token = mint("somebody-else")
    refresh(client, token)
    assert "another user" in client.expect_error("UNAUTHORIZED", id=9)["message"]
    assert ask(pair[0], token).status == 101


ROUNDS, AT_ONCE = 60, 4


def test_of_those_who_come_at_once_one_gets_in(pair):
    """On a node of two workers, many times over; each asks on a connection that is open already."""
    for _ in range(ROUNDS):
        request = raw.upgrade_request(headers={"Authorization": f"Bearer {mint()}"})
        statuses, start = [], threading.Barrier(AT_ONCE)

        def come():
            with raw.Connection(pair[0].port) as connection:
                start.wait()
                connection.send(request)
                statuses.append(connection.read_response().status)

        threads = [threading.Thread(target=come) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [101] + [401] * (AT_ONCE - 1)


def test_a_used_token_is_forgotten_when_it_is_over(extra_node):
    node = extra_node({**ONE_TIME, "auth.leeway_s": 0})
    known = remembered(node)
    token = mint(ttl=int(seconds(3)))
    assert ask(node, token).status == 101
    assert remembered(node) == known + 1
    eventually(lambda: remembered(node) == known, what="it is forgotten without another token coming")
    answer = ask(node, token)
    assert answer.status == 401 and b"expired" in answer.body


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_it_works_over_a_sealed_bus_on_which_strangers_use_nothing_up(make_stack, mode):
    seal = {"nats.seal": mode, "nats.seal_key": secrets.token_hex(32)}
    stack = make_stack(nodes=2, node_options={**ONE_TIME, **seal}, relay_options=seal).start()
    here, there = stack.nodes
    token = mint("anna", jti="guessed")
    with stack.nats_client() as nats:
        nats.subscribe("roomcast.sig.used")
        assert ask(here, token).status == 101
        subject, _, data = nats.next_message()
        assert subject == "roomcast.sig.used" and data[0] == 0
        eventually(lambda: remembered(there) == 1, what="the other node has heard of it")
        expect_used(there, token)
        nats.publish("roomcast.sig.used", forged())
        nats.flush()
    for node in stack.nodes:
        eventually(lambda: node.metrics()["roomcast_seal_rejected_total", "reason", "unsealed"] == 1, what="the forgery is counted")
        assert remembered(node) == 1


def forged(expires_at=4000000000):
    """A TokenUse by hand."""
    number, digits = expires_at, b""
    while number > 0x7F:
        digits += bytes([number & 0x7F | 0x80])
        number >>= 7
    return b"\x08\x01" + b"\x12\x10" + secrets.token_bytes(16) + b"\x18" + digits + bytes([number])


def test_what_is_no_signal_is_counted_and_uses_nothing_up(stack, pair):
    with stack.nats_client() as nats:
        known, bad = known_to_both(pair), [rejected(node) for node in pair]
        nats.publish("roomcast.sig.used", b"nonsense")
        nats.publish("roomcast.sig.used", forged(expires_at=int(time.time()) - 3600))
        nats.publish("roomcast.sig.used", forged())
        nats.flush()
    for node, count in zip(pair, bad):
        eventually(lambda: (remembered(node), rejected(node)) == (known + 1, count + 1), what="one is taken, one is over, one is counted")


def rejected(node):
    return node.metrics()["roomcast_envelopes_rejected_total", "reason", "malformed"]
