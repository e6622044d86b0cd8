"""Real servers, and one real Chromium."""
import functools
import http.server
import json
import pathlib
import threading
import urllib.parse
import uuid

import pytest

from chromium import Chromium
from harness import tokens
from harness.stack import Stack

PAGES = pathlib.Path(__file__).parent / "client"
# What a careful application sends: nothing but its own scripts. The client needs no more.
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self' ws://127.0.0.1:* http://127.0.0.1:*"


class Site(http.server.SimpleHTTPRequestHandler):
    """The application's own server: its page, its tokens, and roomcast.js as a node serves it."""

    script = b""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/token":
            self.answer("text/plain", tokens.mint(query["user"], ttl=int(query["ttl"])).encode())
        elif url.path == "/roomcast.js":
            self.answer("text/javascript", self.script)
        else:
            super().do_GET()

    def answer(self, content_type, body):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=PAGES))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, site):
    made = Stack(tmp_path_factory.mktemp("run"), nodes=2, node_options={"allowed_origins": site, "presence.leave_delay_s": 0})
    try:
        made.start()
        yield made
        made.stop()
        assert [fault for process in made.processes() for fault in process.faults_in_log()] == []
    finally:
        for process in made.processes():
            process.kill()


@pytest.fixture(scope="session")
def chromium():
    made = Chromium()
    yield made
    made.close()


@pytest.fixture
def chat():
    return str(uuid.uuid4())


@pytest.fixture
def open_page(chromium, stack, site, chat):
    """open_page(...): the page with a client in `chat`, of a user of its own; see client/page.js."""
    for node in stack.nodes:  # one that a test killed
        if not node.is_running():
            node.start()

    def open_it(joined=True, **parameters):
        parameters = {"module": "/roomcast.js", "nodes": [node.url for node in stack.nodes], "user": str(uuid.uuid4()), "ttl": 3600, "chat": chat, **parameters}
        if not joined:
            condition = "window.page"
        else:
            condition = "window.page?.joined"
        chromium.call("Page.navigate", url="about:blank")
        chromium.open(f"{site}/index.html#{urllib.parse.quote(json.dumps(parameters))}", condition)
        return chromium

    yield open_it
    chromium.offline(False)
    chromium.call("Page.navigate", url="about:blank")
