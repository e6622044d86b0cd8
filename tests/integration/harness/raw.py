"""Peers that do not behave: plain sockets that speak just as much HTTP and RFC 6455 as a test wants."""
import base64
import json
import os
import socket
import struct

from . import contract_frames, contract_http, tokens
from .waiting import seconds

REQUEST_LINE_MAX = 65536  # a stream may name 128 chats
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # names in lower case
        self.body = body

    @property
    def error(self):
        """The documented JSON of a refusal: proto/README.md."""
        assert self.headers.get("content-type", "").startswith("application/json"), self.headers
        document = json.loads(self.body)
        assert set(document) == {"success", "error"} and document["success"] is False, document
        assert set(document["error"]) == {"code", "message"} and document["error"]["message"], document
        return document["error"]["code"]


class Connection:
    """A TCP connection with a deadline on every read."""

    def __init__(self, port, host="127.0.0.1", secured=None, first=b""):
        """`secured`: an ssl.SSLContext, the connection is TLS. `first`: sent before TLS begins."""
        self.socket = socket.create_connection((host, port), timeout=seconds())
        self.address = f"{host}:{port}"
        self.received = b""
        self.first_sent = b""  # the beginning of the request
        self.is_compressed = False  # the frame that was read last
        self.socket.sendall(first)
        if secured:
            self.socket = secured.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False)
            try:
                self.socket.do_handshake()
            except OSError:
                self.socket.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        if len(self.first_sent) < REQUEST_LINE_MAX:
            self.first_sent += data[:REQUEST_LINE_MAX]
        self.socket.sendall(data)

    def read_more(self):
        """b"" when the peer has ended the connection."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.received += data
        return data

    def read_exactly(self, count):
        """None when the connection ends before."""
        while len(self.received) < count:
            if not self.read_more():
                return None
        data, self.received = self.received[:count], self.received[count:]
        return data

    def read_response(self):
        """None when the connection ends without one."""
        while b"\r\n\r\n" not in self.received:
            if not self.read_more():
                return None
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(status_line.split(" ")[1])
        body = b"" if status == 101 else self.read_exactly(int(headers.get("content-length", 0)))
        response = Response(status, headers, body)
        contract_http.check_raw(self.address, self.first_sent, response)
        return response

    def read_frame(self):
        """(opcode, payload), or None at the end of the connection. The server neither masks nor fragments."""
        head = self.read_exactly(2)
        if head is None:
            return None
        assert head[0] & 0x80 and not head[1] & 0x80, f"not a whole, unmasked frame: {head!r}"
        self.is_compressed = bool(head[0] & 0x40)
        length = head[1]
        if length == 126:
            length = struct.unpack("!H", self.read_exactly(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.read_exactly(8))[0]
        return head[0] & 0x0F, self.read_exactly(length)

    def is_ended_by_peer(self):
        """Waits for the end of the connection, dropping what comes before."""
        try:
            while self.read_more():
                pass
        except socket.timeout:
            return False
        return True


def upgrade_request(path="/ws", headers=None, method="GET", version="HTTP/1.1"):
    """The bytes of an upgrade request. A header given as None is left out."""
    all_headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **(headers or {}),
    }
    lines = [f"{method} {path} {version}"]
    lines += [f"{name}: {value}" for name, value in all_headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask_upgrade(port, path="/ws", headers=None, method="GET", **how):
    """One upgrade request and its answer; None when the connection is ended without one."""
    with Connection(port, **how) as connection:
        connection.send(upgrade_request(path, headers, method))
        return connection.read_response()


def status_of(node, token):
    """Of an upgrade with the token, which no refusal shows."""
    response = ask_upgrade(node.port, headers={"Authorization": f"Bearer {token}"})
    assert token not in response.body.decode()
    assert response.status != 401 or response.error == "UNAUTHORIZED"
    return response.status


def ask_at_once(node, made):
    """Connections that have sent their upgrade with these tokens, and not read any answer."""
    connections = [Connection(node.port) for _ in made]
    for connection, token in zip(connections, made):
        connection.send(upgrade_request(headers={"Authorization": f"Bearer {token}"}))
    return connections


def ask_plain(port, path, method="GET", headers=None, **how):
    """One plain HTTP request and its answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    with Connection(port, **how) as connection:
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection.read_response()


def frame(opcode, payload=b"", final=True, masked=True, reserved=0):
    """RFC 6455 section 5.2."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class WebSocket(Connection):
    """An upgraded connection that sends whatever it is told and answers nothing by itself. What comes is held against
    proto/asyncapi.yaml."""

    def __init__(self, port, user="raw", token=None, headers=None, **how):
        super().__init__(port, **how)
        self.witness = contract_frames.Witness()
        headers = {"Authorization": f"Bearer {token or tokens.mint(user)}", **(headers or {})}
        super().send(upgrade_request(headers=headers))
        self.response = response = self.read_response()
        assert response and response.status == 101, response and (response.status, response.body)
        self.expect_text("connected")

    def send(self, data):
        self.witness.is_blind = True  # who knows what that is
        super().send(data)

    def send_frame(self, opcode, payload=b"", **how):
        payload = payload if isinstance(payload, bytes) else payload.encode()
        if opcode == TEXT and not how:
            self.witness.said(payload.decode(errors="replace"))
        elif opcode not in (PING, PONG, CLOSE):
            self.witness.is_blind = True
        super().send(frame(opcode, payload, **how))

    def read_frame(self):
        item = super().read_frame()
        if item and item[0] == TEXT and not self.is_compressed:
            self.witness.heard(item[1].decode())
        return item

    def expect_text(self, type_):
        """The next text frame, parsed, passing over pings; it must be of this type."""
        while True:
            item = self.read_frame()
            assert item is not None, f"expected {type_}, but the connection ended"
            opcode, payload = item
            if opcode == PING:
                continue
            assert opcode == TEXT, f"expected {type_}, got opcode {opcode}: {payload!r}"
            message = json.loads(payload)
            if message["type"] == "presence.changed":
                continue
            assert message["type"] == type_, message
            return message

    def read_text(self):
        """The next text message, parsed; pings are passed over."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == TEXT:
                return json.loads(payload)
            assert opcode == PING, f"a frame of kind {opcode}"

    def read_close(self):
        """(close code, texts before it); the code is None when the connection ended without a close frame."""
        texts = []
        while True:
            item = self.read_frame()
            if item is None:
                return None, texts
            opcode, payload = item
            if opcode == TEXT:
                texts.append(json.loads(payload))
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0] if payload else 1005, texts
