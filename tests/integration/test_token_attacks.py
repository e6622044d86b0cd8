"""Tokens that an attacker writes by hand: what a header says about keys is never followed, and the form is strict."""
import base64
import hashlib
import hmac
import json
import socket

import pytest

from harness import tokens
from harness.raw import status_of


def encode_part(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header, key=tokens.SECRET):
    text = encode_part({"alg": "HS256", "typ": "JWT", **header}) + "." + encode_part(tokens.claims("u"))
    return text + "." + encode_part(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


OFFERED_KEYS = [
    {"jwk": {"kty": "oct", "k": encode_part(b"attacker")}},
    {"jku": "http://127.0.0.1:9/keys"},
    {"x5u": "http://127.0.0.1:9/certificate"},
    {"x5c": ["bm90aGluZw=="]},
    {"kid": "../../../../dev/null"},
    {"kid": "x' UNION SELECT 'attacker' -- "},
    {"kid": "k" * 1000},
]


@pytest.mark.parametrize("header", OFFERED_KEYS, ids=lambda header: str(header)[:30])
def test_a_key_that_the_header_offers_is_not_used(stack, header):
    for key in ("attacker", "", "\0"):
        assert status_of(stack.nodes[0], signed(header, key)) == 401


def test_a_stripped_or_doubled_signature_is_refused(stack):
    token = signed({})
    text, signature = token.rsplit(".", 1)
    assert status_of(stack.nodes[0], token) == 101
    for forged in (text, text + ".", f"{token}.{signature}", token + signature, f"{text}..{signature}", token[:-4]):
        assert status_of(stack.nodes[0], forged) == 401


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_an_address_in_the_header_is_never_asked(stack, name):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        assert status_of(stack.nodes[0], signed({name: address})) == 101
        assert status_of(stack.nodes[0], signed({name: address}, "attacker")) == 401
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_while_the_secret_is_changed_tokens_of_both_are_good(extra_node):
    node = extra_node({"auth.hmac_secret_previous": "the one before: " + "x" * 32})
    for key, status in (tokens.SECRET, 101), ("the one before: " + "x" * 32, 101), ("y" * 48, 401):
        assert status_of(node, signed({}, key)) == status
