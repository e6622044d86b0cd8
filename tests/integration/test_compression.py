"""permessage-deflate (RFC 7692): each event compressed once for all who take it so; hostile frames."""
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from harness import raw
from harness.events import Event
from harness.waiting import eventually

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
RSV1 = 4


def deflate(data):
    """As RFC 7692 section 7.2.1 has it."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def large(chat):
    return Event(chat=chat, payload={"chat_id": chat, "content": "many words and the same words again " * 30})


@pytest.fixture
def node(extra_node):
    return extra_node({"websocket.compression": 6})


@pytest.fixture
def deflating(open_client):
    """deflating(node, user, **parameters of the offer): a client that offers compression."""

    def connect(target, user=None, **parameters):
        return open_client(target, user, extensions=[ClientPerMessageDeflateFactory(**parameters)])

    return connect


def test_an_event_is_compressed_once_for_all_who_take_it_so(stack, node, deflating, open_client, chat):
    takers, plain = [deflating(node) for _ in range(6)], open_client(node)
    assert all(len(client.extensions) == 1 for client in takers) and plain.extensions == []
    assert node.metrics()["roomcast_connections_deflating"] == 6
    for client in [*takers, plain]:
        client.subscribe(chat)
    before = node.metrics()
    events = [large(chat) for _ in range(3)]
    stack.xadd_all(events)
    for event in events:
        frames = [client.expect("chat.message.posted", id=event.id) for client in [*takers, plain]]
        assert {frame.text for frame in frames} == {frames[0].text} and frames[0].raw_data == event.payload
    after = node.metrics()
    assert after["roomcast_events_deflated_total"] - before["roomcast_events_deflated_total"] == 3
    for client in takers:
        client.drop()
    eventually(lambda: node.metrics()["roomcast_connections_deflating"] == 0, what="nobody takes them any more")


def test_what_is_written_is_what_is_counted(stack, node, deflating, chat):
    client = deflating(node)
    client.subscribe(chat)
    client.expect_nothing_pending()
    before = node.metrics()
    event = large(chat)
    stack.xadd(event)
    client.expect("chat.message.posted", id=event.id)
    written = lambda: node.metrics()["roomcast_written_bytes_total"] - before["roomcast_written_bytes_total"]
    eventually(lambda: written() > 50, what="what was written is counted")
    assert written() < len(event.payload) / 2


def test_small_events_and_answers_stay_plain(stack, node, chat):
    with raw.WebSocket(node.port, headers=OFFER) as peer:
        assert peer.response.headers["sec-websocket-extensions"].startswith("permessage-deflate;")
        peer.send_frame(raw.TEXT, '{"type":"subscribe.chat","chat_id":"%s"}' % chat)
        peer.expect_text("ack")  # a frame with RSV1 would not parse
        stack.xadd(Event(chat=chat, payload={"chat_id": chat}))
        peer.expect_text("chat.message.posted")
        stack.xadd(large(chat))
        assert peer.read_exactly(1)[0] == 0xC1


def test_while_nobody_takes_them_compressed_none_are_made(stack, node, open_client, chat):
    client = open_client(node)
    client.subscribe(chat)
    stack.xadd(large(chat))
    client.expect("chat.message.posted")
    assert node.metrics()["roomcast_events_deflated_total"] == 0


def test_replays_share_the_compressed_events(stack, node, deflating, chat):
    witness = deflating(node)
    position = witness.subscribe(chat)
    events = [large(chat) for _ in range(20)]
    stack.xadd_all(events)
    frames = [witness.expect("chat.message.posted", id=event.id) for event in events]
    made = node.metrics()["roomcast_events_deflated_total"]
    for _ in range(3):
        again = deflating(node)
        ack = again.subscribe(chat, since={"epoch": position["epoch"], "seq": position["seq"]})
        assert ack["recovered"] is True and ack["replayed"] == 20
        assert [again.expect("chat.message.posted").text for _ in frames] == [frame.text for frame in frames]
    assert node.metrics()["roomcast_events_deflated_total"] == made


@pytest.mark.parametrize("bits, agreed", [(9, 0), (11, 0), (12, 1), (15, 1)])
def test_a_window_that_is_too_small_is_declined_and_the_client_served(stack, node, deflating, chat, bits, agreed):
    client = deflating(node, server_max_window_bits=bits)
    assert len(client.extensions) == agreed
    client.subscribe(chat)
    event = large(chat)
    stack.xadd(event)
    assert client.expect("chat.message.posted", id=event.id).raw_data == event.payload


def test_it_is_off_by_default(stack, connect):
    client = connect(extensions=[ClientPerMessageDeflateFactory()])
    assert client.extensions == []
    with raw.WebSocket(stack.nodes[0].port, headers=OFFER) as peer:
        peer.send_frame(raw.TEXT, deflate(b'{"type":"ping"}'), reserved=RSV1)
        assert peer.read_close()[0] == 1002


FAULTS = {
    "reserved bit 2": (1002, lambda peer: peer.send_frame(raw.TEXT, deflate(b"{}"), reserved=RSV1 | 2)),
    "compressed ping": (1002, lambda peer: peer.send_frame(raw.PING, b"", reserved=RSV1)),
    "not deflate": (1007, lambda peer: peer.send_frame(raw.TEXT, b"\xff" * 20, reserved=RSV1)),
    "cut": (1007, lambda peer: peer.send_frame(raw.TEXT, deflate(b'{"type":"ping"}' * 9)[:-5], reserved=RSV1)),
    "not UTF-8": (1007, lambda peer: peer.send_frame(raw.TEXT, deflate(b"\xff\xfe"), reserved=RSV1)),
    "compressed continuation": (
        1002,
        lambda peer: (
            peer.send_frame(raw.TEXT, deflate(b"{}")[:2], final=False, reserved=RSV1),
            peer.send_frame(raw.CONTINUATION, deflate(b"{}")[2:], reserved=RSV1),
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_hostile_frames_end_with_the_codes_of_the_rfcs(node, fault):
    code, send = FAULTS[fault]
    with raw.WebSocket(node.port, headers=OFFER) as peer:
        send(peer)
        assert peer.read_close() == (code, [])
        assert peer.is_ended_by_peer()
    eventually(lambda: node.metrics()["roomcast_closes_total", "code", str(code)] == 1, what="the close is counted")


def test_a_bomb_is_a_message_too_big(node):
    with raw.WebSocket(node.port, headers=OFFER) as peer:
        peer.send_frame(raw.TEXT, deflate(b" " * 50_000_000), reserved=RSV1)
        code, texts = peer.read_close()
        assert code == 4009 and [text["type"] for text in texts] == ["disconnect"]
