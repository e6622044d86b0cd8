"""Who is online in a chat, across nodes that are drained, killed, stopped, or without NATS."""
import asyncio
import signal
import time

import pytest
import websockets

from harness import contract_frames, tokens
from harness.client import SUBPROTOCOL, loop
from harness.presence_truth import online, told, wait_for_truth, wait_told
from harness.proxy import Proxy
from harness.waiting import eventually, seconds

BEAT_S = seconds(0.3)
DEAD_S = 3 * BEAT_S
DELAY_S = round(seconds(2))
OPTIONS = {
    "cluster.heartbeat_ms": int(BEAT_S * 1000),
    "limits.messages_per_s": 1000,  # the tests ask often
    "limits.messages_burst": 1000,
}


@pytest.fixture
def nodes(make_stack):
    """nodes(count, options): a stack of so many nodes with a short heartbeat and leave delay."""

    def make(count=2, **options):
        options = {**OPTIONS, "presence.leave_delay_s": DELAY_S, **options}
        return make_stack(nodes=count, node_options=options).start()

    return make


@pytest.fixture
def enter(open_client, chat):
    """enter(node, user): a client of the node that is subscribed to the chat."""

    def enter_chat(node, user):
        client = open_client(node, user)
        client.subscribe(chat)
        return client

    return enter_chat


def test_a_user_with_several_tabs_comes_once_and_leaves_with_the_last_after_the_delay(nodes, enter, chat):
    first, second = nodes().nodes
    watchers = [enter(first, "watcher-0"), enter(second, "watcher-1")]
    tabs = [enter(second, "anna"), enter(first, "anna"), enter(second, "anna")]
    wait_for_truth(watchers, chat, {"watcher-0", "watcher-1", "anna"})
    enter(first, "ben").drop()
    tabs[0].drop()
    tabs[1].close()
    wait_told(watchers[0], "ben", False)  # so anna would have been said to have left as well
    assert told(watchers[0], "anna") == [True]
    left_at = time.monotonic()
    tabs[2].unsubscribe(chat)
    for watcher in watchers:
        wait_told(watcher, "anna", False)
        assert told(watcher, "anna") == [True, False]
    assert time.monotonic() - left_at >= DELAY_S / 2  # not at once
    wait_for_truth(watchers, chat, {"watcher-0", "watcher-1"})


def test_users_of_a_killed_node_are_offline_within_three_beats_and_nobody_else(nodes, enter, chat):
    first, second, third = nodes(3, **{"presence.leave_delay_s": 60}).nodes
    watchers = [enter(first, "watcher-0"), enter(second, "watcher-1")]
    for node, user in (third, "anna"), (third, "ben"), (second, "ben"), (third, "carl"), (first, "dora"):
        enter(node, user)
    everybody = {"watcher-0", "watcher-1", "anna", "ben", "carl", "dora"}
    wait_for_truth(watchers, chat, everybody)
    third.kill()
    for watcher in watchers:
        wait_told(watcher, "anna", False, DEAD_S + 1)
        wait_told(watcher, "carl", False, 1)
    wait_for_truth(watchers, chat, everybody - {"anna", "carl"}, 1)
    for watcher in watchers:
        assert False not in told(watcher, "ben") + told(watcher, "dora")


def test_who_is_back_before_the_killed_node_counts_as_dead_never_left(nodes, enter, chat):
    first, second = nodes(**{"cluster.heartbeat_ms": int(BEAT_S * 5000)}).nodes
    watcher = enter(first, "watcher")
    users = {f"user-{number}" for number in range(20)}
    for user in users:
        enter(second, user)
    enter(second, "gone")
    wait_for_truth([watcher], chat, users | {"gone", "watcher"})
    second.kill()
    for number, user in enumerate(users):
        enter(first, user)
    wait_told(watcher, "gone", False)
    wait_for_truth([watcher], chat, users | {"watcher"})
    assert [change for change in told(watcher) if not change[1]] == [("gone", False)]
    second.start()
    wait_for_truth([watcher, enter(second, "late")], chat, users | {"watcher", "late"})


def test_a_node_that_was_stopped_for_long_is_right_again_and_the_others_too(nodes, enter, chat):
    first, second = nodes(**{"presence.leave_delay_s": 0}).nodes
    watcher, other = enter(first, "watcher"), enter(second, "anna")
    leaver = enter(first, "leaver")
    wait_for_truth([watcher, other], chat, {"watcher", "anna", "leaver"})
    second.signal(signal.SIGSTOP)
    try:
        wait_told(watcher, "anna", False, DEAD_S + 1)
        leaver.drop()
        enter(first, "new")
        wait_for_truth([watcher], chat, {"watcher", "new"})
    finally:
        second.signal(signal.SIGCONT)
    wait_for_truth([watcher, other], chat, {"watcher", "anna", "new"})
    wait_told(watcher, "anna", True)
    assert False not in told(other, "watcher")  # the one that was stopped takes nobody for dead
    assert told(other, "leaver")[-1:] == [False]


def test_nothing_is_told_of_those_who_stay_while_nats_is_away_and_afterwards_all_is_right(nodes, enter, chat):
    stack = nodes(**{"presence.leave_delay_s": 0})
    first, second = stack.nodes
    watchers = [enter(first, "watcher-0"), enter(second, "watcher-1")]
    leavers = [enter(first, "leaver-0"), enter(second, "leaver-1")]
    everybody = {"watcher-0", "watcher-1", "leaver-0", "leaver-1"}
    wait_for_truth(watchers, chat, everybody)
    stack.nats.kill()
    for node in stack.nodes:
        eventually(lambda: node.readyz().status == 503, what="the node knows")
    for leaver in leavers:
        leaver.drop()
    since = time.monotonic()
    eventually(lambda: time.monotonic() - since > DEAD_S * 2, what="it is away for longer than a dead node would be")
    assert online(watchers[0], chat) >= {"watcher-0", "watcher-1"}
    stack.nats.start()
    wait_for_truth(watchers, chat, {"watcher-0", "watcher-1"}, 30)
    for watcher in watchers:
        assert False not in told(watcher, "watcher-0") + told(watcher, "watcher-1")


def test_what_a_node_missed_while_it_was_cut_off_is_made_good(make_stack, enter, chat):
    options = {**OPTIONS, "presence.leave_delay_s": 0, "nats.grace_s": 0}
    stack = make_stack(nodes=2, node_options=options)
    proxy = Proxy(stack.nats.port)
    first, second = stack.nodes
    first.options["nats.url"] = proxy.url
    stack.start()
    try:
        inside, outside = enter(first, "inside"), enter(second, "outside")
        gone = [enter(first, "gone-0"), enter(second, "gone-1")]
        wait_for_truth([inside, outside], chat, {"inside", "outside", "gone-0", "gone-1"})
        proxy.cut()
        wait_told(outside, "inside", False)
        for client in gone:
            client.drop()
        enter(second, "new")
        wait_for_truth([outside], chat, {"outside", "new"})
        proxy.heal()
        wait_for_truth([inside, outside], chat, {"inside", "outside", "new"}, 30)
        assert False not in told(inside, "outside")
        assert told(outside, "inside")[-1] is True
    finally:
        proxy.heal()
        status = first.stop()
        proxy.stop()
    assert status == 0


class Moving:
    """`count` users who go to the other node as soon as theirs sends them away."""

    def __init__(self, node, refuge, chat, count):
        self.refuge, self.chat, self.moved = refuge, chat, 0
        self.users = {f"moving-{number}" for number in range(count)}
        loop.run(self._begin(node), timeout=60)

    async def _begin(self, node):
        for user in self.users:
            socket = await self._enter(node, user)
            asyncio.ensure_future(self._stay(socket, user))

    async def _enter(self, node, user):
        protocols = [SUBPROTOCOL, f"bearer.{tokens.mint(user)}"]
        socket = await contract_frames.connect(node.url, subprotocols=protocols, ping_interval=None, compression=None)
        await socket.send('{"type":"subscribe","chat_id":"%s"}' % self.chat)
        return socket

    async def _stay(self, socket, user):
        try:
            async for _ in socket:
                pass
        except websockets.ConnectionClosed:
            pass
        again = await self._enter(self.refuge, user)
        self.moved += 1
        try:
            async for _ in again:
                pass
        except websockets.ConnectionClosed:
            pass


def test_nobody_is_said_to_have_left_when_all_users_of_a_node_move_in_a_drain(nodes, enter, chat):
    first, second, third = nodes(3, **{"drain.spread_s": 2, "presence.max_members": 1000}).nodes
    watchers = [enter(first, "watcher-0"), enter(third, "watcher-1")]
    moving = Moving(second, third, chat, 100)
    enter(second, "gone")
    everybody = moving.users | {"watcher-0", "watcher-1"}
    wait_for_truth(watchers, chat, everybody | {"gone"})
    second.signal(signal.SIGTERM)
    eventually(lambda: moving.moved == 100, 20, "all have moved")
    assert second.wait_exit() == 0
    last = enter(first, "last")
    last.drop()
    for watcher in watchers:
        wait_told(watcher, "gone", False)
        wait_told(watcher, "last", False)  # who left after all of them
        assert {name for name, is_online in told(watcher) if not is_online} == {"gone", "last"}
    wait_for_truth(watchers, chat, everybody)


def test_a_fresh_node_knows_at_once_who_is_online_and_tells_nobody_anew(nodes, enter, chat):
    stack = nodes(1)
    first = stack.nodes[0]
    users = {f"user-{number}" for number in range(30)}
    for user in users:
        enter(first, user)
    stack.nodes.append(stack.new_node("roomcast-9"))
    fresh = stack.nodes[-1].start()
    try:
        watcher = enter(fresh, "user-0")
        assert online(watcher, chat) == users
        enter(fresh, "new")
        wait_told(watcher, "new", True)
        assert told(watcher) == [("new", True)]
    finally:
        assert fresh.stop() == 0


def test_a_large_chat_tells_nobody_and_says_how_many_are_online(nodes, enter, chat):
    first, second = nodes(**{"presence.max_members": 3}).nodes
    watcher = enter(first, "user-0")
    for number in range(1, 6):
        enter(second if number % 2 else first, f"user-{number}")

    def state():
        watcher.send(type="presence.get", chat_id=chat)
        return watcher.skip_until("presence.state")

    eventually(lambda: state()["count"] == 6, what="all are counted")
    assert state()["online"] == []
    assert len(told(watcher)) <= 2
