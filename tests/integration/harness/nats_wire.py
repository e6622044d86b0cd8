"""A NATS client of few lines: the text protocol over a socket. For tests that put on the bus what no relay
would, and look at what one did."""
import collections
import json
import socket

from .waiting import seconds


class NatsClient:
    def __init__(self, port, user=None, password=None):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds())
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._next_sid = 1
        self._messages = collections.deque()
        assert self._line().startswith(b"INFO ")
        how = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
        if user:
            how |= {"user": user, "pass": password}
        self._send(b"CONNECT " + json.dumps(how).encode() + b"\r\n")
        try:
            self.flush()
        except AssertionError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self._socket.close()

    def _send(self, data):
        self._socket.sendall(data)

    def _line(self):
        line = self._file.readline()
        assert line, "NATS ended the connection"
        assert not line.startswith(b"-ERR"), line
        return line.rstrip(b"\r\n")

    def send_message(self, subject, data, reply=""):
        """Does not wait for the server: another thread may be in next_request()."""
        data = data if isinstance(data, bytes) else data.encode()
        self._send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def send_headers(self, subject, headers):
        """A message of nothing else."""
        self._send(f"HPUB {subject} {len(headers)} {len(headers)}\r\n".encode() + headers + b"\r\n")

    def publish(self, subject, data, reply=""):
        """Returns when the server has it."""
        self.send_message(subject, data, reply)
        self.flush()

    def flush(self):
        """Returns when the server has handled everything sent before."""
        self._send(b"PING\r\n")
        while self._read_one() != b"PONG":
            pass

    def subscribe(self, subject):
        sid, self._next_sid = self._next_sid, self._next_sid + 1
        self._send(f"SUB {subject} {sid}\r\n".encode())
        self.flush()
        return sid

    def _read_one(self):
        """Takes one thing the server says; returns its first word. Messages are kept for next_message."""
        line = self._line()
        kind, *fields = line.split()
        if kind == b"PING":
            self._send(b"PONG\r\n")
        if kind in (b"MSG", b"HMSG"):
            total = int(fields[-1])
            header_length = int(fields[-2]) if kind == b"HMSG" else 0
            body = self._file.read(total + 2)[:total]
            reply = fields[2].decode() if len(fields) == (5 if kind == b"HMSG" else 4) else ""
            self._messages.append((fields[0].decode(), body[:header_length], body[header_length:], reply))
        return kind

    def take_messages(self):
        """All that have come: (subject, headers, data, reply) of each."""
        self.flush()
        taken, self._messages = list(self._messages), collections.deque()
        return taken

    def next_message(self):
        """(subject, headers as bytes, data)."""
        return self._next()[:3]

    def next_request(self):
        """(data, the subject that an answer goes to)."""
        return self._next()[2:]

    def _next(self):
        while not self._messages:
            self._read_one()
        return self._messages.popleft()

    def request(self, subject, data=b""):
        inbox = f"_INBOX.tests.{self._next_sid}"
        self._send(f"SUB {inbox} {self._next_sid}\r\n".encode())
        self._next_sid += 1
        self.publish(subject, data, reply=inbox)
        _, headers, answer = self.next_message()
        assert b" 503" not in headers.split(b"\r\n")[0], f"nobody answers on {subject}"
        return answer

    def jetstream(self, api, **arguments):
        """A call of the JetStream API, as jetstream("STREAM.INFO.name")."""
        data = json.dumps(arguments).encode() if arguments else b""
        return json.loads(self.request(f"$JS.API.{api}", data))
