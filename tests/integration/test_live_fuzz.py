"""Random and mutated heads, frames and messages against the running node, over many connections, while honest
clients lose nothing. ROOMCAST_FUZZ_SECONDS makes it long, ROOMCAST_FUZZ_SEED repeats its inputs."""
import os
import random
import time

from harness import raw
from harness.events import Event

SECONDS = float(os.environ.get("ROOMCAST_FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("ROOMCAST_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
CHAT = b"b0000000-0000-4000-8000-000000000001"
MESSAGES = [
    b'{"type":"ping","id":"1"}',
    b'{"type":"subscribe.chat","chat_id":"%s","since":{"epoch":"abc","seq":1}}' % CHAT,
    b'{"type":"subscribe","chats":[{"chat_id":"%s"}]}' % CHAT,
    b'{"type":"unsubscribe.chat","chat_id":"%s"}' % CHAT,
    b'{"type":"typing.start","chat_id":"%s"}' % CHAT,
    b'{"type":"auth.refresh","token":"a.b.c"}',
]


def mutated(dice, data):
    data = bytearray(data)
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            del data[at : at + dice.randrange(1, 9)]
        elif kind == 1:
            data[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 2:
            data[at:at] = data[at : at + 64] * dice.randrange(1, 5)
        elif at < len(data):
            data[at] ^= 1 << dice.randrange(8)
    return bytes(data)


def frames(dice):
    sent = b""
    for _ in range(dice.randrange(1, 8)):
        opcode = dice.choice([0, 1, 1, 1, 1, 2, 8, 9, 10, dice.randrange(16)])
        payload = mutated(dice, dice.choice(MESSAGES))
        if opcode >= 8:
            payload = payload[: dice.randrange(140)]
        sent += raw.frame(
            opcode,
            payload,
            final=dice.random() < 0.8,
            masked=dice.random() < 0.97,
            reserved=dice.randrange(8) if dice.random() < 0.05 else 0,
        )
    return mutated(dice, sent) if dice.random() < 0.5 else sent


def attack(dice, port):
    """One connection; it is left in whatever way. That the node hangs up while we send is its right."""
    try:
        if dice.random() < 0.4:
            head = raw.upgrade_request() if dice.random() < 0.9 else dice.randbytes(200)
            with raw.Connection(port) as peer:
                peer.send(mutated(dice, mutated(dice, head)))
            return
        with raw.WebSocket(port) as peer:
            for _ in range(dice.randrange(1, 5)):
                data = frames(dice)
                cut = dice.randrange(len(data) + 1)
                peer.send(data[:cut])
                peer.send(data[cut:])
    except (ConnectionResetError, BrokenPipeError):
        pass


def test_honest_clients_lose_nothing_while_others_send_garbage(stack, connect, chat):
    print(f"ROOMCAST_FUZZ_SEED={SEED}")
    dice = random.Random(SEED)
    honest = [connect(0), connect(1)]
    for client in honest:
        client.subscribe(chat)
    end = time.monotonic() + SECONDS
    attacks = seq = 0
    while time.monotonic() < end:
        for _ in range(20):
            attack(dice, stack.nodes[attacks % 2].port)
            attacks += 1
        seq += 1
        event = Event(chat=chat)
        stack.xadd(event)
        for client in honest:
            client.expect("chat.message.posted", id=event.id, seq=seq)
    print(f"{attacks} connections, {seq} events")
    assert all(node.is_running() for node in stack.nodes)
    for client in honest:
        client.expect_nothing_pending()
