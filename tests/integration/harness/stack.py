"""NATS, Redis, the relay and nodes, wired together."""
import json
import pathlib

from . import tokens
from .client import Client
from .events import Event
from .nats_wire import NatsClient
from .processes import NatsServer, Node, RedisServer, Relay, get
from .waiting import eventually, seconds

API_KEY = "an-api-key-of-the-integration-tests"
# A relay that was killed keeps its successor waiting for so long. Not shorter in slow builds, on the contrary.
LEASE_MS = int(seconds(1) * 1000)


class Stack:
    def __init__(self, directory, nodes=2, nats=None, node_options=None, relay_options=None):
        """Starts nothing yet. `nats`: a NatsCluster instead of a single server."""
        self.directory = pathlib.Path(directory)
        self.nats = nats or NatsServer(self.directory / "nats")
        self.redis_server = RedisServer(self.directory / "redis")
        self.relay_options = {"redis.url": self.redis_server.url, "relay.lease_ms": LEASE_MS, **(relay_options or {})}
        self.node_options = dict(node_options or {})
        self.relay = self.new_relay("relay-0")
        self.nodes = [self.new_node(f"roomcast-{i}") for i in range(nodes)]

    # -- making and starting

    def new_relay(self, name):
        options = {"node.name": name, "nats.url": self.nats.url, **self.relay_options}
        return Relay(name, self.directory / name, options, {"ROOMCAST_RELAY_API_KEY": API_KEY})

    def new_node(self, name, options=None):
        # A test that stops a node waits for it, and one that fills it wants its clients to stay.
        options = {"workers": 2, "drain.spread_s": 0, "rebalance.rate": 0, **self.node_options, **(options or {})}
        options = {"node.name": name, "nats.url": self.nats.url, **options}
        return Node(name, self.directory / name, options, {"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET})

    def start(self):
        self.nats.start()
        self.redis_server.start()
        self.relay.start()
        for node in self.nodes:
            node.start()
        return self

    def processes(self):
        servers = getattr(self.nats, "servers", [self.nats])
        return [*self.nodes, self.relay, self.redis_server, *servers]

    def stop(self):
        """In the order in which nobody misses anything. A program of ours must end with 0."""
        statuses = {process.name: process.stop() for process in [*self.nodes, self.relay]}
        self.redis_server.stop()
        self.nats.stop()
        wrong = {name: status for name, status in statuses.items() if status not in (0, None)}
        assert not wrong, f"exit statuses: {wrong}"

    # -- using

    @property
    def redis(self):
        return self.redis_server.client

    def nats_client(self):
        return NatsClient(getattr(self.nats, "servers", [self.nats])[0].port)

    def client(self, node=0, user=None, **how):
        return Client(self.nodes[node].url, user, **how)

    def xadd(self, event):
        """To the Redis stream; returns the entry's id."""
        text = event.text if isinstance(event, Event) else event
        return self.redis.xadd("roomcast:events", {"event": text}).decode()

    def xadd_all(self, events):
        """In one go."""
        pipeline = self.redis.pipeline(transaction=False)
        for event in events:
            pipeline.xadd("roomcast:events", {"event": event.text})
        pipeline.execute()

    def publish(self, event, channel="events.message.created"):
        """By Redis Pub/Sub, when the relay listens: at most once is all that Pub/Sub gives."""
        eventually(lambda: self.redis.publish(channel, event.text) > 0, what="the relay listens to Pub/Sub")

    def post(self, body, key=API_KEY, path="/v1/events"):
        """The answer."""
        if isinstance(body, Event):
            body = body.text
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        data = body if isinstance(body, bytes) else body.encode()
        return get(self.relay.admin_url + path, data=data, headers=headers, method="POST")

    def revoke(self, *revocations):
        """POST /v1/revocations, which must be accepted: dicts."""
        answer = self.post(json.dumps(revocations), path="/v1/revocations")
        assert answer.status == 202, answer.body

    def dead_letters(self):
        """Entries of the dead-letter stream: dicts of text."""
        entries = self.redis.xrange("roomcast:dead")
        return [{name.decode(): value.decode(errors="replace") for name, value in fields.items()} for _, fields in entries]

    def pending_entries(self):
        """Entries of the Redis stream that were read and not acknowledged."""
        return self.redis.xpending("roomcast:events", "roomcast-relay")["pending"]
