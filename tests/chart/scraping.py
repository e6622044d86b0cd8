"""A real Prometheus that scrapes roomcast each second, as pods of a namespace."""
import json
import urllib.parse

import yaml

from harness.ports import free_port
from harness.processes import Process, get


class Prometheus(Process):
    def __init__(self, directory, namespace, targets, rules):
        """`targets`: pod name -> host:port."""
        super().__init__("prometheus", directory)
        self.choose_ports()
        (self.directory / "rules.yaml").write_text(rules)
        jobs = [{"targets": [address], "labels": {"namespace": namespace, "pod": pod}} for pod, address in targets.items()]
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

    def answer(self, path, **parameters):
        """The body, as it came."""
        return get(f"http://{self.host}:{self.port}{path}?{urllib.parse.urlencode(parameters)}").body

    def ask(self, path, **parameters):
        return json.loads(self.answer(path, **parameters))["data"]

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
