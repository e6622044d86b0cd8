"""auth.jwks_url: tokens are verified with the keys that an issuer publishes, through changes and failures of it."""
import json
import re
import signal
import threading
import time

import pytest

from harness import raw, tokens
from harness.certificates import Authority
from harness.issuer import Issuer, Key, document
from harness.processes import run_program
from harness.raw import ask_at_once, status_of
from harness.waiting import eventually, seconds

NO_SECRET = {"ROOMCAST_AUTH_HMAC_SECRET": ""}


@pytest.fixture
def make_issuer():
    made = []

    def make(*keys, start=True, **options):
        issuer = Issuer(*keys, **options)
        made.append(issuer)
        return issuer.start() if start else issuer

    yield make
    for issuer in made:
        issuer.stop()


@pytest.fixture
def make_node(extra_node):
    """make_node(issuer, options): without any key of its own, unless environment={}."""

    def make(issuer, options=None, environment=None, **how):
        options = {"auth.jwks_url": issuer.url, "workers": 1, **(options or {})}
        return extra_node(options, NO_SECRET if environment is None else environment, **how)

    return make


def ask(node, token):
    return raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {token}"})


def fetches(node, result):
    return node.metrics()["roomcast_jwks_fetches_total", "result", result]


# -- keys


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
def test_every_kind_of_key_verifies_its_tokens(make_issuer, make_node, kind, algorithms):
    key, stranger = Key("k1", kind), Key("k1", kind)
    node = make_node(make_issuer(key.jwk(alg=None)))
    for algorithm in algorithms:
        assert status_of(node, key.token(algorithm=algorithm)) == 101
        assert status_of(node, key.token(algorithm=algorithm, headers={"kid": None})) == 101
        assert status_of(node, stranger.token(algorithm=algorithm)) == 401
    metrics = node.metrics()
    assert metrics["roomcast_jwks_keys"] == 1
    assert abs(metrics["roomcast_jwks_fetched_timestamp_seconds"] - time.time()) < 60


def test_a_document_as_keycloak_serves_it(make_issuer, make_node):
    signing, encrypting = Key("sig-1", "RSA", "RS256"), Key("enc-1", "RSA", "RS256")
    issuer = make_issuer(signing.jwk(x5c=["MIIC"], x5t="w"), encrypting.jwk(alg="RSA-OAEP", use="enc", x5c=["MIIC"]))
    node = make_node(issuer, {"auth.issuer": "https://login/realms/r", "auth.user_claim": "preferred_username"})
    claims = {"iss": "https://login/realms/r", "preferred_username": "anna"}
    assert status_of(node, signing.token(**claims)) == 101
    assert status_of(node, encrypting.token(headers={"kid": "sig-1"}, **claims)) == 401
    assert "added=sig-1" in node.log_text() and "level=warn event=jwks_key_skipped" not in node.log_text()


def test_configured_keys_work_beside_the_issuers(make_issuer, make_node, tmp_path):
    key, own = Key("k1"), Key(None, "RSA", "RS256")
    (tmp_path / "own.pem").write_text(own.pair.public_pem)
    node = make_node(make_issuer(key), {"auth.public_key_file": tmp_path / "own.pem"}, environment={})
    assert status_of(node, key.token()) == 101
    assert status_of(node, tokens.mint("u")) == 101
    assert status_of(node, tokens.mint("u", headers={"kid": "of nobody"})) == 101
    assert status_of(node, own.token()) == 101
    assert status_of(node, own.token(headers={"kid": "k1"})) == 101


def test_the_algorithm_of_a_key_is_the_tokens(make_issuer, make_node):
    key = Key("k1", "RSA", "RS256")
    node = make_node(make_issuer(key))
    assert status_of(node, key.token(algorithm="RS256")) == 101
    assert status_of(node, key.token(algorithm="RS512")) == 401
    assert status_of(node, key.token(algorithm="RS384", headers={"kid": None})) == 401


def test_symmetric_weak_private_and_other_keys_are_not_taken(make_issuer, make_node):
    import base64

    good, weak, leaked = Key("good"), Key("weak", "RSA-1024", "RS256"), Key("leaked")
    secret = b"published to everybody: 0123456789"
    oct_key = {"kty": "oct", "kid": "oct", "use": "sig", "alg": "HS256", "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    node = make_node(make_issuer(good, weak, leaked.jwk(d="AQAB"), oct_key, {"kty": "AKP", "kid": "new"}))
    assert node.metrics()["roomcast_jwks_keys"] == 1
    assert status_of(node, good.token()) == 101
    assert status_of(node, weak.token()) == 401
    assert status_of(node, leaked.token()) == 401
    assert status_of(node, tokens.mint("u", key=secret, headers={"kid": "oct"})) == 401
    log = node.log_text()
    for kid, words in ("weak", "fewer than 2048 bits"), ("leaked", "it is published"), ("oct", "symmetric"), ("new", "no known type"):
        assert re.search(f"jwks_key_skipped.* kid={kid} .*{words}", log), kid


def test_an_hmac_keyed_with_what_is_published_is_refused(make_issuer, make_node):
    key = Key("k1", "RSA", "RS256")
    issuer = make_issuer(key)
    node = make_node(issuer, environment={})  # with a secret: HMAC is not refused for want of one
    for secret in (issuer.body, key.jwk()["n"].encode(), key.pair.public_pem.encode()):
        forged = tokens.claims("u")
        assert status_of(node, hmac_token(forged, secret, "k1")) == 401


def hmac_token(claims, key, kid):
    """Without PyJWT, which refuses such keys."""
    import base64
    import hashlib
    import hmac

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()) + "." + part(json.dumps(claims).encode())
    return text + "." + part(hmac.new(key, text.encode(), hashlib.sha256).digest())


def test_a_key_id_is_compared_and_nothing_else(make_issuer, make_node):
    key = Key("k1")
    node = make_node(make_issuer(key))
    assert status_of(node, key.token(headers={"kid": "k" * 257})) == 401
    assert node.metrics()["roomcast_jwks_waiting"] == 0
    assert fetches(node, "ok") == 1
    for kid in ("../../../../dev/null", "k1' OR '1'='1", "http://127.0.0.1:9/", "k1\u0000", "K1"):
        with raw.Connection(node.port) as connection:  # it waits for keys; we do not
            connection.send(raw.upgrade_request(headers={"Authorization": f"Bearer {key.token(headers={'kid': kid})}"}))
    assert status_of(node, key.token()) == 101


# -- the address


def test_https_is_verified_by_the_authorities_of_the_file(make_issuer, make_node, tmp_path):
    key = Key("k1")
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    issuer = make_issuer(key, authority=authority)
    node = make_node(issuer, {"auth.jwks_ca_file": authority.file})
    assert status_of(node, key.token()) == 101
    assert "jwks_exposed" not in node.log_text()
    for options in ({"auth.jwks_ca_file": stranger.file}, {}):
        before = issuer.fetches
        distrusting = make_node(issuer, options, start=False)
        distrusting.spawn()
        eventually(lambda: "jwks_failed" in distrusting.log_text(), what="it is not trusted")
        assert "certificate" in distrusting.log_text() and issuer.fetches == before
        assert distrusting.readyz().status == 503
        distrusting.stop()


def test_a_certificate_of_another_name_is_refused(make_issuer, make_node, tmp_path):
    authority = Authority(tmp_path)
    issuer = make_issuer(Key("k1"), authority=authority, host="127.0.0.2")  # which is not in it
    node = make_node(issuer, {"auth.jwks_ca_file": authority.file}, start=False)
    node.spawn()
    eventually(lambda: "jwks_failed" in node.log_text(), what="it is not trusted")
    assert "127.0.0.2" in node.log_text() and issuer.fetches == 0


@pytest.mark.parametrize(
    "url, part",
    [
        ("ftp://127.0.0.1/x", "neither https nor http"),
        ("file:///etc/passwd", "neither https nor http"),
        ("127.0.0.1/x", "RFC 3986"),
        ("https://", "RFC 3986"),
        ("https://user:word@127.0.0.1/x", "user or a password"),
        ("https://127.0.0.1/x#y", "fragment"),
    ],
)
def test_check_config_says_what_is_wrong_with_the_address(url, part):
    answer = run_program("roomcast", "--check-config", f"--auth-jwks-url={url}")
    assert answer.returncode == 2
    assert "auth.jwks_url" in answer.stderr and part in answer.stderr and "word" not in answer.stderr.replace("password", "")


def test_check_config_takes_the_address_for_a_key_and_looks_for_the_authorities(tmp_path):
    good = run_program("roomcast", "--check-config", "--auth-jwks-url=https://login.example.com/certs")
    assert good.returncode == 0, good.stderr
    missing = tmp_path / "none.pem"
    answer = run_program("roomcast", "--check-config", "--auth-jwks-url=https://x/", f"--auth-jwks-ca-file={missing}")
    assert answer.returncode == 2 and str(missing) in answer.stderr
    answer = run_program("roomcast", "--check-config", f"--auth-jwks-ca-file={missing}", environment={"ROOMCAST_AUTH_HMAC_SECRET": "s" * 32})
    assert answer.returncode == 2 and "auth.jwks_url" in answer.stderr


def test_plain_http_is_warned_of_unless_it_stays_on_the_machine(make_issuer, make_node):
    assert "jwks_exposed" not in make_node(make_issuer(Key("k1"))).log_text()
    exposed = make_node(make_issuer(Key("k1"), start=False), {"auth.jwks_url": "http://192.0.2.1/certs"}, start=False)
    exposed.spawn()
    eventually(lambda: "level=warn event=jwks_exposed" in exposed.log_text(), what="the warning")


# -- changes of keys


def test_a_change_of_keys_loses_no_login(make_issuer, make_node):
    """Every key lives for a moment only, and is published when its first token is about to be shown."""
    keys = [Key(f"k{number}") for number in range(4)]
    issuer = make_issuer(keys[0])
    node = make_node(issuer)
    for old, new in zip(keys, keys[1:]):
        issuer.publish(old, new)
        connections = ask_at_once(node, [key.token(f"u{number}") for number, key in enumerate([old, new] * 10)])
        for connection in connections:
            assert connection.read_response().status == 101
            connection.socket.close()
    log = node.log_text()
    for number in range(4):
        assert re.search(rf"jwks_changed.* added=k{number}\b", log)
    assert re.search(r"jwks_changed.* removed=k1\b", log)
    metrics = node.metrics()
    assert metrics["roomcast_jwks_keys"] == 2 and metrics["roomcast_jwks_waiting"] == 0
    assert metrics["roomcast_handshakes_total", "result", "unauthorized"] == 0


def test_keys_that_are_taken_away_go_at_the_next_refresh(make_issuer, make_node):
    first, second = Key("k1"), Key("k2")
    issuer = make_issuer(first)
    node = make_node(issuer, {"auth.jwks_refresh_s": 1})
    assert status_of(node, first.token()) == 101
    issuer.publish(second)
    eventually(lambda: status_of(node, second.token()) == 101)
    eventually(lambda: "removed=k1" in node.log_text())
    assert status_of(node, first.token()) == 401
    assert node.metrics()["roomcast_handshakes_total", "result", "unknown_key"] >= 1


def test_a_refresh_names_a_key_that_is_not_known_yet(make_issuer, make_node, open_client, user):
    first, second = Key("k1"), Key("k2")
    issuer = make_issuer(first)
    node = make_node(issuer)
    client = open_client(node, user, token=first.token(user))
    issuer.publish(second)
    client.send(type="auth.refresh", token=second.token(user), id=1)
    client.expect("ack", action="refreshed", id=1)
    issuer.stop()
    client.send(type="auth.refresh", token=Key("k3").token(user), id=2)
    client.expect_error("UNAVAILABLE", id=2, temporary=True, timeout=20)


@pytest.mark.parametrize("cache_control", ["max-age=1, public", "no-store", "max-age=86400"])
def test_max_age_does_not_make_fetches_rarer_than_the_option_or_more_frequent_than_it_may(make_issuer, make_node, cache_control):
    issuer = make_issuer(Key("k1"))
    issuer.headers["Cache-Control"] = cache_control
    node = make_node(issuer, {"auth.jwks_refresh_s": 1})
    began, first = time.monotonic(), issuer.fetches
    eventually(lambda: issuer.fetches >= first + 3, what="it is fetched again and again")
    assert (issuer.fetches - first) * 0.75 <= time.monotonic() - began + 1
    assert fetches(node, "ok") >= 3


def test_a_flood_of_unknown_keys_is_one_fetch_in_5_seconds(make_issuer, make_node):
    key, stranger = Key("k1"), Key("x")
    issuer = make_issuer(key)
    node = make_node(issuer)
    began, before = time.monotonic(), issuer.fetches
    refused = 0
    while time.monotonic() < began + seconds(7):
        connections = ask_at_once(node, [stranger.token(headers={"kid": f"x{number}"}) for number in range(60)])
        assert status_of(node, key.token()) == 101  # who has a good one does not wait
        for connection in connections:
            status = connection.read_response().status
            assert status in (401, 503)
            refused += status == 401
            connection.socket.close()
    assert refused > 0
    assert 1 <= issuer.fetches - before <= 1 + (time.monotonic() - began) / 5


def test_tokens_that_wait_are_bounded_and_the_others_are_asked_to_come_again(make_issuer, make_node):
    key, stranger = Key("k1"), Key("x")
    issuer = make_issuer(key)
    node = make_node(issuer, {"limits.pending_handshakes": 1000, "limits.connections": 2000})
    issuer.hold = threading.Event()
    connections = ask_at_once(node, [stranger.token(headers={"kid": f"x{number}"}) for number in range(300)])

    def is_full():
        metrics = node.metrics()
        return metrics["roomcast_jwks_waiting"] == 256 and metrics["roomcast_handshakes_total", "result", "unavailable"] == 44

    eventually(is_full, what="256 wait, and 44 are sent away")
    assert status_of(node, key.token()) == 101
    issuer.hold.set()
    statuses = [connection.read_response().status for connection in connections]
    assert statuses.count(401) + statuses.count(503) == 300 and statuses.count(503) >= 44
    for connection in connections:
        connection.socket.close()
    assert node.metrics()["roomcast_jwks_waiting"] == 0


def test_who_goes_away_while_his_token_waits_leaves_nothing_behind(make_issuer, make_node):
    issuer = make_issuer(Key("k1"))
    node = make_node(issuer)
    issuer.hold = threading.Event()
    connections = ask_at_once(node, [Key("x").token()] * 20)
    eventually(lambda: node.metrics()["roomcast_jwks_waiting"] == 20)
    for connection in connections:
        connection.socket.close()
    issuer.hold.set()
    eventually(lambda: node.metrics()["roomcast_jwks_waiting"] == 0)
    eventually(lambda: node.metrics()["roomcast_handshakes_pending"] == 0)


def test_a_node_stops_while_it_fetches_and_tokens_wait(make_issuer, make_node):
    issuer = make_issuer(Key("k1"))
    node = make_node(issuer)
    issuer.hold = threading.Event()
    connections = ask_at_once(node, [Key("x").token()] * 20)
    eventually(lambda: node.metrics()["roomcast_jwks_waiting"] == 20)
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < seconds(4)  # it does not wait for the fetch to time out
    for connection in connections:
        connection.socket.close()


# -- an issuer that fails


def test_without_an_issuer_a_node_starts_is_not_ready_and_says_why(make_issuer, make_node):
    key = Key("k1")
    issuer = make_issuer(key, start=False)
    node = make_node(issuer, start=False)
    node.spawn()
    eventually(lambda: "jwks: no keys yet" in node.readyz().body.decode(), what="it says why")
    assert node.readyz().status == 503
    response = ask(node, key.token())
    assert response.status == 503 and response.error == "UNAVAILABLE" and int(response.headers["retry-after"]) > 0
    assert re.search("level=warn event=jwks_failed.*there are no keys", node.log_text())
    issuer.start()
    eventually(node.is_ready, timeout=30, what="it has tried again")
    assert status_of(node, key.token()) == 101
    assert "jwks_recovered" in node.log_text()


def test_with_a_key_of_its_own_a_node_is_ready_without_the_issuer(make_issuer, make_node):
    node = make_node(make_issuer(Key("k1"), start=False), environment={})
    eventually(lambda: fetches(node, "unreachable") >= 1)
    assert status_of(node, tokens.mint("u")) == 101


def break_by_status(issuer):
    issuer.status = 500


def break_by_redirect(issuer):
    issuer.status = 302
    issuer.headers["Location"] = issuer.url


def break_by_garbage(issuer):
    issuer.body = b"<html>maintenance</html>"


def break_by_emptiness(issuer):
    issuer.body = document()


def break_by_uselessness(issuer):
    issuer.publish(Key("k9").jwk(use="enc"))


def break_by_size(issuer):
    issuer.body = document(Key("k9").jwk(), {"padding": "x" * 300000})


def break_by_count(issuer):
    issuer.body = document(*[{}] * 65)


def break_by_depth(issuer):
    issuer.body = b'{"keys":' + b"[" * 10000


def break_by_dripping(issuer):
    issuer.drip = 0.3


def break_by_silence(issuer):
    issuer.hold = threading.Event()


def break_by_cutting(issuer):
    issuer.headers["Content-Length"] = len(issuer.body) + 100


FAILURES = {
    break_by_status: ("status", "status 500"),
    break_by_redirect: ("status", "redirects are not followed"),
    break_by_garbage: ("unusable", "no JWK Set"),
    break_by_emptiness: ("unusable", "no key that can be used"),
    break_by_uselessness: ("unusable", "no key that can be used"),
    break_by_size: ("unusable", "more than 262144 bytes"),
    break_by_count: ("unusable", "more than 64 keys"),
    break_by_depth: ("unusable", "no JWK Set"),
    break_by_dripping: ("unreachable", "timed out"),
    break_by_silence: ("unreachable", "timed out"),
    break_by_cutting: ("unreachable", "remaining"),
}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda function: function.__name__)
def test_the_last_good_keys_are_kept_while_the_issuer_fails(make_issuer, make_node, failure):
    key = Key("k1")
    issuer = make_issuer(key)
    node = make_node(issuer, {"auth.jwks_refresh_s": 1})
    good = issuer.body
    failure(issuer)
    result, words = FAILURES[failure]
    eventually(lambda: fetches(node, result) >= 1, timeout=20, what=f"a fetch is {result}")
    assert status_of(node, key.token()) == 101
    line = eventually(lambda: re.search("event=jwks_failed.*", node.log_text()))[0]
    assert words in line and "the keys of the last fetch" in line and "keys=1" in line
    assert node.metrics()["roomcast_jwks_keys"] == 1 and node.is_ready()
    if issuer.hold:
        issuer.hold.set()
    issuer.body, issuer.status, issuer.hold, issuer.drip, issuer.headers = good, 200, None, None, {}
    eventually(lambda: "jwks_recovered" in node.log_text(), timeout=30, what="it has recovered")


def test_an_unknown_key_while_the_issuer_is_down_is_refused_for_now(make_issuer, make_node):
    key, new = Key("k1"), Key("k2")
    issuer = make_issuer(key)
    node = make_node(issuer)
    issuer.stop()
    response = ask(node, new.token())
    assert response.status == 503 and response.error == "UNAVAILABLE"
    assert status_of(node, key.token()) == 101
    issuer.publish(key, new)
    issuer.start()
    eventually(lambda: status_of(node, new.token()) == 101, timeout=20)


def test_failures_are_logged_rarely(make_issuer, make_node):
    issuer = make_issuer(Key("k1"))
    node = make_node(issuer, {"auth.jwks_refresh_s": 1})
    issuer.status = 500
    eventually(lambda: fetches(node, "status") >= 3, timeout=30)
    assert node.log_text().count("event=jwks_failed") == 1


# -- SIGHUP


def reloads(node, result):
    return node.metrics()["roomcast_key_reloads_total", "result", result]


def reload(node, result="ok"):
    before = reloads(node, result)
    node.signal(signal.SIGHUP)
    eventually(lambda: reloads(node, result) == before + 1, what=f"the keys are read again: {result}")


def test_sighup_fetches_the_keys(make_issuer, make_node):
    first, second = Key("k1"), Key("k2")
    issuer = make_issuer(first)
    node = make_node(issuer)
    issuer.publish(second)
    reload(node)
    eventually(lambda: "removed=k1" in node.log_text(), what="they have come")
    assert status_of(node, second.token()) == 101
    issuer.stop()
    assert status_of(node, first.token()) == 503


def test_sighup_takes_the_secrets_that_the_files_hold_now(extra_node, tmp_path, open_client):
    old, new, newest = ("old: " + "o" * 32, "new: " + "n" * 32, "newest: " + "x" * 32)
    present, previous = tmp_path / "present", tmp_path / "previous"
    present.write_text(old + "\n")
    previous.write_text(old + "\n")
    options = {"auth.hmac_secret_file": present, "auth.hmac_secret_previous_file": previous}
    node = extra_node(options, {"ROOMCAST_AUTH_HMAC_SECRET": ""})
    client = open_client(node, token=tokens.mint("u", key=old))
    assert status_of(node, tokens.mint("u", key=new)) == 401
    present.write_text(new + "\n")
    reload(node)
    for key, status in (old, 101), (new, 101), (newest, 401):
        assert status_of(node, tokens.mint("u", key=key)) == status
    previous.write_text(newest)
    reload(node)
    for key, status in (old, 401), (new, 101), (newest, 101):
        assert status_of(node, tokens.mint("u", key=key)) == status
    client.send(type="ping")
    client.expect("pong")


@pytest.mark.parametrize("text", [None, "", "short", "x" * 5000], ids=["gone", "empty", "short", "long"])
def test_a_secret_that_cannot_be_used_changes_nothing(extra_node, tmp_path, text):
    secret = "good: " + "g" * 32
    file = tmp_path / "secret"
    file.write_text(secret)
    node = extra_node({"auth.hmac_secret_file": file}, {"ROOMCAST_AUTH_HMAC_SECRET": ""})
    file.unlink() if text is None else file.write_text(text)
    reload(node, "failed")
    assert status_of(node, tokens.mint("u", key=secret)) == 101
    log = node.log_text()
    assert "keys_not_reloaded" in log and "auth.hmac_secret" in log and "short " not in log and "xxxx" not in log


def test_sighup_takes_the_public_key_that_the_file_holds_now(extra_node, tmp_path):
    first, second = Key(None, "Ed25519", "EdDSA"), Key(None, "RSA", "RS256")
    file = tmp_path / "public.pem"
    file.write_text(first.pair.public_pem)
    node = extra_node({"auth.public_key_file": file}, NO_SECRET)
    assert status_of(node, first.token()) == 101 and status_of(node, second.token()) == 401
    file.write_text(second.pair.public_pem)
    reload(node)
    assert status_of(node, first.token()) == 401 and status_of(node, second.token()) == 101
    file.write_text(second.pair.private_pem)
    reload(node, "failed")
    assert status_of(node, second.token()) == 101
    assert "a private key was given" in node.log_text()
