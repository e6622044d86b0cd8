"""The servers of a drill: three NATS servers, Redis, relays and nodes, as the integration tests start them."""
import collections
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "integration"))

from harness.processes import NatsCluster, get  # noqa: E402
from harness import tokens  # noqa: E402, F401
from harness.stack import Stack  # noqa: E402
from harness.waiting import eventually  # noqa: E402

import replicas  # noqa: E402
from networks import Host, Network  # noqa: E402

STREAM = "roomcast_events_1"
NODES = 3
RELAY_OPTIONS = {"stream.replicas": 3, "relay.lease_ms": 3000}


class DrillStack(Stack):
    """Redis keeps its append-only file with `appendfsync always` (so the harness starts it): with `everysec` a killed
    Redis may take back what it had acknowledged to the publisher, and the drill would measure Redis."""

    def __init__(self, directory, relays, node_options):
        directory = pathlib.Path(directory)
        cluster = NatsCluster(directory)
        super().__init__(directory, NODES, cluster, node_options, RELAY_OPTIONS)
        self.relays = [self.relay, *(self.new_relay(f"relay-{i}") for i in range(1, relays))]
        self.hosts = {}  # process name -> its host, with `build_networks`
        self._earlier = []  # counters of processes that were killed

    def new_relay(self, name):
        relay = super().new_relay(name)
        relay.is_ready = lambda: relay.readyz().status == 200  # at work or standing by
        return relay

    def start(self):
        super().start()
        for relay in self.relays[1:]:
            relay.start()
        eventually(lambda: self.stream_state(self.nats.servers[0]), 30, "the stream is there")
        return self

    def processes(self):
        return [*super().processes(), *self.relays[1:]]

    def close(self):
        """Ends everything. Returns what did not end as it should."""
        wrong = []
        for process in [*self.nodes, *self.relays, self.redis_server, *self.nats.servers]:
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
        """Each NATS server, and the last node, on a host of its own: one network for clients of NATS, one for the routes
        between its servers, one for the clients of that node. Before `start`."""
        self.bus, self.routes, self.front = (Network(number) for number in (1, 2, 3))
        for number, server in enumerate(self.nats.servers, 11):
            self._put_on_host(server, Host(number, [self.bus, self.routes]), self.bus)
            self.nats.route_hosts[server.index] = self.host_of(server).address(self.routes)
        for program in (*self.nodes, *self.relays):
            program.options["nats.url"] = self.nats.url
        self._put_on_host(self.nodes[-1], Host(21, [self.bus, self.front]), self.front)
        self.nodes[-1].choose_ports()

    def _put_on_host(self, process, host, network):
        self.hosts[process.name] = host
        process.command_prefix, process.host = host.prefix, host.address(network)

    def host_of(self, process):
        return self.hosts[process.name]

    # -- who does what

    def stream_state(self, server):
        """The stream as this server sees it; None when it has none. OSError when the server does not answer."""
        answer = json.loads(get(f"{server.monitor_url}/jsz?acc=$G&streams=1").body)
        for account in answer.get("account_details", []):
            for stream in account.get("stream_detail", []):
                if stream["name"] == STREAM:
                    return stream
        return None

    def leader(self):
        """The NATS server that leads the stream, by the word of the majority."""

        def find():
            named = [state["cluster"].get("leader") for state in self._states() if state]
            return [server for server in self.nats.servers if named.count(server.name) >= 2]

        return eventually(find, 60, "the stream has a leader")[0]

    def followers(self):
        leader = self.leader()
        return [server for server in self.nats.servers if server is not leader]

    def _states(self):
        return [self.stream_state(server) for server in self.nats.servers if server.is_running()]

    def wait_replicas(self, timeout=60):
        """Until the leader says that both followers are up to date, and all three name the same last sequence."""

        def current():
            states = self._states()
            leading = [state for state in states if len(state["cluster"].get("replicas", [])) == 2]
            return (
                len({(state["cluster"]["leader"], state["state"]["last_seq"]) for state in states}) == 1
                and any(all(replica["current"] for replica in state["cluster"]["replicas"]) for state in leading)
                and len(states) == 3
            )

        eventually(current, timeout, "all replicas are current")

    def compare_replicas(self):
        """Of servers that have ended."""
        return replicas.compare([replicas.read_copy(server.directory / "store", STREAM) for server in self.nats.servers])

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
