"""proto/asyncapi.yaml and proto/openapi.yaml: that they are what they say they are, that they agree with the source, and that
what every other test is watched by does catch what they do not allow."""
import asyncio
import copy
import json
import random
import re
import uuid

import jsonschema
import pytest
import websockets

from harness import contract, contract_frames, contract_http, hostile, npm, raw, shapes
from harness.client import Client, loop
from harness.ports import free_port
from harness.processes import ROOT, TESTS, Answer, get

ASYNCAPI, OPENAPI = contract.read("asyncapi.yaml"), contract.read("openapi.yaml")
MESSAGES, SCHEMAS = ASYNCAPI["components"]["messages"], ASYNCAPI["components"]["schemas"]
EXAMPLES = [(name, example["payload"]) for name, message in MESSAGES.items() for example in message["examples"]]
CLOSED = contract_frames.messages("send")
OPEN = contract_frames.messages("receive")
# Messages that differ only in what the others may leave out, or in a type that is the operator's.
OPERATORS = ("operatorsChatEvent", "operatorsUserEvent")


def nodes_of(value, path=()):
    """(path, node) of every object in a document, but for what is an example."""
    if isinstance(value, dict):
        yield path, value
        for name, part in value.items():
            if name not in ("examples", "example"):
                yield from nodes_of(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from nodes_of(part, (*path, number))


# -- the documents themselves


@pytest.fixture(scope="module")
def npm_home():
    return npm.install("contract_schemas") / "node_modules"


def faults_of(document, schema, validator):
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator(schema).iter_errors(document)]


def asyncapi_schema(npm_home):
    schema = json.loads((npm_home / "@asyncapi/specs/schemas/3.0.0-without-$id.json").read_text())
    # jsonschema 4.10 takes the meta-schema's property "$id" for an identifier; our schemas are judged by a test of their own.
    schema["definitions"]["json-schema-draft-07-schema"] = {}
    return schema


def openapi_schema(npm_home):
    return json.loads((npm_home / "@seriousme/openapi-schema-validator/schemas/v3.1/schema.json").read_text())


def test_asyncapi_yaml_is_an_asyncapi_3_document(npm_home):
    schema = asyncapi_schema(npm_home)
    assert faults_of(ASYNCAPI, schema, jsonschema.Draft7Validator) == []
    broken = copy.deepcopy(ASYNCAPI)
    broken["operations"]["ping"]["action"] = "recieve"
    assert faults_of(broken, schema, jsonschema.Draft7Validator) != []


def test_openapi_yaml_is_an_openapi_3_1_document(npm_home):
    schema = openapi_schema(npm_home)
    assert faults_of(OPENAPI, schema, jsonschema.Draft202012Validator) == []
    broken = copy.deepcopy(OPENAPI)
    broken["paths"]["/livez"]["get"]["responses"]["200"].pop("description")
    assert faults_of(broken, schema, jsonschema.Draft202012Validator) != []


@pytest.mark.parametrize("dialect", [jsonschema.Draft202012Validator, jsonschema.Draft7Validator], ids=["2020-12", "draft-07"])
def test_the_schemas_of_messages_mean_the_same_in_both_dialects(dialect):
    """AsyncAPI's own is draft-07, and we promise 2020-12."""
    for name, message in MESSAGES.items():
        schema = contract.resolved(ASYNCAPI, message["payload"])
        dialect.check_schema(schema)
        for _, node in nodes_of(schema):
            assert not set(node) & {"dependencies", "dependentRequired", "definitions", "$defs", "prefixItems", "unevaluatedProperties"}, name
        for of, example in EXAMPLES:
            if of == name:
                assert contract.problem(dialect(schema), example) is None


def test_every_reference_leads_somewhere_and_every_part_is_used():
    whole = ("/NodeMessage", "/ClientMessage", "/ErrorCode", "/TemporaryErrorCode", "/NotFound")  # for readers of the document
    for document in (ASYNCAPI, OPENAPI):
        named = {node["$ref"] for _, node in nodes_of(document) if "$ref" in node}
        assert contract.resolved(document, [{"$ref": name} for name in named])
        parts = {f"#/components/{kind}/{name}" for kind, names in document["components"].items() for name in names if kind != "securitySchemes"}
        assert {part for part in parts - named if not part.endswith(whole)} == set()


def test_all_messages_of_a_direction_have_one_name():
    for name, direction in (("NodeMessage", CLOSED), ("ClientMessage", OPEN)):
        assert {part["$ref"].split("/")[3] for part in SCHEMAS[name]["anyOf"]} == set(direction.validators)


def test_what_both_documents_name_alike_is_alike():
    common = set(SCHEMAS) & set(OPENAPI["components"]["schemas"])
    assert {"ErrorCode", "Count", "ChatIdGiven"} <= common
    for name in common:
        assert SCHEMAS[name] == OPENAPI["components"]["schemas"][name], name


@pytest.mark.parametrize("name, example", EXAMPLES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(EXAMPLES)])
def test_each_example_of_a_message_is_one(name, example):
    direction = CLOSED if name in CLOSED.validators else OPEN
    assert contract.problem(direction.validators[name], example) is None
    assert direction.problem(example, [example["type"]] if name in OPERATORS else ()) is None


def test_each_example_of_an_http_body_is_one():
    document = contract.resolved(OPENAPI, OPENAPI)
    pairs = [(schema, example) for schema in document["components"]["schemas"].values() for example in schema.get("examples", [])]
    for path in document["paths"].values():
        for body in [operation["requestBody"] for method, operation in path.items() if method != "servers" and "requestBody" in operation]:
            media = body["content"]["application/json"]
            pairs += [(media["schema"], example["value"]) for example in media["examples"].values()]
    assert len(pairs) > 8
    for schema, example in pairs:
        jsonschema.Draft202012Validator.check_schema(schema)
        assert contract.problem(jsonschema.Draft202012Validator(schema), example) is None, example


# -- the documents and the source


def test_the_documents_are_of_this_release():
    [version] = re.findall(r"^project\(roomcast VERSION (\S+) ", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert ASYNCAPI["info"]["version"] == OPENAPI["info"]["version"] == version


def test_every_message_type_of_the_source_is_documented_and_no_other():
    source = ROOT / "src" / "wire"
    read = set(re.findall(r'^    \{"([a-z.]+)", CLIENT_\w+, \w+\},$', (source / "client_message.c").read_text(), re.MULTILINE))
    assert "ping" in read and set(OPEN.by_type) == read
    written = set(re.findall(r'begin\(out, SLICE_LITERAL\("([a-z.]+)"\)\)', (source / "server_message.c").read_text()))
    events = {*SCHEMAS["ChatEventType"]["enum"], *SCHEMAS["UserEventType"]["enum"]}
    assert "ack" in written and set(CLOSED.by_type) - {None} == written | events
    assert set(SCHEMAS["OperatorsEventType"]["not"]["enum"]) == written


def test_the_event_table_is_the_protocols():
    table = {event: (type_, "chat") for event, type_ in SCHEMAS["ChatEventType"]["x-events"].items()}
    table.update({event: (type_, "user") for event, type_ in SCHEMAS["UserEventType"]["x-events"].items()})
    assert table == shapes.EVENT_TABLE


def test_each_error_code_has_its_place():
    """The list itself is made from the source (tests/reference); a new code must be said to come in a message or in an answer."""
    known = set(SCHEMAS["ErrorCode"]["enum"])
    in_messages = {*SCHEMAS["MessageErrorCode"]["enum"], "POSITION_LOST"}
    said = [node["code"] for _, node in nodes_of(OPENAPI) if set(node) == {"code"} and isinstance(node["code"], dict)]
    in_answers = {code for rule in said for code in rule.get("enum", [rule.get("const")])}
    transport = set(OPENAPI["components"]["schemas"]["TransportErrorCode"]["enum"])
    assert in_messages <= known and in_answers <= known | transport
    assert in_messages | in_answers == known | transport
    assert set(SCHEMAS["TemporaryErrorCode"]["enum"]) < known


def test_what_the_listener_says_by_itself_is_documented():
    said = set()
    for file in (ROOT / "src" / "io").glob("ws_*.c"):
        said |= {code for _, code in re.findall(r'\b([45]\d\d), "([A-Z_]+)"', file.read_text())}
    documented = OPENAPI["components"]["schemas"]
    assert set(documented["TransportErrorCode"]["enum"]) == said - set(documented["ErrorCode"]["enum"])


# -- that what is wrong is caught


def wrong_ones(example):
    """The message with one thing wrong, each in its turn, and what that is."""
    for member in [member for member in example if member != "type"]:
        for value in (None, 1.5, -1, [[]], {"a": 1}, "\n", True):
            if value != example[member]:
                yield f"{member}: {value!r}", {**example, member: value}
        yield f"no {member}", {name: value for name, value in example.items() if name != member}
    yield "one more", {**example, "extra": 1}
    yield "another type", {**example, "type": example["type"].upper()}
    yield "no type", {name: value for name, value in example.items() if name != "type"}


# What an example may be changed to: members that a message may lack, or that may be anything.
MAY_LACK = {
    ("connected", "expires_at"), ("connected", "notifications"), ("subscribed", "id"), ("refreshed", "id"), ("refreshed", "expires_at"),
    ("error", "chat_id"), ("error", "id"), ("positionLost", "chat_id"), ("pong", "id"), ("presenceState", "id"), ("disconnect", "retry_after_ms"),
    ("chatEvent", "ts"), ("userEvent", "ts"),
}
MAY_BE = {("id", "\n"), ("connection_id", "\n"), ("node", "\n"), ("message", "\n"), ("ts", "\n")}


@pytest.mark.parametrize("name", sorted(set(CLOSED.validators) - set(OPERATORS)))
def test_a_frame_with_anything_wrong_is_caught(name):
    caught = 0
    for example in [example for of, example in EXAMPLES if of == name]:
        for what, wrong in wrong_ones(example):
            member, _, value = what.partition(": ")
            may_lack = what.startswith("no ") and (name, what[3:]) in MAY_LACK
            may_be = (member, value.strip("'").replace("\\n", "\n")) in MAY_BE and not (name.endswith("Event") and member == "id")
            is_free = member in ("is_typing", "is_online") and value == "True" or member == "data" and value
            if not (may_lack or may_be or is_free):
                assert CLOSED.problem(wrong) is not None, f"{what}: {wrong}"
                caught += 1
    assert caught >= 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "ack", "action": "subscribed", "chat_id": str(uuid.UUID(int=1)), "epoch": "k3x9", "seq": 1, "recovered": True},
        {"type": "ack", "action": "subscribed", "chat_id": str(uuid.UUID(int=1)), "epoch": "k3x9", "seq": 1, "recovered": False, "replayed": 2},
        {"type": "disconnect", "code": 4200, "reason": "draining", "reconnect": False},
        {"type": "disconnect", "code": 4003, "reason": "draining", "reconnect": False},
        {"type": "disconnect", "code": 4999, "reason": "draining", "reconnect": True},
        {"type": "error", "code": "FORBIDDEN", "message": "m", "temporary": True},
        {"type": "error", "code": "POSITION_LOST", "message": "m", "temporary": False},
        {"type": "error", "code": "NOT_FOUND", "message": "m", "temporary": False},
        {"type": "notification.new", "chat_id": str(uuid.UUID(int=1)), "epoch": "u", "seq": 1, "id": "x", "data": {}},
        {"type": "invoice.paid", "chat_id": str(uuid.UUID(int=1)), "epoch": "u", "seq": 1, "id": "x", "data": {}},
    ],
    ids=lambda wrong: "-".join(str(value) for value in list(wrong.values())[:3]),
)
def test_what_is_right_only_in_its_parts_is_caught(wrong):
    assert CLOSED.problem(wrong) is not None


def test_operators_rows_are_held_against_the_schema_of_events():
    event = {"type": "invoice.paid", "epoch": "u", "seq": 1, "id": "x", "data": {}}
    for members in ({}, {"chat_id": str(uuid.UUID(int=1))}):
        assert CLOSED.problem({**event, **members}, ["invoice.paid"]) is None
        assert CLOSED.problem({**event, **members, "seq": 0}, ["invoice.paid"]) is not None
        assert CLOSED.problem({**event, **members, "type": "disconnect"}, ["disconnect"]) is not None


def test_what_a_node_says_and_takes_wrongly_is_noted_by_the_clients_of_these_tests():
    """A peer that says what no node would, and takes what none would take."""
    said = ['{"type":"connected","connection_id":"c","user_id":"u","node":"n","ping_interval_ms":1}', '{"type":"pong","extra":1}', "no JSON", '{"type":"pong","id":2}']
    said.append('{"type":"error","code":"INVALID_MESSAGE","message":"m","temporary":false}')

    async def serve(connection):
        await connection.send(said[0])
        await connection.recv()  # a misfit, which it takes
        await connection.recv()  # and a ping that it answers
        for text in said[1:]:
            await connection.send(text)
        await connection.wait_closed()

    async def start(port):
        return await websockets.serve(serve, "127.0.0.1", port, compression=None, subprotocols=["roomcast.v1"])

    port = free_port()
    server = loop.run(start(port))
    client = Client(f"ws://127.0.0.1:{port}/ws", "u")
    client.send(type="subscribe", chat_id="no UUID")
    client.send(type="ping", id=2)
    client.expect("pong", extra=1)
    assert client._arrived.get(timeout=10) == "no JSON"
    client.expect("pong", id=2)
    client.expect_error("INVALID_MESSAGE")
    client.drop()
    server.close()
    loop.run(asyncio.wait_for(server.wait_closed(), 10))
    noted = [line.split(":")[0] for line in contract.take_violations()]
    says, takes, refuses = ("a node said what proto/asyncapi.yaml does not allow", "a node took what proto/asyncapi.yaml does not allow",
                            "a node refused what proto/asyncapi.yaml allows")  # fmt: skip
    assert noted == [says, says, takes, refuses]


REFUSAL = {"success": False, "error": {"code": "UNAUTHORIZED", "message": "m"}}
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize(
    "how, is_right",
    [
        ({}, True),
        ({"status": 402}, False),
        ({"headers": {**JSON_HEADERS, "WWW-Authenticate": "Basic"}}, False),
        ({"headers": {"Content-Type": "application/json", "Cache-Control": "no-store"}}, False),
        ({"headers": {**JSON_HEADERS, "Content-Type": "text/html"}}, False),
        ({"body": {**REFUSAL, "more": 1}}, False),
        ({"body": {**REFUSAL, "error": {"code": "NOT_FOUND", "message": "m"}}}, False),
        ({"listener": "admin"}, False),
        ({"path": "/v1/event"}, False),
        ({"method": "GET"}, False),
    ],
    ids=["right", "status", "header", "no-header", "media-type", "member", "code", "listener", "path", "method"],
)
def test_an_answer_with_anything_wrong_is_caught(how, is_right):
    asked = {"listener": "relay", "method": "POST", "path": "/v1/events", "status": 401, "headers": JSON_HEADERS, "body": REFUSAL, **how}
    answer = Answer(asked["status"], asked["headers"], json.dumps(asked["body"]).encode())
    found = contract_http.endpoints().problem(asked["listener"], asked["method"], asked["path"], answer)
    assert (found is None) == is_right, found


def test_no_test_speaks_to_a_node_unseen():
    """Whoever opens a WebSocket of the library's does it by contract_frames.connect."""
    own = re.compile(r"websockets\.connect\(")
    places = [file for file in (TESTS / "integration").rglob("*.py") if own.search(file.read_text())]
    assert [file.name for file in places] == ["contract_frames.py"]


# -- the documents and real nodes and relays (what all other tests say is watched too)


def test_nodes_take_what_fits_and_refuse_what_does_not(extra_node, chat, other_chat):
    """Messages that are right, or wrong in something, from a seeded generator."""
    node = extra_node({"limits.messages_per_s": 100000, "limits.messages_burst": 100000, "limits.errors": 10000})
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    fitting = refused = 0
    with raw.WebSocket(node.port) as peer:
        for number in range(600):
            data = hostile.message(dice, [chat, other_chat], ("k3x9", 7))
            try:
                text = data.decode()
            except UnicodeDecodeError:
                continue
            fitting += contract_frames.fits(text)[0] is True
            peer.send_frame(raw.TEXT, text)
            peer.send_frame(raw.TEXT, json.dumps({"type": "ping", "id": f"after {number}"}))
            heard = peer.read_text()
            while heard.get("id") != f"after {number}":
                refused += heard["type"] == "error" and heard["code"] in contract_frames.MISFIT_CODES
                heard = peer.read_text()
    assert fitting > 50 and refused > 50, f"seed {seed}"


def test_every_documented_path_is_there(stack):
    node, relay = stack.nodes[0], stack.relay
    addresses = {"public": f"http://127.0.0.1:{node.port}", "admin": node.admin_url, "relay": relay.admin_url}
    asked = 0
    for path in OPENAPI["paths"]:
        for listener, address in addresses.items():
            operations = contract_http.endpoints().operations(listener, path)
            answer = get(address + path, method="OPTIONS" if operations else "GET")
            assert (answer.status == 404) == (not operations), (listener, path, answer.status)
            asked += bool(operations)
    assert asked >= 12


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_answered_as_documented(stack, method):
    for address in (stack.nodes[0].admin_url, stack.relay.admin_url, f"http://127.0.0.1:{stack.nodes[0].port}"):
        for path in [*OPENAPI["paths"], "/", "/nothing"]:
            get(address + path, method=method)  # whether it is right is seen where every answer is


def test_bodies_that_the_relay_takes_fit(stack, chat):
    for body in ({"event_type": "message.created", "payload": {"chat_id": chat}}, [{"event_type": "of nobody's table"}]):
        assert stack.post(json.dumps(body)).status == 202
    assert stack.post(json.dumps([{"token_id": "t", "expires_at": None}]), path="/v1/revocations").status == 202
    for path, body in (("/v1/events", b'{"event_type":7}'), ("/v1/events", b"[]"), ("/v1/revocations", b'{"user_id":"u","token_id":"t"}')):
        assert contract_http.endpoints().request_problem("relay", "POST", path, body) is not None
