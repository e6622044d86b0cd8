"""Free TCP ports, from below the kernel's range for outgoing connections: none of those can take one of them
between here and the bind of the program it is meant for. Two test processes at the same time never choose the same:
each has the ports of its own remainder."""
import os
import random
import socket

_given = set()
_shares = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def free_port():
    for _ in range(1000):
        port = random.randrange(12000 + _share, 32000, _shares)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError("no free port")
