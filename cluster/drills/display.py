"""The result of a drill for people, and for machines."""
import json
import sys


def line_of(result):
    return (
        f"{result['drill']}: published {result['published']} / delivered {result['delivered']} of {result['expected']}"
        f" / lost {result['lost']} / reported {result['reported']} / duplicated {result['duplicated']}"
        f" / reordered {result['reordered']} / slowest recovery {result['slowest_recovery_s']:.2f} s"
    )


def details_of(result):
    latency = result["latency_s"]
    share = 100 * result["delivered"] / result["expected"] if result["expected"] else 0
    yield f"delivered {share:.3f} %, latency p50 {latency['p50']} s, p99 {latency['p99']} s, max {latency['max']} s"
    yield (
        f"faults {result['faults']}, recovery after one at most {result['slowest_after_fault_s']} s; clients cut off"
        f" {result['cuts']} times; reconnects {result['reconnects']}, the slowest {result['slowest_reconnect_s']} s"
    )
    yield (
        f"holes {result['holes']}, disagreements {result['disagreements']}, repeated by the server"
        f" {result['repeated_by_server']}, entries twice in Redis {result['entries_repeated_in_redis']}"
    )
    yield "clients: " + (", ".join(f"{name} {count}" for name, count in result["client_counts"].items()) or "nothing")
    yield "servers: " + ", ".join(f"{name} {count}" for name, count in result["server_counts"].items())
    yield f"replicas: {result['replicas']}"
    yield f"clients' CPU {result['clients_cpu_s']} s, seed {result['seed']}"


def show(result, as_json):
    out = sys.stderr if as_json else sys.stdout
    print(line_of(result), file=out)
    for detail in details_of(result):
        print(f"  {detail}", file=out)
    for failure in result["failures"]:
        print(f"  FAILED: {failure}", file=out)
    if as_json:
        print(json.dumps(result))
