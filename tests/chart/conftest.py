"""Helm, rendered charts, and the programs that judge them. ROOMCAST_BIN is the build whose `roomcast` reads rendered
configuration (default: the release build)."""
import functools
import json
import os
import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/roomcast"
TOOLS = ROOT / ".build/tools"
BUILD = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build/release"))
KUBERNETES = "1.34.0"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


def run(*command, given=None, environment=None):
    return subprocess.run([str(part) for part in command], input=given, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(environment or {})}, check=False)


def helm(*arguments, given=None):
    return run(TOOLS / "helm", *arguments, given=given)


def values_of(case):
    return CHART / "ci" / f"{case}-values.yaml"


@functools.lru_cache(maxsize=None)
def templated(case, values, *arguments):
    return helm("template", *arguments, "-f", values_of(case), "-f", "-", given=values)


def template(case="minimal", values=None, release="r", namespace="chat-ns", kubernetes=KUBERNETES, arguments=()):
    """`helm template` of a case, and `values` (a dict) over it."""
    return templated(case, json.dumps(values or {}), release, CHART, "--namespace", namespace, "--kube-version", kubernetes, *arguments)


class Rendered:
    def __init__(self, text):
        self.text = text
        self.objects = [document for document in yaml.safe_load_all(text) if document]

    def all(self, kind):
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind, name):
        found = [item for item in self.all(kind) if item["metadata"]["name"] == name]
        assert len(found) == 1, f"{kind} {name}: {[item['metadata']['name'] for item in self.all(kind)]}"
        return found[0]

    def config(self, component, fullname="r-roomcast"):
        return yaml.safe_load(self.config_text(component, fullname))

    def config_text(self, component, fullname="r-roomcast"):
        return self.one("ConfigMap", f"{fullname}-{component}")["data"]["roomcast.yaml"]

    def pod(self, kind, name):
        return self.one(kind, name)["spec"]["template"]["spec"]

    def workloads(self):
        return self.all("StatefulSet") + self.all("Deployment")


def render(*arguments, **options):
    answer = template(*arguments, **options)
    assert answer.returncode == 0, answer.stderr
    return Rendered(answer.stdout)


def refusal(*arguments, **options):
    answer = template(*arguments, **options)
    assert answer.returncode != 0, "it was rendered"
    return answer.stderr


def reference(section):
    return json.loads(run(BUILD / "tests/reference", section).stdout)


def promtool(*arguments):
    return run("promtool", *arguments)


def autoscaling_input():
    """What simulate.py takes, from the chart as it is: its autoscaler and the nodes' options."""
    rendered = render(values={"autoscaling": {"mode": "hpa"}})
    defaults = {row["key"]: row["default"] for row in reference("options-json")}
    config = rendered.config("node")
    option = lambda key: config.get(key, defaults[key])
    hook = rendered.pod("StatefulSet", "r-roomcast")["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    return {
        "spec": rendered.one("HorizontalPodAutoscaler", "r-roomcast")["spec"],
        "rules": {
            "limit": int(option("limits.connections")),
            "spread_s": int(option("drain.spread_s")),
            "pre_stop_s": hook,
            "threshold": float(option("rebalance.threshold")),
            "per_minute": int(option("rebalance.rate")),
            "quiet_s": max(int(option("rebalance.quiet_s")), -(-3 * int(option("cluster.heartbeat_ms")) // 1000)),
        },
    }


@pytest.fixture(scope="session")
def options():
    return reference("options-json")


@pytest.fixture(scope="session")
def metrics():
    return reference("metrics-json")
