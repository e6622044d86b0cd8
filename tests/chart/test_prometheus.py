"""A real Prometheus scrapes real nodes and a relay, and the queries of autoscalers and alerts return what they should."""
import json
import re
import urllib.parse

import pytest
import yaml

from conftest import CHART, render

from harness.ports import free_port
from harness.processes import Process, get
from harness.stack import Stack
from harness.waiting import eventually

NAMESPACE = "chat-ns"
CLIENTS = (3, 2)  # at the two nodes


class Prometheus(Process):
    def __init__(self, directory, targets, rules):
        """`targets`: pod name -> host:port."""
        super().__init__("prometheus", directory)
        self.choose_ports()
        (self.directory / "rules.yaml").write_text(rules)
        jobs = [{"targets": [address], "labels": {"namespace": NAMESPACE, "pod": pod}} for pod, address in targets.items()]
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "roomcast", "static_configs": jobs}],
        }))

    def choose_ports(self):
        self.port = free_port()

    def command(self):
        return ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                f"--web.listen-address={self.host}:{self.port}", "--log.level=warn"]

    def ask(self, path, **parameters):
        answer = get(f"http://{self.host}:{self.port}{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(answer.body)["data"]

    def is_ready(self):
        try:
            return get(f"http://{self.host}:{self.port}/-/ready").status == 200
        except OSError:
            return False

    def query(self, expr):
        """pod (or "") -> value."""
        return {item["metric"].get("pod", ""): float(item["value"][1]) for item in self.ask("/api/v1/query", query=expr)["result"]}

    def alerts(self):
        return {(alert["labels"]["alertname"], alert["labels"].get("pod", "")) for alert in self.ask("/api/v1/alerts")["alerts"]}

    def rules_evaluated(self):
        groups = self.ask("/api/v1/rules")["groups"]
        return groups and all(rule["lastEvaluation"] > "0001" and rule["health"] == "ok" for group in groups for rule in group["rules"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """(prometheus, stack), with CLIENTS connected."""
    directory = tmp_path_factory.mktemp("scene")
    stack = Stack(directory, nodes=2).start()
    targets = {f"r-roomcast-{number}": node.options["admin.listen"] for number, node in enumerate(stack.nodes)}
    targets["r-roomcast-relay-5c9d-aaaaa"] = stack.relay.options["relay.listen"]
    rules = render(values={"metrics": {"rulesConfigMap": {"enabled": True}}}).one("ConfigMap", "r-roomcast-rules")["data"]
    prometheus = Prometheus(directory / "prometheus", targets, rules["roomcast.rules.yaml"])
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


def test_the_scaled_object_finds_its_value_at_a_node(scene):
    _, stack = scene
    metadata = render("keda").one("ScaledObject", "r-roomcast")["spec"]["triggers"][0]["metadata"]
    answer = get(stack.nodes[0].admin_url + urllib.parse.urlsplit(metadata["url"]).path)
    assert re.findall(rf"^{metadata['valueLocation']} (\d+)$", answer.body.decode(), re.M) == ["3"]


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
