"""A TCP proxy on a thread of its own, which can be cut, frozen and healed: a network that fails for one process and
needs no privileges."""
import selectors
import socket
import threading

from .ports import free_port


class Proxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self._lock = threading.Lock()  # held for each turn: what is asked for holds from the next turn on
        self._selector = selectors.DefaultSelector()
        self._peers = {}  # socket -> the other end
        self._state = "healed"
        self._stopping = False
        self._listener = None
        self._listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def cut(self):
        """Connections break, and new ones are refused."""
        with self._lock:
            self._state = "cut"
            if self._listener:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            for peer in list(self._peers):
                self._end(peer)

    def freeze(self):
        """Connections stay and carry nothing, like a host that has gone without a word."""
        with self._lock:
            self._state = "frozen"
            for peer in self._peers:
                self._pause(peer)

    def heal(self):
        """What was frozen flows on; what was cut may connect again."""
        with self._lock:
            self._state = "healed"
            if not self._listener:
                self._listen()
            for peer in self._peers:
                self._resume(peer)

    def stop(self):
        self._stopping = True
        self._thread.join()
        self.cut()
        self._selector.close()

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _pause(self, peer):
        if peer in self._selector.get_map():
            self._selector.unregister(peer)

    def _resume(self, peer):
        if peer not in self._selector.get_map():
            self._selector.register(peer, selectors.EVENT_READ)

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            near.close()
            return
        for peer, other in ((near, far), (far, near)):
            self._peers[peer] = other
            if self._state == "healed":
                self._resume(peer)

    def _end(self, peer):
        for each in (peer, self._peers.get(peer)):
            if self._peers.pop(each, None):
                self._pause(each)
                each.close()

    def _carry(self, peer):
        try:
            data = peer.recv(65536)
            if data:
                self._peers[peer].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._end(peer)

    def _turn(self):
        for key, _ in self._selector.select(timeout=0):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj in self._peers:
                self._carry(key.fileobj)

    def _run(self):
        while not self._stopping:
            self._selector.select(timeout=0.02)
            with self._lock:
                self._turn()
