"""What domain services hear on Redis about who is online, whoever is the active relay."""
import json
import time

import pytest

from harness.waiting import eventually, seconds

BEAT_MS = int(seconds(0.3) * 1000)
DELAY_S = round(seconds(2))
CHANNEL = "events.presence.changed"
SHARED = {"cluster.heartbeat_ms": BEAT_MS, "presence.leave_delay_s": DELAY_S}


class Listener:
    """A domain service that is subscribed to the channel."""

    def __init__(self, redis):
        self.pubsub = redis.pubsub()
        self.pubsub.subscribe(CHANNEL)
        assert self.pubsub.get_message(timeout=seconds(5))["type"] == "subscribe"
        self.events = []

    def read(self):
        while (message := self.pubsub.get_message(timeout=0.01)) is not None:
            self.events.append(json.loads(message["data"]))
        return self.events

    def told(self, user):
        """is_online of the user, in the order in which it was told."""
        return [event["payload"]["is_online"] for event in self.read() if event["payload"]["user_id"] == user]

    def wait(self, user, *expected, timeout=20):
        eventually(lambda: self.told(user) == list(expected), timeout, f"{user}: {expected}; heard: {self.events}")


def start(make_stack, **options):
    options = {**SHARED, **options}
    return make_stack(nodes=2, node_options=options, relay_options={**options, "presence.publish": "true"}).start()


@pytest.fixture
def stack(make_stack):
    return start(make_stack)


@pytest.fixture
def listener(stack):
    listening = Listener(stack.redis)
    yield listening
    listening.pubsub.close()


def enter(open_client, node, user, chat):
    client = open_client(node, user)
    client.subscribe(chat)
    return client


def wait_followed(stack, open_client, listener, chat):
    """Until somebody who comes to each node is told of. Returns who was: nobody else is in the chat."""
    followed = []
    for node in stack.nodes:
        for number in range(20):
            user = f"first-{node.name}-{number}"
            client = enter(open_client, node, user, chat)
            began = time.monotonic()
            while not listener.told(user) and time.monotonic() - began < seconds(3):
                pass
            if listener.told(user):
                followed.append(user)
                break
            client.drop()
    assert len(followed) == len(stack.nodes), "the relay follows the nodes"
    return followed


def test_each_change_is_published_once_as_a_domain_event(stack, listener, open_client, chat):
    first, second = stack.nodes
    wait_followed(stack, open_client, listener, chat)
    anna = enter(open_client, first, "anna", chat)
    listener.wait("anna", True)
    again = enter(open_client, second, "anna", chat)
    anna.drop()  # the other tab stays
    enter(open_client, second, "ben", chat)
    listener.wait("ben", True)
    left_at = time.monotonic()
    again.drop()
    listener.wait("anna", True, False)
    assert time.monotonic() - left_at >= DELAY_S / 2  # not at once
    event = next(event for event in listener.events if event["payload"]["user_id"] == "anna")
    assert event["event_type"] == "presence.changed" and event["aggregate_type"] == "chat" and event["version"] == 1
    assert event["aggregate_id"] == event["payload"]["chat_id"] == chat
    assert len({event["id"] for event in listener.events}) == len(listener.events)
    metrics = stack.relay.metrics()
    assert metrics["roomcast_relay_presence_total", "result", "published"] == len(listener.events)
    assert metrics["roomcast_relay_presence_total", "result", "dropped"] == 0
    for result in "dead_letter", "skipped":
        assert metrics["roomcast_relay_events_total", "result", result] == 0, "it does not read its own word"


def test_users_of_a_killed_node_are_told_of_at_once_and_those_who_are_elsewhere_are_not(make_stack, open_client, chat):
    stack = start(make_stack, **{"presence.leave_delay_s": 600})
    listener = Listener(stack.redis)
    first, second = stack.nodes
    stayed, gone = wait_followed(stack, open_client, listener, chat)
    for node, user in (second, "gone"), (second, "both"), (first, "both"), (first, "stays"):
        enter(open_client, node, user, chat)
        listener.wait(user, True)
    second.kill()
    listener.wait("gone", True, False)
    listener.wait(gone, True, False)
    assert listener.told("both") == listener.told("stays") == listener.told(stayed) == [True]
    listener.pubsub.close()


def test_a_relay_that_takes_over_knows_what_happened_and_tells_the_last_seconds(stack, listener, open_client, chat, watch):
    first, second = stack.nodes
    standby = stack.new_relay("relay-1")
    watch(standby)
    standby.spawn().wait_standby()
    followed = wait_followed(stack, open_client, listener, chat)
    ben = enter(open_client, second, "ben", chat)
    listener.wait("ben", True)
    online = lambda: standby.metrics()["roomcast_relay_presence_users"]
    eventually(lambda: online() >= len(followed) + 1, 20, "it follows before it is its turn")
    stack.relay.kill()
    enter(open_client, first, "anna", chat)  # nobody is there to tell it
    ben.drop()
    eventually(standby.is_ready, 30, "the other relay has taken over")
    for user, is_online in ("anna", True), ("ben", False):
        eventually(lambda: listener.told(user)[-1:] == [is_online], 20, f"{user} is told of")
    enter(open_client, second, "carl", chat)
    listener.wait("carl", True)
    assert listener.told("anna") == [True]
    assert all(set(listener.told(user)) == {True} for user in followed)
    assert standby.stop() in (0, None)


def test_a_relay_that_starts_alone_tells_who_is_online(stack, listener, open_client, chat):
    followed = wait_followed(stack, open_client, listener, chat)
    stack.relay.kill()
    enter(open_client, stack.nodes[0], "anna", chat)
    stack.relay.start()
    listener.wait("anna", True)
    for user in followed:
        listener.wait(user, True, True)


def test_redis_away_costs_at_most_the_change_that_was_under_way(stack, open_client, chat):
    before = Listener(stack.redis)
    followed = wait_followed(stack, open_client, before, chat)
    before.pubsub.close()
    counts = lambda: [stack.relay.metrics()["roomcast_relay_presence_total", "result", result] for result in ("published", "dropped")]
    published = counts()[0]
    stack.redis_server.kill()
    for user in ("anna", "ben", "carl"):
        enter(open_client, stack.nodes[0], user, chat)
    stack.redis_server.start()
    after = Listener(stack.redis)
    enter(open_client, stack.nodes[1], "dora", chat)
    after.wait("dora", True)
    assert sum(counts()) == published + 4 and counts()[1] <= 1, followed
    after.pubsub.close()
