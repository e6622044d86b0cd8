"""The HPA's algorithm as documented, and what the chart's autoscaler does with it."""
import copy
import itertools
import json
import re

import pytest

from conftest import autoscaling_input
from cluster import Cluster, Rules
from hpa import Autoscaler
from simulate import Recording, kept, run

SPEC = {
    "minReplicas": 2,
    "maxReplicas": 40,
    "metrics": [{"pods": {"target": {"averageValue": "100"}}}],
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15}, {"type": "Pods", "value": 4, "periodSeconds": 15}]},
        "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]},
    },
}


@pytest.mark.parametrize("ready, unready, replicas, wanted", [
    ([100, 100], 0, 2, 2),
    ([109, 109], 0, 2, 2),  # within the tolerance
    ([111, 111], 0, 2, 3),
    ([200, 200], 0, 2, 4),
    ([200, 200], 2, 4, 4),  # two are coming: they count as 0
    ([300, 300], 2, 4, 6),
    ([50, 50, 50, 50], 0, 4, 2),
    ([], 2, 2, 2),  # no metric, no change
])
def test_desired_is_the_ceiling_of_sum_by_target(ready, unready, replicas, wanted):
    assert Autoscaler(SPEC).by_metric(ready, unready, replicas) == wanted


def test_policies_bound_how_fast_it_grows():
    scaler = Autoscaler(SPEC)
    assert scaler.decide(15, [1000, 1000], 0, 2) == 6, "4 pods, which is more than 100 %"
    assert scaler.decide(20, [1000] * 6, 0, 6) == 6, "not again within 15 s"
    assert scaler.decide(30, [1000] * 6, 0, 6) == 12, "100 %, which is more than 4"


def test_it_shrinks_when_the_window_has_passed_and_one_at_a_time():
    scaler = Autoscaler(SPEC)
    scaler.decide(0, [100] * 10, 0, 10)
    assert scaler.decide(15, [10] * 10, 0, 10) == 10
    assert scaler.decide(300, [10] * 10, 0, 10) == 10
    assert scaler.decide(315, [10] * 10, 0, 10) == 9
    assert scaler.decide(330, [10] * 9, 0, 9) == 9
    assert scaler.decide(375, [10] * 9, 0, 9) == 8


def test_what_was_added_within_a_period_may_go_at_once():
    """As kube-controller-manager 1.34 does: so the window must not be shorter than the period."""
    spec = copy.deepcopy(SPEC)
    spec["behavior"]["scaleDown"] = {"stabilizationWindowSeconds": 10, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 75}]}
    scaler = Autoscaler({**spec, "minReplicas": 3})
    assert scaler.decide(0, [200] * 3, 0, 3) == 6
    assert scaler.decide(45, [10] * 6, 0, 6) == 3


def test_it_stays_within_its_bounds():
    assert Autoscaler(SPEC).decide(0, [10000] * 39, 0, 39) == 40
    scaler = Autoscaler(SPEC)
    assert [scaler.decide(now, [1] * 2, 0, 2) for now in (0, 400)] == [2, 2]


# --- the model of the nodes

RULES = {"limit": 200, "spread_s": 30, "pre_stop_s": 5, "threshold": 1.2, "per_minute": 1200, "quiet_s": 15}


def test_nobody_is_lost_and_no_node_holds_more_than_its_limit():
    cluster = Cluster(Rules(**RULES), 3, 300)
    for now in range(1, 200):
        cluster.step(now, 500)
        if now == 50:
            cluster.scale(now, 4)
        if now == 120:
            cluster.scale(now, 3)
        assert cluster.connections() + sum(cluster.coming) == pytest.approx(500)
        assert max(node.connections for node in cluster.nodes) <= 200
    assert cluster.connections() == pytest.approx(500) and len(cluster.nodes) == 3 and not cluster.draining


def test_a_new_node_is_filled_to_within_an_eighth_of_the_threshold():
    cluster = Cluster(Rules(**RULES), 3, 450)
    cluster.scale(1, 4)
    for now in range(1, 300):
        cluster.step(now, 450)
    assert max(node.connections for node in cluster.nodes) <= 450 / 4 * 1.2
    assert min(node.connections for node in cluster.nodes) > 450 / 4 * 0.8
    assert cluster.reconnects > 450 / 4


def test_nobody_is_moved_for_balance_while_a_node_drains():
    cluster = Cluster(Rules(**RULES), 4, 300)
    for node, count in zip(cluster.nodes, (150, 50, 50, 50)):
        node.connections = count
    cluster.scale(100, 3)
    for now in range(101, 125):
        cluster.step(now, 300)
        assert cluster.draining and not any(node.shedding for node in cluster.nodes)
    assert cluster.nodes[0].connections >= 150


# --- the chart


@pytest.fixture(scope="module")
def given():
    return autoscaling_input()


@pytest.fixture(scope="module")
def recordings():
    return kept()


def longest(course, holds):
    """How many points at most are in a row for which it holds."""
    runs = itertools.groupby(course, holds)
    return max((len(list(points)) for does, points in runs if does), default=0)


@pytest.mark.parametrize("name", ["morning", "avalanche", "evening"])
def test_everybody_finds_a_place_within_two_and_a_half_minutes(given, recordings, name):
    course, _ = run(recordings[name], given["spec"], given["rules"])
    assert longest(course, lambda point: point["connections"] < 0.99 * point["wanted"]) * recordings[name].step() <= 150
    assert course[-1]["connections"] > 0.99 * course[-1]["wanted"]


def test_a_ramp_is_followed_before_a_node_is_full(given, recordings):
    course, totals = run(recordings["morning"], given["spec"], given["rules"])
    assert max(point["fullest"] for point in course) < 0.9 * given["rules"]["limit"]
    assert totals["refused"] == 0


def test_pods_go_one_at_a_time(given, recordings):
    course, _ = run(recordings["evening"], given["spec"], given["rules"])
    pods = [point["pods"] for point in course]
    assert pods[-1] == given["spec"]["minReplicas"]
    assert max(before - after for before, after in zip(pods, pods[1:])) == 1


def test_slow_growth_would_be_seen(given, recordings):
    slow = copy.deepcopy(given["spec"])
    slow["behavior"]["scaleUp"]["policies"] = [{"type": "Pods", "value": 1, "periodSeconds": 120}]
    course, with_slow = run(recordings["avalanche"], slow, given["rules"])
    _, as_is = run(recordings["avalanche"], given["spec"], given["rules"])
    assert with_slow["refused"] > 2 * as_is["refused"]
    assert course[-1]["connections"] < 0.7 * course[-1]["wanted"]


def test_nobody_goes_because_the_network_was_gone_for_a_moment(given, recordings):
    course, _ = run(recordings["avalanche"], given["spec"], given["rules"])
    assert min(point["wanted"] for point in course) < 0.1 * course[0]["wanted"], "all were cut"
    pods = [point["pods"] for point in course]
    assert pods == sorted(pods)


# --- recordings


def answer(*results, kind="matrix"):
    return {"status": "success", "data": {"resultType": kind, "result": [{"metric": {}, "values": values} for values in results]}}


def test_a_recording_is_an_answer_of_prometheus_in_its_own_time_and_numbers(tmp_path):
    file = tmp_path / "day.json"
    file.write_text(json.dumps(answer([[1000.5, "10"], [1002.5, "30"]])))
    assert Recording("day", file).points == [(0, 10), (2, 30)]
    assert Recording("day", file, 60, 40).points == [(0, 400), (120, 1200)]


@pytest.mark.parametrize("wrong, part", [
    ({"status": "error"}, "query_range"),
    (answer([[1, "1"], [2, "2"]], kind="vector"), "query_range"),
    (answer(), "0 series"),
    (answer([[1, "1"], [2, "2"]], [[1, "1"], [2, "2"]]), "sum(roomcast_connections)"),
    (answer([[1, "1"]]), "two points"),
    (answer([[1, "1"], [2, "NaN"]]), "a number"),
])
def test_what_is_no_recording_is_refused_with_what_to_ask(tmp_path, wrong, part):
    file = tmp_path / "day.json"
    file.write_text(json.dumps(wrong))
    with pytest.raises(SystemExit, match=re.escape(part)):
        Recording("day", file)
