"""The users of Redis that cluster/OPERATING.md prints have all the rights that are used, and cannot do what is not theirs."""
import json
import re
import urllib.parse

import pytest
import redis

from harness.command import run_roomcast
from harness.events import Event
from harness.processes import ROOT, get
from harness.waiting import eventually, seconds

KEY = "an-admin-key-of-the-integration-tests"
PASSWORD = "the password of a user"


def rights():
    """{user: words of ACL SETUSER}, and the words that the options need."""
    text = (ROOT / "cluster/OPERATING.md").read_text()
    users = {line[0]: line[1].split() for line in re.findall(r"^ +ACL SETUSER (\w+) (.*)$", text, re.MULTILINE)}
    more = re.search(r"relays need `([^`]*)` besides, with `admin.key`, for the console's dead letters,\s+`([^`]*)`", text)
    return users, more[1].split(), more[2].split()


def make_user(server, name, words):
    password = [f">{PASSWORD}" if word == ">PASSWORD" else word for word in words]
    server.client.execute_command("ACL", "SETUSER", name, *password)
    return f"redis://{name}:{urllib.parse.quote(PASSWORD)}@127.0.0.1:{server.port}/0"


@pytest.fixture
def run(make_stack):
    """run(options, more): a stack whose relay is the printed user with `more` rights."""

    def make(more=(), **options):
        stack = make_stack(node_options={"admin.key": KEY} if "admin.key" in options else {}, relay_options=options)
        stack.redis_server.start()
        stack.relay.options["redis.url"] = make_user(stack.redis_server, "relay", [*rights()[0]["relay"], *more])
        for process in (stack.nats, stack.relay, *stack.nodes):
            process.start()
        return stack

    return make


def denied(stack):
    """What Redis refused, by its own account."""
    return [(one[b"username"], one[b"object"]) for one in map(as_dict, stack.redis.execute_command("ACL", "LOG"))]


def as_dict(entry):
    return entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2]))


def test_the_printed_relay_reads_stores_acknowledges_claims_and_buries(run, clients, chat):
    stack = run()
    clients.append(client := stack.client(0, "anna"))
    client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    client.expect("chat.message.posted", seq=1)
    eventually(lambda: stack.redis.publish("events.x", Event(chat=chat).text) == 1, what="Pub/Sub is listened to")
    client.expect("chat.message.posted", seq=2)
    stack.xadd("not JSON")
    eventually(lambda: stack.redis.xlen("roomcast:dead") == 1, what="the bad one is a dead letter")
    eventually(lambda: stack.pending_entries() == 0, what="all are acknowledged")
    stack.relay.stop()
    entry = stack.redis.xadd("roomcast:events", {"event": Event(chat=chat).text})
    stack.redis.xreadgroup("roomcast-relay", "a-dead-relay", {"roomcast:events": ">"}, count=1)
    stack.redis.execute_command("XCLAIM", "roomcast:events", "roomcast-relay", "a-dead-relay", 0, entry, "IDLE", 3600_000)  # long ago
    stack.relay.start()
    client.expect("chat.message.posted", seq=3, timeout=60)
    eventually(lambda: stack.relay.metrics()["roomcast_relay_lag_entries"] == 0, what="how far it is behind is known")
    assert denied(stack) == []


def test_with_the_rights_for_them_presence_is_published_and_dead_letters_are_replayed(run, clients, chat):
    _, presence, console = rights()
    stack = run([*presence, *console], **{"presence.publish": "true", "presence.leave_delay_s": 0, "admin.key": KEY})
    heard = stack.redis.pubsub(ignore_subscribe_messages=True)
    heard.subscribe("events.presence.changed")
    heard.get_message(timeout=seconds(5))
    clients.append(client := stack.client(0, "anna"))
    client.subscribe(chat)
    eventually(lambda: heard.get_message(timeout=0.1), what="presence is published")
    stack.xadd("not JSON")
    headers = {"Authorization": f"Bearer {KEY}"}
    admin = stack.nodes[0].admin_url + "/console/api/"

    def letters():
        answers = json.loads(get(admin + "letters", headers=headers).body)["answers"]
        return [letter for answer in answers if answer["status"] == 200 for letter in answer["body"]["letters"]]

    entry = eventually(letters, what="the dead letter is listed")[0]["entry"]
    get(admin + f"letter/{entry}", headers=headers)
    assert get(admin + f"replay/{entry}", headers=headers, method="POST", data=b"").status == 200
    eventually(lambda: [one for one in letters() if one["entry"] != entry], what="it was replayed, and is as bad as before")
    assert denied(stack) == []


def test_the_printed_service_publishes_and_may_do_nothing_else(run, clients, chat):
    stack = run()
    clients.append(client := stack.client(0, "anna"))
    client.subscribe(chat)
    url = make_user(stack.redis_server, "service", rights()[0]["service"])
    done = run_roomcast("publish", "--redis", url, "--chat", chat, "--data", "{}")
    assert done.returncode == 0, done.stderr
    client.expect("chat.message.posted")
    assert denied(stack) == []
    service = redis.Redis.from_url(url)
    for words in (["XRANGE", "roomcast:events", "-", "+"], ["XADD", "roomcast:dead", "*", "a", "b"], ["DEL", "roomcast:events"], ["PUBLISH", "events.x", "{}"]):
        with pytest.raises(redis.exceptions.ResponseError, match="NOPERM|permissions"):
            service.execute_command(*words)
