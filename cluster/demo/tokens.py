"""Tokens for the demo's users: JWTs (RFC 7519) with HS256, as a login of your own would make them. They live for a minute, so
that the page has to refresh them while one watches."""
import base64
import hashlib
import hmac
import json
import secrets
import time

LIFETIME_SECONDS = 60


def make(secret, user, chat_id):
    issued = int(time.time())
    claims = {"sub": user, "chats": [chat_id], "iat": issued, "exp": issued + LIFETIME_SECONDS, "jti": secrets.token_hex(16)}
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def part(value):
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
