"""Who gets in: signatures, algorithms, claims. Tokens are made by PyJWT, not by us (except where said)."""
import base64
import json
import time

import pytest

from harness import raw, tokens
from harness.processes import run_program
from harness.raw import ask_at_once, status_of
from harness.waiting import eventually


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_every_hmac_algorithm_is_accepted(stack, algorithm):
    assert status_of(stack.nodes[0], tokens.mint("u", algorithm=algorithm)) == 101


def test_check_config_tells_whether_the_public_key_can_be_used(tmp_path):
    good, wrong, missing = (tmp_path / name for name in ("good.pem", "wrong.pem", "missing.pem"))
    good.write_text(tokens.KeyPair("P-256").public_pem)
    wrong.write_text("no key\n")
    for file, part in ((missing, str(missing)), (wrong, "auth.public_key_file")):
        answer = run_program("roomcast", "--check-config", f"--auth-public-key-file={file}")
        assert answer.returncode == 2 and part in answer.stderr
    answer = run_program("roomcast", "--check-config", f"--auth-public-key-file={good}")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    "kind, algorithms",
    [
        ("RSA", ["RS256", "RS384", "RS512"]),
        ("P-256", ["ES256"]),
        ("P-384", ["ES384"]),
        ("P-521", ["ES512"]),
        ("Ed25519", ["EdDSA"]),
    ],
)
def test_public_keys_accept_only_their_own_family(extra_node, tmp_path, kind, algorithms):
    pair, stranger = tokens.KeyPair(kind), tokens.KeyPair(kind)
    key_file = tmp_path / "public.pem"
    key_file.write_text(pair.public_pem)
    node = extra_node({"auth.public_key_file": key_file}, {"ROOMCAST_AUTH_HMAC_SECRET": ""})
    for algorithm in algorithms:
        assert status_of(node, tokens.mint("u", key=pair.private_pem, algorithm=algorithm)) == 101
        assert status_of(node, tokens.mint("u", key=stranger.private_pem, algorithm=algorithm)) == 401
    # The classic confusion: HMAC keyed with the public key's text (RFC 8725 section 2.1).
    assert status_of(node, hmac_token_keyed_with(pair.public_pem)) == 401
    assert status_of(node, tokens.mint("u")) == 401


def encode_part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hmac_token_keyed_with(key):
    import hashlib
    import hmac

    signed = encode_part({"alg": "HS256", "typ": "JWT"}) + "." + encode_part(tokens.claims("u"))
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def test_unsigned_tokens_are_refused(stack):
    for algorithm in ("none", "None", "NONE"):
        unsigned = encode_part({"alg": algorithm, "typ": "JWT"}) + "." + encode_part(tokens.claims("u")) + "."
        assert status_of(stack.nodes[0], unsigned) == 401


def test_a_changed_token_is_refused(stack):
    head, _, signature = tokens.mint("u").split(".")
    forged = f"{head}.{encode_part(tokens.claims('somebody-else'))}.{signature}"
    assert status_of(stack.nodes[0], forged) == 401


@pytest.mark.parametrize(
    "claims, status",
    [
        ({"exp": -40}, 401),
        ({"exp": -10}, 101),  # within the leeway of 30 s
        ({"nbf": +40}, 401),
        ({"nbf": +10}, 101),
        ({"exp": None}, 401),
        ({"sub": None}, 401),
        ({"sub": ""}, 401),
        ({"exp": "soon"}, 401),
    ],
    ids=str,
)
def test_times_and_subject_are_enforced(stack, claims, status):
    now = int(time.time())
    absolute = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    user = absolute.pop("sub", "u")
    assert status_of(stack.nodes[0], encode_and_sign({**tokens.claims(user), **absolute})) == status


def encode_and_sign(claims):
    """Without PyJWT's own checks of claims."""
    import hashlib
    import hmac

    claims = {name: value for name, value in claims.items() if value is not None}
    signed = encode_part({"alg": "HS256", "typ": "JWT"}) + "." + encode_part(claims)
    signature = hmac.new(tokens.SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def test_issuer_and_audience_are_enforced_when_configured(extra_node):
    node = extra_node({"auth.issuer": "https://issuer", "auth.audience": "roomcast"})
    assert status_of(node, tokens.mint("u", iss="https://issuer", aud="roomcast")) == 101
    assert status_of(node, tokens.mint("u", iss="https://issuer", aud=["other", "roomcast"])) == 101
    assert status_of(node, tokens.mint("u", iss="https://issuer", aud="other")) == 401
    assert status_of(node, tokens.mint("u", iss="https://other", aud="roomcast")) == 401
    assert status_of(node, tokens.mint("u")) == 401


def test_the_user_and_chats_claims_can_be_named(extra_node, open_client, chat, other_chat):
    node = extra_node({"auth.user_claim": "uid", "authorization.claim": "rooms"})
    client = open_client(node, token=tokens.mint("ignored", chats=None, uid="anna", rooms=[chat]))
    assert client.connected["user_id"] == "anna"
    client.subscribe(chat)
    client.send(type="subscribe", chat_id=other_chat)
    client.expect_error("FORBIDDEN", chat_id=other_chat)


def test_claims_decide_which_chats_may_be_read(connect, chat, other_chat):
    client = connect(0, chats=[chat])
    client.subscribe(chat)
    client.send(type="subscribe.chat", chat_id=other_chat, id=9)
    client.expect_error("FORBIDDEN", chat_id=other_chat, id=9, temporary=False)


@pytest.mark.parametrize("chats", [None, [], "", {"not": "a list"}], ids=str)
def test_without_a_usable_chats_claim_no_chat_may_be_read(stack, clients, chat, chats):
    from harness.client import Client

    client = Client(stack.nodes[0].url, token=tokens.mint("u", chats=chats))
    clients.append(client)
    client.send(type="subscribe", chat_id=chat)
    client.expect_error("FORBIDDEN")


def test_open_mode_lets_every_user_read_and_says_so(extra_node, open_client, chat):
    node = extra_node({"authorization.mode": "open"})
    open_client(node, chats=None).subscribe(chat)
    assert "level=warn" in "\n".join(line for line in node.log_text().splitlines() if "authorization" in line)


# -- tokens that are verified beside the loop (RS*, ES*)


@pytest.fixture
def slow_key():
    return tokens.KeyPair("P-521")


@pytest.fixture
def slow_node(extra_node, tmp_path, slow_key):
    key_file = tmp_path / "public.pem"
    key_file.write_text(slow_key.public_pem)
    return extra_node({"auth.public_key_file": key_file, "workers": 1})


def test_in_a_storm_of_slow_tokens_each_gets_its_own_verdict(slow_node, slow_key):
    stranger = tokens.KeyPair("P-521")
    made = []
    for number in range(200):
        key = stranger if number % 3 == 0 else slow_key
        made.append(tokens.mint(f"u{number}", key=key.private_pem, algorithm="ES512"))
    connections = ask_at_once(slow_node, made)
    for connection in connections[1::10]:  # some do not wait for it
        connection.socket.close()
    for number, connection in enumerate(connections):
        if number % 10 != 1:
            assert connection.read_response().status == (401 if number % 3 == 0 else 101)
            connection.socket.close()
    eventually(lambda: slow_node.metrics()["roomcast_connections"] == 0)


def test_a_node_stops_while_tokens_are_being_verified(slow_node, slow_key):
    token = tokens.mint("u", key=slow_key.private_pem, algorithm="ES512")
    connections = ask_at_once(slow_node, [token] * 300)
    slow_node.stop()  # the fixture looks at the exit status and the log
    for connection in connections:
        connection.socket.close()


def test_what_is_said_behind_a_slow_refresh_is_judged_by_the_new_token(slow_node, slow_key, open_client, chat, other_chat):
    def mint(chats, **more):
        return tokens.mint("anna", chats, key=slow_key.private_pem, algorithm="ES512", **more)

    client = open_client(slow_node, token=mint([chat]))
    for number in range(10):  # three messages each, and 40 may come at once
        allowed, denied = (other_chat, chat) if number % 2 == 0 else (chat, other_chat)
        client.send(type="auth.refresh", token=mint([allowed]), id=number)
        client.send(type="subscribe", chat_id=denied)
        client.send(type="subscribe", chat_id=allowed)
        client.expect("ack", action="refreshed", id=number)
        if number > 0:
            client.expect("unsubscribed", chat_id=denied, code="MEMBERSHIP_REVOKED")
        client.expect_error("FORBIDDEN", chat_id=denied)
        client.expect("ack", action="subscribed", chat_id=allowed)
    stranger = tokens.KeyPair("P-521")
    client.send(type="auth.refresh", token=tokens.mint("anna", key=stranger.private_pem, algorithm="ES512"), id="x")
    client.expect_error("UNAUTHORIZED", id="x")


# -- auth.refresh and expiry


def test_refresh_extends_the_session(connect, user):
    client = connect(0, user, token=tokens.mint(user, ttl=600))
    fresh = tokens.mint(user, ttl=6000)
    client.send(type="auth.refresh", token=fresh, id="r")
    ack = client.expect("ack", action="refreshed", id="r")
    assert ack["expires_at"] > client.connected["expires_at"]


def test_refresh_refuses_a_bad_token_and_one_of_another_user(connect, user):
    client = connect(0, user)
    for token in ("nonsense", tokens.mint(user, ttl=-1000), tokens.mint("somebody-else"), tokens.mint(user, key="k" * 32)):
        client.send(type="auth.refresh", token=token, id=1)
        client.expect_error("UNAUTHORIZED", id=1)
    client.send(type="ping")
    client.expect("pong")


def test_a_refresh_that_allows_less_ends_what_it_does_not_allow(connect, user, chat, other_chat):
    client = connect(0, user, chats=[chat, other_chat])
    client.subscribe(chat)
    client.subscribe(other_chat)
    client.send(type="auth.refresh", token=tokens.mint(user, [chat]))
    client.expect("ack", action="refreshed")
    client.expect("unsubscribed", chat_id=other_chat, code="MEMBERSHIP_REVOKED")
    client.send(type="subscribe", chat_id=other_chat)
    client.expect_error("FORBIDDEN")


def test_an_expired_token_closes_with_4201_after_the_grace(extra_node, open_client):
    node = extra_node({"auth.leeway_s": 0, "auth.expiry_grace_s": 1})
    client = open_client(node, token=tokens.mint("u", ttl=3))
    client.expect_disconnect(4201, timeout=20)
    assert node.metrics()["roomcast_closes_total", "code", "4201"] == 1


def test_a_refresh_in_time_prevents_the_close(extra_node, open_client):
    node = extra_node({"auth.leeway_s": 0, "auth.expiry_grace_s": 1})
    renewed = open_client(node, token=tokens.mint("u", ttl=3))
    witness = open_client(node, token=tokens.mint("u", ttl=3))
    renewed.send(type="auth.refresh", token=tokens.mint("u", ttl=600))
    renewed.expect("ack", action="refreshed")
    witness.expect_disconnect(4201, timeout=20)
    renewed.send(type="ping")
    renewed.expect("pong")


# -- our own minting


def test_roomcast_token_makes_tokens_that_nodes_accept(stack, open_client, chat, other_chat):
    made = run_program(
        "roomcast",
        *("token", "--user", "anna", "--chats", chat, "--ttl", "60"),
        environment={"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET},
    )
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    import jwt

    claims = jwt.decode(token, tokens.SECRET, algorithms=["HS256"])
    assert claims["sub"] == "anna" and claims["chats"] == [chat] and claims["exp"] - claims["iat"] == 60
    client = open_client(stack.nodes[0], token=token)
    client.subscribe(chat)
    client.send(type="subscribe", chat_id=other_chat)
    client.expect_error("FORBIDDEN")


def test_roomcast_token_without_a_secret_says_what_to_set():
    refused = run_program("roomcast", "token", "--user", "anna", "--chats", "*")
    assert refused.returncode == 2 and "auth.hmac_secret" in refused.stderr and refused.stdout == ""


def test_connections_of_one_user_are_limited(extra_node, open_client):
    node = extra_node({"limits.connections_per_user": 2})
    first, _ = open_client(node, "busy"), open_client(node, "busy")
    response = raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint('busy')}"})
    assert response.status == 429 and response.error == "TOO_MANY_CONNECTIONS"
    assert node.metrics()["roomcast_handshakes_total", "result", "too_many_connections"] == 1
    open_client(node, "somebody-else")
    first.close()
    eventually(lambda: status_of(node, tokens.mint("busy")) == 101, what="a place is free again")


def test_connections_of_the_node_are_limited(extra_node, open_client):
    node = extra_node({"limits.connections": 2})
    open_client(node), open_client(node)
    response = raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint('u')}"})
    assert response.status == 503 and response.error == "OVERLOADED"
    assert int(response.headers["retry-after"]) > 0
