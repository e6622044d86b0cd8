"""Free TCP ports, from below the kernel's range for outgoing connections: none of those can take one of them
between here and the bind of the program it is meant for."""
import random
import socket

_given = set()


def free_port():
    for _ in range(1000):
        port = random.randrange(12000, 32000)
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
