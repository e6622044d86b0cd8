"""The harness itself: what it finds in logs, and that its own little protocols are right."""
import pytest

from harness import envelope, tokens
from harness.metrics import parse
from harness.nats_wire import NatsClient
from harness.processes import NatsServer, Node, RedisServer


@pytest.fixture
def server(new_directory, watch):
    nats = NatsServer(new_directory("nats"))
    watch(nats)
    yield nats.start()
    nats.stop()


def test_redis_keeps_its_entries_when_it_is_killed(new_directory, watch):
    server = RedisServer(new_directory("redis"))
    watch(server)
    server.start()
    server.client.xadd("stream", {"event": "kept"})
    server.kill()
    server.start()
    assert server.client.xlen("stream") == 1
    assert server.stop() == 0


def test_nats_client_receives_what_it_publishes(server):
    with NatsClient(server.port) as client:
        client.subscribe("a.*")
        client.publish("a.b", b"bytes \x00\r\n")
        assert client.next_message() == ("a.b", b"", b"bytes \x00\r\n")


def test_nats_client_calls_jetstream(server):
    with NatsClient(server.port) as client:
        made = client.jetstream("STREAM.CREATE.s", name="s", subjects=["x.>"], storage="file")
        assert "error" not in made
        client.request("x.y", b"stored")
        assert client.jetstream("STREAM.INFO.s")["state"]["messages"] == 1


def test_a_killed_nats_server_keeps_its_streams(server):
    with NatsClient(server.port) as client:
        client.jetstream("STREAM.CREATE.s", name="s", subjects=["x.>"], storage="file")
        client.request("x.y", b"stored")
    server.kill()
    server.start()
    with NatsClient(server.port) as client:
        assert client.jetstream("STREAM.INFO.s")["state"]["messages"] == 1


def test_envelope_decodes_what_it_encodes():
    members = envelope.of_chat("chat", 300)
    decoded = envelope.decode(envelope.encode(**members))
    assert decoded["seq"] == 300 and decoded["target"] == b"chat"


def test_log_judge_finds_errors_and_sanitizer_reports(new_directory):
    node = Node("node", new_directory("node"), {})
    lines = [
        "ts=2026-11-23T10:15:30.123Z level=info event=fine text=level=error",
        "ts=2026-11-23T10:15:30.123Z level=error event=expected_one",
        "ts=2026-11-23T10:15:30.123Z level=error event=bad",
        "==1==ERROR: AddressSanitizer: heap-use-after-free",
    ]
    node.log_path.write_text("\n".join(lines) + "\n")
    node.expect_log("expected_one")
    assert len(node.faults_in_log()) == 2
    assert node.faults_in_log() == []


def test_metrics_reader_reads_labels():
    read = parse('# TYPE a counter\na{x="1"} 2\na{x="2"} 3\n')
    assert read["a", "x", "1"] == 2 and read.total("a") == 5


def test_tokens_carry_the_claims_asked_for():
    import jwt

    token = tokens.mint("u", ["c"], aud="a", exp=None)
    assert jwt.decode(token, tokens.SECRET, algorithms=["HS256"], audience="a")["chats"] == ["c"]
