"""What nodes and relays answer over HTTP, held against proto/openapi.yaml: see contract.py."""
import functools
import json
import re
import urllib.parse

import jsonschema

from . import contract
from .contract import SHOWN, violations

LISTENERS = {"listen": "public", "admin.listen": "admin", "relay.listen": "relay"}  # option -> tag of its paths
OTHERWISE = {"404": "NotFound", "405": "OnlyGet", "413": "TooLarge", "503": "Ending"}  # whatever the path
REQUEST_LINE = re.compile(rb"^([!-~]+) ([!-~]+) HTTP/")

_listening = {}  # "host:port" -> tag


def note_listeners(options):
    """A program of ours is started with these."""
    _listening.update({options[option]: tag for option, tag in LISTENERS.items() if option in options})


class Endpoints:
    def __init__(self, document):
        self.document = contract.resolved(document, document)
        self._validators = {}

    def _item(self, path):
        """The path as it is written goes before one with parameters."""
        paths = self.document["paths"]
        fits = lambda name: re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(name)), path)
        return paths.get(path) or next((item for name, item in paths.items() if "{" in name and fits(name)), {})

    def operations(self, listener, path):
        """method -> operation"""
        item = self._item(path)
        return {method: operation for method, operation in item.items() if method != "servers" and listener in operation["tags"]}

    def allowed(self, listener, method, path):
        """status -> response"""
        operations = self.operations(listener, path)
        asked = "get" if method == "HEAD" else method.lower()
        if asked in operations:
            return operations[asked]["responses"]
        if operations:  # another method than those that there are
            said = [pair for operation in operations.values() for pair in operation["responses"].items()]
            return {status: response for status, response in said if status in OTHERWISE or listener == "public" and status >= "400"}
        responses = self.document["components"]["responses"]
        if listener == "public":
            before_the_path_is_known = self.allowed("public", "GET" if path == "" else "POST", "/ws")
            return {**before_the_path_is_known, "404": responses["NotFound"]}
        return {status: responses[name] for status, name in OTHERWISE.items()}

    def problem(self, listener, method, path, answer):
        """`answer`: status, headers, body; None: it was not read, or there is none, as to HEAD."""
        allowed = self.allowed(listener, method, path)
        response = allowed.get(str(answer.status))
        if response is None:
            return f"the status is not among {', '.join(sorted(allowed))}"
        headers = {name.lower(): value for name, value in answer.headers.items()}
        for name, rule in response.get("headers", {}).items():
            found = self._header_problem(rule, headers.get(name.lower()))
            if found:
                return f"header {name}: {found}"
        if method == "HEAD" or answer.body is None or "content" not in response:
            return None
        return self._body_problem(response["content"], headers.get("content-type"), answer.body)

    def request_problem(self, listener, method, path, body):
        """What is wrong with a body that was taken."""
        operation = self.operations(listener, path).get(method.lower(), {})
        if "requestBody" not in operation:
            return None
        return self._body_problem(operation["requestBody"]["content"], "application/json", body)

    def _header_problem(self, rule, value):
        if value is None:
            return "it is missing" if rule.get("required") else None
        return contract.problem(self._validator(rule["schema"]), value)

    def _body_problem(self, content, media_type, body):
        if media_type not in content:
            return f"the content type {media_type!r} is not among {', '.join(map(repr, content))}"
        try:
            instance = json.loads(body) if media_type == "application/json" else body.decode()
        except ValueError as error:
            return f"the body is not {media_type}: {error}"
        return contract.problem(self._validator(content[media_type]["schema"]), instance)

    def _validator(self, schema):
        if id(schema) not in self._validators:  # all are parts of the document, which stays
            self._validators[id(schema)] = jsonschema.Draft202012Validator(schema)
        return self._validators[id(schema)]


@functools.lru_cache(maxsize=None)
def endpoints():
    return Endpoints(contract.read("openapi.yaml"))


def check(address, method, target, answer, body=None):
    """What was answered at "host:port", when one of ours listens there, to a request with this body."""
    listener = _listening.get(address)
    if not listener:
        return
    path = urllib.parse.urlsplit(target).path
    found = endpoints().problem(listener, method, path, answer)
    asked = f"{method} {path[:100]} on the {listener} listener"
    if found:
        violations.append(f"{asked}: proto/openapi.yaml does not allow {answer.status} {(answer.body or b'')[:SHOWN]!r}\n    {found}")
    elif answer.status == 202 and body:
        found = endpoints().request_problem(listener, method, path, body)
        if found:
            violations.append(f"{asked} took what proto/openapi.yaml does not allow: {body[:SHOWN]!r}\n    {found}")


def check_raw(address, sent, answer):
    """`sent`: the request's bytes, which may be no HTTP at all: then the answer may be any of the listener's."""
    match = REQUEST_LINE.match(sent)
    method, target = (match[1].decode(), match[2].decode()) if match else ("GET", "")
    check(address, method, target, answer)
