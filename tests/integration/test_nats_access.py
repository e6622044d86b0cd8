"""Getting into NATS: users with permissions, tokens, nkeys, TLS in both directions. And being kept out."""
import base64
import json
import subprocess
import time
import uuid

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.certificates import Authority
from harness.command import run_roomcast
from harness.events import Event
from harness.nats_wire import NatsClient
from harness.processes import ROOT, NatsServer, run_program
from harness.stack import Stack
from harness.tokens import SECRET
from harness.waiting import eventually

PASSWORDS = {f"ROOMCAST_NATS_{who}_PASSWORD": f"password-of-{who.lower()}" for who in ["NODE", "RELAY", "TOP", "AUTHORIZER", "PUBLISHER"]}


@pytest.fixture
def secured(new_directory, _running):
    """A stack of one node on a NATS server with these flags."""

    def make(flags, options=None, relay=None, node=None, scheme="nats", environment=None):
        server = NatsServer(new_directory("nats"))
        server.extra_flags = flags
        server.extra_environment = environment or {}
        url = {"nats.url": f"{scheme}://127.0.0.1:{server.port}", **(options or {})}
        stack = Stack(
            new_directory("stack"), nodes=1, nats=server,
            relay_options={**url, **(relay or {})}, node_options={**url, **(node or {})},
        )  # fmt: skip
        _running.watch(*stack.processes())
        return stack.start()

    return make


def works(stack, clients):
    chat = str(uuid.uuid4())
    client = stack.client(0, "anna")
    clients.append(client)
    client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    client.expect("chat.message.posted", seq=1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca.pem, other.pem: two authorities; server and client: .pem and .key of each, by the first."""
    place = tmp_path_factory.mktemp("certificates")
    Authority(place, "other")
    ca = Authority(place, "ca")
    for who in ["server", "client"]:
        ca.write(who)
    return place


def nkey(prefix=20 << 3):
    """Seed, public key and private key of a user, as `nk -gen user` makes them; prefix 0: of an account, 14 << 3: of
    an operator."""

    def crc(data):
        value = 0
        for byte in data:
            value ^= byte << 8
            for _ in range(8):
                value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
        return value.to_bytes(2, "little")

    private = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    seed = private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    seed = bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + seed
    public = bytes([prefix]) + public
    return [*(base64.b32encode(data + crc(data)).decode().rstrip("=") for data in (seed, public)), private]


def nats_jwt(kind, name, subject, issuer, signer, **claims):
    """As nsc makes them: github.com/nats-io/jwt, version 2."""

    def part(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    body = {"iat": int(time.time()), "iss": issuer, "name": name, "sub": subject, "jti": uuid.uuid4().hex}
    body["nats"] = {"type": kind, "version": 2, **claims}
    text = part(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + part(json.dumps(body).encode())
    return text + "." + part(signer.sign(text.encode()))


def test_a_credentials_file_opens_nats(secured, clients, tmp_path):
    _, operator, operator_key = nkey(14 << 3)
    _, account, account_key = nkey(0)
    _, system, _ = nkey(0)
    user_seed, user, _ = nkey()
    everything = dict.fromkeys(["subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage",
                                "streams", "consumer"], -1) | {"wildcards": True}  # fmt: skip
    operator_jwt = nats_jwt("operator", "test", operator, operator, operator_key)
    account_jwt = nats_jwt("account", "rooms", account, operator, operator_key, limits=everything)
    system_jwt = nats_jwt("account", "system", system, operator, operator_key, limits={**everything, "mem_storage": 0, "disk_storage": 0})
    user_jwt = nats_jwt("user", "node", user, account, account_key, subs=-1, data=-1, payload=-1)
    config = tmp_path / "jwt.conf"
    config.write_text(
        f"operator: {operator_jwt}\nsystem_account: {system}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {account}: {account_jwt}, {system}: {system_jwt} }}\n"
    )
    credentials = tmp_path / "node.creds"
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user_seed}\n------END USER NKEY SEED------\n"
    )
    works(secured(["--config", config], {"nats.credentials_file": credentials}), clients)


def test_with_its_permissions_the_whole_flow_works_and_nothing_else_is_allowed(secured, clients, tmp_path):
    conf = (ROOT / "cluster" / "nats" / "roomcast.conf").read_text()
    assert "#publisher " in conf  # for who wants it
    (tmp_path / "nats.conf").write_text(conf.replace("#publisher ", ""))
    stack = secured(
        ["--config", tmp_path / "nats.conf"],
        relay={"nats.user": "relay", "nats.password": PASSWORDS["ROOMCAST_NATS_RELAY_PASSWORD"], "presence.publish": "true", "relay.nats_requests": "true"},
        node={"nats.user": "node", "nats.password": PASSWORDS["ROOMCAST_NATS_NODE_PASSWORD"]},
        environment=PASSWORDS,
    )
    works(stack, clients)
    password = {"ROOMCAST_NATS_PASSWORD": PASSWORDS["ROOMCAST_NATS_PUBLISHER_PASSWORD"]}
    done = run_roomcast("publish", "--nats", "--nats-url", stack.nats.url, "--nats-user", "publisher", "--chat", str(uuid.uuid4()), environment=password)
    assert done.returncode == 0 and done.stdout.endswith(" stored\n"), done.stderr
    log = stack.nats.log_text()
    assert "Permissions Violation" not in log and "Violation" not in log, log

    room = f"chat.{uuid.uuid4()}"
    forbidden = {
        "node": {
            "publish": [f"roomcast.ev.{room}", f"roomcast.live.{room}", "roomcast.rev.ev.s.00", "roomcast.rev.live.s.00",
                        "roomcast.rev.sig", "$JS.API.STREAM.DELETE.roomcast_events_1",
                        "$JS.API.STREAM.UPDATE.roomcast_events_1", "$JS.API.STREAM.PURGE.roomcast_events_1",
                        "$JS.API.CONSUMER.CREATE.roomcast_events_1", "other"],
            "subscribe": [">", "roomcast.>", "roomcast.ev.>", "roomcast.authz.subscribe", "$JS.API.>"],
        },
        "relay": {
            "publish": ["roomcast.live." + room, "roomcast.sig.presence", "roomcast.authz.subscribe",
                        "roomcast.in.events", "_INBOX.x", "$JS.API.STREAM.DELETE.roomcast_events_1", "$JS.API.STREAM.CREATE.another"],
            "subscribe": [">", "roomcast.ev.>", "roomcast.authz.subscribe"],
        },
        "publisher": {"publish": ["roomcast.ev." + room, "roomcast.in.other", "roomcast.sig.nodes", "_INBOX.x"],
                      "subscribe": ["roomcast.in.events", "roomcast.live.>", "roomcast.sig.>", "_INBOX.>"]},
        "top": {"publish": ["roomcast.sig.nodes", "roomcast.ev." + room], "subscribe": ["roomcast.live.>", "roomcast.sig.>"]},
        "authorizer": {"publish": ["roomcast.sig.nodes", "_INBOX.x"], "subscribe": ["roomcast.live.>", "_INBOX.>"]},
    }  # fmt: skip
    for user, what in forbidden.items():
        password = PASSWORDS[f"ROOMCAST_NATS_{user.upper()}_PASSWORD"]
        for subject in what["publish"]:
            with NatsClient(stack.nats.port, user, password) as nats, pytest.raises(AssertionError, match="Permissions Violation"):
                nats.publish(subject, b"x")
        for subject in what["subscribe"]:
            with NatsClient(stack.nats.port, user, password) as nats, pytest.raises(AssertionError, match="Permissions Violation"):
                nats.subscribe(subject)
    with pytest.raises(AssertionError, match="Authorization Violation"):
        NatsClient(stack.nats.port)
    works(stack, clients)


def test_the_permissions_of_several_streams_are_enough_and_are_of_these_alone(secured, clients, tmp_path):
    conf = ROOT / "cluster" / "nats"
    written = subprocess.run([conf / "shards", "3"], input=(conf / "roomcast.conf").read_text(), capture_output=True, text=True, check=True)
    (tmp_path / "nats.conf").write_text(written.stdout)
    stack = secured(
        ["--config", tmp_path / "nats.conf"],
        {"stream.shards": 3},
        relay={"nats.user": "relay", "nats.password": PASSWORDS["ROOMCAST_NATS_RELAY_PASSWORD"]},
        node={"nats.user": "node", "nats.password": PASSWORDS["ROOMCAST_NATS_NODE_PASSWORD"]},
        environment=PASSWORDS,
    )
    for _ in range(6):
        works(stack, clients)
    log = stack.nats.log_text()
    assert "Violation" not in log, log
    forbidden = {"node": ["roomcast.ev.0.chat.x", "$JS.API.STREAM.INFO.roomcast_events_1_3of4"],
                 "relay": ["roomcast.live.chat.x", "$JS.API.STREAM.CREATE.roomcast_events_1_0of4",
                           "$JS.API.STREAM.DELETE.roomcast_events_1_0of3"]}  # fmt: skip
    for user, subjects in forbidden.items():
        for subject in subjects:
            password = PASSWORDS[f"ROOMCAST_NATS_{user.upper()}_PASSWORD"]
            with NatsClient(stack.nats.port, user, password) as nats, pytest.raises(AssertionError, match="Permissions Violation"):
                nats.publish(subject, b"x")


def test_a_token_opens_nats_and_is_not_logged(secured, clients):
    stack = secured(["--auth", "token-of-the-test"], {"nats.token": "token-of-the-test"})
    works(stack, clients)
    assert not any("token-of-the-test" in process.log_text() for process in [*stack.nodes, stack.relay])


def test_an_nkey_opens_nats_and_tls_goes_both_ways(secured, clients, certificates, tmp_path):
    seed, public, _ = nkey()
    seed_file = tmp_path / "seed"
    seed_file.write_text(seed + "\n")
    config = tmp_path / "nkey.conf"
    config.write_text(f"authorization: {{ users: [ {{ nkey: {public} }} ] }}\n")
    tls = ["--tlsverify", "--tlscert", certificates / "server.pem", "--tlskey", certificates / "server.key",
           "--tlscacert", certificates / "ca.pem"]  # fmt: skip
    stack = secured(
        ["--config", config, *tls],
        {"nats.nkey_seed_file": seed_file, "nats.ca_file": certificates / "ca.pem",
         "nats.cert_file": certificates / "client.pem", "nats.key_file": certificates / "client.key"},
        scheme="tls",
    )  # fmt: skip
    works(stack, clients)

    # A server that cannot show a certificate of our authority is no server.
    stranger = stack.new_node("stranger", {"nats.ca_file": certificates / "other.pem"})
    stranger.spawn()
    try:
        eventually(lambda: "nats_connect_failed" in stranger.log_text(), what="the server is refused")
        assert "nats_up" not in stranger.log_text()
    finally:
        stranger.stop()


def test_tls_never_falls_back_to_plaintext(new_directory, _running):
    server = NatsServer(new_directory("nats"))
    stack = Stack(new_directory("stack"), nodes=1, nats=server, node_options={"nats.url": f"tls://127.0.0.1:{server.port}"})
    _running.watch(server, *stack.nodes)
    server.start()
    node = stack.nodes[0].spawn()
    try:
        eventually(lambda: "nats_connect_failed" in node.log_text(), what="plaintext is refused")
        assert "nats_up" not in node.log_text()
    finally:
        node.stop()
        server.stop()


@pytest.mark.parametrize(
    "options, part",
    [
        (["--nats-password=x"], "nats.user"),
        (["--nats-user=a", "--nats-token=b"], "only one"),
        (["--nats-cert-file=/x"], "nats.key_file"),
        (["--nats-ca-file=/x"], "tls://"),
        (["--nats-url=tls://127.0.0.1:1", "--nats-ca-file=/nonexistent"], "nats.ca_file cannot be read: /nonexistent"),
        (["--nats-url=tls://127.0.0.1:1", "--nats-ca-file=/etc/hostname"], "cannot be used"),
        (["--nats-url=tls://127.0.0.1:1", "--nats-cert-file=/nonexistent", "--nats-key-file=/x"], "nats.cert_file cannot be read"),
        (["--nats-url=tls://127.0.0.1:1", "--nats-cert-file=/etc/hostname", "--nats-key-file=/x"], "nats.key_file cannot be read"),
        (["--nats-url=tls://127.0.0.1:1", "--nats-cert-file=/etc/hostname", "--nats-key-file=/etc/hostname"], "cannot be used"),
        (["--nats-credentials-file=/nonexistent"], "nats.credentials_file cannot be read: /nonexistent"),
        (["--nats-credentials-file=/etc/hostname"], "JWT"),
        (["--nats-credentials-file=/"], "nats.credentials_file cannot be read"),
        (["--nats-nkey-seed-file=/nonexistent"], "nats.nkey_seed_file"),
        (["--nats-nkey-seed-file=/etc/hostname"], "seed"),
    ],
    ids=str,
)
@pytest.mark.parametrize("program", [["roomcast"], ["roomcast", "--check-config"], ["roomcast-relay", "--check-config"],
                                     ["roomcast", "top", "--check-config"]], ids=" ".join)  # fmt: skip
def test_what_cannot_be_used_ends_the_start_and_is_no_good_configuration(program, options, part):
    answer = run_program(*program, *options, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
    assert answer.returncode == 2 and part in answer.stderr, answer.stderr


def test_files_that_can_be_used_are_a_good_configuration(certificates, tmp_path):
    seed, _, _ = nkey()
    credentials, nkey_file = tmp_path / "node.creds", tmp_path / "node.nk"
    credentials.write_text(f"-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n")
    nkey_file.write_text(f"{seed}\n")
    tls = ["--nats-url=tls://127.0.0.1:1", f"--nats-ca-file={certificates / 'ca.pem'}", f"--nats-cert-file={certificates / 'client.pem'}", f"--nats-key-file={certificates / 'client.key'}"]
    for program in (["roomcast"], ["roomcast-relay"], ["roomcast", "top"]):
        for way in ([f"--nats-credentials-file={credentials}"], [f"--nats-nkey-seed-file={nkey_file}"], []):
            answer = run_program(*program, "--check-config", *tls, *way, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
            assert answer.returncode == 0, answer.stderr
    wrong = [*tls[:3], f"--nats-key-file={nkey_file}"]
    answer = run_program("roomcast", "--check-config", *wrong, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
    assert answer.returncode == 2 and "nats.key_file" in answer.stderr and seed not in answer.stderr
    listener = [f"--tls-cert-file={certificates / 'server.pem'}", f"--tls-key-file={certificates / 'client.key'}"]
    answer = run_program("roomcast", "--check-config", *listener, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
    assert answer.returncode == 2 and "client.key" in answer.stderr, answer.stderr


@pytest.mark.parametrize("first", [True, False], ids=["OpenSSL used first", "nats.c used first"])
def test_openssl_and_the_nats_library_end_beside_each_other(certificates, first):
    """nats.c would free what OpenSSL frees at exit: AddressSanitizer tells it each time, without it every second program crashes."""
    options = ["--nats-url=tls://127.0.0.1:1", f"--nats-ca-file={certificates / 'ca.pem'}"]
    if first:
        options += [f"--tls-cert-file={certificates / 'server.pem'}", f"--tls-key-file={certificates / 'server.key'}"]
    for _ in range(10):
        answer = run_program("roomcast", "--check-config", *options, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET})
        assert answer.returncode == 0, answer.stderr


def test_plaintext_beyond_this_machine_is_warned_of(new_directory, _running):
    node = Stack(new_directory("stack"), nodes=1, node_options={"nats.url": "nats://192.0.2.1:4222"}).nodes[0]
    _running.watch(node)
    node.spawn()
    try:
        eventually(lambda: "nats_plaintext" in node.log_text(), what="the warning")
    finally:
        node.stop()
