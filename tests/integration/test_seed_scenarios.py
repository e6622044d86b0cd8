"""The scenarios everything began with."""
import signal

import pytest

from harness import raw
from harness.events import Event, message
from harness.waiting import eventually


def test_two_clients_in_one_chat_on_two_nodes_both_receive(stack, connect, chat):
    readers = [connect(0), connect(1)]
    for reader in readers:
        reader.subscribe(chat)
    event = Event(chat=chat)
    stack.xadd(event)
    frames = [reader.expect("chat.message.posted", chat_id=chat, id=event.id, seq=1) for reader in readers]
    assert [frame.raw_data for frame in frames] == [event.payload] * 2
    assert frames[0].text == frames[1].text
    assert readers[0].connected["node"] == "roomcast-0" and readers[1].connected["node"] == "roomcast-1"


def test_a_client_in_another_chat_does_not_receive(stack, connect, chat, other_chat):
    witnesses = [connect(0), connect(1)]
    strangers = [connect(0), connect(1)]
    for witness, stranger in zip(witnesses, strangers):
        witness.subscribe(chat)
        stranger.subscribe(other_chat)
    stack.xadd(Event(chat=chat))
    for witness in witnesses:
        witness.expect("chat.message.posted")
    # By now both nodes have handled the event. What the strangers see first is the one for their own chat.
    for_strangers = Event(chat=other_chat)
    stack.xadd(for_strangers)
    for stranger in strangers:
        stranger.expect("chat.message.posted", chat_id=other_chat, id=for_strangers.id)
        stranger.expect_nothing_pending()
    for witness in witnesses:
        witness.expect_nothing_pending()


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer a.b.c", "Basic dXNlcjpwYXNz"])
def test_a_bad_token_is_refused_before_the_upgrade(stack, authorization):
    before = stack.nodes[0].metrics()["roomcast_handshakes_total", "result", "unauthorized"]
    response = raw.ask_upgrade(stack.nodes[0].port, headers={"Authorization": authorization})
    assert response.status == 401 and response.error == "UNAUTHORIZED"
    assert stack.nodes[0].metrics()["roomcast_handshakes_total", "result", "unauthorized"] == before + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sends_every_client_away_with_4200_and_exit_0(extra_node, open_client, chat, number):
    node = extra_node()
    inside = open_client(node)
    inside.subscribe(chat)
    outside = open_client(node)
    node.signal(number)
    for client in (inside, outside):
        disconnect = client.expect_disconnect(4200)
        assert disconnect["reconnect"] is True and disconnect["reason"] == "draining"
    assert node.wait_exit() == 0


def test_what_was_published_before_the_signal_is_flushed_first(stack, extra_node, open_client, connect, chat):
    node = extra_node()
    leaving, staying = open_client(node), connect(0)
    leaving.subscribe(chat)
    staying.subscribe(chat)
    events = [message(chat, number) for number in range(20)]
    stack.xadd_all(events)
    for event in events:
        staying.expect("chat.message.posted", id=event.id)
    eventually(lambda: node.metrics()["roomcast_deliveries_total"] >= 20, what="the leaving node has them queued")
    node.signal(signal.SIGTERM)
    for event in events:
        leaving.expect("chat.message.posted", id=event.id)
    leaving.expect_disconnect(4200)
    assert node.wait_exit() == 0


def test_a_stopping_node_accepts_nobody_new(extra_node):
    node = extra_node({"drain.timeout_s": 60})
    with raw.WebSocket(node.port) as stubborn:  # answers no close frame, so that the node goes on draining
        node.signal(signal.SIGTERM)
        assert stubborn.expect_text("disconnect")["code"] == 4200

        def refused():
            try:
                response = raw.ask_upgrade(node.port)
            except ConnectionRefusedError:
                return True
            return response is None or (response.status == 503 and response.error == "DRAINING")

        assert refused()
    assert node.wait_exit() == 0


def test_a_second_signal_ends_at_once(extra_node):
    node = extra_node({"drain.timeout_s": 600})
    with raw.WebSocket(node.port) as stubborn:
        node.signal(signal.SIGTERM)
        assert stubborn.expect_text("disconnect")["code"] == 4200
        node.signal(signal.SIGTERM)
        assert node.wait_exit(5) in (0, -signal.SIGTERM)
