"""/console of a node in a real Chromium: what an operator sees and does there, by mouse and by keys alone."""
import json
import uuid

import pytest

from chromium import until
from harness.events import Event
from harness.processes import get
from harness.stack import Stack

KEY = "the-admin-key-of-the-browser-tests"
MARKUP = "<img src=x onerror=window.owned=1>"
SIZES = [(1440, 900), (1280, 800), (1024, 768), (1001, 700), (1000, 700), (768, 1024), (390, 844), (320, 640)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"admin.key": KEY, "cluster.heartbeat_ms": 200}
    made = Stack(tmp_path_factory.mktemp("run"), nodes=2, node_options=options, relay_options=options)
    try:
        made.start()
        until(lambda: len(members_of(made.nodes[0])) == 2, "the node knows the others")
        yield made
        made.stop()
        assert [fault for process in made.processes() for fault in process.faults_in_log()] == []
    finally:
        for process in made.processes():
            process.kill()


def members_of(node):
    return json.loads(get(node.admin_url + "/cluster").body)["members"]


@pytest.fixture
def page(chromium, stack):
    """The page as it is opened first, without a key. Nothing may make it complain, but answers that refuse it."""
    for node in stack.nodes:  # one that a test has ended
        if not node.is_running():
            node.start()
            until(lambda: len(members_of(stack.nodes[0])) == 2, "it is known again")
    url = stack.nodes[0].admin_url + "/console"
    chromium.size(1440, 900)
    chromium.open(url, "document.querySelector('#tiles dd')")
    chromium.js("sessionStorage.clear()")
    chromium.call("Page.navigate", url="about:blank")
    chromium.complaints.clear()
    chromium.open(url, "document.querySelectorAll('#cluster-rows tr').length === 3")
    yield chromium
    chromium.js("0")
    assert [one for one in chromium.complaints if "ERR_" not in one and "status of 401" not in one] == []


def unlock(page):
    page.click("#key-button")
    page.write(KEY)
    page.key("Enter")
    page.until("!document.querySelector('#open').hidden && !document.querySelector('#key-dialog').open")


@pytest.fixture
def open_page(page):
    unlock(page)
    return page


@pytest.fixture
def joined(stack):
    made = []

    def join(node, user, chat=None):
        made.append(stack.client(node, user))
        if chat:
            made[-1].subscribe(chat)
        return made[-1]

    yield join
    for client in made:
        client.drop()


def text(page, selector):
    return page.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")


def shows(page, selector, wanted):
    """Until it is there."""
    return until(lambda: wanted in text(page, selector), f"{selector} shows {wanted!r}")


def find(page, kind, id_):
    page.js("document.querySelector('#inspect-id').value = ''")
    page.click("#inspect-id")
    page.write(id_)
    page.click(f"#inspect button[value={kind}]")


def said(page, wanted):
    return shows(page, "#said", wanted)


def focused(page):
    return page.js("document.activeElement.id || document.activeElement.textContent")


def tab_to(page, wanted, most=80):
    """By Tab alone."""
    for _ in range(most):
        if wanted in focused(page):
            return
        page.key("Tab")
    raise AssertionError(f"{wanted} is not reached")


def test_without_a_key_the_cluster_is_shown_and_nothing_of_users(page):
    rows = page.js("[...document.querySelectorAll('#cluster-rows th')].map((e) => e.firstChild.textContent)")
    assert rows == ["roomcast-0", "roomcast-1", "relay-0"]
    shows(page, "#health", "All is well: 2 nodes serving")
    assert page.js("document.querySelector('#open').hidden && !document.querySelector('#locked').hidden")
    shows(page, "#locked", "Enter the key of option admin.key")
    assert page.js("document.querySelectorAll('#cluster-rows button').length") == 0
    page.until("document.querySelectorAll('svg path')[2].getAttribute('d') !== null")


def test_a_node_without_a_key_says_which_option_opens_it(page, stack):
    plain = stack.new_node("roomcast-2", {"admin.key": ""}).start()
    try:
        page.open(plain.admin_url + "/console", "document.querySelector('#tiles dd')")
        shows(page, "#locked", "until option admin.key (or admin.key_file) is set on this node")
        assert page.js("document.querySelector('#key-button').hidden")
    finally:
        plain.stop()
        page.call("Page.navigate", url="about:blank")
        until(lambda: len(members_of(stack.nodes[0])) == 2, "it is gone")


def test_a_wrong_key_is_told_and_the_right_one_stays_in_the_tab_until_it_is_forgotten(page):
    page.click("#key-button")
    page.write("something else entirely")
    page.key("Enter")
    shows(page, "#key-problem", "not the key of option admin.key")
    page.write(KEY)
    page.key("Enter")
    page.until("!document.querySelector('#open').hidden")
    assert page.js("document.querySelector('#key').value") == ""
    page.open(page.js("location.href"), "document.querySelectorAll('#cluster-rows tr').length === 3 && !document.querySelector('#open').hidden")
    shows(page, "#letters", "None: every event could be used")
    page.click("#key-button")
    page.until("document.querySelector('#open').hidden")
    assert page.js("sessionStorage.length + localStorage.length + document.cookie.length") == 0


def test_a_user_and_a_chat_are_found_with_their_nodes_and_a_click_leads_from_one_to_the_other(open_page, joined):
    user, other, chat = str(uuid.uuid4()), MARKUP, str(uuid.uuid4())
    joined(0, user, chat), joined(1, user), joined(1, other, chat)
    find(open_page, "user", user)
    shows(open_page, "#found h3", f"User {user}: 2 connections")
    nodes = open_page.js("[...document.querySelectorAll('#found tbody tr')].map((row) => row.cells[0].textContent)")
    assert sorted(nodes) == ["roomcast-0", "roomcast-1"]
    open_page.click("#found tbody button")
    shows(open_page, "#found h3", f"Chat {chat}: 2 connections")
    shows(open_page, "#found .scroll:last-child", user)
    shows(open_page, "#found", MARKUP)
    assert open_page.js("document.querySelectorAll('#found img').length") == 0 and open_page.js("window.owned === undefined")
    find(open_page, "room", "no chat")
    shows(open_page, "#found", "A chat id is a UUID")
    find(open_page, "user", "nobody-at-all")
    shows(open_page, "#found", "0 connections")


def test_busy_rooms_and_the_throughput_are_shown_while_events_come(open_page, stack, joined):
    chat = str(uuid.uuid4())
    joined(0, "anna", chat)
    for _ in range(40):
        stack.xadd(Event(chat=chat))
    shows(open_page, "#rooms", chat)
    open_page.until("[...document.querySelectorAll('#charts path')].some((line) => /L/.test(line.getAttribute('d')))")
    assert "deliveries/s" in open_page.js("document.querySelector('#charts svg').getAttribute('aria-label')")


def test_a_user_is_disconnected_after_a_question_and_not_when_that_is_cancelled(open_page, joined):
    user = str(uuid.uuid4())
    client = joined(1, user)
    find(open_page, "user", user)
    shows(open_page, "#found h3", "1 connection")
    open_page.click("#found .row button")
    shows(open_page, "#confirm-text", user)
    assert focused(open_page) == "confirm-no"  # Enter by mistake does nothing
    open_page.key("Enter")
    open_page.until("!document.querySelector('#confirm').open")
    client.send(type="ping", id=1)
    client.expect("pong", id=1)
    open_page.click("#found .row button")
    open_page.click("#confirm-yes")
    client.expect_disconnect(4110)
    said(open_page, "Closed 1 connection")
    shows(open_page, "#closes", "disconnected by an operator")


def test_a_dead_letter_is_shown_as_text_and_replayed(open_page, stack):
    mark = str(uuid.uuid4())
    stack.xadd(json.dumps({"event_type": "message.created", "note": f"{MARKUP} {mark}"}))
    page = open_page
    shows(page, "#letters", "message.created")
    page.click("#letters button[data-focus^=show]")
    shows(page, "#found pre", mark)
    shows(page, "#found pre", MARKUP)
    assert page.js("document.querySelectorAll('#found img').length") == 0 and page.js("window.owned === undefined")
    before = stack.redis.xlen("roomcast:events")
    page.click("#letters button[data-focus^=replay]")
    shows(page, "#confirm-text", "no chat")
    page.click("#confirm-yes")
    said(page, "Replayed as")
    assert stack.redis.xlen("roomcast:events") == before + 1
    stack.redis.delete("roomcast:dead")


def test_rights_are_taken_away_by_the_form(open_page, joined):
    user = str(uuid.uuid4())
    client = joined(1, user)
    open_page.click("#revoke button")
    said(open_page, "Which user, or which token?")
    open_page.click("#revoke-user")
    open_page.write(user)
    open_page.click("#revoke button")
    shows(open_page, "#confirm-text", f"user {user} everywhere")
    open_page.click("#confirm-yes")
    client.expect_disconnect(4003)
    said(open_page, f"Revoked: user {user} everywhere")


def test_a_node_is_drained_and_one_that_is_killed_is_told_above_all(open_page, stack, joined):
    node = stack.nodes[1]
    client = joined(1, "somebody")
    open_page.click("#cluster-rows tr:nth-child(2) button")
    shows(open_page, "#confirm-title", "Drain roomcast-1?")
    open_page.click("#confirm-yes")
    client.expect_disconnect(4200)
    said(open_page, "roomcast-1 sends 1 client away")
    until(lambda: not node.is_running(), "the drained node ends")
    open_page.until("document.querySelectorAll('#cluster-rows tr').length === 2")
    node.start()
    open_page.until("document.querySelectorAll('#cluster-rows tr').length === 3")
    node.kill()
    until(lambda: "roomcast-1: silent for" in text(open_page, "#health") or "roomcast-1" not in text(open_page, "#cluster-rows"), "the dead node is told, or gone")


def test_the_page_says_since_when_nobody_answers_and_goes_on_by_itself(page):
    page.offline(True)
    shows(page, "#age", "No answer since")
    page.offline(False)
    shows(page, "#age", "Live")


def test_it_can_be_paused(page):
    page.click("#pause")
    shows(page, "#age", "Paused at")
    assert page.js("document.querySelector('#pause').getAttribute('aria-pressed')") == "true"
    page.click("#pause")
    shows(page, "#age", "Live")


def test_everything_can_be_done_by_keys_alone(page, joined):
    user = str(uuid.uuid4())
    client = joined(0, user)
    page.js("document.body.focus()")
    page.key("Tab")
    assert focused(page) == "Skip to the cluster"
    tab_to(page, "key-button")
    page.key("Enter")
    page.until("document.querySelector('#key-dialog').open")
    page.key("Escape")
    page.until("!document.querySelector('#key-dialog').open")
    assert focused(page) == "key-button"
    page.key("Enter")
    page.write(KEY)
    page.key("Enter")
    page.until("!document.querySelector('#open').hidden && !document.querySelector('#key-dialog').open")
    tab_to(page, "inspect-id")
    page.write(user)
    page.key("Enter")
    shows(page, "#found h3", "1 connection")
    tab_to(page, "Disconnect")
    page.key("Enter")
    page.until("document.querySelector('#confirm').open")
    page.key("Escape")
    assert "Disconnect" in focused(page)
    page.key("Enter")
    tab_to(page, "confirm-yes")
    page.key("Enter")
    client.expect_disconnect(4110)


def test_whoever_is_on_a_row_when_it_is_drawn_anew_stays_there(open_page):
    open_page.until("document.querySelector('#cluster-rows button')")
    open_page.js("document.querySelector('#cluster-rows button').focus()")
    label = open_page.js("document.activeElement.dataset.focus")
    open_page.js("document.activeElement.dataset.old = '1'")
    open_page.until("document.activeElement.dataset.focus && !document.activeElement.dataset.old")
    assert open_page.js("document.activeElement.dataset.focus") == label


def test_whatever_can_be_operated_and_every_region_has_a_name_for_screen_readers(open_page, joined):
    joined(0, "anna", str(uuid.uuid4()))
    find(open_page, "user", "anna")
    shows(open_page, "#found h3", "1 connection")
    nodes = open_page.call("Accessibility.getFullAXTree")["nodes"]
    named = ("button", "textbox", "region", "table", "meter", "image", "dialog")
    operable = [node for node in nodes if node.get("role", {}).get("value") in named and not node.get("ignored")]
    assert len(operable) > 20
    assert [node["role"]["value"] for node in operable if not node.get("name", {}).get("value")] == []
    for heading in ("Cluster", "Who is connected where", "Busiest rooms", "Slow clients", "Recent closes", "Dead letters", "Take rights away"):
        assert any(node.get("role", {}).get("value") == "heading" and node["name"]["value"] == heading for node in nodes), heading
    names = [node["name"]["value"] for node in operable if node["role"]["value"] == "button"]
    assert "Drain roomcast-1" in names and "Disconnect anna" in names


CONTRAST = """(() => {
    const part = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number); return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
    const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)/.test(c)) return c; } return "rgb(255,255,255)"; };
    return [...document.querySelectorAll("main *, header *")]
        .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
        .map((e) => { const a = light(getComputedStyle(e).color), b = light(ground(e)); return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.slice(0, 40)]; })
        .filter(([ratio]) => ratio < 4.5);
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_and_the_page_fits_whatever_its_width_is(open_page, stack, joined, dark):
    chat = str(uuid.uuid4())
    joined(0, "W" * 128, chat), joined(1, "anna", chat)
    for _ in range(10):
        stack.xadd(Event(chat=chat))
    stack.xadd(json.dumps({"event_type": "message.created", "note": "x" * 100}))
    find(open_page, "room", chat)
    shows(open_page, "#found h3", "2 connections")
    shows(open_page, "#letters", "kept")
    shows(open_page, "#rooms", chat)
    for width, height in SIZES:
        open_page.size(width, height, dark)
        assert open_page.js("document.documentElement.scrollWidth") == width
        wide = "[...document.querySelectorAll('section, figure, #tiles div, header, form')].filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && !e.querySelector(':scope > .hidden')).map((e) => e.id || e.className)"
        assert open_page.js(wide) == [], width
        assert open_page.js("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('#cluster').parentElement)"), width
        if width >= 768:
            assert open_page.js("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('#letters .scroll'))"), width
        assert open_page.js(CONTRAST) == []
        small = "[...document.querySelectorAll('button')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.textContent)"
        assert open_page.js(small) == []  # WCAG 2.2, 2.5.8
    stack.redis.delete("roomcast:dead")
