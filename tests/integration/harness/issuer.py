"""An identity provider's address of public keys (a JWK Set), by http or https; it counts who asks."""
import http.server
import json
import ssl
import threading

import jwt

from . import tokens
from .ports import free_port

_ALGORITHMS = {"RSA": jwt.algorithms.RSAAlgorithm, "P-": jwt.algorithms.ECAlgorithm, "Ed": jwt.algorithms.OKPAlgorithm}


def jwk(pair, kid, **more):
    """The public half of a KeyPair; a member given as None is left out."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(pair.public_pem.encode())
    algorithm = next(value for name, value in _ALGORITHMS.items() if pair.kind.startswith(name))
    made = json.loads(algorithm.to_jwk(public))
    made.pop("key_ops", None)  # PyJWT's own
    made = {**made, "kid": kid, "use": "sig", **more}
    return {name: value for name, value in made.items() if value is not None}


def document(*keys):
    return json.dumps({"keys": list(keys)}).encode()


class Key:
    """A key pair with its id, and tokens that it signs."""

    def __init__(self, kid, kind="P-256", algorithm="ES256"):
        self.kid = kid
        self.pair = tokens.KeyPair(kind)
        self.algorithm = algorithm

    def jwk(self, **more):
        return jwk(self.pair, self.kid, **{"alg": self.algorithm, **more})

    def token(self, user="u", headers=None, algorithm=None, **claims):
        head = {"kid": self.kid, **(headers or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return tokens.mint(user, key=self.pair.private_pem, algorithm=algorithm or self.algorithm, headers=head, **claims)


class Issuer:
    """Serves `body` with `status` and `headers`. `hold`: an Event; until it is set, nobody gets an answer."""

    def __init__(self, *keys, authority=None, host="127.0.0.1"):
        self.host, self.port = host, free_port()
        self.authority = authority  # of certificates.py: then https
        self.status, self.headers, self.hold = 200, {}, None
        self.fetches = 0
        self.drip = None  # seconds between two bytes
        self.ended = threading.Event()
        self.server = None
        self.publish(*keys)

    @property
    def url(self):
        return f"{'https' if self.authority else 'http'}://{self.host}:{self.port}/certs"

    def publish(self, *keys):
        self.body = document(*(key if isinstance(key, dict) else key.jwk() for key in keys))

    def start(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.answer(self)

            def log_message(self, *_):
                pass

        self.ended.clear()
        self.server = http.server.ThreadingHTTPServer((self.host, self.port), Handler)
        self.server.daemon_threads = True
        if self.authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.authority.write("issuer"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def answer(self, request):
        self.fetches += 1
        body, hold, drip = self.body, self.hold, self.drip
        if hold:
            hold.wait()
        try:
            request.send_response(self.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **self.headers}.items():
                request.send_header(name, str(value))
            request.end_headers()
            if drip is None:
                request.wfile.write(body)
                return
            for byte in body:
                request.wfile.write(bytes([byte]))
                if self.ended.wait(drip):
                    return
        except OSError:  # who asked has gone
            pass

    def stop(self):
        if self.server:
            self.ended.set()
            if self.hold:
                self.hold.set()
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None
