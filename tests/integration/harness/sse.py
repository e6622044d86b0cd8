"""Streams of server-sent events, read as strictly as the standard lets a client (WHATWG HTML section 9.2.6), and more:
what a lenient client passes over in silence is an error here."""
import queue
import re
import threading
import urllib.parse

from . import contract_frames, raw, tokens
from .client import Closed, Conversation, Frame
from .waiting import seconds


class Block:
    """What stood before one empty line."""

    def __init__(self):
        self.data = None  # text, or None
        self.id = None
        self.retry = None
        self.comments = 0
        self.last_event_id = None  # once it has ended


class Parser:
    """Bytes in, blocks out. `last_event_id` is what a client would send when the connection breaks now: it changes
    only at the end of a block."""

    FIELDS = ("data", "id", "retry")  # the node sends no others

    def __init__(self, last_event_id=""):
        self.last_event_id = last_event_id
        self._rest = b""
        self._block = Block()
        self._lines = 0

    def feed(self, data):
        """The blocks that are complete now."""
        self._rest += data
        blocks = []
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            assert b"\r" not in line, f"lines end in LF alone: {line!r}"
            block = self._take(line.decode())
            if block:
                blocks.append(block)
        return blocks

    def _take(self, line):
        block = self._block
        self._lines += 1
        if line == "":
            assert self._lines > 1, "an empty block"
            self._block, self._lines = Block(), 0
            if block.id is not None:
                self.last_event_id = block.id
            block.last_event_id = self.last_event_id
            return block
        if line.startswith(":"):
            block.comments += 1
            return None
        name, colon, value = line.partition(":")
        assert colon and name in self.FIELDS, f"an unknown field: {line!r}"
        assert value.startswith(" "), line
        value = value[1:]
        if name == "data":
            block.data = value if block.data is None else f"{block.data}\n{value}"
        elif name == "id":
            assert block.id is None and value and "\0" not in value and value.isascii(), line
            block.id = value
        else:
            assert block.retry is None and re.fullmatch("[0-9]+", value), line
            block.retry = int(value)
        return None

    @property
    def is_between(self):
        """No block is half-way."""
        return self._rest == b"" and self._lines == 0


def target(chats=(), token=None, path="/events", **query):
    """Path and query. `chats`: ids, or (id, position)."""
    items = [chat if isinstance(chat, str) else f"{chat[0]}:{chat[1]['epoch']}:{chat[1]['seq']}" for chat in chats]
    members = {**({"chats": ",".join(items)} if items else {}), **query}
    if token:
        members["token"] = token
    return path + ("?" + urllib.parse.urlencode(members) if members else "")


class Stream(Conversation):
    """One connection. Frames are taken as from a WebSocket client; the end of the stream is Closed."""

    def __init__(self, node, user=None, chats=(), token=None, allowed="*", last_event_id=None, via="header", headers=None,
                 path="/events", event_types=(), connected=True, query=None, connection=None):
        user = user or f"stream-{id(self)}"
        super().__init__(user)
        self.witness = contract_frames.Witness(event_types)
        token = token or tokens.mint(user, allowed)
        headers = {**(headers or {}), "Accept": "text/event-stream"}
        if via == "header":
            headers["Authorization"] = f"Bearer {token}"
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self.connection = connection or raw.Connection(node.port)
        self.chats = chats
        self.retry = None
        self.comments = 0
        self.last_event_id = last_event_id or ""  # after the frame that was taken last
        self.response = self._ask(target(chats, token if via == "query" else None, path, **(query or {})), headers)
        self._parser = Parser(self.last_event_id)
        self._asked = None
        self._incoming = queue.Queue()  # (text, last event id), or Closed
        self.is_whole = None  # when it has ended: not within a block
        self._thread = None
        if self.response.status == 200:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
            if connected:
                self.connected = self.expect("connected")

    def _ask(self, path, headers):
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
        self.connection.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        response = self.connection.read_response()
        if response.status == 200:
            self.connection.socket.settimeout(None)
        return response

    def _read(self):
        data = self.connection.received
        while True:
            for block in self._parser.feed(data):
                if block.retry is not None:
                    self.retry = block.retry
                self.comments += block.comments
                if block.data is not None:
                    self._incoming.put((block.data, block.last_event_id))
            try:
                data = self.connection.socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
        self.is_whole = self._parser.is_between
        self._incoming.put(Closed(None, "the stream has ended"))

    def expect(self, type_, timeout=10, **members):
        """The ack of resumed notifications, which comes when it comes, is passed over unless it is asked for."""
        self._asked = (type_, members.get("action"))
        return super().expect(type_, timeout, **members)

    def next(self, timeout=10):
        """As Conversation.next(), and `last_event_id` follows."""
        while True:
            frame = self._next(timeout)
            is_skipped = isinstance(frame, Frame) and frame.type == "ack" and frame["action"] == "notifications"
            if not is_skipped or self._asked == ("ack", "notifications"):
                return frame

    def _next(self, timeout):
        if not self.closed:
            try:
                item = self._incoming.get(timeout=seconds(timeout))
            except queue.Empty:
                raise AssertionError(f"{self.user}: nothing came within {seconds(timeout):g} s") from None
            if isinstance(item, tuple):
                item, self.last_event_id = item
                self.witness.heard(item)
            self._arrived.put(item)
        return super().next(timeout)

    def expect_acks(self):
        """Of all its chats, by chat."""
        acks = {}
        while len(acks) < len(self.chats):
            frame = self.expect("ack", action="subscribed")
            acks[frame["chat_id"]] = frame
        return acks

    def expect_disconnect(self, code, timeout=10):
        """The `disconnect` message, then the end of the stream, between two blocks."""
        frame = self.expect("disconnect", timeout, code=code)
        self.expect_close(timeout)
        assert self.is_whole, "the stream ended within a block"
        return frame

    def drop(self):
        try:
            self.connection.socket.shutdown(2)
        except OSError:
            pass
        self.connection.socket.close()


def refusal(node, path, method="GET", headers=None, token=None):
    """The answer to a request that is no stream."""
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    response = raw.ask_plain(node.port, path, method, headers)
    assert response.status != 200, "it was not refused"
    return response
