"""The servers of a cluster on this machine: NATS servers, Redis, relays and nodes, as the integration tests start them."""
import collections
import json
import pathlib

from harness.processes import NatsCluster, get
from harness.stack import Stack
from harness.waiting import eventually

from .networks import Host, Network

STREAM = "roomcast_events_1"
REPLICAS_MAX = 3

BUS, ROUTES, FRONT, EVENTS = range(1, 5)  # networks: clients of NATS, NATS among itself, clients of nodes, clients of Redis
REDIS, FIRST_NATS, FIRST_RELAY, FIRST_NODE = 10, 11, 21, 51  # numbers of hosts; 254 is the last
NATS_SIZES = (1, 3, 5)
RELAYS_MAX, NODES_MAX = FIRST_NODE - FIRST_RELAY, 200


class Cluster(Stack):
    """Starts nothing yet. Redis keeps its append-only file with `appendfsync always` (so the harness starts it): with
    `everysec` a killed Redis may take back what it had acknowledged to the publisher."""

    def __init__(
        self, directory, nodes=3, nats=3, relays=2, node_options=None, relay_options=None, node_secrets=None, relay_secrets=None
    ):
        """`node_secrets`, `relay_secrets`: variables of their environment, instead of those of the tests."""
        directory = pathlib.Path(directory)
        self._node_secrets, self._relay_secrets = node_secrets, relay_secrets
        self.replicas = min(nats, REPLICAS_MAX)
        relay_options = {"stream.replicas": self.replicas, "relay.lease_ms": 3000, **(relay_options or {})}
        self.networks = {}  # number -> network, with `build_networks`
        self.hosts = {}  # process name -> its host, with `build_networks`
        super().__init__(directory, nodes, NatsCluster(directory, nats), node_options, relay_options)
        self.relays = [self.relay, *(self.new_relay(f"relay-{i}") for i in range(1, relays))]
        self._earlier = []  # counters of processes that were killed

    def new_relay(self, name):
        relay = super().new_relay(name)
        relay.is_ready = lambda: relay.readyz().status == 200  # at work or standing by
        relay.extra_environment = self._relay_secrets or relay.extra_environment
        return relay

    def new_node(self, name, options=None):
        node = super().new_node(name, options)
        for name in {"drain.spread_s", "rebalance.rate"} - set(self.node_options):
            node.options.pop(name, None)  # the tests are in a hurry; this is to be as it is elsewhere
        node.extra_environment = self._node_secrets or node.extra_environment
        return node

    def start(self):
        super().start()
        for relay in self.relays[1:]:
            relay.start()
        eventually(lambda: any(self._states()), 30, "the stream is there")
        return self

    def processes(self):
        return [*self.nodes, *self.relays, self.redis_server, *self.nats.servers]

    def named(self, name):
        """LookupError when there is none."""
        for process in self.processes():
            if process.name == name:
                return process
        raise LookupError(f"there is no {name}; there are {', '.join(process.name for process in self.processes())}")

    def add_node(self):
        """One more, not started."""
        node = self.new_node(f"roomcast-{len(self.nodes)}")
        self.nodes.append(node)
        if self.networks:
            self._put_on_host(node, FIRST_NODE + self.nodes.index(node), (FRONT, BUS))
        return node

    def add_relay(self):
        """One more, not started."""
        relay = self.new_relay(f"relay-{len(self.relays)}")
        self.relays.append(relay)
        if self.networks:
            self._put_on_host(relay, FIRST_RELAY + self.relays.index(relay), (FRONT, BUS, EVENTS))
        return relay

    def close(self):
        """Ends everything. Returns what did not end as it should."""
        wrong = []
        for process in self.processes():
            try:
                death = process.died_of() if process.process else None
                status = process.stop()
            except AssertionError as error:
                wrong.append(str(error).splitlines()[0])
                continue
            if death:
                wrong.append(f"{process.name} died of signal {death}")
            elif status not in (None, 0) and process in (*self.nodes, *self.relays):
                wrong.append(f"{process.name} ended with {status}")
        return wrong

    def release(self):
        """What may be left after `close`, or without it."""
        for process in self.processes():
            process.kill()
        for host in self.hosts.values():
            host.close()
        self.hosts = {}

    # -- networks

    def build_networks(self):
        """Each process on a host of its own, with cables to the networks it needs: see the numbers above. Before `start`,
        in a program that has called `networks.enter`."""
        self.networks = {number: Network(number) for number in (BUS, ROUTES, FRONT, EVENTS)}
        for number, server in enumerate(self.nats.servers, FIRST_NATS):
            self._put_on_host(server, number, (BUS, ROUTES))
            self.nats.route_hosts[server.index] = self.host_of(server).address(self.networks[ROUTES])
        self._put_on_host(self.redis_server, REDIS, (EVENTS,))
        for number, relay in enumerate(self.relays, FIRST_RELAY):
            self._put_on_host(relay, number, (FRONT, BUS, EVENTS))
        for number, node in enumerate(self.nodes, FIRST_NODE):
            self._put_on_host(node, number, (FRONT, BUS))
        self.relay_options["redis.url"] = self.redis_server.url
        for program in (*self.nodes, *self.relays):
            program.options["nats.url"] = self.nats.url
        for relay in self.relays:
            relay.options["redis.url"] = self.redis_server.url

    def _put_on_host(self, process, number, networks):
        """It listens on the first of these networks."""
        host = self.hosts[process.name] = Host(number, [self.networks[network] for network in networks])
        process.command_prefix, process.host = host.prefix, host.address(self.networks[networks[0]])
        process.choose_ports()

    def host_of(self, process):
        return self.hosts[process.name]

    @property
    def bus(self):
        return self.networks[BUS]

    @property
    def routes(self):
        return self.networks[ROUTES]

    # -- who does what

    def stream_state(self, server, timeout=10):
        """The stream as this server sees it; None when it has none. OSError when the server does not answer."""
        answer = json.loads(get(f"{server.monitor_url}/jsz?acc=$G&streams=1", timeout=timeout).body)
        for account in answer.get("account_details", []):
            for stream in account.get("stream_detail", []):
                if stream["name"] == STREAM:
                    return stream
        return None

    def leader(self):
        """The NATS server that leads the stream, by the word of the majority."""
        majority = self.replicas // 2 + 1

        def find():
            named = [state.get("cluster", {}).get("leader") for state in self._states() if state]
            return [server for server in self.nats.servers if named.count(server.name) >= majority]

        return eventually(find, 60, "the stream has a leader")[0]

    def followers(self):
        leader = self.leader()
        return [server for server in self.nats.servers if server is not leader]

    def _states(self):
        return [self.stream_state(server) for server in self.nats.servers if server.is_running()]

    def wait_replicas(self, timeout=60):
        """Until the leader says that all followers are up to date, and all copies name the same last sequence."""

        def current():
            states = [state for state in self._states() if state]
            followers = self.replicas - 1
            leading = [state for state in states if len(state["cluster"].get("replicas", [])) == followers]
            return (
                len({(state["cluster"]["leader"], state["state"]["last_seq"]) for state in states}) == 1
                and any(all(replica["current"] for replica in state["cluster"]["replicas"]) for state in leading)
                and len(states) == self.replicas
            )

        eventually(current, timeout, "all replicas are current")

    def active_relay(self):
        running = [relay for relay in self.relays if relay.is_running()]

        def active():
            return next((relay for relay in running if relay.metrics()["roomcast_relay_active"] == 1), None)

        return eventually(active, 30, "a relay is at work")

    # -- counters

    def note_counters(self, process):
        """Before its end, which takes them away."""
        if process in (*self.nodes, *self.relays):
            self._earlier.append(process.metrics())

    def counters(self):
        """(name, label values) -> sum over all nodes and relays, earlier lives of killed ones included."""
        sums = collections.Counter()
        for scraped in [*self._earlier, *(program.metrics() for program in (*self.nodes, *self.relays))]:
            for key, value in scraped.items():
                sums[key] += int(value)
        return sums
