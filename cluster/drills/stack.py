"""The servers of a drill: a cluster of cluster/machine."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from machine import networks  # noqa: E402, F401
from machine.cluster import STREAM, Cluster  # noqa: E402

from harness import tokens  # noqa: E402, F401
from harness.waiting import eventually  # noqa: E402, F401

import replicas  # noqa: E402


class DrillStack(Cluster):
    def __init__(self, directory, relays, node_options):
        super().__init__(directory, relays=relays, node_options=node_options)

    def compare_replicas(self):
        """Of servers that have ended."""
        return replicas.compare([replicas.read_copy(server.directory / "store", STREAM) for server in self.nats.servers])
