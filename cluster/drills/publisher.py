"""Numbered domain events, put into the Redis stream at a steady rate and through every fault."""
import datetime
import itertools
import json
import random
import threading
import time
import uuid

import redis

from ledger import Channel

STREAM = "roomcast:events"
NOTIFICATION_EVERY = 20  # one event in so many goes to a user instead of a room
BATCH = 64  # events in one round trip, when it is behind
REDIS_SECONDS = 3  # without an answer: again, on a new connection
FILLER = "x" * 180


class Plan:
    """Which event goes where. An event's id says its channel and its number there, in the form of a UUID."""

    def __init__(self, events, rooms, users, seed):
        self._run = f"{seed & 0xFFFFFFFF:08x}"
        choose = random.Random(seed)
        chats = [str(uuid.UUID(int=choose.getrandbits(128), version=4)) for _ in range(rooms)]
        self.rooms = [Channel(index, chat) for index, chat in enumerate(chats)]
        self.users = [Channel(index, f"user-{index}") for index in range(rooms, rooms + users)]
        turn = itertools.cycle(self.users)
        self.order = [
            next(turn) if users and k % NOTIFICATION_EVERY == NOTIFICATION_EVERY - 1 else choose.choice(self.rooms)
            for k in range(events)
        ]

    def channels(self):
        return self.rooms + self.users

    def event(self, channel, n):
        """The domain event as JSON text."""
        is_room = channel.index < len(self.rooms)
        target = {"chat_id": channel.target} if is_room else {"user_id": channel.target}
        return json.dumps(
            {
                "id": f"{self._run}-{channel.index:04x}-4000-8000-{n:012x}",
                "event_type": "message.created" if is_room else "notification.created",
                "occurred_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                "payload": {**target, "n": n, "text": FILLER},
            }
        )

    def number_of(self, channel, message):
        """None when the message is not an event that was published to this channel."""
        run, index, _, _, number = message["id"].split("-")
        n = int(number, 16)
        as_published = run == self._run and int(index, 16) == channel.index and message["data"].get("n") == n
        return n if as_published and n < len(channel) else None


class Publisher:
    """A thread. An XADD whose answer did not come is repeated with the same ids: the relay stores each once."""

    def __init__(self, plan, redis_server, rate):
        self.plan = plan
        self.rate = rate
        self.published = 0  # acknowledged by Redis
        self.repeated = 0  # offered again after an unclear failure
        self.error = None
        patience = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
        self._redis = redis.Redis(host=redis_server.host, port=redis_server.port, **patience)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(10)

    def is_done(self):
        return not self._thread.is_alive()

    def _run(self):
        try:
            self._publish()
        except Exception as error:  # told at the end: the drill fails
            self.error = error

    def _publish(self):
        order = self.plan.order
        begin = time.monotonic()
        while self.published < len(order) and not self._stopping.is_set():
            due = int((time.monotonic() - begin) * self.rate) + 1
            batch = order[self.published : min(due, self.published + BATCH)]
            if batch:
                self._add(batch)
            else:
                self._stopping.wait(max(0.001, begin + self.published / self.rate - time.monotonic()))

    def _add(self, batch):
        texts = []
        for channel in batch:
            n = len(channel)
            channel.published_at.append(time.monotonic())
            texts.append(self.plan.event(channel, n))
        while not self._stopping.is_set():
            try:
                pipeline = self._redis.pipeline(transaction=False)
                for text in texts:
                    pipeline.xadd(STREAM, {"event": text})
                pipeline.execute()
                self.published += len(batch)
                return
            except (redis.RedisError, OSError):
                self.repeated += len(batch)
                self._stopping.wait(0.1)
