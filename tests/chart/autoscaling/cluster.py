"""A model of the nodes: who holds how many clients, second by second. Clients that come, or come back, choose evenly among
the ready nodes, as a load balancer without affinity does; fractions of clients are allowed, nothing is random."""
import dataclasses

START_S = 15  # from the pod's creation until it is ready, with the image on the machine
RETRY_S = 3  # a client that was refused or sent away is back after so long, on average


@dataclasses.dataclass
class Rules:
    """Options of the nodes, under their names."""

    limit: int
    spread_s: int
    pre_stop_s: int
    threshold: float
    per_minute: int
    quiet_s: int  # and three heartbeats


@dataclasses.dataclass
class Node:
    ready_at: int
    connections: float = 0.0
    drain_from: int = 0
    pace: float = 0.0  # clients sent away per second of a drain
    shedding: bool = False


class Cluster:
    def __init__(self, rules, replicas, clients):
        self.rules = rules
        self.nodes = [Node(0, clients / replicas) for _ in range(replicas)]
        self.draining = []
        self.coming = [0.0] * RETRY_S  # clients on their way, by seconds left
        self.changed_at = 0
        self.reconnects = self.refused = 0.0

    def ready(self, now):
        return [node for node in self.nodes if node.ready_at <= now]

    def connections(self):
        return sum(node.connections for node in self.nodes + self.draining)

    def scale(self, now, replicas):
        while len(self.nodes) < replicas:
            self.nodes.append(Node(now + START_S))
        while len(self.nodes) > replicas:  # the highest ordinal goes
            node = self.nodes.pop()
            node.drain_from = now + self.rules.pre_stop_s
            node.pace = node.connections / max(1, self.rules.spread_s)
            self.draining.append(node)

    def send_away(self, node, count):
        count = min(count, node.connections)
        node.connections -= count
        self.coming[-1] += count
        self.reconnects += count

    def drain(self, now):
        for node in self.draining:
            if now >= node.drain_from:
                self.send_away(node, node.pace)
        gone = [node for node in self.draining if node.connections < 0.5]
        self.draining = [node for node in self.draining if node.connections >= 0.5]
        if gone:
            self.changed_at = now

    def rebalance(self, now):
        """core/rebalance.h: above threshold x mean by 8 or more, until an eighth of the way above the mean."""
        if any(node.ready_at == now for node in self.nodes):
            self.changed_at = now
        ready = self.ready(now)
        if self.draining or now - self.changed_at < self.rules.quiet_s or not ready:
            for node in ready:
                node.shedding = False
            return
        mean = sum(node.connections for node in ready) / len(ready)
        enough = max(mean * (1 + (self.rules.threshold - 1) / 8), mean + 2)
        for node in ready:
            if node.connections > max(mean * self.rules.threshold, mean + 8):
                node.shedding = True
            if node.connections <= enough:
                node.shedding = False
            if node.shedding:
                self.send_away(node, min(self.rules.per_minute / 60, node.connections - enough))

    def admit(self, now, count):
        """`count` clients try, evenly; whom a full node refuses tries again."""
        ready = self.ready(now)
        for node in ready:
            room = max(0.0, self.rules.limit - node.connections)
            taken = min(room, count / len(ready))
            node.connections += taken
            self.refused += count / len(ready) - taken
            self.coming[-1] += count / len(ready) - taken
        if not ready:
            self.coming[-1] += count

    def leave(self, count):
        """Clients that go by themselves, from all nodes by their share."""
        there = self.connections()
        for node in self.nodes + self.draining:
            node.connections -= count * node.connections / there if there else 0.0

    def step(self, now, clients):
        """One second, at whose end `clients` want to be connected."""
        arrived = self.coming.pop(0)
        self.coming.append(0.0)
        self.drain(now)
        self.rebalance(now)
        missing = clients - (self.connections() + sum(self.coming) + arrived)
        if missing < 0:
            self.leave(-missing)
        self.admit(now, arrived + max(0.0, missing))
