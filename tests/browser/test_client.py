"""roomcast.js in a real Chromium, on a page with a strict content security policy, against real servers."""
import gzip
import os
import signal
import urllib.request
import uuid

import pytest

from chromium import until
from conftest import Site
from harness import tokens
from harness.client import Client
from harness.events import Event, message


def fetch(url, **headers):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(url, headers=headers), timeout=20)


@pytest.fixture(scope="module", autouse=True)
def script(stack):
    with fetch(f"http://127.0.0.1:{stack.nodes[0].port}/roomcast.js") as answer:
        Site.script = answer.read()
    return Site.script


def numbers(page):
    return page.js("page.events.map(([, number]) => number)")


def has_all(page, count):
    """Every event from 0 on, once and in order, and every place in the room once."""
    until(lambda: len(numbers(page)) >= count, f"{count} events")
    assert numbers(page) == list(range(count))
    places = page.js("page.events.map(([seq]) => seq)")
    assert places == list(range(places[0], places[0] + count))


def publish(stack, chat, *these):
    stack.xadd_all([message(chat, number) for number in these])


def test_it_is_below_6_kilobytes_as_it_is_sent(stack, script):
    with fetch(f"http://127.0.0.1:{stack.nodes[0].port}/roomcast.js", **{"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        sent = answer.read()
    assert gzip.decompress(sent) == script and len(sent) < 6000


def test_a_page_of_another_origin_loads_it_from_a_node(open_page, stack, chromium):
    module = f"http://127.0.0.1:{stack.nodes[0].port}/roomcast.js"
    chromium.call("Page.setBypassCSP", enabled=True)  # the page's policy would have to name the node
    try:
        open_page(module=module)
    finally:
        chromium.call("Page.setBypassCSP", enabled=False)


def test_a_page_receives_what_is_published_in_order(open_page, stack, chat):
    page = open_page()
    publish(stack, chat, *range(100))
    has_all(page, 100)
    assert page.js("page.lost.length + page.errors.length") == 0


def test_typing_and_presence_go_both_ways(open_page, stack, chat):
    page = open_page(user="ann")
    ben = Client(stack.nodes[1].url, "ben")
    try:
        ben.subscribe(chat)
        page.until("page.presence.some(([user, online]) => user === 'ben' && online)")
        page.js("page.room.typing()")
        assert ben.expect("chat.typing", user_id="ann")["is_typing"]
        page.js("page.room.typing(false)")
        assert not ben.expect("chat.typing", user_id="ann", is_typing=False)["is_typing"]
        ben.send(type="chat.typing", chat_id=chat)
        page.until("page.typing.some(([user, on]) => user === 'ben' && on)")
        assert page.js("page.room.presence().then(({count}) => count)") == 2
    finally:
        ben.drop()
    page.until("page.presence.some(([user, online]) => user === 'ben' && !online)")


def test_notifications_reach_the_page_once(open_page, stack):
    user = str(uuid.uuid4())
    page = open_page(user=user)
    for _ in range(3):
        stack.xadd(Event("NotificationCreated", payload={"UserID": user}))
    page.until("page.notes.length === 3")
    assert page.js("page.notes[2] - page.notes[0]") == 2


def test_a_killed_node_loses_and_doubles_nothing_on_the_page(open_page, stack, chat):
    page = open_page()
    publish(stack, chat, *range(0, 150))
    until(lambda: len(numbers(page)) > 10, "the storm is on the page")
    stack.nodes[0].kill()
    publish(stack, chat, *range(150, 400))
    has_all(page, 400)
    assert page.js("page.lost.length") == 0


def test_a_drained_node_sends_the_page_to_another_one_without_loss(open_page, stack, chat):
    page = open_page()
    publish(stack, chat, *range(50))
    stack.nodes[0].stop()
    publish(stack, chat, *range(50, 100))
    has_all(page, 100)
    assert page.js("page.states.some(([state, code]) => state === 'waiting' && code === 4200)")


def test_a_page_that_was_offline_gets_what_it_missed(open_page, stack, chat):
    page = open_page(nodes=[stack.nodes[0].url])
    publish(stack, chat, 0)
    has_all(page, 1)
    page.offline(True)
    stack.nodes[0].kill()
    page.until("page.client.state === 'offline'")
    publish(stack, chat, *range(1, 30))
    stack.nodes[0].start()
    assert page.js("page.client.state") == "offline"
    page.offline(False)
    has_all(page, 30)


def test_a_tab_that_was_frozen_while_its_node_died_gets_what_it_missed(open_page, stack, chat):
    page = open_page()
    publish(stack, chat, *range(10))
    has_all(page, 10)
    page.call("Page.setWebLifecycleState", state="frozen")
    stack.nodes[0].kill()
    publish(stack, chat, *range(10, 60))
    page.call("Page.setWebLifecycleState", state="active")
    has_all(page, 60)


def test_a_connection_that_fell_silent_is_given_up_and_resumed(open_page, stack, chat):
    page = open_page(options={"idleMs": 200, "answerTimeoutMs": 300, "connectTimeoutMs": 1000})
    publish(stack, chat, *range(5))
    has_all(page, 5)
    os.kill(stack.nodes[0].process.pid, signal.SIGSTOP)
    try:
        page.until("page.client.state === 'connected' && page.client.info.node === 'roomcast-1'")
        publish(stack, chat, *range(5, 20))
        has_all(page, 20)
    finally:
        os.kill(stack.nodes[0].process.pid, signal.SIGCONT)


def test_two_tabs_of_one_user_get_each_event_once_each(open_page, stack, chat, chromium):
    page = open_page(user="ann")
    url = page.js("location.href")
    tab = chromium.tab(url)
    try:
        tab.until("window.page?.joined")
        publish(stack, chat, *range(40))
        has_all(page, 40)
        has_all(tab, 40)
    finally:
        tab.close_tab()


def test_a_reloaded_page_goes_on_where_it_was(open_page, stack, chat):
    page = open_page(keeps=True)
    publish(stack, chat, *range(10))
    has_all(page, 10)
    url = page.js("location.href")
    page.open("about:blank", "!window.page")
    publish(stack, chat, *range(10, 25))
    page.open(url, "window.page?.joined")
    until(lambda: len(numbers(page)) >= 15, "what it missed")
    assert numbers(page) == list(range(10, 25)) and page.js("page.lost.length") == 0


def test_a_token_is_refreshed_before_it_expires(open_page, stack, chat):
    page = open_page(ttl=3)
    first = page.js("page.client.info.connection_id")
    page.until("page.tokens >= 3")
    publish(stack, chat, 0)
    has_all(page, 1)
    assert page.js("page.client.info.connection_id") == first


def test_an_expired_token_is_followed_by_a_fresh_one(open_page):
    page = open_page(firstTtl=-3600)
    assert page.js("page.tokens") == 2 and page.js("page.states.some(([state, code]) => state === 'waiting' && code === 1006)")


def test_a_chat_that_the_token_does_not_name_is_refused(open_page):
    page = open_page(joined=False, token=tokens.mint("ann", [str(uuid.uuid4())]))
    page.until("page.refused === 'FORBIDDEN' && page.ended[0] === 'FORBIDDEN'")
    assert page.js("page.client.state") == "connected"


def test_events_are_iterated_and_a_loop_that_is_too_slow_ends_with_an_error(open_page, stack, chat):
    page = open_page(options={"queue": 10})
    page.js("void (async () => { page.seen = []; for await (const event of page.room) { page.seen.push(event.data.number); if (page.seen.length === 3) break; } page.over = true; })()")
    page.js("void (page.slow = page.room[Symbol.asyncIterator]())")
    publish(stack, chat, *range(30))
    page.until("page.over")
    assert page.js("page.seen") == [0, 1, 2]
    has_all(page, 30)
    taken = page.js("(async () => { const all = []; try { for await (const event of page.slow) all.push(event.data.number); } catch (error) { all.push(error.code); } return all; })()")
    assert taken == [*range(10), "OVERFLOW"]


@pytest.fixture
def impatient_node(stack):
    """One with a small queue and little patience for who reads nothing."""
    node = stack.new_node("roomcast-impatient", {"limits.queue_messages": 16, "limits.queue_bytes": 65536, "limits.slow_grace_s": 1, "resume.max_bytes": 32 << 20})
    node.start()
    yield node
    assert node.stop() == 0 and node.faults_in_log() == []


def test_a_page_that_reads_nothing_is_closed_with_4108_and_resumes_without_loss(open_page, stack, chat, impatient_node):
    page = open_page(nodes=[impatient_node.url])
    page.call("Debugger.enable")
    page.js("void setTimeout(() => { debugger; })")  # and there it stands
    try:
        padding = "x" * 40_000  # together more than what kernel and browser take in for a page
        stack.xadd_all([Event(chat=chat, payload={"chat_id": chat, "number": number, "padding": padding}) for number in range(300)])
        until(lambda: impatient_node.metrics()["roomcast_closes_total", "code", "4108"] == 1, "the node has given it up")
    finally:
        page.call("Debugger.disable")
    has_all(page, 300)
    assert page.js("page.lost.length + page.errors.length") == 0
    assert page.js("page.states.some(([state]) => state === 'waiting')")
