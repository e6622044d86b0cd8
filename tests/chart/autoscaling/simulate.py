#!/usr/bin/python3
"""What the chart's autoscaler does with the nodes under given load shapes.

    tests/chart/autoscaling/simulate.py HPA.json           prints a summary, as Markdown
    tests/chart/autoscaling/simulate.py HPA.json --svg     prints the plot

HPA.json: {"spec": of the rendered HorizontalPodAutoscaler, "rules": options of the nodes}; the chart's tests make it
(autoscaling_input in conftest.py). Deterministic: the same input gives the same bytes.
"""
import csv
import json
import pathlib
import sys

from cluster import Cluster, Rules
from hpa import Autoscaler
from plot import plot

SHAPES = {"morning": "Morning ramp", "avalanche": "Avalanche", "evening": "Evening decline"}
SYNC_S = 15  # the HPA controller's period
LAG_S = 30  # age of a metric when the controller sees it: scrape interval and adapter
STEP_S = 30  # between points of the plot


def shape(name):
    path = pathlib.Path(__file__).parent / "shapes" / f"{name}.csv"
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return [(int(row["minute"]) * 60, int(row["clients"])) for row in csv.DictReader(lines)]


def wanted_at(points, now):
    for (begin, low), (end, high) in zip(points, points[1:]):
        if begin <= now <= end:
            return low + (high - low) * (now - begin) / (end - begin)
    return points[-1][1]


def run(name, spec, rules):
    """The course of one shape: a list of dicts, one for each STEP_S, and totals."""
    points = shape(name)
    autoscaler = Autoscaler(spec)
    replicas = min(max(-(-points[0][1] // autoscaler.target), autoscaler.low), autoscaler.high)
    cluster = Cluster(Rules(**rules), replicas, points[0][1])
    seen, course, last = [], [], (0.0, 0.0)
    for now in range(1, points[-1][0] + 1):
        clients = wanted_at(points, now)
        cluster.step(now, clients)
        seen.append([node.connections for node in cluster.ready(now)])
        if now % SYNC_S == 0 and now > LAG_S:
            ready = seen[now - LAG_S - 1][: len(cluster.nodes)]
            replicas = autoscaler.decide(now, ready, len(cluster.nodes) - len(ready), replicas)
            cluster.scale(now, replicas)
        if now % STEP_S == 0:
            course.append({
                "minute": now / 60,
                "wanted": clients,
                "connections": cluster.connections(),
                "pods": len(cluster.nodes) + len(cluster.draining),
                "fullest": max(node.connections for node in cluster.nodes),
                "reconnects": (cluster.reconnects - last[0]) / STEP_S,
                "refused": (cluster.refused - last[1]) / STEP_S,
            })
            last = (cluster.reconnects, cluster.refused)
    return course, {"reconnects": cluster.reconnects, "refused": cluster.refused}


def summary(runs, limit):
    lines = ["| load | clients, least and most | pods, least and most | fullest node, of its limit | most without a place at once | sent elsewhere, per client |",
             "|---|---|---|---|---|---|"]
    for name, (course, totals) in runs.items():
        wanted = [point["wanted"] for point in course]
        pods = [point["pods"] for point in course]
        short = max(point["wanted"] - point["connections"] for point in course)
        lines.append(
            f"| {SHAPES[name]} | {min(wanted):,.0f} to {max(wanted):,.0f} | {min(pods)} to {max(pods)} | "
            f"{max(point['fullest'] for point in course) / limit:.0%} | {short:,.0f} | {totals['reconnects'] / max(wanted):.2f} |")
    return "\n".join(lines) + "\n"


def main():
    given = json.loads(pathlib.Path(sys.argv[1]).read_text())
    runs = {name: run(name, given["spec"], given["rules"]) for name in SHAPES}
    if sys.argv[2:] == ["--svg"]:
        sys.stdout.write(plot({SHAPES[name]: course for name, (course, _) in runs.items()}, given["rules"]["limit"]))
    else:
        sys.stdout.write(summary(runs, given["rules"]["limit"]))


if __name__ == "__main__":
    main()
