"""nats.seal: what nodes and relays say to each other on NATS is taken from nobody else, and can be hidden."""
import base64
import collections
import hashlib
import json
import os
import random
import secrets
import time

import pytest

from harness import envelope, hostile, tokens
from harness.events import Event
from harness.processes import get, run_program
from harness.waiting import eventually

KEY, OTHER = secrets.token_hex(32), secrets.token_hex(32)


def sealed(mode, key=KEY, **more):
    options = {"nats.seal": mode, "nats.seal_key": key}
    return {**options, **({"nats.seal_key_previous": more["previous"]} if more else {})}


def rejected(node, reason):
    return node.metrics()["roomcast_seal_rejected_total", "reason", reason]


def type_in(client, chat):
    client.send(type="chat.typing", chat_id=chat)


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_events_signals_resumes_and_revocations_work_and_forgeries_do_not(make_stack, open_client, chat, other_chat, mode):
    stack = make_stack(nodes=2, node_options=sealed(mode), relay_options=sealed(mode)).start()
    anna, ben = open_client(stack.nodes[0], "anna"), open_client(stack.nodes[1], "ben")
    for client in [anna, ben]:
        client.subscribe(chat)
    with stack.nats_client() as nats:
        nats.subscribe(f"roomcast.live.chat.{chat}")
        nats.subscribe(f"roomcast.sig.chat.{chat}")
        stack.xadd(Event(payload={"chat_id": chat, "content": "a-word-to-be-hidden"}))
        for client in [anna, ben]:
            client.expect("chat.message.posted", seq=1)
        type_in(anna, chat)
        ben.expect("chat.typing", user_id="anna")
        wire = {}
        while len(wire) < 2:
            subject, _, data = nats.next_message()
            wire[subject] = data
    with stack.nats_client() as nats:
        stored = nats.jetstream("STREAM.MSG.GET.roomcast_events_1", last_by_subj=f"roomcast.ev.chat.{chat}")
    event = wire[f"roomcast.live.chat.{chat}"]
    assert all(data[0] == 0 for data in wire.values())
    assert (b"a-word-to-be-hidden" in base64.b64decode(stored["message"]["data"])) == (mode == "sign")

    stack.nodes[0].stop()
    stack.nodes[0].start()
    late = open_client(stack.nodes[0], "carla")
    assert late.subscribe(chat)["seq"] == 1

    node = stack.nodes[1]
    before = {reason: rejected(node, reason) for reason in ["unsealed", "truncated", "forged", "unknown_key"]}
    assert before == {"unsealed": 0, "truncated": 0, "forged": 0, "unknown_key": 0}
    ben.subscribe(other_chat)
    changed = bytearray(event)
    changed[-1] ^= 1
    with stack.nats_client() as nats:
        nats.publish(f"roomcast.live.chat.{chat}", envelope.encode(**envelope.of_chat(chat, 2)))
        nats.publish("roomcast.sig.nodes", b"{}")
        nats.publish(f"roomcast.live.chat.{other_chat}", event)
        nats.publish(f"roomcast.live.chat.{chat}", bytes(changed))
        nats.publish(f"roomcast.live.chat.{chat}", event[:20])
        nats.publish(f"roomcast.live.chat.{chat}", bytes(event[:2]) + b"\1\2\3\4" + bytes(event[6:]))
        nats.publish(f"roomcast.live.chat.{chat}", event)  # where and as it was: a duplicate
    wanted = {"unsealed": 2, "truncated": 1, "forged": 2, "unknown_key": 1}
    eventually(lambda: {reason: rejected(node, reason) for reason in wanted} == wanted, what="all are counted")
    eventually(lambda: "seal_rejected" in node.log_text(), what="and logged")
    assert "a-word-to-be-hidden" not in node.log_text() and KEY not in node.log_text()

    stack.xadd(Event(chat=chat))
    ben.expect("chat.message.posted", seq=2)
    ben.expect_nothing_pending()
    stack.revoke({"user_id": "ben", "chat_id": chat})
    assert ben.skip_until("unsubscribed")["code"] == "MEMBERSHIP_REVOKED"


def seal_by_hand(key, subject, body, at_ms):
    """As include/roomcast/wire/seal.h describes it, made with nothing of ours."""

    def derive(purpose):
        return hashlib.blake2b(f"roomcast seal 1: {purpose}".encode(), key=bytes.fromhex(key), digest_size=32).digest()

    header = b"\0\1" + derive("key id")[:4] + at_ms.to_bytes(8, "big")
    covered = header + len(subject).to_bytes(2, "big") + subject.encode() + body
    return header + hashlib.blake2b(covered, key=derive("sign"), digest_size=16).digest() + body


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_nobody_acts_for_an_operator_without_the_key_nor_by_sending_again_what_was_heard(make_stack, open_client, user, mode):
    options = {"admin.key": "the-admin-key-of-these-tests", "cluster.heartbeat_ms": 200}
    stack = make_stack(nodes=2, node_options=sealed(mode) | options, relay_options=sealed(mode) | options).start()
    asked, acting = stack.nodes
    members = lambda: {one["name"]: one["instance"] for one in json.loads(get(asked.admin_url + "/cluster").body)["members"]}
    eventually(lambda: "roomcast-1" in members(), what="the other node is known")
    subject = "roomcast.sig.console." + members()["roomcast-1"].replace(".", "=2E")
    client = open_client(acting, user)
    with stack.nats_client() as nats:
        nats.subscribe("roomcast.sig.console.>")
        answer = get(f"{asked.admin_url}/console/api/disconnect/{user}", data=b"", headers={"Authorization": f"Bearer {options['admin.key']}"}, method="POST")
        assert sorted(one["body"]["count"] for one in json.loads(answer.body)["answers"]) == [0, 1]
        client.expect_disconnect(4110)
        heard, _, action = nats.next_message()
        assert heard == subject and action[0] == 0
        assert (user.encode() in action) == (mode == "sign")
        client = open_client(acting, user)
        field = envelope.unknown_field
        before = {reason: rejected(acting, reason) for reason in ("unsealed", "forged")}
        bad = acting.metrics()["roomcast_console_requests_total", "result", "bad"]
        nats.publish(subject, b"\x08\x01\x10\x07" + field(3, b"x") + b"\x20\x05" + field(5, user.encode()))  # a disconnect
        nats.publish(subject, b"\x08\x01\x10\x08" + field(3, b"x") + b"\x20\x06")  # a drain
        nats.publish(subject, action[:-1] + bytes([action[-1] ^ 1]))
        nats.publish(subject, action)
        eventually(lambda: acting.metrics()["roomcast_console_requests_total", "result", "bad"] == bad + 1, what="the repetition is refused")
    assert {reason: rejected(acting, reason) for reason in before} == {"unsealed": before["unsealed"] + 2, "forged": before["forged"] + 1}
    client.send(type="ping", id=1)
    client.expect("pong", id=1)  # still here
    assert acting.is_running() and b"draining" not in get(acting.admin_url + "/cluster").body


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_nor_does_a_relay_do_again_what_an_operator_had_it_do(make_stack, user, mode):
    options = {"admin.key": "the-admin-key-of-these-tests", "cluster.heartbeat_ms": 200}
    stack = make_stack(nodes=1, node_options=sealed(mode) | options, relay_options=sealed(mode) | options).start()
    node, relay = stack.nodes[0], stack.relay
    ask = lambda path, **how: get(f"{node.admin_url}/console/api/{path}", headers={"Authorization": f"Bearer {options['admin.key']}"}, **how)
    members = lambda: [one["instance"] for one in json.loads(get(node.admin_url + "/cluster").body)["members"] if one["kind"] == "relay" and one["active"]]
    eventually(members, what="the active relay is known")
    stored = lambda: relay.metrics()["roomcast_relay_revocations_total", "result", "stored"]
    with stack.nats_client() as nats:
        nats.subscribe("roomcast.sig.console.>")
        answer = ask("revoke", data=json.dumps({"user_id": user}).encode(), method="POST")
        assert [one["status"] for one in json.loads(answer.body)["answers"]] == [202]
        to_relay, _, action = nats.next_message()
        to_node, _, _ = nats.next_message()
        assert to_relay == "roomcast.sig.console." + members()[0].replace(".", "=2E") and to_node != to_relay
        assert stored() == 1
        for _ in range(3):
            nats.publish(to_relay, action)
        assert ask("letters").status == 200  # asked and answered behind them, in order
        heard = [nats.next_message()[0] for _ in range(5)]
        assert heard == [to_relay] * 4 + [to_node]
    assert stored() == 1
    assert any("console_message_rejected" in line and "reason=forbidden" in line for line in relay.log_text().splitlines())


def test_an_old_signal_is_stale_and_a_fresh_one_made_by_another_program_is_good(make_stack, open_client, chat):
    often = {"cluster.heartbeat_ms": 200}
    stack = make_stack(nodes=1, node_options=sealed("sign") | often, relay_options=sealed("sign") | often).start()
    node = stack.nodes[0]
    ben = open_client(node, "ben")
    ben.subscribe(chat)
    subject, field = f"roomcast.sig.chat.{chat}", envelope.unknown_field
    body = b"\x08\x01" + field(2, b"other") + field(3, chat.encode()) + field(4, field(1, b"emma") + b"\x10\x01")
    now_ms = int(time.time() * 1000)
    with stack.nats_client() as nats:
        for at_ms in [now_ms - 100_000, now_ms + 100_000]:
            nats.publish(subject, seal_by_hand(KEY, subject, body, at_ms))
        eventually(lambda: rejected(node, "stale") == 2, what="both are stale")
        nats.publish(subject, seal_by_hand(KEY, subject, body, now_ms))
    assert ben.skip_until("chat.typing")["user_id"] == "emma"

    # roomcast top, with the key.
    top = ["top", "--once", "--json", f"--nats-url={stack.nats.url}", "--interval=1"]
    assert '"roomcast-0"' in run_program("roomcast", *top, f"--nats-seal-key={KEY}").stdout


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_what_is_changed_moved_or_repeated_at_random_changes_no_flow_of_events(make_stack, open_client, chat, mode):
    seed = int(os.environ.get("ROOMCAST_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    print(f"ROOMCAST_FUZZ_SEED={seed}")
    dice = random.Random(seed)
    fast = {"limits.messages_per_s": 1000, "limits.messages_burst": 1000}
    stack = make_stack(nodes=2, node_options=sealed(mode) | fast, relay_options=sealed(mode)).start()
    clients = [open_client(node) for node in stack.nodes]
    for client in clients:
        client.subscribe(chat)
    heard = collections.deque(maxlen=200)
    with stack.nats_client() as nats:
        nats.subscribe("roomcast.>")
        for number in range(1, 201):
            heard.extend(nats.take_messages())
            for _ in range(40 if heard else 0):
                subject, _, data, _ = dice.choice(heard)
                if dice.random() < 0.3:
                    subject = dice.choice(heard)[0]
                # To store is what permissions forbid.
                subject = subject.replace(".ev.", ".live.", 1)
                nats.send_message(subject, hostile.mutated(dice, data) if dice.random() < 0.7 else data)
            event = Event(chat=chat)
            stack.xadd(event)
            type_in(clients[number % 2], chat)
            for client in clients:
                frame = client.next()
                while frame.type in ("chat.typing", "presence.changed"):  # signals may be repeated
                    frame = client.next()
                assert frame.type == "chat.message.posted" and (frame["id"], frame["seq"]) == (event.id, number), frame
    for node in stack.nodes:
        assert all(rejected(node, reason) > 0 for reason in ("unsealed", "truncated", "unknown_key", "forged"))
        # Repeated as it was, but not by the stream.
        assert node.metrics()["roomcast_envelopes_rejected_total", "reason", "subject"] > 0


def test_keys_and_modes_are_changed_process_by_process(make_stack, open_client, chat):
    """A relay that has gone on to the new key, a node that still seals with the old one, and one not yet sealing."""
    stack = make_stack(nodes=2, node_options=sealed("sign", KEY, previous=OTHER), relay_options=sealed("encrypt", OTHER, previous=KEY)).start()
    anna = open_client(stack.nodes[0], "anna")
    ben = open_client(stack.nodes[1], "ben")
    for client in [anna, ben]:
        client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    for client in [anna, ben]:
        client.expect("chat.message.posted", seq=1)

    stack.nodes[1].stop()
    stack.nodes[1].options |= {"nats.seal": "off"}
    stack.nodes[1].start()
    ben = open_client(stack.nodes[1], "ben")
    assert ben.subscribe(chat)["seq"] == 1
    type_in(anna, chat)
    ben.expect("chat.typing", user_id="anna")
    stack.xadd(Event(chat=chat))
    ben.skip_until("chat.message.posted")


def test_sealing_is_introduced_without_losing_events_or_revocations(make_stack, open_client, chat, user):
    stack = make_stack(nodes=1).start()
    client = open_client(stack.nodes[0], "anna")
    client.subscribe(chat)
    stack.xadd_all([Event(chat=chat), Event(chat=chat)])
    seen = client.expect("chat.message.posted", seq=1).position
    client.expect("chat.message.posted", seq=2)
    token = tokens.mint(user)
    stack.revoke({"user_id": user, "chat_id": chat})
    client.close()

    def change(**options):
        for process in [stack.nodes[0], stack.relay]:
            process.stop()
            process.options |= {name.replace("__", "."): value for name, value in options.items()}
        stack.relay.start()
        stack.nodes[0].start()

    change(nats__seal="sign", nats__seal_key=KEY, nats__seal_accept_plain="true")
    client = open_client(stack.nodes[0], "anna")
    client.send(type="subscribe.chat", chat_id=chat, since=seen)
    client.skip_until("chat.message.posted")
    out = open_client(stack.nodes[0], user, token=token)
    out.send(type="subscribe.chat", chat_id=chat)
    out.expect_error("FORBIDDEN")
    stack.xadd(Event(chat=chat))
    client.expect("chat.message.posted", seq=3)
    assert stack.nodes[0].metrics().total("roomcast_seal_rejected_total") == 0
    for each in [client, out]:
        each.close()

    # Too early, with unsealed events in the stream: rooms start anew, and nothing stands still.
    for process in [stack.nodes[0], stack.relay]:
        process.expect_log("revocations_(rejected|unreadable)")
    change(nats__seal_accept_plain="false")
    client = open_client(stack.nodes[0], "anna")
    other = client.subscribe(chat)
    stack.xadd(Event(chat=chat))
    assert client.skip_until("chat.message.posted").position["epoch"] != "" and other


@pytest.mark.parametrize(
    "options, part",
    [
        (["--nats-seal=sign"], "nats.seal_key"),
        (["--nats-seal-key=short"], "32 bytes"),
        ([f"--nats-seal-key={KEY}", "--nats-seal-key-previous=short"], "32 bytes"),
        ([f"--nats-seal-key-previous={KEY}"], "needs nats.seal_key"),
        (["--nats-seal=perhaps"], "encrypt"),
    ],
    ids=["no key", "bad key", "bad previous", "previous alone", "mode"],
)
@pytest.mark.parametrize("program", ["roomcast", "roomcast-relay"])
def test_a_key_that_is_none_ends_the_start(program, options, part):
    answer = run_program(program, "--check-config", *options, environment={"ROOMCAST_AUTH_HMAC_SECRET": tokens.SECRET})
    assert answer.returncode == 2 and part in answer.stderr and KEY not in answer.stderr
