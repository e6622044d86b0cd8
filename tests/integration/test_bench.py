"""roomcast-bench: every scenario, small, against a real node and the limit programs; all counts are exact."""
import collections
import concurrent.futures
import contextlib
import json
import random
import secrets
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from harness import raw
from harness.bench import NODE_OPTIONS, Bench, LimitServer
from harness.certificates import Authority
from harness.peer import Peer
from harness.processes import ROOT, NatsServer, binary, run_program
from harness.shards import stream_names
from harness.stack import Stack
from harness.waiting import eventually, seconds

QUICK = {"duration": 0.5, "warmup": 0.2, "settle": 0.1}
LATENCIES = ("p50", "p90", "p99", "p999", "max")


@pytest.fixture
def node(extra_node):
    return extra_node(NODE_OPTIONS)


@pytest.fixture
def bench(stack, node):
    return Bench(node, nats=stack.nats, redis=stack.redis_server)


@pytest.fixture
def limit_server(watch, new_directory):
    def make(executable, *flags):
        server = LimitServer(executable, new_directory(executable), *flags)
        watch(server)
        try:
            return server.start()
        except AssertionError:
            if server.process.poll() == 77:
                pytest.skip("the kernel refuses io_uring")
            raise

    return make


def assert_exact(found):
    assert found["events"] > 0
    assert found["deliveries"] == found["expected"] == found["events"] * found["members"]
    assert [found[name] for name in ("lost", "lost_before", "duplicates", "out_of_order", "strays")] == [0] * 5


def assert_measured(found):
    assert_exact(found)
    latencies = [found[f"latency_{point}_us"] for point in LATENCIES]
    assert 0 < latencies[0] and latencies == sorted(latencies)
    assert found["server_us_per_delivery"] > 0 and found["server_rss_bytes"] > 0
    assert found["deliveries_per_s"] > 0 and found["frame_bytes"] > found["payload_bytes"]
    assert found["generator_saturated"] in (True, False)


@pytest.mark.parametrize("via", ["nats", "redis", "typing"])
def test_fanout_delivers_every_event_to_every_member(bench, via):
    found = bench.run("fanout", via=via, rooms=3, members=7, rate=100, **QUICK)
    assert (found["via"], found["connections"]) == (via, 21)
    assert found["events"] == 50
    if via != "typing":
        assert_measured(found)
    assert_exact(found)


@pytest.mark.heavy
def test_a_room_so_large_that_its_events_let_others_pass_gets_them_all_in_order(stack, extra_node):
    # More members on one worker than LARGE_ROOM (src/node/worker_arrivals.c), and several events waiting at once.
    node = extra_node({**NODE_OPTIONS, "workers": 1})
    bench = Bench(node, nats=stack.nats, redis=stack.redis_server)
    found = bench.run("fanout", rooms=1, members=1100, rate=100, burst=20, **QUICK)
    assert_exact(found)
    beside = bench.run("slow", rooms=3, members=7, rate=100, hot=1100, hot_in_flight=8, stalled=0, **QUICK)
    assert_exact(beside)


def test_the_hops_of_an_event_make_up_its_way(bench):
    found = bench.run("fanout", via="redis", hops=True, rooms=3, members=7, rate=100, **QUICK)
    assert_measured(found)
    assert (found["hop_events"], found["hop_events_incomplete"]) == (found["events"], 0)
    for hop in ("xadd", "relay", "node", "broker", "fanout_median", "fanout", "total"):
        assert found[f"hop_{hop}_p50_us"] <= found[f"hop_{hop}_p99_us"] <= found[f"hop_{hop}_max_us"]
    assert found["hop_xadd_p50_us"] > 0 and found["hop_broker_p50_us"] > 0
    assert sum(found[f"hop_{hop}_percent"] for hop in ("xadd", "broker", "fanout")) == pytest.approx(100, abs=5)
    assert found["hop_total_percent"] == pytest.approx(100)


def test_the_node_tells_how_old_events_are_when_it_hands_them_on(bench, node):
    found = bench.run("fanout", members=2, rate=100, warmup=0, duration=0.5)
    metrics = node.metrics()
    ages = [metrics["roomcast_event_latency_seconds_bucket", "since", "relayed", "le", bound] for bound in ("0.001", "1", "+Inf")]
    assert ages == sorted(ages) and ages[-1] == metrics["roomcast_event_latency_seconds_count", "since", "relayed"] == found["events"]


def test_connections_may_share_the_rooms_and_threads_the_connections(bench):
    found = bench.run("fanout", rooms=10, members=6, connections=12, threads=2, rate=100, **QUICK)
    assert_measured(found)
    assert found["connections"] == 12


@pytest.mark.parametrize("until", ["all", "one"])
@pytest.mark.parametrize("via", ["nats", "typing"])
def test_publishers_in_flight_wait_for_their_events(bench, via, until):
    found = bench.run("fanout", via=via, members=10, in_flight=4, until=until, **QUICK)
    assert_exact(found)
    assert found["in_flight"] == 4


def test_a_burst_is_complete_when_the_last_event_is_there(bench):
    found = bench.run("burst", members=5, burst=50, **QUICK)
    assert_measured(found)
    assert found["events"] % 50 == 0
    assert found["burst_complete_p50_us"] >= found["latency_p50_us"] * 0.5
    assert found["burst_complete_max_us"] > 0


def test_idle_tells_the_memory_of_a_connection(bench):
    found = bench.run("idle", rooms=5, members=40, busy=3, **QUICK)
    assert (found["connections"], found["memberships"], found["connections_lost"]) == (200, 200, 0)
    assert "anonymous_bytes_per_connection" in found and "busy_anonymous_bytes_per_connection" in found


@pytest.mark.parametrize("alg", ["HS256", "ES256"])
def test_connect_counts_handshakes(stack, extra_node, tmp_path, alg):
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    node = extra_node({**NODE_OPTIONS, "auth.public_key_file": public})
    options = {"jwt_key": private} if alg == "ES256" else {}
    found = Bench(node, nats=stack.nats).run("connect", connections=50, rounds=2, **options)
    assert found["handshakes"] == 100
    assert found["handshakes_per_s"] > 0 and found["server_us_per_handshake"] > 0
    assert 0 < found["upgraded_p50_us"] <= found["connected_p50_us"]


def test_slow_compares_the_same_load_alone_and_disturbed(bench):
    found = bench.run("slow", rooms=2, members=5, rate=100, stalled=2, hot=10, hot_in_flight=2, **QUICK)
    assert_exact(found)
    assert found["alone_latency_p99_us"] > 0 and found["latency_p99_us"] > 0
    assert found["p99_ratio"] == pytest.approx(found["latency_p99_us"] / found["alone_latency_p99_us"], rel=0.01)


def test_churn_joins_and_leaves_new_rooms_beside_the_load(bench, node):
    found = bench.run("churn", rooms=2, members=5, rate=100, churners=20, join_rate=500, **QUICK)
    assert_exact(found)
    assert (found["refused"], found["unanswered"], found["strays"]) == (0, 0, 0)
    assert found["churners"] == 20 and found["joins"] >= 20
    assert 0 < found["join_p50_us"] <= found["join_p99_us"] and found["leave_p99_us"] > 0
    assert found["alone_latency_p99_us"] > 0 and found["p99_ratio"] > 0
    eventually(lambda: node.metrics()["roomcast_subscriptions"] == 0, what="nobody is left in a room")


def test_two_processes_share_the_rooms_of_a_run(bench, node):
    load = {"rooms": 3, "members": 7, "run": random.randrange(1, 2**32), "events": 40}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        listener = pool.submit(bench.run, "fanout", listen_only=None, duration=20, **load)
        eventually(lambda: node.metrics()["roomcast_subscriptions"] == 21, what="the listener is in its rooms")
        publisher = bench.run("fanout", rate=100, **load)
    for found in (publisher, listener.result()):
        assert_exact(found)
        assert found["events"] == 40


def test_jitter_loses_nothing(bench):
    found = bench.run("jitter", rooms=4, members=5, rate=200, period=0.5, offline=0.1, duration=2)
    assert_exact(found)
    assert found["drops"] > 20 and found["rooms_recovered"] == found["drops"]
    assert (found["rooms_not_recovered"], found["never_back"], found["delivered_percent"]) == (0, 0, 100)
    assert found["back_p50_us"] > 100_000


def test_an_avalanche_brings_everybody_back(bench):
    found = bench.run("avalanche", rooms=4, members=5, rate=200, duration=1)
    assert_exact(found)
    assert (found["drops"], found["rooms_recovered"], found["never_back"]) == (20, 20, 0)


@pytest.mark.parametrize("executable", ["limit_send", "limit_uring"])
@pytest.mark.parametrize("flags", [[], ["--coalesce"]])
def test_the_limit_programs_deliver_everything_too(limit_server, executable, flags):
    server = limit_server(executable, *flags)
    found = Bench(server).run("fanout", rooms=3, members=20, rate=1000, burst=10, **QUICK)
    assert_measured(found)
    assert (found["target"], found["via"]) == ("raw-ws", "target")
    assert found["frame_bytes"] == pytest.approx(204, abs=1)


def open_raw(server):
    connection = raw.Connection(server.port)
    connection.send(raw.upgrade_request("/"))
    assert connection.read_response().status == 101
    return connection


def say(connection, text):
    connection.send(raw.frame(raw.TEXT, text.encode()))


def hear(connection):
    head = connection.read_exactly(2)
    return connection.read_exactly(head[1]).decode()


TOGETHER = ("x1 x3 y2", "y2 x1 x3")  # rooms have no order among each other


@pytest.mark.parametrize("flags, orders", [([], ("x1 y2 x3",)), (["--coalesce"], TOGETHER)])
def test_coalescing_writes_together_what_all_clients_of_a_turn_have_sent(limit_server, flags, orders):
    server = limit_server("limit_send", *flags)
    with contextlib.ExitStack() as stack:
        member, *publishers = [stack.enter_context(open_raw(server)) for _ in range(4)]
        for text in ("sx", "sy", "py\nready"):
            say(member, text)
        assert hear(member) == "ready"
        server.signal(signal.SIGSTOP)
        for publisher, event in zip(publishers, ("x1", "y2", "x3")):
            say(publisher, f"p{event[0]}\n{event}")
        server.signal(signal.SIGCONT)
        assert " ".join(hear(member) for _ in range(3)) in orders


def test_a_limit_program_serves_many_runs_of_many_connections(limit_server):
    """Together more than it may have descriptors for."""
    bench = Bench(limit_server("limit_send"))
    for _ in range(2):
        assert_exact(bench.run("fanout", members=12000, opening=512, rate=2, duration=0.5, warmup=0.5))


def test_publishers_of_a_limit_program_have_no_order_among_each_other(limit_server):
    found = Bench(limit_server("limit_send")).run("fanout", members=200, in_flight=16, **QUICK)
    assert found["deliveries"] == found["expected"] > 0
    assert (found["lost"], found["duplicates"]) == (0, 0)


def assert_compressed(found):
    assert_exact(found)
    assert found["compression"] is True and found["compressed_frames"] >= found["deliveries"]
    assert found["frame_bytes"] < 0.9 * found["message_bytes"] and found["message_bytes"] >= found["payload_bytes"]


def test_events_of_a_node_may_come_compressed(stack, extra_node):
    node = extra_node({**NODE_OPTIONS, "websocket.compression": 6})
    bench = Bench(node, nats=stack.nats)
    load = {"rooms": 3, "members": 7, "rate": 100, "payload": 1000, **QUICK}
    assert_compressed(bench.run("fanout", compression=True, **load))
    plain = bench.run("fanout", **load)
    assert (plain["compression"], plain["compressed_frames"]) == (False, 0)
    assert plain["frame_bytes"] == pytest.approx(plain["message_bytes"] + 4, rel=0.01)


def test_a_server_that_declines_compression_ends_the_run(bench):
    done = bench.start("fanout", compression=True, **QUICK)
    assert done.returncode == 2 and "declines compression" in done.stderr


def test_another_server_is_greeted_joined_and_answered_in_its_own_words():
    with Peer() as peer:
        found = Bench(peer).run("fanout", rooms=2, members=3, rate=100, **QUICK)
        eventually(lambda: peer.pongs == peer.pings == 6, what="every ping is answered")
    assert_exact(found)
    assert (found["target"], found["connections"], peer.faults) == ("raw-ws", 6, [])


@pytest.mark.parametrize("takes_over", [True, False])
def test_another_server_may_take_its_compression_context_over(takes_over):
    factory = ServerPerMessageDeflateFactory(server_no_context_takeover=not takes_over)
    with Peer([factory]) as peer:
        found = Bench(peer).run("fanout", rooms=2, members=3, rate=100, payload=1000, compression=True, **QUICK)
    assert_compressed(found)


def test_the_answer_to_the_hello_is_part_of_a_connection():
    with Peer() as peer:
        found = Bench(peer).run("connect", connections=5)
    assert found["handshakes"] == 5
    assert found["connected_p50_us"] - found["upgraded_p50_us"] > 40_000  # for which the server waits


PEERS = r"""
[bare]
command = {limit_send} --listen {{port}}
url = ws://127.0.0.1:{{port}}/
subscribe = s{{room}}
publish = p{{room}}\n{{payload}}
"""


def run_report(program, *arguments):
    command = [sys.executable, ROOT / "tests/bench" / program, "--rounds=2", "--seconds=0.3", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds(120), check=False)


@pytest.mark.heavy
def test_the_report_compares_nodes_limits_and_peers_round_by_round(tmp_path):
    peers, lines = tmp_path / "peers.ini", tmp_path / "lines"
    peers.write_text(PEERS.format(limit_send=binary("limit_send")))
    cases = "1k-200,burst-100,idle,connect-es256"
    arguments = [f"--cases={cases}", "--warmup=0.1", "--scale=0.02", f"--peers={peers}", f"--json={lines}"]
    done = run_report("report.py", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    runs = collections.Counter((figures["case"], figures["server"]) for figures in found)
    for case in cases.split(","):
        assert [runs[case, server] for server in ("limit_send", "bare", "roomcast")] == [2, 2, 2]
        assert runs[case, "limit_send, coalescing"] == (2 if case.startswith("burst") else 0)
    fanout = [figures for figures in found if figures["case"] == "1k-200"]
    sizes = [figures["frame_bytes"] for figures in fanout]
    assert max(sizes) - min(sizes) < 2
    first, second = ([figures["server"] for figures in fanout if figures["round"] == number] for number in (0, 1))
    assert second == first[1:] + first[:1]
    assert "| limit_send | 1.00 (1.00 to 1.00) |" in done.stdout


def test_a_peer_of_which_something_is_missing_is_told_so(tmp_path):
    peers = tmp_path / "peers.ini"
    peers.write_text("[half]\nurl = ws://127.0.0.1:1/\nsubscribe = s\npublish = p\n")
    done = run_report("report.py", f"--peers={peers}")
    assert done.returncode == 2 and "[half]: either command or pids" in done.stderr


@pytest.mark.heavy
def test_write_options_are_compared_with_a_plain_node():
    arguments = ["--members=20", "--rate=200", "--variant=websocket.compression=6", "--variant=write.delay_ms=5"]
    done = run_report("write_options.py", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("|")][2:]
    sizes = {cells[0].strip("| "): int(cells[3].split()[0]) for cells in rows}
    writes = {cells[0].strip("| "): float(cells[4].split()[0]) for cells in rows}
    assert sizes["websocket.compression-6"] < 0.9 * sizes["plain"] == pytest.approx(0.9 * sizes["write.delay_ms-5"], rel=0.05)
    assert writes["write.delay_ms-5"] < writes["plain"]


def test_a_run_can_be_drawn_and_appended_to_a_file(bench, tmp_path):
    plot, lines = tmp_path / "plot.svg", tmp_path / "lines"
    for _ in range(2):
        done = bench.start("fanout", members=3, svg=plot, **{"json": lines}, **QUICK)
        assert (done.returncode, done.stderr) == (0, "")
        assert "latency_p99_us" in done.stdout
    assert [json.loads(line)["scenario"] for line in lines.read_text().splitlines()] == ["fanout", "fanout"]
    root = xml.etree.ElementTree.parse(plot).getroot()
    assert root.tag.endswith("svg")


@pytest.mark.parametrize("mode", ["off", "sign"])
def test_events_are_published_to_the_shards_of_their_rooms(make_stack, tmp_path, mode):
    options = {"stream.shards": 3, "nats.seal": mode, **({"nats.seal_key": "ab" * 32} if mode == "sign" else {})}
    stack = make_stack(nodes=1, node_options={**NODE_OPTIONS, **options}, relay_options=options).start()
    bench = Bench(stack.nodes[0], nats=stack.nats)
    (tmp_path / "key").write_text("ab" * 32)
    how = {"via": "nats", "rooms": 30, "members": 2, "rate": 300, "nats_seal": mode, **({"nats_seal_key_file": tmp_path / "key"} if mode == "sign" else {})}
    found = bench.run("fanout", stream_shards=3, **how, **QUICK)
    assert_exact(found)
    with stack.nats_client() as nats:
        held = [nats.jetstream(f"STREAM.INFO.{name}")["state"]["messages"] for name in stream_names(3)]
    assert min(held) > 0 and sum(held) >= found["events"]
    done = bench.start("fanout", **how, **QUICK)
    assert done.returncode == 2 and "stream.shards" in done.stderr


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_sealed_events_are_published_and_watched_with_the_key_only(make_stack, tmp_path, mode):
    key = secrets.token_hex(32)
    sealed = {"nats.seal": mode, "nats.seal_key": key}
    stack = make_stack(nodes=1, node_options={**NODE_OPTIONS, **sealed}, relay_options=sealed).start()
    bench = Bench(stack.nodes[0], nats=stack.nats, redis=stack.redis_server)
    key_file, other_file, bad_file = (tmp_path / name for name in ("key", "other", "bad"))
    key_file.write_text(key + "\n")
    other_file.write_text(secrets.token_hex(32))
    bad_file.write_text("short")
    found = bench.run("fanout", via="nats", members=5, rate=50, nats_seal=mode, nats_seal_key_file=key_file, **QUICK)
    assert_exact(found)
    found = bench.run("fanout", via="redis", hops=True, members=5, rate=50, nats_seal=mode, nats_seal_key_file=key_file, **QUICK)
    assert_exact(found)
    for wrong in ({}, {"nats_seal": mode, "nats_seal_key_file": other_file}):
        done = bench.start("fanout", via="nats", members=5, rate=50, drain=0.2, **wrong, **QUICK)
        assert done.returncode == 1 and json.loads(done.stdout)["deliveries"] == 0
    done = bench.start("fanout", nats_seal=mode, nats_seal_key_file=bad_file)
    assert done.returncode == 2 and str(bad_file) in done.stderr and "32 bytes" in done.stderr


def test_a_token_and_tls_open_nats(new_directory, watch, tmp_path):
    Authority(tmp_path, "other")
    authority = Authority(tmp_path, "ca")
    for who in ("server", "client"):
        authority.write(who)
    nats = NatsServer(new_directory("nats"))
    nats.extra_flags = ["--auth", "a-token-of-this-test", "--tlsverify", "--tlscert", tmp_path / "server.pem",
                        "--tlskey", tmp_path / "server.key", "--tlscacert", tmp_path / "ca.pem"]  # fmt: skip
    tls = {"nats_url": f"tls://127.0.0.1:{nats.port}", "nats_ca_file": tmp_path / "ca.pem",
           "nats_cert_file": tmp_path / "client.pem", "nats_key_file": tmp_path / "client.key"}  # fmt: skip
    options = {name.replace("_", ".", 1): str(value) for name, value in tls.items()}
    stack = Stack(new_directory("stack"), nodes=1, nats=nats, node_options={**NODE_OPTIONS, **options, "nats.token": "a-token-of-this-test"},
                  relay_options={**options, "nats.token": "a-token-of-this-test"})  # fmt: skip
    watch(*stack.processes())
    stack.start()
    try:
        token_file, bad_file = tmp_path / "token", tmp_path / "bad"
        token_file.write_text("a-token-of-this-test\n")
        bad_file.write_text("another\n")
        bench = Bench(stack.nodes[0])
        assert_exact(bench.run("fanout", via="nats", members=5, rate=50, nats_token_file=token_file, **tls, **QUICK))
        for wrong in ({"nats_token_file": bad_file}, {"nats_token_file": token_file, "nats_ca_file": tmp_path / "other.pem"}):
            done = bench.start("fanout", via="nats", members=5, **{**tls, **wrong})
            assert done.returncode == 2 and "--nats-url" in done.stderr
        for wrong in ("/nonexistent", "/dev/null"):
            done = bench.start("fanout", via="nats", nats_token_file=wrong, **tls)
            assert done.returncode == 2 and "--nats-token-file" in done.stderr
    finally:
        stack.stop()


def test_what_goes_wrong_is_told_with_what_to_do(bench, node):
    wrong_key = run_program("roomcast-bench", "connect", f"--url={node.url}", "--jwt-secret=" + "x" * 32)
    assert wrong_key.returncode == 2 and "401" in wrong_key.stderr
    nobody = run_program("roomcast-bench", "connect", "--url=ws://127.0.0.1:1/ws", "--jwt-secret=" + "x" * 32)
    assert nobody.returncode == 2 and "refused" in nobody.stderr
    no_nats = bench.start("fanout", **{"nats-url": "nats://127.0.0.1:1"})
    assert no_nats.returncode == 2 and "--nats-url" in no_nats.stderr


def test_a_loss_gives_status_1(bench, node):
    """The node's limit on typing drops what the generator counts on."""
    node.stop()
    node.options["limits.typing_ms"] = 60000
    node.start()
    done = bench.start("fanout", via="typing", members=3, rate=50, drain=0.2, **QUICK)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["lost"] == found["expected"] - found["deliveries"] > 0


def test_isolation_is_measured_beside_every_neighbour(tmp_path):
    program = ROOT / "tests/bench/isolation.py"
    lines = tmp_path / "lines"
    command = [sys.executable, program, "--runs=1", "--seconds=0.3", "--hot=20", f"--json={lines}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds(60), check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    places = {(figures["neighbour"], figures["place"]) for figures in found}
    with_control = {(name, place) for name in ("hot", "HS256", "ES256") for place in ("alone", "shared", "other")}
    assert places == with_control | {("stalled", "alone"), ("stalled", "shared")}
    assert all(figures["latency_p99_us"] > 0 for figures in found)
    assert done.stdout.count("\n|") == 6
