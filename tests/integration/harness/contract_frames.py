"""What clients and nodes say to each other, held against proto/asyncapi.yaml: see contract.py."""
import collections
import functools
import json
import re

import jsonschema
import websockets

from . import contract
from .contract import SHOWN, violations

OPERATORS_EVENTS = {True: "operatorsChatEvent", False: "operatorsUserEvent"}  # is it about a chat?
MISFIT_CODES = ("INVALID_JSON", "INVALID_MESSAGE", "UNKNOWN_TYPE")  # what a node says of what a schema does not allow
# What JSON Schema cannot say, or the configuration decides: see `info` there. Such a message may be taken or not.
UNDECIDED = re.compile(r"\\u|[^\x00-\x7f]|\d{18}|\d[eE]")
CHATS_MAX = 128
DEPTH_MAX = 4  # the least that a test configures as limits.message_depth
OPEN_MAX = 4096  # messages that a witness remembers


class Messages:
    """Those of one direction, found by `type`, and by other constants (`action`, `code`) where one type has several."""

    def __init__(self, document, action):
        names = set()
        for operation in document["operations"].values():
            references = list(operation["messages"]) if operation["action"] == action else []
            if action == "send":
                references += operation.get("reply", {}).get("messages", [])
            names |= {reference["$ref"].rsplit("/", 1)[1] for reference in references}
        self.validators = {}
        self.by_type = collections.defaultdict(list)  # type -> [(constants, name)]
        for name in sorted(names):
            self._add(name, contract.resolved(document, document["components"]["messages"][name]["payload"]))

    def _add(self, name, schema):
        self.validators[name] = jsonschema.Draft202012Validator(schema)
        members = {member: rule for member, rule in schema["properties"].items() if isinstance(rule, dict)}
        constants = {member: rule["const"] for member, rule in members.items() if "const" in rule}
        for type_ in members["type"].get("enum", [constants.get("type")]):
            self.by_type[type_].append((constants, name))

    def _candidates(self, message, operators_types):
        type_ = message["type"]
        if type_ in operators_types:
            return [OPERATORS_EVENTS["chat_id" in message]]
        known = self.by_type.get(type_, [])
        exact = [name for constants, name in known if all(message.get(member) == value for member, value in constants.items())]
        return exact or [name for _, name in known]

    def problem(self, message, operators_types=()):
        """What is wrong with it; None when it fits one of them."""
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return "it is not an object with a string `type`"
        problems = {}
        for name in self._candidates(message, operators_types):
            problems[name] = contract.problem(self.validators[name], message)
            if problems[name] is None:
                return None
        if not problems:
            return f"no message has the type {message['type'][:SHOWN]!r}"
        return "; ".join(f"{name}: {found}" for name, found in problems.items())


@functools.lru_cache(maxsize=None)
def messages(action):
    """`send`: what nodes say; `receive`: what clients do."""
    return Messages(contract.read("asyncapi.yaml"), action)


class Fraction(float):
    """1.0 is an integer to JSON Schema, and none to a node."""

    def is_integer(self):
        return False


def parse(text):
    """As a node reads it, where Python is more lenient: no NaN, no member twice."""

    def members(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a member twice")
        return dict(pairs)

    def constant(name):
        raise ValueError(name)

    return json.loads(text, object_pairs_hook=members, parse_constant=constant, parse_float=Fraction)


def fits(text):
    """(Whether a node must take it; None: it may, the message)."""
    try:
        message = parse(text)
    except (ValueError, RecursionError):
        return False, None
    if messages("receive").problem(message):
        return False, None
    undecided = UNDECIDED.search(text) or text.count("[") + text.count("{") > DEPTH_MAX or len(message.get("chats", ())) > CHATS_MAX
    return (None if undecided else True), message


@functools.lru_cache(maxsize=256)  # an event comes to many clients in the same bytes
def judge(text, operators_types):
    """(What is wrong with what a node says, the message)."""
    try:
        message = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}", None
    return messages("send").problem(message, operators_types), message


class Witness:
    """Of one connection: judges what comes, and whether the node takes what fits and refuses what does not."""

    def __init__(self, operators_types=()):
        """`operators_types`: of events that the test's own configuration adds."""
        self.operators_types = tuple(operators_types)
        self.is_blind = False  # something was said that it does not know, or a message was refused that it cannot name
        self._open = collections.deque()  # said and not settled: [fits, `id` of a ping, text]

    def said(self, text):
        """By the client, before it is sent."""
        if self.is_blind:
            return
        verdict, message = fits(text)
        is_ping = verdict and message["type"] == "ping"
        if is_ping or not verdict:
            self._open.append((verdict, message.get("id", "") if is_ping else None, text))
        self.is_blind = len(self._open) > OPEN_MAX

    def heard(self, text):
        """From the node."""
        found, message = judge(text, self.operators_types)
        if found:
            violations.append(f"a node said what proto/asyncapi.yaml does not allow: {text[:SHOWN]}\n    {found}")
        elif message["type"] == "pong":
            self._taken_until(message.get("id", ""))
        elif message["type"] == "error":
            self._refused(message["code"], text)

    def _taken_until(self, ping):
        """Pings are answered, and misfits refused, in the order in which they came."""
        if self.is_blind or not any(verdict and id_ == ping for verdict, id_, _ in self._open):
            return
        while True:
            verdict, id_, text = self._open.popleft()
            if verdict and id_ == ping:
                return
            if verdict is False:
                violations.append(f"a node took what proto/asyncapi.yaml does not allow: {text[:SHOWN]}")

    def _refused(self, code, text):
        self.is_blind |= code == "RATE_LIMITED"
        if self.is_blind or code not in MISFIT_CODES:
            return
        for sought in (False, None):
            for entry in self._open:
                if entry[0] is sought:
                    self._open.remove(entry)
                    return
        violations.append(f"a node refused what proto/asyncapi.yaml allows: {text[:SHOWN]}")


class Protocol(websockets.WebSocketClientProtocol):
    """A connection of the library, with a witness."""

    def __init__(self, *arguments, operators_types=(), **options):
        super().__init__(*arguments, **options)
        self.witness = Witness(operators_types)

    async def send(self, message):
        if isinstance(message, str):
            self.witness.said(message)
        await super().send(message)

    async def read_message(self):
        message = await super().read_message()
        if isinstance(message, str):
            self.witness.heard(message)
        return message


def connect(url, operators_types=(), **options):
    """websockets.connect, to a node."""
    return websockets.connect(url, create_protocol=functools.partial(Protocol, operators_types=operators_types), **options)
