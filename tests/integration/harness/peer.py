"""A WebSocket server with a protocol of its own, for what `roomcast-bench --target raw-ws` can say.

    hi <id>                  answered by "hi!" a moment later; whatever else came first ends the connection
    join <id> <room>         nothing may have come between "hi!" and this but other joins
    send <id> <room> <text>  to all members
    pong<CR><LF>             what has to follow on the server's "ping<CR><LF>", sent with every join

`faults` collects what was not as it should be, as ids that do not grow."""
import asyncio
import collections
import logging
import os

import websockets

from .client import loop
from .ports import free_port

logging.getLogger("websockets.server").setLevel(logging.CRITICAL)


class Peer:
    """`extensions`: factories of websockets.serve."""

    bench_arguments = (
        "--target=raw-ws",
        "--hello=hi {id}",
        "--hello-answer=hi!",
        "--subscribe=join {id} {room}",
        "--publish=send {id} {room} {payload}",
        r"--answer=ping\r\n=pong\r\n",
    )

    def __init__(self, extensions=None):
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        self.extensions = extensions
        self.rooms = collections.defaultdict(list)
        self.faults = []
        self.pings = self.pongs = 0
        self.pids = [os.getpid()]

    def __enter__(self):
        self.server = loop.run(self._start())
        return self

    def __exit__(self, *_):
        self.server.close()
        loop.run(self.server.wait_closed())

    async def _start(self):
        return await websockets.serve(self._serve, "127.0.0.1", self.port, compression=None, extensions=self.extensions)

    async def _serve(self, connection):
        last = 0
        try:
            first = await connection.recv()
            if first != "hi 1":
                self.faults.append(f"first came {first!r}")
            await asyncio.sleep(0.05)
            if connection.messages:
                self.faults.append(f"{connection.messages[0]!r} did not wait")
            await connection.send("hi!")
            last = 1
            async for text in connection:
                last = await self._take(connection, text, last)
        except websockets.ConnectionClosed:
            pass

    async def _take(self, connection, text, last):
        if text == "pong\r\n":
            self.pongs += 1
            return last
        word, number, room, *rest = text.split(" ", 3)
        if int(number) <= last:
            self.faults.append(f"{text!r} after id {last}")
        if word == "join":
            self.rooms[room].append(connection)
            self.pings += 1
            await connection.send("ping\r\n")
        else:
            for member in self.rooms[room]:
                await member.send(rest[0])
        return int(number)
