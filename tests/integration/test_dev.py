"""roomcast --dev: node and relay in one process, without NATS, with Redis when it answers."""
import json
import re

import pytest

from harness import tokens
from harness.client import Client
from harness.events import Event, message
from harness.ports import free_port
from harness.processes import Dev, RedisServer, get, run_program
from harness.waiting import eventually

API_KEY = "development"


@pytest.fixture
def dev(new_directory, watch):
    """dev(**options): started, with no Redis within reach unless redis.url says otherwise."""
    made = []

    def start(options=None):
        program = Dev("dev", new_directory("dev"), {"redis.url": f"redis://127.0.0.1:{free_port()}/0", **(options or {})})
        made.append(program)
        watch(program)
        return program.start()

    yield start
    for program in made:
        assert program.stop() in (0, None)


def post(program, event):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    url = f"http://{program.options['relay.listen']}/v1/events"
    return get(url, data=event.text.encode(), headers=headers, method="POST")


def dev_token(user, *arguments):
    made = run_program("roomcast", "token", "--dev", "--user", user, *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_events_by_http_reach_clients_without_nats_and_redis(dev, open_client, chat):
    program = dev()
    assert program.readyz().status == 200
    clients = [open_client(program, token=dev_token(user)) for user in ("anna", "ben")]
    for client in clients:
        client.subscribe(chat)
    events = [message(chat, number) for number in range(20)]
    for event in events:
        assert post(program, event).status == 202
    for client in clients:
        for seq, event in enumerate(events, 1):
            assert client.expect("chat.message.posted", id=event.id, seq=seq).raw_data == event.payload
    clients[0].send(type="chat.typing", chat_id=chat)
    clients[1].expect("chat.typing", user_id="anna")


def test_notifications_and_positions_work_in_dev_too(dev, open_client, chat):
    program = dev()
    client = open_client(program, token=dev_token("anna"))
    assert post(program, Event("notification.created", payload={"user_id": "anna"})).status == 202
    client.expect("notification.new", seq=1)
    assert post(program, Event(chat=chat)).status == 202
    assert client.subscribe(chat)["seq"] == 1


def test_redis_is_used_when_it_answers_and_when_it_comes_later(dev, open_client, new_directory, watch, chat):
    server = RedisServer(new_directory("redis"))
    watch(server)
    program = dev({"redis.url": server.url})
    client = open_client(program, token=dev_token("anna"))
    client.subscribe(chat)
    server.start()
    eventually(lambda: program.metrics()["roomcast_redis_up"] == 1, timeout=30)
    event = Event(chat=chat)
    server.client.xadd("roomcast:events", {"event": event.text})
    client.expect("chat.message.posted", id=event.id)
    server.stop()


def test_the_welcome_shows_commands_that_work(dev):
    program = dev()
    eventually(lambda: "publish" in program.log_text())
    url, token = re.search(r"(ws://\S+)\n +token +(\S+)\n", program.log_text()).groups()
    shown = re.search(r"-d '(.*)'", program.log_text())[1]
    client = Client(url, token=token)
    client.send(re.search(r"then send +(\{.*\})", program.log_text())[1])
    client.expect("ack")

    class Shown:
        text = shown

    assert post(program, Shown).status == 202
    client.expect("chat.message.posted")
    assert "Hello" in json.dumps(client.frames[-1]["data"])
    client.drop()


def test_dev_warns_that_every_chat_is_open(dev):
    program = dev()
    eventually(lambda: "level=warn" in program.log_text())


@pytest.mark.parametrize("key", ["listen", "admin.listen", "relay.listen"])
def test_dev_listens_on_loopback_only(key):
    flag = key.replace(".", "-")
    refused = run_program("roomcast", "--dev", f"--{flag}=0.0.0.0:{free_port()}")
    assert refused.returncode == 2 and key in refused.stderr and "loopback" in refused.stderr


def test_dev_tokens_are_no_good_elsewhere(stack):
    from harness import raw

    headers = {"Authorization": f"Bearer {dev_token('anna')}"}
    assert raw.ask_upgrade(stack.nodes[0].port, headers=headers).status == 401
    assert tokens.SECRET not in dev_token("anna")
