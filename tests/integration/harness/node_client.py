"""A client over npm `ws`: the second WebSocket library, independent of the first."""
import json
import os
import pathlib
import subprocess
import threading

from . import contract_frames, tokens
from .client import SUBPROTOCOL, Closed, Conversation
from .processes import ROOT, TESTS
from .waiting import seconds

SOURCE = TESTS / "integration" / "node_client"
HOME = ROOT / ".build" / "node_client"


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class NodeClient(Conversation):
    """Raises Refused when the upgrade is."""

    def __init__(self, url, user, token=None, via="subprotocol", per_message_deflate=False):
        super().__init__(user)
        self.witness = contract_frames.Witness()
        token = token or tokens.mint(user)
        target = {"url": url, "protocols": [], "headers": {}, "perMessageDeflate": per_message_deflate}
        if via == "subprotocol":
            target["protocols"] = [SUBPROTOCOL, f"bearer.{token}"]
        elif via == "header":
            target["headers"] = {"Authorization": f"Bearer {token}"}
        else:
            target["url"] += f"?token={token}"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "node", str(SOURCE / "client.mjs"), json.dumps(target)],
            env={**os.environ, "NODE_CLIENT_HOME": str(pathlib.Path(HOME))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = None
        first = json.loads(self.process.stdout.readline())
        if first["event"] != "open":
            self.drop()
            raise Refused(first.get("status"), first.get("body", first))
        self.subprotocol = first["protocol"] or None
        self.extensions = first["extensions"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.connected = self.expect("connected")

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "message":
                if not event["binary"]:
                    self.witness.heard(event["text"])
                self._arrived.put(event["text"] if not event["binary"] else b"")
            elif event["event"] == "close":
                self._arrived.put(Closed(event["code"], event["reason"]))

    def _write(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def send_text(self, text):
        self.witness.said(text)
        self._write(text)

    def close(self):
        self._write(None)
        self.process.wait(seconds())
        self._close_pipes()

    def drop(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self._close_pipes()

    def _close_pipes(self):
        if self._reader:
            self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
