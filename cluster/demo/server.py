#!/usr/bin/python3
"""Demo chat of cluster/quickstart: serves the page, and is the domain service behind it. Posts become domain events on
Redis; what the page shows comes from the nodes, by WebSocket.

For one's own browser on one's own machine: 127.0.0.1 only, anybody there may be Ann or Ben, and nothing is kept. A page of
another site gets in neither as itself (Origin) nor under a name of its own for this address (Host)."""
import argparse
import http.server
import json
import pathlib
import re
import signal
import sys
import threading
import urllib.parse

import tokens
from bus import Bus
from chat import USERS, Chat
from nodes import Nodes
from refused import Refused
from storm import Storm

BODY_MAX = 16384  # bytes; a message of 2000 characters fits, whatever they are
IDLE_SECONDS = 20
PAGE = pathlib.Path(__file__).resolve().parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Demo:
    """What requests are about: one method for each of them. Bodies are dicts, checked for their fields already."""

    def __init__(self, arguments):
        self.chat = Chat(arguments.chat, Bus(arguments.redis_port).publish)
        self.storm = Storm(self.chat)
        self.nodes = Nodes(arguments.node, arguments.kill_pipe)
        self._secret = pathlib.Path(arguments.secret_file).read_bytes().rstrip(b"\n")

    def setup(self):
        return {"chat_id": self.chat.id, "users": USERS, "nodes": self.nodes.described()}

    def node_states(self):
        return {"nodes": self.nodes.states()}

    def token(self, user):
        if user not in USERS:
            raise Refused(400, "NO_SUCH_USER", "user must be one of the demo's")
        return {"token": tokens.make(self._secret, user, self.chat.id), "expires_in": tokens.LIFETIME_SECONDS}

    def history(self, user):
        return self.chat.history(user)

    def post(self, user, text):
        return self.chat.post(user, text)

    def edit(self, message_id, user, text):
        return self.chat.edit(user, message_id, text)

    def delete(self, message_id, user):
        return self.chat.delete(user, message_id)

    def change_task(self, task_id, user, status=None, assignee=None):
        return self.chat.change_task(user, task_id, status, assignee)

    def start_storm(self, lines, per_second):
        return {"started": self.storm.start(lines, per_second)}

    def kill(self, node):
        self.nodes.kill(node)
        return {}


# method, path, what it does, status when it was done, fields: of the query for GET, else of the body. "?": may be absent.
ROUTES = [
    ("GET", r"/setup", Demo.setup, 200, {}),
    ("GET", r"/nodes", Demo.node_states, 200, {}),
    ("GET", r"/token", Demo.token, 200, {"user": str}),
    ("GET", r"/history", Demo.history, 200, {"user": str}),
    ("POST", r"/messages", Demo.post, 201, {"user": str, "text": str}),
    ("PUT", r"/messages/([0-9a-f-]{36})", Demo.edit, 200, {"user": str, "text": str}),
    ("DELETE", r"/messages/([0-9a-f-]{36})", Demo.delete, 200, {"user": str}),
    ("PUT", r"/tasks/([a-z]{1,20})", Demo.change_task, 200, {"user": str, "status?": str, "assignee?": str}),
    ("POST", r"/storm", Demo.start_storm, 202, {"lines": int, "per_second": int}),
    ("POST", r"/kill", Demo.kill, 202, {"node": str}),
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "roomcast-demo", ""
    timeout = IDLE_SECONDS

    def do_GET(self):
        self._answer()

    do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self):
        try:
            self._check_origin()
            body = self._read_body()
            path, _, query = self.path.partition("?")
            if self.command == "GET" and path in self.server.files:
                return self._send(200, *self.server.files[path])
            run, status, values = self._route(path, query, body)
            self._send_json(status, {"success": True, **run(self.server.demo, **values)})
        except Refused as refused:
            self._refuse(refused.status, refused.code, str(refused))

    def _check_origin(self):
        """A name that some other site's DNS gives to 127.0.0.1 shows in Host, and a request of another site's page in Origin."""
        if self.headers.get_all("Host") != [self.server.authority]:
            self.close_connection = True
            raise Refused(421, "WRONG_HOST", f"this is http://{self.server.authority}/ and nothing else")
        origins = self.headers.get_all("Origin", [])
        if any(origin != f"http://{self.server.authority}" for origin in origins):
            self.close_connection = True
            raise Refused(403, "ORIGIN_NOT_ALLOWED", "only the demo's own page may ask")

    def _read_body(self):
        """The bytes, b"" without any. What is not read would be taken for the next request: then the connection ends."""
        lengths = self.headers.get_all("Content-Length", [])
        if self.headers.get("Transfer-Encoding") or len(lengths) > 1:
            self.close_connection = True
            raise Refused(411, "LENGTH_REQUIRED", "a body needs one Content-Length")
        if not lengths:
            return b""
        if not re.fullmatch(r"[0-9]{1,9}", lengths[0]) or int(lengths[0]) > BODY_MAX:
            self.close_connection = True
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"a body may have {BODY_MAX} bytes")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            self.close_connection = True
            raise Refused(400, "BAD_REQUEST", "the body ended early")
        return body

    def _route(self, path, query, body):
        """What is to be done, the status for it, and its arguments."""
        found = [(method, re.fullmatch(pattern, path), *rest) for method, pattern, *rest in ROUTES]
        found = [row for row in found if row[1]]
        if not found:
            raise Refused(404, "NOT_FOUND", "nothing at this path")
        for method, match, run, status, fields in found:
            if method == self.command:
                given = parse_query(query) if method == "GET" else self._parse_body(body)
                names = {"/messages": "message_id", "/tasks": "task_id"}
                ids = {names[path.rpartition("/")[0]]: match[1]} if match.groups() else {}
                return run, status, {**checked_fields(given, fields), **ids}
        raise Refused(405, "METHOD_NOT_ALLOWED", f"{path} takes {' and '.join(row[0] for row in found)}")

    def _parse_body(self, body):
        # A form of another site cannot have this type, and a script there would be asked for its origin first.
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "INVALID_JSON", "the body is no JSON") from error

    def _send_json(self, status, value):
        self._send(status, "application/json", json.dumps(value).encode())

    def _refuse(self, status, code, message):
        self._send_json(status, {"success": False, "error": {"code": code, "message": message}})

    def _send(self, status, content_type, body):
        self.send_response(status)
        headers = {"Content-Type": f"{content_type}; charset=utf-8", "Content-Length": len(body), "Cache-Control": "no-store",
                   "Content-Security-Policy": self.server.policy, "X-Content-Type-Options": "nosniff",
                   "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
                   "Referrer-Policy": "no-referrer"}  # fmt: skip
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code, message=None, explain=None):
        """What http.server refuses by itself: in the same form as everything else."""
        self.close_connection = True
        self._refuse(code, "BAD_REQUEST", message or self.responses.get(code, ("bad request",))[0])

    def log_message(self, format, *values):
        text = (format % values).encode("ascii", "backslashreplace").decode()
        print(text, flush=True)


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, port, demo):
        super().__init__(("127.0.0.1", port), Handler)
        self.demo = demo
        self.authority = f"127.0.0.1:{self.server_port}"
        self.files = {f"/{file.name}": (TYPES[file.suffix], file.read_bytes()) for file in PAGE.iterdir() if file.suffix in TYPES}
        self.files["/"] = self.files.pop("/index.html")
        self.policy = policy(*demo.nodes.sources())

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a browser that left is no fault
            super().handle_error(request, client_address)


def policy(script_sources, connect_sources):
    """Content-Security-Policy: nothing but the page's own files, the nodes, and text that is text."""
    rules = ["default-src 'none'", "style-src 'self'", "img-src 'self'", f"script-src 'self' {' '.join(script_sources)}",
             f"connect-src 'self' {' '.join(connect_sources)}", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
             "require-trusted-types-for 'script'", "trusted-types 'none'"]  # fmt: skip
    return "; ".join(rules)


def parse_query(query):
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=8)
    except ValueError as error:
        raise Refused(400, "BAD_REQUEST", "the query is malformed") from error
    return dict(pairs)


def checked_fields(given, fields):
    """Exactly these fields, of these types, as text that can be sent on as UTF-8."""
    if not isinstance(given, dict):
        raise Refused(400, "INVALID_BODY", "the body must be a JSON object")
    types = {name.rstrip("?"): kind for name, kind in fields.items()}
    missing = [name for name in fields if not name.endswith("?") and name not in given]
    unknown = [name for name in given if name not in types]
    wrong = [name for name, value in given.items() if name in types and type(value) is not types[name]]
    if missing or unknown or wrong:
        raise Refused(400, "INVALID_FIELDS", f"the fields are {', '.join(fields) or 'none'}")
    for value in given.values():
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise Refused(400, "INVALID_TEXT", "the text holds half of a surrogate pair")
    return given


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="of the page, on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--redis-port", type=int, required=True)
    parser.add_argument("--secret-file", required=True, help="auth.hmac_secret of the nodes")
    parser.add_argument("--chat", required=True, help="id of the chat")
    parser.add_argument("--node", nargs=3, action="append", required=True, metavar=("NAME", "PORT", "ADMIN_PORT"))
    parser.add_argument("--kill-pipe", required=True, help="named pipe that takes the name of a node to be killed")
    return parser.parse_args()


def main():
    arguments = parse()
    server = Server(arguments.port, Demo(arguments))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"serving http://{server.authority}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
