#!/usr/bin/env python3
"""How many times a second one nats-server says where a room stands (the questions of rooms.verify_s): prints one line.

    tests/bench/stream_questions.py [--rooms 20000] [--questions 200000] [--bytes 512] [--clients 1]

Starts a NATS server on loopback, in a temporary directory; the stream is as the relay makes it. Each client sends its
questions ahead of the answers, as nodes do together."""
import argparse
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness.nats_wire import NatsClient  # noqa: E402
from harness.processes import NatsServer  # noqa: E402

STREAM = {"name": "events", "subjects": ["p.ev.>"], "retention": "limits", "storage": "file", "num_replicas": 1,
          "max_msgs_per_subject": 1000, "allow_direct": True, "republish": {"src": "p.ev.>", "dest": "p.live.>"}}  # fmt: skip
API = "$JS.API.STREAM.MSG.GET.events"
AHEAD = 2000


def fill(port, arguments):
    with NatsClient(port) as nats:
        answer = nats.jetstream("STREAM.CREATE.events", **STREAM)
        assert "error" not in answer, answer
        for room in range(arguments.rooms):
            nats.send_message(f"p.ev.chat.{room}", b"x" * arguments.bytes)
        nats.flush()
        state = nats.jetstream("STREAM.INFO.events")["state"]
        assert state["messages"] == arguments.rooms, state


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def question(room):
    body = json.dumps({"last_by_subj": f"p.ev.chat.{room}"})
    return f"PUB {API} _INBOX.a {len(body)}\r\n{body}\r\n".encode()


def ask(port, rooms, count):
    """`count` questions, at most AHEAD without an answer; each answer holds one `"seq":`."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.a 1\r\n')
    sent = answered = 0
    tail = b""
    while answered < count:
        if sent - answered <= AHEAD // 2 and sent < count:
            more = min(AHEAD // 2, count - sent)
            connection.sendall(b"".join(question(number % rooms) for number in range(sent, sent + more)))
            sent += more
        data = tail + connection.recv(1 << 20)
        answered += data.count(b'"seq":')
        cut = data.rfind(b'"')
        tail = data[cut:] if cut >= 0 and len(data) - cut < 6 else b""
    connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=20000)
    parser.add_argument("--questions", type=int, default=200000)
    parser.add_argument("--bytes", type=int, default=512, help="of an event")
    parser.add_argument("--clients", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roomcast-bench.") as directory:
        server = NatsServer(pathlib.Path(directory) / "nats")
        try:
            server.start()
            fill(server.port, arguments)
            share = arguments.questions // arguments.clients
            threads = [threading.Thread(target=ask, args=(server.port, arguments.rooms, share)) for _ in range(arguments.clients)]
            begin, cpu = time.monotonic(), cpu_seconds(server)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds, cpu = time.monotonic() - begin, cpu_seconds(server) - cpu
        finally:
            server.kill()
    count = share * arguments.clients
    print(
        f"{count / seconds:.0f} questions/s, {cpu / count * 1e6:.0f} us of the server's CPU each: {count} questions, "
        f"{arguments.rooms} rooms, {arguments.bytes} bytes, {arguments.clients} clients"
    )


if __name__ == "__main__":
    main()
