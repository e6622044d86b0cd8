"""The whole round trip, as a user would see it: two WebSocket clients on two nodes, one event on Redis; then what the demo
chat is made of: its page, a token of it, and a message posted to it.

Called by `cluster/quickstart --smoke`. Exits 0 when both clients received exactly the documented JSON.
"""
import argparse
import asyncio
import json
import re
import subprocess
import sys
import urllib.request
import uuid

import websockets

STEP_SECONDS = 15
# Values that a careless broker would change: an integer beyond 2^53, key order, Unicode, PascalCase, nesting.
PAYLOAD = (
    '{"ChatID":"%s","AuthorID":"7f3c0b1e-1c1f-4e59-9d39-0f6f3a5a2b11","Content":"Grüße, 世界 👋",'
    '"Sequence":9223372036854775807,"zeta":1,"alpha":[[1,2],{"unknown":null}]}'
)


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


class Client:
    """One connection; prints what arrives."""

    def __init__(self, name, socket):
        self.name = name
        self.socket = socket

    @classmethod
    async def connect(cls, name, url, token):
        # The subprotocol form keeps the token out of URLs and access logs (proto/README.md).
        socket = await websockets.connect(url, subprotocols=["roomcast.v1", f"bearer.{token}"])
        check(socket.subprotocol == "roomcast.v1", f"{name}: subprotocol {socket.subprotocol}")
        client = cls(name, socket)
        await client.expect("connected")
        return client

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def expect(self, type_):
        """The next frame, as text and parsed; it must be of this type. Who comes and goes may be told in between."""
        message = {"type": "presence.changed"}
        while message["type"] == "presence.changed" != type_:
            try:
                text = await asyncio.wait_for(self.socket.recv(), STEP_SECONDS)
            except asyncio.TimeoutError:
                raise Failure(f"{self.name}: no {type_} within {STEP_SECONDS} s") from None
            print(f"  {self.name} <- {text}")
            message = json.loads(text)
        check(message.get("type") == type_, f"{self.name}: expected {type_}")
        return text, message

    async def subscribe(self, chat):
        await self.send(type="subscribe.chat", chat_id=chat, id=1)
        _, ack = await self.expect("ack")
        check(ack["action"] == "subscribed" and ack["chat_id"] == chat and ack["id"] == 1, f"{self.name}: wrong ack")


def post_event(redis_port, chat):
    """XADD by redis-cli, as a domain service would do it. Returns the event's id and payload text."""
    event_id = str(uuid.uuid4())
    payload = PAYLOAD % chat
    event = '{"id":"%s","event_type":"MessagePosted","occurred_at":"2026-11-23T10:15:30.123Z","payload":%s}' % (
        event_id,
        payload,
    )
    command = ["redis-cli", "-p", str(redis_port), "XADD", "roomcast:events", "*", "event", event]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=STEP_SECONDS)
    return event_id, payload


def check_event(client, text, message, chat, event_id, payload):
    check(message["chat_id"] == chat, f"{client.name}: wrong chat")
    check(message["id"] == event_id, f"{client.name}: wrong event id")
    check(isinstance(message["epoch"], str) and message["seq"] == 1, f"{client.name}: wrong position")
    check(text.endswith('"data":' + payload + "}"), f"{client.name}: the payload was changed on its way")


def ask(url, body=None):
    """The answer of the demo's server: its body. Without a proxy, whatever the environment says."""
    request = urllib.request.Request(url, data=body and json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=STEP_SECONDS) as answer:
        return answer.read().decode()


async def demo_chat(arguments):
    print("the demo chat's page is there, and what it is made of:")
    page = ask(arguments.demo)
    files = re.findall(r'(?:href|src)="/([^"]+)"', page)
    check("demo.js" in files and "demo.css" in files, "the page names no script or no style")
    for file in files:
        print(f"  /{file}: {len(ask(arguments.demo + file))} characters")

    print("a message that is posted there arrives with a token that it gave:")
    chat = json.loads(ask(arguments.demo + "setup"))["chat_id"]
    token = json.loads(ask(arguments.demo + "token?user=ann"))["token"]
    client = await Client.connect("Ann", arguments.client[0][0], token)
    await client.subscribe(chat)
    posted = json.loads(ask(arguments.demo + "messages", {"user": "ben", "text": "Grüße 👋"}))
    _, message = await client.expect("chat.message.posted")
    check(message["data"]["message_id"] == posted["message_id"], "Ann: another message")
    check(message["data"]["content"] == "Grüße 👋", "Ann: the text was changed on its way")
    await client.socket.close()


async def round_trip(arguments):
    chat = str(uuid.uuid4())
    print("two clients connect, one to each node, and subscribe:")
    clients = []
    for name, (url, token) in zip(("node 0", "node 1"), arguments.client):
        clients.append(await Client.connect(name, url, token))
        await clients[-1].subscribe(chat)

    print("a domain event is added to the Redis stream, and arrives:")
    event_id, payload = post_event(arguments.redis_port, chat)
    for client in clients:
        text, message = await client.expect("chat.message.posted")
        check_event(client, text, message, chat, event_id, payload)

    print("each types, the other one sees it:")
    for writer, reader in (clients, reversed(clients)):
        await writer.send(type="chat.typing", chat_id=chat)
        _, message = await reader.expect("chat.typing")
        check(message["is_typing"] is True and message["chat_id"] == chat, "wrong typing signal")

    for client in clients:
        await client.socket.close()
    await demo_chat(arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis-port", type=int, required=True)
    parser.add_argument("--client", nargs=2, action="append", required=True, metavar=("URL", "TOKEN"))
    parser.add_argument("--demo", required=True, metavar="URL", help="of the demo chat")
    try:
        asyncio.run(round_trip(parser.parse_args()))
    except (Failure, OSError, KeyError, websockets.WebSocketException, subprocess.SubprocessError) as error:
        print(f"smoke: FAILED: {type(error).__name__}: {error}")
        sys.exit(1)
    print("smoke: everything arrived as documented")


if __name__ == "__main__":
    main()
