"""Which cables of a cluster are cut, and who does not hear whom: all of it can be healed again."""
from .cluster import BUS, EVENTS, ROUTES
from .control import Refused
from .networks import CANNOT

NATS = "nats"  # all NATS servers together


class Partitions:
    def __init__(self, cluster):
        self._cluster = cluster
        self._cut = set()  # (name, number of the network)
        self._silenced = set()  # frozenset of two names

    def cut(self, name, other=None):
        """`name` from what it needs, or from one other process, or from all NATS servers. Returns what it means."""
        self._check_possible()
        process = self._cluster.named(name)
        if other is None or other == NATS:
            networks = self._cables(process, other)
            for network in networks:
                self._cluster.host_of(process).cut(self._cluster.networks[network])
                self._cut.add((name, network))
            return f"{name} is cut off from {self._meaning(process, other)}"
        peer = self._cluster.named(other)
        host, peer_host = self._cluster.host_of(process), self._cluster.host_of(peer)
        if process is peer or not set(host.networks) & set(peer_host.networks):
            raise Refused(f"{name} and {other} do not talk to each other")
        host.silence(peer_host)
        self._silenced.add(frozenset((name, other)))
        return f"{name} and {other} do not hear each other"

    def heal(self, name=None):
        """All, or what concerns this process. Returns how much was healed."""
        if name is not None:
            self._cluster.named(name)
        cut = {entry for entry in self._cut if name in (None, entry[0])}
        silenced = {pair for pair in self._silenced if name is None or name in pair}
        for process, network in cut:
            self._host(process).heal(self._cluster.networks[network])
        for one, other in silenced:
            self._host(one).unsilence(self._host(other))
        self._cut -= cut
        self._silenced -= silenced
        return len({process for process, _ in cut}) + len(silenced)

    def of(self, name):
        """For people: what it is cut off from."""
        numbers = {network for process, network in self._cut if process == name}
        words = {BUS: "NATS clients" if self._is_nats(name) else "NATS", ROUTES: "other NATS servers", EVENTS: "events"}
        others = sorted(other for pair in self._silenced if name in pair for other in pair - {name})
        return [words[number] for number in sorted(numbers)] + others

    def hide(self, name):
        """Whether the process cannot be reached from here, because the network on which it listens is cut."""
        host = self._cluster.hosts.get(name)
        return host is not None and (name, host.networks[0].number) in self._cut

    def _check_possible(self):
        if not self._cluster.networks:
            raise Refused("this cluster has no networks of its own that could be cut: start it with --netns", CANNOT)

    def _host(self, name):
        return self._cluster.host_of(self._cluster.named(name))

    def _is_nats(self, name):
        return self._cluster.named(name) in self._cluster.nats.servers

    def _cables(self, process, other):
        if process in self._cluster.nats.servers:
            return (ROUTES,) if other == NATS else (BUS, ROUTES)
        if process in self._cluster.relays:
            return (BUS,) if other == NATS else (BUS, EVENTS)
        if process is self._cluster.redis_server:
            if other == NATS:
                raise Refused("redis and NATS do not talk to each other")
            return (EVENTS,)
        return (BUS,)

    def _meaning(self, process, other):
        if process in self._cluster.nats.servers:
            return "the other NATS servers" if other == NATS else "everybody"
        if process in self._cluster.relays:
            return "NATS" if other == NATS else "NATS and Redis"
        return "everybody" if process is self._cluster.redis_server else "NATS; its clients still reach it"
