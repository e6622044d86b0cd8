"""A headless Chromium, by its DevTools protocol."""
import asyncio
import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

import websockets

from harness.waiting import eventually

SECONDS = 20
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0"]  # fmt: skip

# Where the middle of an element is. Until aim() is called, mouse events are for it alone: what the page has moved away by
# then, or replaced, misses them, and nothing else gets them.
AIM = """(() => {
  window.aim?.();
  const target = document.querySelector(%s);
  target.scrollIntoView({block: "nearest"});
  const box = target.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const kinds = ["pointerdown", "mousedown", "pointerup", "mouseup", "click"];
  let missed = false;
  const look = (event) => {
    const now = target.getBoundingClientRect();
    missed ||= !target.isConnected || x < now.left || x > now.right || y < now.top || y > now.bottom;
    if (missed) { event.preventDefault(); event.stopImmediatePropagation(); }
  };
  kinds.forEach((kind) => addEventListener(kind, look, true));
  window.aim = () => { kinds.forEach((kind) => removeEventListener(kind, look, true)); return {missed}; };
  return [x, y];
})()"""


def until(condition, what, timeout=SECONDS):
    """As eventually(): a page that goes away while it is asked is asked again."""
    return eventually(condition, timeout, what)


class Chromium:
    """One page of a browser of its own. Every complaint of the page (console, exceptions, policy) is kept in `complaints`."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="chromium."))
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "chromium", *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.numbers = iter(range(1, 1 << 30))
        self.complaints = []
        self.port = until(self._port, "Chromium listens")
        target = next(one for one in self._ask("/json") if one["type"] == "page")
        self._attach(target)

    def _ask(self, path, method="GET"):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method), timeout=SECONDS) as answer:
            return json.load(answer)

    def _attach(self, target):
        self.target = target["id"]
        self.socket = self.loop.run_until_complete(self._connect(target["webSocketDebuggerUrl"]))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _port(self):
        try:
            lines = (self.profile / "DevToolsActivePort").read_text().splitlines()
        except FileNotFoundError:
            return None
        return lines[0] if len(lines) == 2 else None

    async def _connect(self, url):
        return await websockets.connect(url, max_size=None, ping_interval=None)

    def call(self, method, **parameters):
        return self.loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), SECONDS))

    async def _call(self, method, parameters):
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await self.socket.recv())
            if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                self.complaints.append(json.dumps(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    def js(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression, timeout=SECONDS):
        return until(lambda: self.js(f"!!({expression})"), expression, timeout)

    def offline(self, is_offline):
        """For the page, as when the cable is pulled."""
        self.call("Network.emulateNetworkConditions", offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def open(self, url, condition):
        self.call("Page.navigate", url=url)
        self.until(condition)

    def size(self, width, height, dark=False, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector):
        """With the mouse, in the middle of it; whatever lies above it there gets the click. When the page moves it away
        meanwhile, as a live one does, nothing is clicked, and it is tried again."""
        self.until(f"document.querySelector({json.dumps(selector)})?.checkVisibility()")
        until(lambda: self._click_once(selector), f"{selector} stays where it is for a click")

    def _click_once(self, selector):
        x, y = self.js(AIM % json.dumps(selector))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        try:
            return self.js("!window.aim?.().missed")
        except AssertionError:
            return True  # the click has led to another page

    def key(self, name):
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=KEYS[name], **text)

    def write(self, text):
        self.call("Input.insertText", text=text)

    def choose(self, selector, value):
        """In a select element."""
        self.js(f"(() => {{ const s = document.querySelector({json.dumps(selector)}); s.value = {json.dumps(value)};"
                " s.dispatchEvent(new Event('change', {bubbles: true})); })()")  # fmt: skip

    def picture(self, path):
        shot = self.call("Page.captureScreenshot", format="png")
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def forget(self, url):
        """What the page kept there, and what it complained about."""
        self.call("Page.navigate", url="about:blank")
        self.call("Storage.clearDataForOrigin", origin=url.rstrip("/"), storageTypes="all")
        self.complaints.clear()

    def tab(self, url):
        """One more page of the same browser; close_tab() is its end."""
        tab = object.__new__(Chromium)
        tab.loop, tab.port, tab.numbers, tab.complaints = self.loop, self.port, iter(range(1, 1 << 30)), []
        tab._attach(self._ask("/json/new?about:blank", "PUT"))
        tab.call("Page.navigate", url=url)
        return tab

    def close_tab(self):
        self.call("Target.closeTarget", targetId=self.target)
        self.loop.run_until_complete(self.socket.close())

    def close(self):
        self.loop.run_until_complete(self.socket.close())
        self.process.terminate()
        self.process.wait(SECONDS)
        self.loop.close()
        shutil.rmtree(self.profile, ignore_errors=True)
