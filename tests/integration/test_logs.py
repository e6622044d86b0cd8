"""One structured line per event; no token, no key, no message body, whatever happens."""
import json
import re

import pytest

from harness import raw, tokens
from harness.events import Event
from harness.stack import API_KEY

LOGFMT = re.compile(r'^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(debug|info|warn|error) event=[a-z0-9_]+( [a-z0-9_]+=("([^"\\]|\\.)*"|[^\s"=]*))*$')


def provoke(stack, open_client, chat):
    """All that could tempt a program to log what it must not. Returns what must not appear."""
    secret = "body-that-must-stay-private"
    client = open_client(stack.nodes[0], via="query")
    client.subscribe(chat)
    stack.xadd(Event(payload=json.dumps({"chat_id": chat, "text": secret})))
    client.expect("chat.message.posted")
    client.send(json.dumps({"type": "nonsense", "text": secret}))
    client.expect("error")
    client.send(secret)
    client.expect("error")
    client.send(type="auth.refresh", token=tokens.mint(client.user))
    client.expect("ack")
    stack.redis.xadd("roomcast:events", {"event": f'"{secret}"'})
    stack.redis.xadd("roomcast:events", {"event": Event(payload={"text": secret}).text})
    stack.post(Event(payload={"text": secret}))
    stack.post(Event(chat=chat), key="wrong-key-of-somebody")
    bad = tokens.mint("u", key="x" * 40)
    raw.ask_upgrade(stack.nodes[0].port, f"/ws?token={bad}")
    raw.ask_upgrade(stack.nodes[0].port, f"/other?token={client.token}")
    stack.xadd(Event(chat=chat))
    client.expect("chat.message.posted")
    return [secret, client.token, client.token.split(".")[2], bad, bad.split(".")[1], tokens.SECRET, API_KEY, "wrong-key-of-somebody"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_logs_are_structured_and_hold_no_secrets(make_stack, open_client, chat, form):
    options = {"log.format": form, "log.level": "debug"}
    stack = make_stack(node_options=options, relay_options=options).start()
    secrets = provoke(stack, open_client, chat)
    node, relay = stack.nodes[0], stack.relay
    stack.stop()
    for program in (node, relay):
        lines = program.log_text().splitlines()
        assert len(lines) > 3
        for line in lines:
            if form == "json":
                assert {"ts", "level", "event", "node"} <= set(json.loads(line)), line
            else:
                assert LOGFMT.match(line), line
                assert f" node={program.name}" in line
            assert not [secret for secret in secrets if secret in line], line


def test_input_cannot_forge_a_log_line(make_stack, open_client):
    stack = make_stack(node_options={"log.level": "debug"}).start()
    open_client(stack.nodes[0], 'evil" level=error event=forged', via="header").close()
    for user in ("line\nts=1 level=error event=forged", "line\u2028level=error", "\x1b[2J"):
        answer = raw.ask_upgrade(stack.nodes[0].port, headers={"Authorization": f"Bearer {tokens.mint(user)}"})
        assert answer.status == 401  # no control characters in user ids
    raw.ask_upgrade(stack.nodes[0].port, "/ws%0Ats=1%20level=error", headers={"Host": 'x" level=error'})
    stack.stop()
    for line in stack.nodes[0].log_text().splitlines():
        assert LOGFMT.match(line), line
        assert not re.search(r"^ts=\S+ level=error", line)


def test_the_least_level_is_obeyed(make_stack, open_client, chat):
    stack = make_stack(node_options={"log.level": "error"}, relay_options={"log.level": "error"}).start()
    open_client(stack.nodes[0]).subscribe(chat)
    stack.stop()
    assert stack.nodes[0].log_text() == "" and stack.relay.log_text() == ""
