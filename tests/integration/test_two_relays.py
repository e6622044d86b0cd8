"""Two relays for availability: one works, the other takes over, and nothing is lost, doubled or reordered."""
import json
import signal
import time
import uuid

import pytest

from harness.events import message
from harness.processes import get
from harness.stack import API_KEY, LEASE_MS
from harness.stored import expect_rooms, read_stream
from harness.waiting import eventually, seconds

LEASE = LEASE_MS / 1000
STORED = ("roomcast_relay_events_total", "result", "stored")


class Pair:
    """A stack with two relays, and what was published to it."""

    def __init__(self, stack, second):
        self.stack = stack
        self.relays = [stack.relay, second]
        self.published = {}

    def publish(self, chats, count):
        """`count` events, a chat after the other in turn."""
        events = []
        for number in range(count):
            chat = chats[number % len(chats)]
            events.append(message(chat, number))
            self.published.setdefault(chat, []).append(events[-1])
        self.stack.xadd_all(events)

    def active(self, timeout=30):
        """The one that works, and the other."""

        def find():
            return [relay for relay in self.relays if relay.is_running() and relay.is_ready()]

        working = eventually(find, timeout, what="a relay is active")
        assert len(working) == 1
        return working[0], self.relays[1 - self.relays.index(working[0])]

    def wait_stored(self):
        """Everything is, and is acknowledged."""
        stream = "roomcast:events"
        group = lambda: self.stack.redis.xinfo_groups(stream)[0]
        last = lambda: self.stack.redis.xinfo_stream(stream)["last-generated-id"]
        done = lambda: group()["pending"] == 0 and group()["last-delivered-id"] == last()
        eventually(done, timeout=60, what="all entries are stored and acknowledged")

    def check(self):
        self.wait_stored()
        with self.stack.nats_client() as nats:
            expect_rooms(read_stream(nats), self.published)


@pytest.fixture
def make_pair(make_stack, watch):
    made = []

    def make(**options):
        stack = make_stack(nodes=0, relay_options=options).start()
        made.append(stack.new_relay("relay-1"))
        watch(made[-1])
        made[-1].spawn().wait_standby()
        return Pair(stack, made[-1])

    yield make
    for second in made:
        assert second.stop() in (0, None)


@pytest.fixture
def pair(make_pair):
    return make_pair()


def chats(count):
    return [str(uuid.uuid4()) for _ in range(count)]


def test_one_works_and_the_other_says_who(pair):
    active, standby = pair.active()
    assert (active, standby) == tuple(pair.relays)
    assert [relay.metrics()["roomcast_relay_active"] for relay in pair.relays] == [1, 0]
    assert standby.readyz().status == 200
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = message(chats(1)[0]).text.encode()
    answer = get(standby.admin_url + "/v1/events", data=body, headers=headers, method="POST")
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    error = json.loads(answer.body)["error"]
    assert error["code"] == "UNAVAILABLE"
    assert "standby" in error["message"] and active.name in error["message"]
    assert get(active.admin_url + "/v1/events", data=body, headers=headers, method="POST").status == 202
    # Both would have stored it: only the active one listens.
    assert pair.stack.redis.publish("events.x", body) == 1


def test_a_stopped_relay_hands_over_before_its_lease_runs_out(make_pair):
    pair, rooms = make_pair(**{"relay.lease_ms": 30000}), chats(20)
    for _ in range(3):
        active, standby = pair.active()
        pair.publish(rooms, 400)
        active.signal(signal.SIGTERM)
        begin = time.monotonic()
        eventually(standby.is_ready, what="the standby has taken over")
        assert time.monotonic() - begin < 15
        assert active.wait_exit() == 0
        assert standby.metrics()["roomcast_relay_takeovers_total"] >= 1
        active.spawn().wait_standby()
    pair.check()


def test_a_killed_relay_is_replaced_within_twice_the_lease(pair):
    active, standby = pair.active()
    active.kill()
    begin = time.monotonic()
    eventually(standby.is_ready, what="the standby has taken over")
    assert time.monotonic() - begin < 2 * LEASE + 2
    active.spawn().wait_standby()


def test_relays_killed_again_and_again_store_all_once_and_in_order(pair):
    rooms = chats(50)
    for _ in range(10):
        active, _ = pair.active()
        before = active.metrics()[STORED]
        pair.publish(rooms, 250)
        eventually(lambda: active.metrics()[STORED] > before, what="it has begun")
        active.kill()
        pair.publish(rooms, 250)
        active.spawn()
    pair.check()
    assert sum(map(len, pair.published.values())) == 5000


def test_a_relay_that_was_frozen_steps_down(pair):
    rooms = chats(50)
    active, standby = pair.active()
    before = active.metrics()[STORED]
    pair.publish(rooms, 1000)
    eventually(lambda: active.metrics()[STORED] > before, what="it has begun")
    active.signal(signal.SIGSTOP)
    thaw = time.monotonic() + 10
    for _ in range(10):
        pair.publish(rooms, 100)
    eventually(standby.is_ready, what="the standby has taken over")
    pair.wait_stored()
    eventually(lambda: time.monotonic() > thaw, timeout=15)
    pair.publish(rooms, 1000)
    active.signal(signal.SIGCONT)
    active.wait_standby()
    assert standby.is_ready()
    assert "relay_deposed" in active.log_text()
    pair.publish(rooms, 1000)
    pair.check()


def test_relays_frozen_in_turn_store_all_once_and_in_order(pair):
    rooms = chats(20)
    for _ in range(4):
        active, standby = pair.active()
        before = active.metrics()[STORED]
        pair.publish(rooms, 500)
        eventually(lambda: active.metrics()[STORED] > before, what="it has begun")
        active.signal(signal.SIGSTOP)
        eventually(standby.is_ready, what="the standby has taken over")
        pair.publish(rooms, 500)
        active.signal(signal.SIGCONT)
        active.wait_standby()
    pair.check()


def test_what_a_relay_read_that_woke_up_too_late_is_stored_in_its_place(pair):
    chat = chats(1)[0]
    pair.publish([chat], 5)
    pair.wait_stored()
    first, *rest = [message(chat, number) for number in range(5, 15)]
    pair.published[chat] += [first, *rest]
    with pair.stack.redis.pipeline(transaction=True) as late:  # nobody else reads in between
        late.xadd("roomcast:events", {"event": first.text})
        late.xreadgroup("roomcast-relay", "relay", {"roomcast:events": ">"})
        for event in rest:
            late.xadd("roomcast:events", {"event": event.text})
        assert len(late.execute()[1][0][1]) == 1
    begin = time.monotonic()
    pair.check()
    assert time.monotonic() - begin < seconds(15), "it was not left to be claimed"


def test_what_a_relay_read_that_woke_up_too_late_is_stored_although_nothing_follows(pair):
    chat = chats(1)[0]
    pair.publish([chat], 5)
    pair.wait_stored()
    event = message(chat, 5)
    pair.published[chat].append(event)
    with pair.stack.redis.pipeline(transaction=True) as late:
        late.xadd("roomcast:events", {"event": event.text})
        late.xreadgroup("roomcast-relay", "relay", {"roomcast:events": ">"})
        late.execute()
    begin = time.monotonic()
    pair.check()
    assert time.monotonic() - begin < seconds(15)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_relays_wait_for_nats_together(pair, how):
    rooms = chats(20)
    active, _ = pair.active()
    pair.publish(rooms, 200)
    getattr(pair.stack.nats, how)()
    eventually(lambda: active.metrics()["roomcast_relay_active"] == 0, what="its lease has lapsed")
    pair.publish(rooms, 1000)
    pair.stack.nats.start()
    pair.active()
    pair.publish(rooms, 200)
    pair.check()


def test_a_relay_that_was_alone_with_nats_goes_on_where_it_was(make_stack, chat):
    stack = make_stack(nodes=0).start()
    stack.nats.signal(signal.SIGSTOP)
    eventually(lambda: stack.relay.metrics()["roomcast_relay_active"] == 0, what="its lease has lapsed")
    pair = Pair(stack, stack.relay)
    pair.publish([chat], 50)
    stack.nats.signal(signal.SIGCONT)
    pair.check()
    eventually(lambda: stack.relay.metrics()["roomcast_relay_active"] == 1)
    assert "relay_resumed" in stack.relay.log_text() and "relay_deposed" not in stack.relay.log_text()


@pytest.mark.heavy
def test_relays_over_a_cluster_survive_its_leaders(make_stack, watch):
    stack = make_stack(nodes=0, cluster=True, relay_options={"stream.replicas": 3}).start()
    second = stack.new_relay("relay-1")
    watch(second)
    second.spawn().wait_standby()
    pair = Pair(stack, second)
    rooms = chats(20)
    for server in stack.nats.servers:
        pair.publish(rooms, 200)
        server.kill()
        pair.publish(rooms, 200)
        server.start()
        pair.wait_stored()
        active, _ = pair.active(timeout=60)
        active.kill()
        active.spawn()
    pair.check()
    assert second.stop() == 0
