"""A real Prometheus scrapes real nodes and a relay, and the queries of autoscalers and alerts return what they should."""
import json
import re
import urllib.parse

import pytest
import yaml

from conftest import CHART, render
from scraping import Prometheus

from harness.processes import get
from harness.stack import Stack
from harness.waiting import eventually

NAMESPACE = "chat-ns"
CLIENTS = (3, 2)  # at the two nodes


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """(prometheus, stack), with CLIENTS connected."""
    directory = tmp_path_factory.mktemp("scene")
    stack = Stack(directory, nodes=2).start()
    targets = {f"r-roomcast-{number}": node.options["admin.listen"] for number, node in enumerate(stack.nodes)}
    targets["r-roomcast-relay-5c9d-aaaaa"] = stack.relay.options["relay.listen"]
    rules = render(values={"metrics": {"rulesConfigMap": {"enabled": True}}}).one("ConfigMap", "r-roomcast-rules")["data"]
    prometheus = Prometheus(directory / "prometheus", NAMESPACE, targets, rules["roomcast.rules.yaml"])
    clients = [stack.client(number) for number, count in enumerate(CLIENTS) for _ in range(count)]
    try:
        yield prometheus.start(), stack
    finally:
        for client in clients:
            client.drop()
        prometheus.kill()
        for process in stack.processes():
            process.kill()


def adapter_query():
    """The metricsQuery of the README's rule, filled in as prometheus-adapter does for the pods of a namespace."""
    block = re.search(r"```yaml\n(rules:.*?)```", (CHART / "README.md").read_text(), re.S)[1]
    rule = yaml.safe_load(block)["rules"]["custom"][0]
    series = rule["seriesQuery"].split("{")[0]
    labels = rule["resources"]["overrides"]
    assert set(labels) == {"namespace", "pod"} and re.fullmatch(rule["name"]["matches"], series)
    matchers = f'namespace="{NAMESPACE}",pod=~"r-roomcast-0|r-roomcast-1"'
    query = rule["metricsQuery"]
    return rule, query.replace("<<.Series>>", series).replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod")


def test_the_adapters_rule_gives_the_autoscaler_each_pods_connections(scene):
    prometheus, _ = scene
    rule, query = adapter_query()
    eventually(lambda: prometheus.query(query) == {"r-roomcast-0": 3, "r-roomcast-1": 2}, what="both are scraped")
    found = prometheus.query(rule["seriesQuery"])
    assert set(found) == {"r-roomcast-0", "r-roomcast-1"}, "the series are found"
    metric = render(values={"autoscaling": {"mode": "hpa"}}).one("HorizontalPodAutoscaler", "r-roomcast")["spec"]["metrics"][0]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]


def test_the_scaled_objects_query_gives_the_sum(scene):
    prometheus, _ = scene
    query = render("tls").one("ScaledObject", "r-roomcast")["spec"]["triggers"][0]["metadata"]["query"]
    eventually(lambda: prometheus.query(query) == {"": 5}, what="both are scraped")


@pytest.mark.parametrize("number", [0, 1])
def test_the_scaled_object_finds_the_sum_at_any_node(scene, number):
    _, stack = scene
    metadata = render("keda").one("ScaledObject", "r-roomcast")["spec"]["triggers"][0]["metadata"]
    url = stack.nodes[number].admin_url + urllib.parse.urlsplit(metadata["url"]).path
    found = lambda: re.findall(rf"^{metadata['valueLocation']} (\d+)$", get(url).body.decode(), re.M)
    eventually(lambda: found() == ["5"], what="the other one's beat has come")


def panels():
    for panel in json.loads((CHART / "files/dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield pytest.param(target, id=f"{panel['title']}-{target['refId']}")


@pytest.mark.parametrize("target", panels())
def test_every_query_of_the_dashboard_finds_something_and_its_legend_names_it(scene, target):
    prometheus, _ = scene
    query = target["expr"].replace("$namespace", NAMESPACE).replace("$__rate_interval", "5s")
    found = eventually(lambda: prometheus.ask("/api/v1/query", query=query)["result"], what="there are samples of 5 s")
    for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
        assert all(label in series["metric"] for series in found), f"{label} in {found}"


def test_the_dashboards_variable_finds_the_namespace(scene):
    prometheus, _ = scene
    variable = json.loads((CHART / "files/dashboard.json").read_text())["templating"]["list"][1]
    series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    assert prometheus.ask(f"/api/v1/label/{label}/values", **{"match[]": series}) == [NAMESPACE]


def test_no_alert_in_health_and_the_right_ones_when_nats_is_away(scene):
    prometheus, stack = scene
    active = 'roomcast_relay_active{namespace="chat-ns",pod=~"r-roomcast-relay-.+"}'
    eventually(lambda: prometheus.query(active) == {"r-roomcast-relay-5c9d-aaaaa": 1}, what="the relay is seen active")
    eventually(prometheus.rules_evaluated, what="all rules were evaluated")
    eventually(lambda: prometheus.alerts() == set(), what="no alert is left from the start")
    stack.nats.kill()
    lost = {("RoomcastNatsDown", pod) for pod in ("r-roomcast-0", "r-roomcast-1", "r-roomcast-relay-5c9d-aaaaa")}
    eventually(lambda: lost <= prometheus.alerts(), what="NATS is missed at all three")
    eventually(lambda: ("RoomcastNoActiveRelay", "") in prometheus.alerts(), what="no relay can renew its lease")
