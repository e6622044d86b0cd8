"""Networks of our own: bridges, and hosts that hang on them by cables that can be cut.

The program itself runs in a network namespace made for it (`enter`), each host in a further one. None has a name:
they are gone with the processes in them, whatever ends those. Nothing outside is touched."""
import os
import subprocess
import sys

CANNOT = 77  # exit status: namespaces cannot be made here
_MARK = "ROOMCAST_OWN_NETWORK"
_NOBODY = "02:00:00:00:00:01"  # a hardware address that no interface here has


def _run(*command):
    subprocess.run([str(word) for word in command], check=True, timeout=20)


def enter():
    """Runs this program again in a network namespace of its own; returns when it is there. As an ordinary user too,
    where the kernel allows user namespaces. What it has printed by then must have been flushed."""
    if os.environ.get(_MARK):
        _run("ip", "link", "set", "lo", "up")
        return
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    try:
        subprocess.run([*unshare, "ip", "link", "show", "lo"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", b"").decode().strip() or str(error)
        print(f"no network namespace can be made here (run as root, with iproute2): {detail}", file=sys.stderr)
        sys.exit(CANNOT)
    os.execvpe("unshare", [*unshare, sys.executable, *sys.argv], {**os.environ, _MARK: "1"})


def entrance(pid):
    """Words before a command that is to run in the namespace of this process."""
    if os.geteuid() == 0:
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
    return ["nsenter", f"--user=/proc/{pid}/ns/user", "--preserve-credentials", f"--net=/proc/{pid}/ns/net", "--"]


class Network:
    """A bridge in the program's namespace; the program itself is number 1 on it."""

    def __init__(self, number):
        self.number = number
        self.bridge = f"net{number}"
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self.address(1)}/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    def address(self, host):
        return f"10.213.{self.number}.{host}"


class Host:
    """A namespace, held by a process that does nothing; a cable to each of the networks. To be made in a thread that
    stays: the holder ends with the thread that made it (pdeathsig)."""

    def __init__(self, number, networks):
        self.number = number
        self.networks = networks
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._holder.stdout.readline()  # it is in its namespace now
        self.prefix = ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--")
        self.run("ip", "link", "set", "lo", "up")
        for network in networks:
            far = f"eth{network.number}"
            near = self._cable(network)
            _run("ip", "link", "add", near, "type", "veth", "peer", far, "netns", self._holder.pid)
            _run("ip", "link", "set", near, "master", network.bridge, "up")
            self.run("ip", "address", "add", f"{self.address(network)}/24", "dev", far)
            self.run("ip", "link", "set", far, "up")

    def _cable(self, network):
        return f"h{self.number}n{network.number}"

    def address(self, network):
        return network.address(self.number)

    def run(self, *command):
        _run(*self.prefix, *command)

    def cut(self, network):
        _run("ip", "link", "set", self._cable(network), "down")

    def heal(self, network):
        _run("ip", "link", "set", self._cable(network), "up")

    def silence(self, other):
        """Nothing that one of the two sends reaches the other any more, on the networks they share; third ones hear both."""
        self._each_way(other, lambda one, peer, network: one._lose(peer, network))

    def unsilence(self, other):
        self._each_way(other, lambda one, peer, network: one._find(peer, network))

    def _each_way(self, other, act):
        for network in self.networks:
            if network in other.networks:
                act(self, other, network)
                act(other, self, network)

    def _lose(self, peer, network):
        """What goes there is sent to a hardware address that nobody answers to."""
        self.run(*("ip", "neighbour", "replace", peer.address(network), "lladdr", _NOBODY),
            *("dev", f"eth{network.number}", "nud", "permanent"))

    def _find(self, peer, network):
        self.run("ip", "neighbour", "delete", peer.address(network), "dev", f"eth{network.number}")

    def reaches(self, host, port):
        """Whether a TCP connection from here to there comes about within two seconds."""
        command = [*self.prefix, "timeout", "2", "bash", "-c", f"</dev/tcp/{host}/{port}"]
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
