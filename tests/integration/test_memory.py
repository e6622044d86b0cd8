"""The memory ceiling (memory.max): load is shed before the kernel kills."""
import contextlib
import json
import pathlib
import re
import subprocess
import uuid

import pytest

from harness import raw, tokens
from harness.client import Closed, Frame
from harness.events import Event
from harness.waiting import eventually

MIB = 1 << 20
EVENT_BYTES = 200_000


def ask(node, user="new"):
    return raw.ask_upgrade(node.port, headers={"Authorization": f"Bearer {tokens.mint(user)}"})


def pressure(node):
    return node.metrics()["roomcast_memory_pressure"]


def shed(node, action):
    return node.metrics()["roomcast_memory_shed_total", "action", action]


def publish(stack, witness, chat, count):
    for number in range(count):
        event = Event(payload=json.dumps({"chat_id": chat, "n": number, "text": "x" * EVENT_BYTES}))
        stack.xadd(event)
        witness.expect("chat.message.posted", id=event.id)


def read_since(node, open_client, chat, ack, count):
    """The `seq` of so many events after the ack. A replay of this size can bring the node back to its ceiling,
    where it may send its reader away: he goes on where he was, as a client does."""
    seen, reader, position = [], None, ack.position
    while len(seen) < count:
        if reader is None:
            reader = open_client(node)
            assert reader.subscribe(chat, since=position)["recovered"] is True
        frame = reader.next()
        if isinstance(frame, Frame) and frame.type == "chat.message.posted":
            seen.append(frame["seq"])
            position = frame.position
        elif isinstance(frame, Closed):
            assert frame.code == 4108, frame
            eventually(lambda: pressure(node) == 0, what="the node is calm again")
            reader = None
        else:
            assert frame.type == "disconnect", frame
    return seen


def stages_in_log(node):
    """(before, stage) of every change."""
    return re.findall(r"memory_pressure.* stage=(\w+) before=(\w+)", node.log_text())


def test_the_ceiling_is_told(extra_node):
    node = extra_node({"memory.max": 512 * MIB})
    node.wait_log(rf"memory_ceiling.*bytes={512 * MIB} from=memory\.max")
    metrics = node.metrics()
    assert metrics["roomcast_memory_max_bytes"] == 512 * MIB
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] > MIB)
    assert metrics["roomcast_process_resident_bytes"] > MIB
    assert pressure(node) == 0


def test_a_ceiling_that_no_node_fits_under_is_refused(extra_node):
    node = extra_node({"memory.max": 1_000_000}, start=False)
    node.spawn()
    assert node.wait_exit(10) == 2
    assert "memory.max must be 0 or at least 33554432" in node.log_text()


# A sanitizer holds on to what is freed, so that a process under one never comes back from its ceiling.
@pytest.mark.heavy
def test_history_is_given_up_and_nobody_who_reads_loses_anything(stack, extra_node, open_client):
    """Histories alone bring the node to its ceiling: what is dropped is read from the stream again."""
    node = extra_node({"memory.max": 96 * MIB, "resume.cache_bytes": 1 << 30, "resume.max_bytes": 1 << 28, "workers": 2})
    chats = [str(uuid.uuid4()) for _ in range(8)]
    clients = [open_client(node) for _ in chats]
    acks = [client.subscribe(chat) for client, chat in zip(clients, chats)]
    for _ in range(6):
        for client, chat in zip(clients, chats):
            publish(stack, client, chat, 15)
    assert shed(node, "history") > 0
    assert ("shrinking", "calm") in stages_in_log(node)
    assert node.peak_memory() < 96 * MIB
    assert shed(node, "connection") == 0
    # Everything is still to be had, of what the stream keeps.
    eventually(lambda: pressure(node) == 0, what="the node is calm again")
    assert read_since(node, open_client, chats[0], acks[0], 90) == list(range(acks[0]["seq"] + 1, acks[0]["seq"] + 91))


class Stalled(raw.WebSocket):
    """In a chat, and reads nothing until it is asked for its end."""

    def __init__(self, node, chat):
        self.user = str(uuid.uuid4())
        super().__init__(node.port, user=self.user)
        self.send_frame(raw.TEXT, json.dumps({"type": "subscribe", "chat_id": chat}))
        self.expect_text("ack")

    def is_closed_by(self, node):
        return re.search(rf"session_closing.*user={self.user} code=4108", node.log_text()) is not None


@pytest.mark.heavy
def test_slow_clients_are_closed_and_the_others_stay_healthy(stack, extra_node, open_client, chat):
    """Each slow client is in a chat of its own, so that what waits for it waits for nobody else."""
    ceiling = 128 * MIB
    node = extra_node({
        "memory.max": ceiling,
        "workers": 2,
        "limits.queue_bytes": 64 * MIB,
        "limits.queue_messages": 100_000,
        "limits.slow_grace_s": 3600,
        "ping.interval_s": 3600,
        "resume.cache_bytes": 65536,
    })
    honest = open_client(node)
    honest.subscribe(chat)
    private = [str(uuid.uuid4()) for _ in range(6)]
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(Stalled(node, each)) for each in private]
        witnesses = [open_client(node) for _ in private]
        for witness, each in zip(witnesses, private):
            witness.subscribe(each)
        refused = []
        for _ in range(400):
            for witness, each in zip(witnesses, private):
                publish(stack, witness, each, 1)
            publish(stack, honest, chat, 1)
            if pressure(node) > 0 and (answer := ask(node)).status == 503:
                refused.append(answer)
                assert node.readyz().status == 503 and b"memory" in node.readyz().body
            if shed(node, "connection"):
                break
        assert refused, "nobody was refused"
        assert all(answer.error == "OVERLOADED" and int(answer.headers["retry-after"]) > 0 for answer in refused)
        metrics = node.metrics()
        assert metrics["roomcast_handshakes_total", "result", "memory"] >= len(refused)
        assert 1 <= shed(node, "connection") < len(slow)  # no more than must be
        assert node.peak_memory() < ceiling
        closed = [client for client in slow if client.is_closed_by(node)]
        assert len(closed) == shed(node, "connection")
        code, texts = closed[-1].read_close()
        assert code == 4108 and texts[-1]["type"] == "disconnect" and texts[-1]["code"] == 4108
    eventually(lambda: pressure(node) == 0, what="the node is calm again")
    assert node.readyz().status == 200
    assert ask(node).status == 101
    publish(stack, honest, chat, 3)
    for witness, each in zip(witnesses, private):
        publish(stack, witness, each, 1)


@pytest.fixture
def memory_group():
    """A cgroup of version 2 whose memory may be limited, for one process."""
    root = pathlib.Path("/sys/fs/cgroup")
    controllers = root / "cgroup.controllers"
    if not controllers.is_file() or "memory" not in controllers.read_text().split():
        pytest.skip("no cgroup of version 2 with the memory controller at /sys/fs/cgroup")
    group = root / f"roomcast-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / "memory.max").write_text(str(256 * MIB))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"a cgroup's memory cannot be limited here: {error}")
    yield group
    eventually(lambda: not (group / "cgroup.procs").read_text(), what="the group is empty")
    group.rmdir()


def test_the_limit_of_the_cgroup_is_the_ceiling(extra_node, memory_group):
    node = extra_node(start=False)
    node.command_prefix = ("sh", "-c", f'echo $$ > {memory_group}/cgroup.procs && exec "$0" "$@"')
    node.start()
    node.wait_log(rf"memory_ceiling.*bytes={256 * MIB} from={memory_group}")
    assert node.metrics()["roomcast_memory_max_bytes"] == 256 * MIB
    eventually(lambda: 0 < node.metrics()["roomcast_memory_used_bytes"] < 256 * MIB)
    node.stop()


class PlayedGroup:
    """Files in the place of the cgroup tree, for one process: the test says what is used."""

    LIMIT = 1000 * MIB

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.put("memory.max", self.LIMIT)
        self.put("memory.stat", f"anon 1\ninactive_file {3 * MIB}\nactive_file {4 * MIB}\nslab_reclaimable {2 * MIB}")
        self.use(50)

    def put(self, name, text):
        new = self.directory / "new"
        new.write_text(f"{text}\n")
        new.rename(self.directory / name)

    def use(self, percent):
        self.put("memory.current", self.LIMIT * percent // 100 + 9 * MIB)


@pytest.fixture
def played(new_directory, extra_node):
    """played(options): a group, and a node in it."""

    def play(options):
        group = PlayedGroup(new_directory("group"))
        mount = f'mount --bind "{group.directory}" /sys/fs/cgroup && exec "$0" "$@"'
        words = ("unshare", "--mount", "sh", "-c", mount)
        if subprocess.run([*words, "true"], capture_output=True, timeout=30, check=False).returncode:
            pytest.skip("no mounts of our own can be made here")
        node = extra_node(options, start=False)
        node.command_prefix = words
        return group, node.start()

    return play


def test_newcomers_are_refused_while_the_cgroup_is_near_its_limit(played, open_client, chat, stack):
    group, node = played({"workers": 2})
    node.wait_log(rf"memory_ceiling.*bytes={group.LIMIT} from=/sys/fs/cgroup")
    resident = open_client(node)
    resident.subscribe(chat)
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] == group.LIMIT // 2)
    group.use(89)
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] == group.LIMIT * 89 // 100)
    assert pressure(node) == 1 and ask(node).status == 101 and node.readyz().status == 200
    group.use(91)
    eventually(lambda: pressure(node) == 2)
    answer = ask(node)
    assert answer.status == 503 and answer.error == "OVERLOADED" and int(answer.headers["retry-after"]) > 0
    node.wait_log(r"handshake_refused.*memory ceiling")
    assert node.readyz().status == 503 and b"memory" in node.readyz().body
    assert node.metrics()["roomcast_handshakes_total", "result", "memory"] == 1
    group.use(87)  # not yet below where it ends
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] == group.LIMIT * 87 // 100)
    assert pressure(node) == 2 and ask(node).status == 503
    group.use(79)
    eventually(lambda: pressure(node) == 0)
    assert node.readyz().status == 200 and ask(node).status == 101
    assert stages_in_log(node) == [("shrinking", "calm"), ("refusing", "shrinking"), ("calm", "refusing")]
    publish(stack, resident, chat, 1)


def test_history_shrinks_in_its_stage_and_grows_again_after_it(played, open_client, chat, stack):
    group, node = played({})
    resident = open_client(node)
    resident.subscribe(chat)
    kept = lambda: node.metrics()["roomcast_history_bytes"]
    publish(stack, resident, chat, 10)
    group.use(84)
    eventually(lambda: node.metrics()["roomcast_memory_used_bytes"] == group.LIMIT * 84 // 100)
    publish(stack, resident, chat, 10)
    assert pressure(node) == 0 and kept() > 19 * EVENT_BYTES and shed(node, "history") == 0
    group.use(87)
    eventually(lambda: pressure(node) == 1)
    eventually(lambda: kept() < 2 * EVENT_BYTES, what="only the newest event is kept")
    assert shed(node, "history") == 19
    group.use(50)
    eventually(lambda: pressure(node) == 0)
    publish(stack, resident, chat, 10)
    assert kept() > 9 * EVENT_BYTES and shed(node, "history") == 19


def test_clients_that_read_stay_however_full_the_cgroup_is(played, open_client, chat, stack):
    """Another process in the group may be what takes the memory: nothing that this node gives up helps."""
    group, node = played({"workers": 2})
    residents = [open_client(node) for _ in range(4)]
    for resident in residents:
        resident.subscribe(chat)
    group.use(120)
    eventually(lambda: pressure(node) == 3)
    for number in range(20):
        event = Event(payload=json.dumps({"chat_id": chat, "n": number, "text": "x" * EVENT_BYTES}))
        stack.xadd(event)
        for resident in residents:
            resident.expect("chat.message.posted", id=event.id)
    eventually(lambda: shed(node, "history") >= 19)
    assert shed(node, "connection") == 0 and node.metrics()["roomcast_connections"] == 4
    group.use(50)
    eventually(lambda: pressure(node) == 0)
    publish(stack, residents[0], chat, 1)


def test_a_ceiling_above_the_limit_of_the_cgroup_is_warned_of(played):
    group, node = played({"memory.max": 2 * PlayedGroup.LIMIT})
    node.wait_log(rf"memory_max_too_high.*cgroup_bytes={group.LIMIT}")
    assert node.metrics()["roomcast_memory_max_bytes"] == 2 * group.LIMIT
