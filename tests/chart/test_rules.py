"""Alerts and dashboard: they parse, they name what the programs have, and each alert fires when it should and only then."""
import json
import re

import pytest
import yaml

from conftest import CHART, promtool, render

ALERTS = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
NAMES = [rule["alert"] for rule in ALERTS["groups"][0]["rules"]]
DASHBOARD = json.loads((CHART / "files/dashboard.json").read_text())
NODE, OTHER = ('namespace="chat-ns",pod="r-roomcast-%d"' % ordinal for ordinal in (0, 1))
RELAY, STANDBY = ('namespace="chat-ns",pod="r-roomcast-relay-5c9d-%s"' % end for end in ("aaaaa", "bbbbb"))
ELSEWHERE = 'namespace="other-ns",pod="r-roomcast-0"'

# What makes each alert fire, and how long it takes at most; and what is near it and must not.
CASES = {
    "RoomcastNoActiveRelay": (
        "2m", {f"roomcast_relay_active{{{RELAY}}}": "0x60", f"roomcast_relay_active{{{STANDBY}}}": "0x60"},
        {f"roomcast_relay_active{{{RELAY}}}": "1x60", f"roomcast_relay_active{{{STANDBY}}}": "0x60"}),
    "RoomcastTwoActiveRelays": (
        "5m", {f"roomcast_relay_active{{{RELAY}}}": "1x60", f"roomcast_relay_active{{{STANDBY}}}": "1x60"},
        {f"roomcast_relay_active{{{RELAY}}}": "1x60", f"roomcast_relay_active{{{STANDBY}}}": "0x60"}),
    "RoomcastNatsDown": ("3m", {f"roomcast_nats_up{{{NODE}}}": "0x60"}, {f"roomcast_nats_up{{{NODE}}}": "1x60"}),
    "RoomcastRedisDown": ("3m", {f"roomcast_redis_up{{{RELAY}}}": "0x60"}, {f"roomcast_redis_up{{{RELAY}}}": "1x60"}),
    "RoomcastNodeMissing": (
        "10m", {f"roomcast_cluster_nodes{{{NODE}}}": "2x60", f"roomcast_cluster_nodes{{{OTHER}}}": "1x60"},
        {f"roomcast_cluster_nodes{{{NODE}}}": "2x60", f"roomcast_cluster_nodes{{{OTHER}}}": "2x60"}),
    "RoomcastNodeNearLimit": (
        "5m", {f"roomcast_connections{{{NODE}}}": "17001x60"},
        {f"roomcast_connections{{{NODE}}}": "17000x60", f"roomcast_connections{{{ELSEWHERE}}}": "19000x60"}),
    "RoomcastMemoryPressure": (
        "3m", {f"roomcast_memory_pressure{{{NODE}}}": "2x60"}, {f"roomcast_memory_pressure{{{NODE}}}": "1x60"}),
    "RoomcastHandshakesRefused": (
        "15m", {f'roomcast_handshakes_total{{{NODE},result="too_many_connections"}}': "0+70x60"},
        {f'roomcast_handshakes_total{{{NODE},result="unauthorized"}}': "0+700x60",
         f'roomcast_handshakes_total{{{NODE},result="overloaded"}}': "0+50x60"}),
    "RoomcastConnectionsRefused": (
        "15m", {f'roomcast_connections_refused_total{{{NODE},reason="rate"}}': "0+70x60"},
        {f'roomcast_connections_refused_total{{{NODE},reason="proxy_header"}}': "0+700x60",
         f'roomcast_connections_refused_total{{{NODE},reason="pending"}}': "0+50x60"}),
    "RoomcastPositionsLost": (
        "20m", {f'roomcast_positions_lost_total{{{NODE},reason="expired"}}': "0+1x60"},
        {f'roomcast_positions_lost_total{{{NODE},reason="expired"}}': "0+0x30 5+0x30"}),
    "RoomcastResumesFail": (
        "45m", {f'roomcast_resumes_total{{{NODE},result="not_recovered"}}': "0+10x60",
                f'roomcast_resumes_total{{{NODE},result="recovered"}}': "0+90x60"},
        {f'roomcast_resumes_total{{{NODE},result="not_recovered"}}': "0+4x60",
         f'roomcast_resumes_total{{{NODE},result="recovered"}}': "0+96x60"}),
    "RoomcastSlowClients": (
        "45m", {f'roomcast_closes_total{{{NODE},code="4108"}}': "0+40x60"},
        {f'roomcast_closes_total{{{NODE},code="4108"}}': "0+20x60", f'roomcast_closes_total{{{NODE},code="client"}}': "0+400x60"}),
    "RoomcastEventsLeftOut": (
        "12m", {f"roomcast_events_left_out_total{{{NODE}}}": "0+1x60"}, {f"roomcast_events_left_out_total{{{NODE}}}": "7x60"}),
    "RoomcastDeadLetters": (
        "12m", {f'roomcast_relay_events_total{{{RELAY},result="dead_letter"}}': "0+1x60"},
        {f'roomcast_relay_events_total{{{RELAY},result="stored"}}': "0+100x60"}),
    "RoomcastRelayFull": (
        "10m", {f"roomcast_relay_in_flight{{{RELAY}}}": "1000x60"}, {f"roomcast_relay_in_flight{{{RELAY}}}": "900x60"}),
    "RoomcastRelayLag": (
        "10m", {f"roomcast_relay_lag_seconds{{{RELAY}}}": "31x60"}, {f"roomcast_relay_lag_seconds{{{RELAY}}}": "30x60"}),
    "RoomcastEventsLate": (
        "30m", {f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="1"}}': "0+90x60",
                f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="5"}}': "0+100x60",
                f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="+Inf"}}': "0+100x60"},
        {f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="1"}}': "0+100x60",
         f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="5"}}': "0+100x60",
         f'roomcast_event_latency_seconds_bucket{{{NODE},since="relayed",le="+Inf"}}': "0+100x60"}),
    "RoomcastNewEpochs": (
        "12m", {f'roomcast_relay_epochs_total{{{RELAY},reason="rollback"}}': "0+1x60"},
        {f'roomcast_relay_epochs_total{{{RELAY},reason="empty"}}': "0+100x60"}),
    "RoomcastRejectedFromNats": (
        "15m", {f'roomcast_seal_rejected_total{{{NODE},reason="forged"}}': "0+1x60"},
        {f'roomcast_seal_rejected_total{{{NODE},reason="forged"}}': "3x60"}),
    "RoomcastDrainStuck": (
        "3m", {f"roomcast_draining{{{NODE}}}": "1x60"}, {f"roomcast_draining{{{NODE}}}": "0x60"}),
    "RoomcastCertificateExpires": (
        "2h", {f"roomcast_tls_certificate_expiry_timestamp_seconds{{{NODE}}}": "600000x180"},
        {f"roomcast_tls_certificate_expiry_timestamp_seconds{{{NODE}}}": "0x180",
         f"roomcast_tls_certificate_expiry_timestamp_seconds{{{OTHER}}}": "700000x180"}),
}


@pytest.fixture(scope="module")
def rules():
    values = {"metrics": {"prometheusRule": {"enabled": True}, "rulesConfigMap": {"enabled": True}}}
    return render(values=values)


def text_of(rules):
    return rules.one("ConfigMap", "r-roomcast-rules")["data"]["roomcast.rules.yaml"]


def test_promtool_finds_no_fault_in_the_rules(tmp_path, rules):
    file = tmp_path / "rules.yaml"
    file.write_text(text_of(rules))
    answer = promtool("check", "rules", file)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "@" not in text_of(rules), "a placeholder is left"


def test_both_ways_to_the_rules_are_the_same(rules):
    assert rules.one("PrometheusRule", "r-roomcast")["spec"] == yaml.safe_load(text_of(rules))


def test_every_alert_has_cases():
    assert set(CASES) == set(NAMES)


def firing(tmp_path, rules, alert, at, series, expected):
    """Whether promtool finds `alert` firing (`expected`: 1) or not (0) after `at`."""
    (tmp_path / "rules.yaml").write_text(text_of(rules))
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "10s",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": expected}],
            }],
        }],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    answer = promtool("test", "rules", tmp_path / "test.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("alert", NAMES)
def test_alert_fires_when_it_should(tmp_path, rules, alert):
    at, series, _ = CASES[alert]
    firing(tmp_path, rules, alert, at, series, 1)


@pytest.mark.parametrize("alert", NAMES)
def test_alert_is_silent_beside_it(tmp_path, rules, alert):
    at, _, series = CASES[alert]
    firing(tmp_path, rules, alert, at, series, 0)


def test_limits_of_the_alerts_follow_the_values():
    values = {"metrics": {"rulesConfigMap": {"enabled": True}},
              "config": {"limits": {"connections": 777}, "relay": {"max_in_flight": 55}, "drain": {"timeout_s": 85}}}
    text = text_of(render(values=values))
    assert "> 0.85 * 777" in text and "> 0.9 * 55" in text and 'for: "100s"' in text


def test_every_alert_has_a_chapter_in_the_readme():
    readme = (CHART / "README.md").read_text()
    assert re.findall(r"^\| `(Roomcast\w+)` \|", readme, re.M) == NAMES


# --- what queries name is there


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert", rule.get("record")), rule["expr"]


@pytest.mark.parametrize("title, expr", list(queries()))
def test_queries_name_metrics_and_labels_that_the_programs_have(metrics, title, expr):
    labels, kinds = {}, {}
    for row in metrics:
        label, _, value = row["label"].partition("=")
        histogram = row["kind"] == "HISTOGRAM"
        for name in [row["name"] + end for end in ("_bucket", "_sum", "_count")] if histogram else [row["name"]]:
            kinds[name] = "COUNTER" if histogram else row["kind"]
            labels.setdefault(name, {}).setdefault(label, set()).add(value.strip('"'))
            if name.endswith("_bucket"):
                labels[name]["le"] = set()
    found = re.findall(r"\b(roomcast_[a-z0-9_]+)\{([^}]*)\}(\[)?", expr)
    assert found and len(found) == len(re.findall(r"\broomcast_[a-z_]+", expr)), f"{title}: {expr}"
    for name, selector, ranged in found:
        assert name in kinds, f"{title}: there is no {name}"
        assert bool(ranged) == (kinds[name] == "COUNTER"), f"{title}: {name} is a {kinds[name].lower()}"
        for label, sign, value in re.findall(r'([a-z_]+)(=~?)"([^"]*)"', selector):
            if label in ("namespace", "pod"):
                continue
            known = labels[name].get(label, set())
            for each in value.split("|") if sign == "=~" else [value]:
                assert each in known, f"{title}: {name} has no {label}={each}"
    for by in re.findall(r"\bby \(([a-z_, ]+)\)", expr):
        for label in by.replace(" ", "").split(","):
            assert label in ("namespace", "pod") or any(label in labels[name] for name, _, _ in found), f"{title}: {label}"


def test_promql_of_the_dashboard_parses(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
             for number, target in enumerate(target for panel in DASHBOARD["panels"] for target in panel.get("targets", []))]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    answer = promtool("check", "rules", file)
    assert answer.returncode == 0 and len(rules) > 20, answer.stdout + answer.stderr


def test_panels_do_not_overlap_and_are_numbered():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not own & cells, panel["title"]
        cells |= own


def test_dashboard_arrives_unchanged():
    rendered = render(values={"metrics": {"dashboard": {"enabled": True}}}).one("ConfigMap", "r-roomcast-dashboard")
    assert json.loads(rendered["data"]["r-roomcast.json"]) == DASHBOARD
    assert rendered["metadata"]["labels"]["grafana_dashboard"] == "1"
