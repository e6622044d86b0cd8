"""Tokens by PyJWT: independent of our own minting and checking."""
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "a-secret-of-the-integration-tests-0123456789"


def claims(user, chats="*", ttl=3600, **more):
    """A claim given as None is left out."""
    now = int(time.time())
    all_claims = {"sub": user, "chats": chats, "iat": now, "exp": now + ttl, **more}
    return {name: value for name, value in all_claims.items() if value is not None}


def mint(user, chats="*", ttl=3600, key=SECRET, algorithm="HS256", headers=None, **more):
    return jwt.encode(claims(user, chats, ttl, **more), key, algorithm=algorithm, headers=headers)


class KeyPair:
    """A fresh private key and its public half, both as PEM."""

    def __init__(self, kind):
        self.kind = kind
        private = {
            "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "RSA-1024": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
            "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
            "Ed25519": ed25519.Ed25519PrivateKey.generate,
        }[kind]()
        self.private_pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public_pem = (
            private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
