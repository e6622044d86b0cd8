"""One WebSocket connection as an asyncio protocol: the client's half of RFC 6455 and nothing else.

Written for thousands of connections in one process, where Debian's `websockets` costs 3 to 4 times as much."""
import asyncio
import socket
import struct

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A  # whole frames; a node sends no others

_NO_LINGER = struct.pack("ii", 1, 0)


def upgrade_request(host, port, path, token):
    """The token goes as a subprotocol (proto/README.md). The key may be a constant: nothing caches in between."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cm9vbWNhc3QgZHJpbGxzIQ==\r\n"
        f"Sec-WebSocket-Protocol: roomcast.v1, bearer.{token}\r\n\r\n"
    ).encode()


class Connection(asyncio.Protocol):
    """Tells its owner: on_open(self), on_text(self, bytes), on_refused(self, status), on_lost(self)."""

    def __init__(self, owner, request, now):
        self.owner = owner
        self.request = request
        self.transport = None
        self.is_open = False
        self.born_at = now
        self.heard_at = now
        self.pinged_at = None  # when the owner asked for a sign of life
        self.close_code = None
        self._rest = b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, _):
        self.is_open = False
        self.owner.on_lost(self)

    def abort(self):
        """Without a word: a TCP reset, as from a client whose network is gone."""
        self.is_open = False
        if self.transport:
            raw = self.transport.get_extra_info("socket")
            if raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()

    def send_text(self, data):
        self._send(TEXT, data)

    def _send(self, head, data):
        """Masked with zeros, which any mask may be: a random one protects proxies, and there are none."""
        length = len(data)
        if length < 126:
            head = struct.pack("!BBI", head, 0x80 | length, 0)
        elif length < 65536:
            head = struct.pack("!BBHI", head, 0x80 | 126, length, 0)
        else:
            head = struct.pack("!BBQI", head, 0x80 | 127, length, 0)
        self.transport.write(head + data)

    def data_received(self, data):
        self.heard_at = asyncio.get_running_loop().time()
        self.pinged_at = None
        data = self._rest + data if self._rest else data
        if not self.is_open and self.close_code is None:
            data = self._upgraded(data)
        self._rest = self._frames(data) if self.is_open else data

    def _upgraded(self, data):
        """What follows the answer to the upgrade, when that has come; all of it before."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return data
        status = int(data[9:12])
        if status != 101:
            self.close_code = status
            self.owner.on_refused(self, status)
            self.abort()
            return b""
        self.is_open = True
        self.owner.on_open(self)
        return data[end + 4 :]

    def _frames(self, data):
        """Handles the whole frames; returns what is left."""
        at, end = 0, len(data)
        while end - at >= 2 and self.is_open:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + length > end or start > end:
                break
            self._frame(data[at], data[start : start + length])
            at = start + length
        return data[at:]

    def _frame(self, head, data):
        if head == TEXT:
            self.owner.on_text(self, data)
        elif head == PING:
            self._send(PONG, data)
        elif head == CLOSE:
            self.close_code = int.from_bytes(data[:2], "big") if data else 1005
            self._send(CLOSE, data[:2])
            self.is_open = False
            self.transport.close()
        elif head != PONG:
            raise ValueError(f"a frame that no node sends: {head:#x}")
