"""The demo chat as its users see it: cluster/quickstart, its nodes and the page in a real Chromium."""
import json
import re
import subprocess
import urllib.request

import pytest

from chromium import until
from demo_page import SECONDS, Quickstart, enter, pane, post, texts

USERS = ("ann", "ben")
LINES = 200  # of the bot, while a node is killed; the page keeps 300 messages
MARKUP = "<img src=x onerror='window.owned=1'><script>window.owned=1</script><b>@ben</b>"


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    running = Quickstart(tmp_path_factory.mktemp("logs"))
    yield running
    assert running.stop() == 143


@pytest.fixture
def browser(chromium, quickstart):
    """A page that both users are in. Nothing may make it complain, but connections to a node that was killed."""
    chromium.forget(quickstart.url)
    chromium.size(1440, 900)
    enter(chromium, quickstart.url)
    yield chromium
    chromium.js("0")  # reads what it may have said last
    assert [one for one in chromium.complaints if "ERR_CONNECTION_" not in one] == []


def shown(browser, user, text):
    return until(lambda: text in texts(browser, user), f"{user} sees {text!r}")


def test_each_user_is_on_a_node_of_their_own(browser):
    places = [browser.js(f"document.querySelector({json.dumps(pane(user, '.link-state'))}).textContent") for user in USERS]
    assert places == ["on roomcast-0", "on roomcast-1"]
    for number, user in enumerate(USERS):
        browser.until(f"document.querySelector('[data-node=roomcast-{number}] .avatar[data-user={user}]')")


def test_messages_edits_and_deletions_reach_the_other_one(browser):
    post(browser, "ann", "Is it raining?")
    for user in USERS:
        shown(browser, user, "Is it raining?")
    browser.key("ArrowUp")
    browser.until(f"document.querySelector({json.dumps(pane('ann', '.editing'))}).checkVisibility()")
    browser.write(" No?")
    browser.key("Enter")
    shown(browser, "ben", "Is it raining? No?")
    assert "Is it raining?" not in texts(browser, "ben")
    browser.click(pane("ann", ".message:last-child [aria-label=Delete]"))
    for user in USERS:
        until(lambda: texts(browser, user)[-1] == "Message deleted", f"{user} sees the deletion")


def printed(quickstart, command):
    """The commands that quickstart prints for a terminal."""
    return re.findall(rf"^\S*/roomcast {command} .*$", quickstart.text(), re.MULTILINE)


def test_what_is_published_from_a_terminal_as_quickstart_prints_it_is_shown_as_a_message(browser, quickstart):
    commands = printed(quickstart, "publish")
    assert len(commands) == 2
    before = texts(browser, "ann").count("Hello")
    for number, command in enumerate(commands, 1):
        subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=SECONDS)
        for user in USERS:
            until(lambda: texts(browser, user).count("Hello") == before + number, f"{user} sees what was published")
    assert browser.js(f"document.querySelector({json.dumps(pane('ann', '.message:last-child .meta time'))}).textContent") != ""


def test_the_protocol_is_spoken_by_hand_as_quickstart_prints_it_and_no_token_is_shown(browser, quickstart):
    (command,) = re.findall(r"^ROOMCAST_TOKEN=.*$", quickstart.text(), re.MULTILINE)
    messages = re.findall(r'^\{"type":.*$', quickstart.text(), re.MULTILINE)
    assert len(messages) == 2 and "token=" not in quickstart.text() and "eyJ" not in quickstart.text()
    speaking = subprocess.Popen(["bash", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        print(messages[0], file=speaking.stdin, flush=True)
        said = speaking.stdout.readline() + speaking.stdout.readline()
        print(messages[1], file=speaking.stdin, flush=True)
        browser.until("[...document.querySelectorAll('.frames li.in')].filter((e) => e.textContent.includes('\"user_id\":\"carla\",\"is_typing\"')).length === 2")
        _, err = speaking.communicate(timeout=SECONDS)
    finally:
        speaking.kill()
    assert said.startswith('<- {"type":"connected"') and '"action":"subscribed"' in said
    assert speaking.returncode == 0 and err == "speak: closed with 1000\n"


def test_the_console_is_unlocked_by_the_key_that_quickstart_names(quickstart):
    url, file = re.search(r"^  console +(\S+)/console +\(its key is in (\S+)\)$", quickstart.text(), re.MULTILINE).groups()
    with open(file) as key:
        request = urllib.request.Request(url + "/console/api/live", headers={"Authorization": f"Bearer {key.read()}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
        assert answer.status == 200


def test_an_edit_that_is_cancelled_changes_nothing(browser):
    post(browser, "ben", "This stays")
    shown(browser, "ann", "This stays")
    browser.key("ArrowUp")
    browser.write(" or not")
    browser.key("Escape")
    assert browser.js(f"document.querySelector({json.dumps(pane('ben', 'textarea'))}).value") == ""
    post(browser, "ben", "And so does this")
    shown(browser, "ann", "And so does this")
    assert "This stays" in texts(browser, "ann")


def test_typing_is_seen_by_the_other_one_and_ends_with_the_message(browser):
    typing = f"document.querySelector({json.dumps(pane('ann', '.typing'))}).textContent"
    browser.click(pane("ben", "textarea"))
    # Nodes pass one signal in two seconds on, and Ben may have typed in another test just now.
    until(lambda: browser.write("w") or browser.js(f"{typing} === 'Ben is typing…'"), "Ann sees that Ben types")
    browser.key("Enter")
    browser.until(f"{typing} === ''")


def test_a_task_that_changes_is_changed_for_both_and_notifies_whom_it_was_given_to(browser):
    card = "[data-task=invite] "
    for field, chosen in ((".assignee", "ben"), (".status", "doing")):  # the status of Ben's task is no news to Ben before it is his
        browser.choose(pane("ann", card + field), chosen)
        for user in USERS:
            browser.until(f"document.querySelector({json.dumps(pane(user, card + field))}).value === '{chosen}'")
    bell = f"document.querySelector({json.dumps(pane('ben', '.badge'))})"
    browser.until(f"{bell}.textContent === '2' && {bell}.checkVisibility()")
    assert "Ann gave you" in browser.js(f"document.querySelector({json.dumps(pane('ben', '.toasts'))}).textContent")
    assert not browser.js(f"document.querySelector({json.dumps(pane('ann', '.toast'))})")
    browser.click(pane("ben", ".bell"))
    browser.until(f"document.querySelectorAll({json.dumps(pane('ben', '.notices li'))}).length >= 2 && !{bell}.checkVisibility()")
    browser.key("Escape")
    browser.until(f"!document.querySelector({json.dumps(pane('ben', '.notice-panel'))}).checkVisibility()")


def test_markup_is_text_wherever_it_is_shown(browser):
    post(browser, "ann", MARKUP)
    for user in USERS:
        shown(browser, user, MARKUP)
    browser.until(f"document.querySelector({json.dumps(pane('ben', '.toasts'))}).textContent.includes('<img src=x')")
    assert browser.js("document.querySelectorAll('.panes img, .panes script, .panes b, .panes [onerror]').length") == 0
    assert browser.js("window.owned === undefined")


def check_whole(browser, user, sent, lines):
    """Since the node was killed every line of the bot and of Ben is there, once, in its order."""
    ids = browser.js(f"[...document.querySelectorAll({json.dumps(pane(user, '.message'))})].map((e) => e.dataset.id)")
    assert len(ids) == len(set(ids)), "a message is shown twice"
    last = texts(browser, user)[-(lines + len(sent)):]
    assert [text for text in last if text.startswith("Round")] == sent
    assert [text for text in last if text.startswith("Check")] == [f"Check {number} of {lines} passed" for number in range(1, lines + 1)]


def test_a_killed_node_in_a_storm_loses_nothing_and_doubles_nothing_and_it_can_be_done_again(browser, quickstart):
    for round_, node in enumerate(("roomcast-0", "roomcast-1")):
        victims = [user for user in USERS if browser.js(f"document.querySelector({json.dumps(pane(user, '.link-state'))}).textContent") == f"on {node}"]
        assert victims
        sent, lines = [], LINES - round_  # so that the lines of the second round are others
        quickstart.ask("POST", "storm", {"lines": lines, "per_second": 60})
        browser.click(f"[data-node={node}] .kill")
        browser.until(f"document.querySelector('[data-node={node}]').dataset.state === 'down'")
        for number in range(50):
            sent.append(quickstart.ask("POST", "messages", {"user": "ben", "text": f"Round {round_}: {number}"})["content"])
        other = f"roomcast-{1 - round_}"
        for user in victims:
            banner = f"document.querySelector({json.dumps(pane(user, '.banner.good'))})?.textContent ?? ''"
            told = until(lambda: browser.js(banner), "the banner tells the resume")
            assert re.fullmatch(rf"Resumed on {other}: [1-9]\d* (messages?|events?) caught up, none lost, none twice", told)
        for user in USERS:
            until(lambda: {f"Check {lines} of {lines} passed", sent[-1]} <= set(texts(browser, user)), "all of it is there")
            check_whole(browser, user, sent, lines)
        sums = browser.js("[...document.querySelectorAll('.sums')].map((e) => e.textContent)")
        assert all("· 0 lost · 0 twice" in one for one in sums)
        browser.until("[...document.querySelectorAll('.kill')].every((button) => !button.disabled)")
        browser.until("document.querySelectorAll('.presence[data-online=true]').length === 2")
    assert quickstart.text().count("is killed") == 2


def test_the_page_counts_what_is_lost_and_what_comes_twice(browser):
    """What the banner says would be worth nothing if it could only say "none"."""
    counted = browser.js("""import("/continuity.js").then(({ Continuity }) => {
        const judge = new Continuity();
        const take = (epoch, ...numbers) => numbers.forEach((seq) => judge.take({ epoch, seq }));
        judge.moveTo({ epoch: "a", seq: 5 });
        take("a", 6, 7, 10, 11, 11, 9, 12);
        take("b", 1, 2, 2);
        judge.moveTo({ epoch: "b", seq: 90 });
        take("b", 91);
        return [judge.received, judge.lost, judge.twice, judge.epoch, judge.seq];
    })""")
    assert counted == [11, 2, 3, "b", 91]


def test_an_older_version_of_a_message_that_comes_later_changes_nothing_and_an_older_message_goes_to_its_place(browser):
    shown_texts = browser.js("""import("/messages.js").then(({ Messages }) => {
        const messages = new Messages("ann", { ann: "Ann", ben: "Ben" }, {});
        const show = (id, at, version, content) => messages.show({ message_id: id, author_id: "ben", at, version, content });
        show("late", "2026-11-26T10:00:02.000Z", 2, "edited");
        show("late", "2026-11-26T10:00:02.000Z", 1, "as posted");
        show("early", "2026-11-26T10:00:01.000Z", 1, "before it");
        return [...messages.list.querySelectorAll(".bubble")].map((bubble) => bubble.textContent);
    })""")
    assert shown_texts == ["before it", "edited"]


def test_the_frames_are_shown_without_tokens(browser):
    frames = browser.js("""import("/drawer.js").then(({ Drawer }) => {
        const drawer = new Drawer(document.createElement("section"), document.createElement("button"));
        drawer.column("Ann", () => {}).frame("out", '{"type":"auth.refresh","token":"eyJ.eyJ.x","id":1}');
        return drawer.element.querySelector(".frames").textContent;
    })""")
    assert '"auth.refresh"' in frames and "eyJ" not in frames


def test_the_frames_are_shown_and_a_lost_position_reloads_the_history(browser):
    browser.click("#drawer-button")
    post(browser, "ann", "Before the loss")
    shown(browser, "ben", "Before the loss")
    frames = browser.js("[...document.querySelectorAll('.frames')].map((e) => e.textContent).join()")
    assert '"type":"chat.message.posted"' in frames
    browser.click(".column .link")
    banner = f"document.querySelector({json.dumps(pane('ann', '.banner.good'))})?.textContent"
    browser.until(f"({banner} ?? '').includes('loaded anew')")
    post(browser, "ben", "After the loss")
    shown(browser, "ann", "After the loss")
    assert texts(browser, "ann").count("Before the loss") == 1
    browser.click("#drawer-button")


def test_a_page_that_is_loaded_anew_shows_what_it_showed(browser, quickstart):
    post(browser, "ann", "Still here?")
    shown(browser, "ben", "Still here?")
    before = texts(browser, "ben")
    enter(browser, quickstart.url)
    for user in USERS:
        until(lambda: texts(browser, user)[-1:] == ["Still here?"], "the history is there")
    assert texts(browser, "ben") == before[-len(texts(browser, "ben")):]


# Heads of windows in which the words beside the user's name run under what follows.
OVERLAPS = """[...document.querySelectorAll(".pane-head")].filter((head) => {
    const words = document.createRange();
    words.selectNodeContents(head.querySelector(".link-state"));
    return words.getBoundingClientRect().right > head.querySelector(".presence").getBoundingClientRect().left;
}).length"""


def test_the_frames_come_into_view_on_a_phone(browser):
    browser.size(375, 812)
    browser.js("document.getElementById('drawer').hidden || document.getElementById('drawer-button').click(); scrollTo(0, 0)")
    browser.click("#drawer-button")
    top = "document.getElementById('drawer').getBoundingClientRect().top"
    browser.until(f"{top} >= 0 && {top} < innerHeight")
    browser.click("#drawer-button")


def test_the_page_fits_whatever_its_width_is(browser):
    post(browser, "ann", "W" * 300)
    shown(browser, "ben", "W" * 300)
    browser.click("#drawer-button")
    for width, height, columns in [(1440, 900, 2), (900, 700, 2), (899, 700, 1), (390, 844, 1), (320, 640, 1)]:
        browser.size(width, height)
        tops = browser.js("[...document.querySelectorAll('.pane')].map((pane) => pane.getBoundingClientRect().top)")
        assert len(set(tops)) == 3 - columns
        assert browser.js("document.documentElement.scrollWidth") == width
        wide = "[...document.querySelectorAll('.messages, .pane, .node')].filter((e) => e.scrollWidth > e.clientWidth).length"
        assert browser.js(wide) == 0, f"something is too wide at {width}"
        assert browser.js(OVERLAPS) == 0, f"the head of a window covers itself at {width}"
        if columns == 2:
            assert browser.js("document.documentElement.scrollHeight") == height


def test_it_is_told_once_what_is_wrong_when_nobody_answers(browser):
    said = browser.js("""Promise.all([import("/notices.js"), import("/nodebar.js")]).then(async ([{ Notices }, { NodeBar }]) => {
        const notices = new Notices("Ann");
        ["gone", "gone", "wrong"].forEach((text) => notices.toast(text, "wrong"));
        const bar = new NodeBar(document.createElement("div"), [{ name: "roomcast-0" }], {}, () => {});
        const fetched = window.fetch;
        window.fetch = () => Promise.reject(new TypeError("no network"));
        await bar.watch();
        window.fetch = fetched;
        clearTimeout(bar.timer);
        const chip = bar.chips.get("roomcast-0");
        return [notices.toasts.children.length, chip.state.textContent, chip.button.disabled];
    })""")
    assert said == [2, "not known", True]


def test_whatever_can_be_operated_has_a_name_for_screen_readers(browser):
    post(browser, "ben", "Hi")
    shown(browser, "ann", "Hi")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    operable = [node for node in nodes if node.get("role", {}).get("value") in ("button", "textbox", "combobox", "log", "region")]
    assert len(operable) > 20
    assert [node for node in operable if not node.get("name", {}).get("value")] == []
