"""The main scenarios again, by npm `ws`: a second library that shares nothing with the first."""
import json
import signal

import pytest

from harness import npm, tokens
from harness.events import Event
from harness.node_client import NodeClient, Refused
from harness.waiting import eventually


@pytest.fixture(scope="module", autouse=True)
def installed():
    npm.install("node_client")


@pytest.fixture
def node_connect(stack, clients):
    def connect_to(node=0, user="ws-user", **how):
        target = stack.nodes[node] if isinstance(node, int) else node
        clients.append(NodeClient(target.url, user, **how))
        return clients[-1]

    return connect_to


@pytest.mark.parametrize("via", ["subprotocol", "header", "query"])
def test_ws_connects_with_the_token_by(node_connect, via):
    client = node_connect(via=via)
    assert client.connected["user_id"] == "ws-user"
    assert client.subprotocol == ("roomcast.v1" if via == "subprotocol" else None)


def test_ws_and_websockets_receive_the_same_text_on_two_nodes(stack, node_connect, connect, chat):
    by_ws, by_websockets = node_connect(0), connect(1)
    by_ws.subscribe(chat, id="a")
    by_websockets.subscribe(chat)
    event = Event("MessagePosted", payload='{"ChatID":"%s","N":9223372036854775807,"T":"Grüße 👋"}' % chat)
    stack.xadd(event)
    frames = [client.expect("chat.message.posted", id=event.id) for client in (by_ws, by_websockets)]
    assert frames[0].text == frames[1].text and frames[0].raw_data == event.payload


def test_ws_sees_typing_of_the_other_library_and_back(node_connect, connect, chat):
    by_ws, by_websockets = node_connect(0), connect(1)
    by_ws.subscribe(chat)
    by_websockets.subscribe(chat)
    by_websockets.send(type="chat.typing", chat_id=chat)
    by_ws.expect("chat.typing", user_id=by_websockets.user)
    by_ws.send(type="chat.typing", chat_id=chat)
    by_websockets.expect("chat.typing", user_id="ws-user", is_typing=True)


def test_ws_receives_notifications_and_errors(stack, node_connect, chat):
    client = node_connect(1, "ws-notified", token=tokens.mint("ws-notified", [chat]))
    stack.xadd(Event("NotificationCreated", payload={"UserID": "ws-notified"}))
    client.expect("notification.new")
    client.send("not JSON")
    client.expect_error("INVALID_JSON")
    client.send(type="ping", id=1)
    client.expect("pong", id=1)


def test_ws_is_refused_with_a_json_body(node_connect):
    with pytest.raises(Refused) as refused:
        node_connect(token="nonsense")
    assert refused.value.status == 401
    assert json.loads(refused.value.body)["error"]["code"] == "UNAUTHORIZED"


def test_ws_sees_disconnect_and_close_code_4200(extra_node, node_connect, chat):
    node = extra_node()
    client = node_connect(node)
    client.subscribe(chat)
    node.signal(signal.SIGTERM)
    client.expect_disconnect(4200)
    assert node.wait_exit() == 0


def test_ws_and_websockets_agree_on_compression_and_read_the_same(extra_node, stack, node_connect, open_client, chat):
    node = extra_node({"websocket.compression": 6})
    by_ws, by_websockets = node_connect(node, per_message_deflate={"threshold": 0}), open_client(node)
    assert "permessage-deflate" in by_ws.extensions
    by_ws.subscribe(chat)
    by_websockets.subscribe(chat)
    event = Event("MessagePosted", payload={"ChatID": chat, "Content": "Grüße 👋 " * 100})
    stack.xadd(event)
    frames = [client.expect("chat.message.posted", id=event.id) for client in (by_ws, by_websockets)]
    assert frames[0].text == frames[1].text
    by_ws.send(type="ping", id="x" * 60)
    by_ws.expect("pong", id="x" * 60)


def test_ws_closes_in_order(stack, node_connect):
    client = node_connect()
    before = stack.nodes[0].metrics()["roomcast_closes_total", "code", "client"]
    client.close()
    assert client.expect_close().code == 1000
    eventually(lambda: stack.nodes[0].metrics()["roomcast_closes_total", "code", "client"] == before + 1, what="it is counted")


def test_ws_is_closed_with_4009_for_a_message_too_big(node_connect):
    client = node_connect()
    client.send("x" * 70_000)
    client.expect_disconnect(4009)
