"""The demo chat in a real Chromium: cluster/quickstart as a user starts it, and the page driven by keys and clicks."""
import json
import pathlib
import re
import signal
import subprocess
import urllib.request

from chromium import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 20


class Quickstart:
    """Runs until stop(). `logs`: a directory that gets its processes' logs then."""

    def __init__(self, logs):
        self.output = logs / "quickstart.txt"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", ROOT / "cluster/quickstart", "--keep-logs", logs],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # fmt: skip
        try:
            self.url = until(lambda: self._said(r"Open (http://\S+)"), "the quickstart says where to look", 300)
        except BaseException:
            self.stop()
            raise

    def _said(self, pattern):
        if self.process.poll() is not None:
            raise RuntimeError(f"the quickstart ended:\n{self.text()[-3000:]}")  # no use in asking again
        found = re.search(pattern, self.text())
        return found and found[1]

    def text(self):
        return self.output.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def ask(self, method, path, body):
        """The demo's own service, without the page."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
            return json.load(answer)


def enter(browser, url):
    """Until both users are in the chat and see each other."""
    browser.open(url, "document.querySelectorAll('.link-state[data-state=connected]').length === 2")
    browser.until("document.querySelectorAll('.presence[data-online=true]').length === 2")


def pane(user, rest=""):
    return f".pane[data-user={user}] {rest}"


def post(browser, user, text):
    """As a user does: click, write, Enter."""
    browser.click(pane(user, "textarea"))
    browser.write(text)
    browser.key("Enter")


def texts(browser, user):
    """Of the messages, in the order in which they are shown."""
    return browser.js(f"[...document.querySelectorAll({json.dumps(pane(user, '.bubble'))})].map((e) => e.textContent)")
