"""All clients of a drill, on one asyncio loop in a thread of its own: the drill itself stays a plain script.

Functions that begin with `_` and what clients call run in the swarm's thread; the others may be called from outside."""
import asyncio
import collections
import random
import threading
import time
import urllib.parse

from resuming_client import ResumingClient

OFFLINE_EXTRA_SECONDS = 0.5


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port, parts.path


class Swarm:
    sweep_s = 0.5

    def __init__(self, node_urls, plan, is_careless, does_type):
        self.loop = asyncio.new_event_loop()
        self.plan = plan
        self.is_careless = is_careless  # clients forget their positions with the connection
        self.nodes = [address_of(url) for url in node_urls]
        self.does_type = does_type
        self.clients = []
        self.counts = collections.Counter()
        self.complaints = collections.Counter()  # what must not happen -> how often
        self.recoveries = []  # (connection lost, caught up) of each reconnect
        self.cuts = 0
        self.cpu_s = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._cutting = None

    def _run(self):
        self.loop.call_soon(self._sweep)
        self.loop.run_forever()

    def call(self, function, *arguments):
        """In the swarm's thread; its result."""

        async def run():
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    # -- life

    def start(self, members, seconds):
        """`members`: (user, token, ledgers) each. They connect over the given time."""
        self._thread.start()
        self.clients = [ResumingClient(self, *member) for member in members]

        def begin():
            for number, client in enumerate(self.clients):
                self.loop.call_later(seconds * number / len(self.clients), client.connect)

        self.call(begin)

    def stop(self):
        """All connections end, without a word. May be called again."""
        if not self._thread.is_alive():
            return

        async def end():
            for client in self.clients:
                client.end()
            connecting = asyncio.all_tasks() - {asyncio.current_task()}
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _sweep(self):
        now = self.loop.time()
        for client in self.clients:
            client.sweep(now)
        self.cpu_s = time.thread_time()
        self.loop.call_later(self.sweep_s, self._sweep)

    # -- what clients report

    def number_of(self, channel, message):
        """The number of an event within its channel, after a look whether it is what was published there."""
        n = self.plan.number_of(channel, message)
        if n is None:
            self.complain(f"not an event of {channel.target}: {str(message)[:200]}")
        return n

    def recovered(self, lost_at, now):
        self.recoveries.append((lost_at, now))

    def complain(self, what):
        self.complaints[what] += 1

    # -- from outside

    def subscribed(self):
        """How many clients hold every position they need, on an open connection."""
        return sum(
            client.connection is not None and all(sub.is_acked for sub in client.subscriptions.values())
            for client in self.clients
        )

    def behind(self):
        """How many clients have lost a connection and are not yet where they should be."""
        return sum(not client.has_caught_up() for client in self.clients)

    def add_node(self, url):
        """Clients choose among one node more from now on."""
        self.call(lambda: self.nodes.append(address_of(url)))

    def start_cutting(self, every_s, offline_s):
        """Each client hard, every `every_s` on average (half to one and a half of it); back after `offline_s` at least."""

        def cut(client):
            self.cuts += client.cut(random.uniform(offline_s, offline_s + OFFLINE_EXTRA_SECONDS))
            plan_next(client, random.uniform(0.5, 1.5) * every_s)

        def plan_next(client, seconds):
            if self._cutting:
                self.loop.call_later(seconds, lambda: self._cutting and cut(client))

        def begin():
            self._cutting = True
            for client in self.clients:
                plan_next(client, random.uniform(0, every_s))

        self.call(begin)

    def stop_cutting(self):
        self._cutting = False
