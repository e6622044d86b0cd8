"""The admin listener: /livez, /readyz, /metrics and nothing else."""
import re
import signal

from harness.events import Event, message
from harness.processes import ROOT, get
from harness.waiting import eventually

TABLES = ROOT / "include" / "roomcast" / "base"
ROW = re.compile(r'METRIC_ROW\(\w+, (\w+), (\w+), "(\w+)", "(.*?)", ')
HISTOGRAM = re.compile(r'HISTOGRAM_ROW\(\w+, (\w+), "(\w+)", "(.*?)", ')


def rows_for(program):
    for kind, programs, name, label in ROW.findall((TABLES / "metrics_table.h").read_text()):
        if programs in (program, "BOTH"):
            yield kind.lower(), name, label.replace('\\"', '"')


# Their labels are known at run time only.
FAMILIES = set(re.findall(r'^FAMILY_ROW\(\w+, \w+, "(\w+)"', (TABLES / "families_table.h").read_text(), re.MULTILINE))


def histograms_of(program):
    for of, name, label in HISTOGRAM.findall((TABLES / "histograms_table.h").read_text()):
        if of in (program, "BOTH"):
            yield name, label.replace('\\"', '"')


def test_metrics_show_exactly_the_rows_of_the_table(stack):
    for program, running in (("NODE", stack.nodes[0]), ("RELAY", stack.relay)):
        answer = get(running.admin_url + "/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.body.decode().splitlines()
        samples = {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}
        buckets = {sample for sample in samples if 'le="' in sample}
        wanted = {f"{name}_{part}" + (f"{{{label}}}" if label else "") for name, label in histograms_of(program) for part in ("sum", "count")}
        for name, label in histograms_of(program):
            own = {sample for sample in buckets if sample.startswith(f"{name}_bucket{{{label}")}
            assert len(own) > 10 and any('le="+Inf"' in sample for sample in own) and f"# TYPE {name} histogram" in lines
            buckets -= own
        assert not buckets
        samples = {sample for sample in samples if 'le="' not in sample and sample.partition("{")[0] not in FAMILIES}
        wanted |= {name + (f"{{{label}}}" if label else "") for _, name, label in rows_for(program)}
        assert samples - {'roomcast_build_info{version="0.1.0"}', "process_start_time_seconds"} == wanted
        for kind, name, _ in rows_for(program):
            assert f"# TYPE {name} {kind}" in lines
            assert lines.count(f"# TYPE {name} {kind}") == 1
            assert any(line.startswith(f"# HELP {name} ") for line in lines)


def test_other_paths_and_methods_are_refused(stack):
    base = stack.nodes[0].admin_url
    assert get(base + "/").status == 404
    assert get(base + "/ws").status == 404
    assert get(base + "/metrics", data=b"x", method="POST").status == 405
    assert get(base + "/livez").status == 200


def test_readyz_says_ready(stack):
    for program in (*stack.nodes, stack.relay):
        assert program.readyz().status == 200
        assert program.metrics()["roomcast_nats_up"] == 1
    assert stack.relay.metrics()["roomcast_redis_up"] == 1


def test_events_are_counted_by_type_at_the_relay_and_at_the_node(stack, connect, chat):
    def counted(program, name):
        metrics = program.metrics()
        key = (name, "type", "task.created")
        return metrics[key] if key in metrics else 0

    node, relay = stack.nodes[0], stack.relay
    before = counted(node, "roomcast_events_by_type_total"), counted(relay, "roomcast_relay_stored_by_type_total")
    client = connect()
    client.subscribe(chat)
    stack.xadd(Event("task.created", chat=chat))
    client.expect("task.created", seq=1)
    assert counted(node, "roomcast_events_by_type_total") == before[0] + 1
    eventually(lambda: counted(relay, "roomcast_relay_stored_by_type_total") == before[1] + 1, what="the relay has its answer")


def test_a_relay_that_stops_is_not_ready_any_more(make_stack, chat):
    stack = make_stack(nodes=0).start()
    stack.nats.signal(signal.SIGSTOP)  # what is in flight cannot be stored, so the stop takes a while
    try:
        stack.xadd_all([message(chat, number) for number in range(10)])
        eventually(lambda: stack.relay.metrics()["roomcast_relay_in_flight"] == 10, what="all are in flight")
        stack.relay.signal(signal.SIGTERM)
        answer = lambda: get(stack.relay.admin_url + "/readyz")
        eventually(lambda: (answer().status, answer().body) == (503, b"stopping\n"), what="it says that it stops")
    finally:
        stack.nats.signal(signal.SIGCONT)
    assert stack.relay.wait_exit(60) == 0
