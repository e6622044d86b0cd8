"""Many connections at once, cheaply: each only keeps the texts of the frames of one type."""
import asyncio

import websockets

from . import contract_frames, tokens
from .client import SUBPROTOCOL, loop
from .waiting import seconds

CONNECTING_AT_ONCE = 100


class Member:
    def __init__(self, url, user):
        self.url = url
        self.user = user
        self.events = []  # texts, in order of arrival
        self.others = 0  # frames that are neither events nor presence
        self.socket = None

    async def join(self, gate, chat, wanted):
        async with gate:
            self.socket = await contract_frames.connect(
                self.url,
                subprotocols=[SUBPROTOCOL, f"bearer.{tokens.mint(self.user)}"],
                open_timeout=seconds(60),
                ping_interval=None,
                compression=None,
            )
            await self.socket.send('{"type":"subscribe.chat","chat_id":"%s"}' % chat)
            acked = asyncio.get_running_loop().create_future()
            asyncio.ensure_future(self._read(acked, f'{{"type":"{wanted}",'))
            await acked

    async def _read(self, acked, wanted):
        try:
            async for text in self.socket:
                if text.startswith(wanted):
                    self.events.append(text)
                elif text.startswith('{"type":"ack"'):
                    acked.set_result(text)
                elif not text.startswith(('{"type":"connected"', '{"type":"presence.changed"')):
                    self.others += 1
        except websockets.ConnectionClosed:
            pass
        if not acked.done():
            acked.set_exception(AssertionError(f"closed with {self.socket.close_code} before the ack"))


class Crowd:
    """`count` users, spread over the nodes' URLs in turn, all in one chat."""

    def __init__(self, urls, count, chat, wanted="chat.message.posted"):
        self.members = [Member(urls[i % len(urls)], f"crowd-{i}") for i in range(count)]
        loop.run(self._join(chat, wanted), timeout=120)

    async def _join(self, chat, wanted):
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        await asyncio.gather(*(member.join(gate, chat, wanted) for member in self.members))

    def connected(self):
        return sum(member.socket.open for member in self.members)

    def close(self):
        async def close():
            await asyncio.gather(*(member.socket.close() for member in self.members))

        loop.run(close())
