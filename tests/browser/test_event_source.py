"""Server-sent events in a real Chromium: EventSource, from a page of another origin, resumes by itself."""
import json
import pathlib
import re
import urllib.parse
import uuid

import pytest

from chromium import until
from harness import tokens
from harness.events import message


@pytest.fixture
def listen(chromium, stack, site, chat):
    """A page that notes what its EventSource hears in window.heard."""
    for node in stack.nodes:
        if not node.is_running():
            node.start()
    chromium.open(f"{site}/blank.html", "document.readyState === 'complete'")
    query = urllib.parse.urlencode({"chats": chat, "token": tokens.mint(str(uuid.uuid4()))})
    url = f"http://127.0.0.1:{stack.nodes[0].port}/events?{query}"
    chromium.js("window.heard = []; window.acks = [];"
               f"window.source = new EventSource({json.dumps(url)});"
               "source.onmessage = ({ data }) => { const one = JSON.parse(data);"
               " if (one.type === 'chat.message.posted') heard.push(one.data.number); if (one.type === 'ack') acks.push(one.recovered ?? null); }; 0")  # fmt: skip
    chromium.until("acks.length === 1")
    yield chromium
    chromium.js("source.close()")


def test_an_event_source_gets_what_it_missed_while_its_node_was_dead(listen, stack, chat):
    stack.xadd_all([message(chat, number) for number in range(20)])
    until(lambda: listen.js("heard.length") == 20, "the first events")
    stack.nodes[0].kill()
    stack.xadd_all([message(chat, number) for number in range(20, 40)])
    stack.nodes[0].start()
    until(lambda: listen.js("heard.length") >= 40, "what it missed", 60)
    stack.xadd(message(chat, 40))
    until(lambda: listen.js("heard.length") >= 41, "what came later")
    assert listen.js("heard") == list(range(41)) and listen.js("acks.at(-1)") is True


def program():
    """The page's script in proto/README.md."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "proto/README.md").read_text()
    (found,) = [block for block in re.findall(r"^```js\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "EventSource" in block]
    return found


@pytest.fixture
def follow(chromium, stack, site):
    """follow(chats, token...): a page with that script, whose token function gives these in turn, the last one for ever, and which waits
    less than it says. What it shows and does is noted in window.noted."""
    for node in stack.nodes:
        if not node.is_running():
            node.start()

    def start(chats, *given):
        chromium.open(f"{site}/blank.html", "document.readyState === 'complete'")
        changed = program().replace("/events?", f"http://127.0.0.1:{stack.nodes[0].port}/events?").replace("22222222-2222-4222-8222-222222222222", ",".join(chats))
        assert chats[0] in changed and str(stack.nodes[0].port) in changed
        chromium.js(f"""window.noted = []; window.given = {json.dumps(given)}; window.asked = 0; window.streams = 0;
            window.setTimeout = ((real) => (action, ms) => real(action, ms / 50))(setTimeout);
            window.EventSource = class extends EventSource {{ constructor(url) {{ super(url); streams++; }} }};
            window.freshToken = async () => {{ asked++; const token = given.length > 1 ? given.shift() : given[0]; if (!token) throw new Error("no login"); return token; }};
            window.show = ({{ data }}) => noted.push(data.number);
            window.reload = (chat) => noted.push("reload " + chat);
            window.ended = ({{ code, chat_id }}) => noted.push(code + " " + chat_id); 0""")
        chromium.js(changed + ";0")
        chromium.until("last.includes('~')")
        return chromium

    yield start
    chromium.js("source.close(); window.freshToken = async () => new Promise(() => 0); 0")


def heard(page, count):
    until(lambda: page.js("noted.length") >= count, f"{count} notes")
    return page.js("noted")


def test_the_documents_page_gets_over_a_dead_node_and_tokens_that_fail_without_loss(follow, stack, chat):
    page = follow([chat], None, tokens.mint("ann", ttl=-3600), tokens.mint("ann"))
    assert page.js("[asked, streams]") == [3, 2]  # there was none, it was refused, it was taken
    until(lambda: page.js("last.split('~').length") == 3, "it is in the chat")
    stack.xadd_all([message(chat, number) for number in range(10)])
    assert heard(page, 10) == list(range(10))
    stack.nodes[0].kill()
    stack.xadd_all([message(chat, number) for number in range(10, 20)])
    stack.nodes[0].start()
    heard(page, 20)
    stack.xadd(message(chat, 20))
    assert heard(page, 21) == list(range(21))


def test_the_documents_page_loads_anew_what_is_lost_and_says_what_it_may_not_read(follow, stack, chat):
    other = str(uuid.uuid4())
    page = follow([chat, other], tokens.mint("ann", [chat]))
    assert heard(page, 1) == [f"FORBIDDEN {other}"]
    page.js("source.close(); last = 'of another server'; open(); 0")
    until(lambda: f"reload {chat}" in page.js("noted"), "the chat is loaded anew")
    stack.xadd(message(chat, 7))
    until(lambda: page.js("noted").count(7) == 1, "and goes on")


def test_the_documents_page_stays_away_when_the_server_says_so(follow, stack, chat):
    user = str(uuid.uuid4())
    page = follow([chat], tokens.mint(user))
    page.js("later = () => noted.push('comes again'); 0")
    stack.revoke({"user_id": user})
    page.until("source.readyState === EventSource.CLOSED")
    assert page.js("noted") == []
