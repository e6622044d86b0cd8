"""A WebSocket client over Debian's `websockets`, for tests that read from top to bottom.

The connections live on one asyncio loop in a thread of its own; the tests call plain functions. Frames are
kept in the order of arrival, and held against proto/asyncapi.yaml as they arrive (contract_frames.py)."""
import asyncio
import json
import logging
import queue
import threading
import uuid

import websockets

from . import contract_frames, tokens
from .waiting import seconds

logging.getLogger("websockets").setLevel(logging.ERROR)

SUBPROTOCOL = "roomcast.v1"


class _Loop:
    """Started with the first use, ends with the process."""

    def __init__(self):
        self._loop = None
        self._lock = threading.Lock()

    def run(self, coroutine, timeout=60):
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds(timeout))


loop = _Loop()


class Frame:
    """One text frame: `text` as it came, `message` parsed; frame["seq"] is a member."""

    def __init__(self, text):
        assert isinstance(text, str), f"a binary frame came: {text!r}"
        self.text = text
        self.message = json.loads(text)

    def __getitem__(self, member):
        return self.message[member]

    def __contains__(self, member):
        return member in self.message

    def __repr__(self):
        return self.text

    @property
    def type(self):
        return self.message["type"]

    @property
    def position(self):
        return {"epoch": self.message["epoch"], "seq": self.message["seq"]}

    @property
    def raw_data(self):
        """The original text of `data`, which is the last member."""
        head, separator, tail = self.text.partition('"data":')
        assert separator and tail.endswith("}"), f"no data at the end: {self.text}"
        return tail[:-1]


class Closed:
    def __init__(self, code, reason):
        self.code = code
        self.reason = reason

    def __repr__(self):
        return f"closed with {self.code} {self.reason!r}"


def connection_arguments(token, via, origin=None, extensions=None):
    """What `websockets.connect` needs to carry the token the given way: (query, keyword arguments)."""
    arguments = {"max_size": None, "ping_interval": None, "max_queue": None, "compression": None, "extensions": extensions}
    headers = {"Origin": origin} if origin else {}
    query = ""
    if via == "subprotocol":
        arguments["subprotocols"] = [SUBPROTOCOL, f"bearer.{token}"]
    elif via == "header":
        headers["Authorization"] = f"Bearer {token}"
    else:
        assert via == "query"
        query = f"?token={token}"
    return query, {**arguments, "extra_headers": headers}


class Conversation:
    """What the tests do with a connection, whatever library carries it. Frames are put into `_arrived`."""

    def __init__(self, user):
        self.user = user
        self.frames = []  # all that were taken, in order
        self._arrived = queue.Queue()
        self.closed = None

    def send_text(self, text):
        raise NotImplementedError

    # -- to the server

    def send(self, message=None, **members):
        """A dict, members, or text and bytes as they are."""
        data = members if message is None else message
        self.send_text(json.dumps(data) if isinstance(data, dict) else data)

    def subscribe(self, chat, **members):
        """Subscribes and returns the ack."""
        self.send(type="subscribe.chat", chat_id=chat, **members)
        return self.expect("ack", action="subscribed", chat_id=chat.lower())

    def unsubscribe(self, chat, **members):
        self.send(type="unsubscribe.chat", chat_id=chat, **members)
        return self.expect("ack", action="unsubscribed", chat_id=chat.lower())

    # -- from the server

    def next(self, timeout=10):
        """The next frame, or Closed; AssertionError when nothing comes."""
        if self.closed:
            return self.closed
        try:
            item = self._arrived.get(timeout=seconds(timeout))
        except queue.Empty:
            raise AssertionError(f"{self.user}: nothing came within {seconds(timeout):g} s") from None
        if isinstance(item, Closed):
            self.closed = item
            return item
        frame = Frame(item)
        self.frames.append(frame)
        return frame

    def expect(self, type_, timeout=10, **members):
        """The next frame; it must be of this type and have these members. Presence, which others cause at
        times of their own, is passed over unless it is asked for."""
        while True:
            frame = self.next(timeout)
            assert isinstance(frame, Frame), f"{self.user}: expected {type_}, but {frame}"
            if frame.type != "presence.changed" or type_ == "presence.changed":
                break
        assert frame.type == type_, f"{self.user}: expected {type_}, got {frame}"
        for name, value in members.items():
            assert name in frame and frame[name] == value, f"{self.user}: expected {name}={value!r}, got {frame}"
        return frame

    def expect_error(self, code, **members):
        return self.expect("error", code=code, **members)

    def expect_disconnect(self, code, timeout=10):
        """The `disconnect` message, then the close frame with the same code. Returns the message."""
        frame = self.expect("disconnect", timeout, code=code)
        closed = self.expect_close(timeout)
        assert closed.code == code, f"{frame}, then {closed}"
        return frame

    def expect_close(self, timeout=10):
        item = self.next(timeout)
        assert isinstance(item, Closed), f"{self.user}: expected the end, got {item}"
        return item

    def skip_until(self, type_, timeout=10):
        """Takes frames until one is of this type: for tests in which others may come before."""
        while True:
            frame = self.next(timeout)
            assert isinstance(frame, Frame), f"{self.user}: expected {type_}, but {frame}"
            if frame.type == type_:
                return frame

    def pending(self):
        """Everything that has arrived and was not taken yet, after a ping was answered: what the node had
        queued before for this connection is in it."""
        self.send(type="ping", id="pending")
        taken = []
        while True:
            frame = self.next()
            if isinstance(frame, Closed):
                return taken
            if frame.type == "pong" and frame.message.get("id") == "pending":
                return taken
            if frame.type != "presence.changed":
                taken.append(frame)

    def expect_nothing_pending(self):
        taken = self.pending()
        assert taken == [], f"{self.user}: unexpected {taken}"


class Client(Conversation):
    def __init__(self, url, user=None, chats="*", token=None, via="subprotocol", origin=None, event_types=(), extensions=None, secured=None):
        """Connects and takes the `connected` message. Refused upgrades raise websockets.InvalidStatusCode.
        `event_types`: those that a test's own configuration adds."""
        super().__init__(user or str(uuid.uuid4()))
        self.token = token or tokens.mint(self.user, chats)
        query, arguments = connection_arguments(self.token, via, origin, extensions)
        if secured:  # an ssl.SSLContext
            arguments["ssl"] = secured
        self.socket = loop.run(self._connect(url + query, {"operators_types": event_types, **arguments}))
        self.subprotocol = self.socket.subprotocol
        self.extensions = self.socket.extensions  # that were agreed on
        self.connected = self.expect("connected")

    async def _connect(self, url, arguments):
        socket = await contract_frames.connect(url, open_timeout=seconds(20), **arguments)
        asyncio.ensure_future(self._read(socket))
        return socket

    async def _read(self, socket):
        try:
            while True:
                self._arrived.put(await socket.recv())
        except websockets.ConnectionClosed:
            self._arrived.put(Closed(socket.close_code, socket.close_reason))

    def send_text(self, text):
        loop.run(self.socket.send(text))

    def close(self):
        """The client's own, orderly close."""
        loop.run(self.socket.close())

    def drop(self):
        """Breaks the TCP connection without a word."""

        async def abort():
            self.socket.transport.abort()

        loop.run(abort())
