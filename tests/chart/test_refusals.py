"""Wrong values are refused, and the message says which and why."""
import pytest

from conftest import refusal, render

SCHEMA = [
    ({"nodes": {}}, ["additional properties 'nodes' not allowed"]),
    ({"config": {"drain": {"timeout": 5}}}, ["/config/drain", "'timeout' not allowed"]),
    ({"config": {"workers": "2"}}, ["/config/workers", "got string, want", "integer"]),
    ({"config": {"workers": 65}}, ["/config/workers", "maximum: got 65, want 64"]),
    ({"config": {"workers": 1.5}}, ["/config/workers", "integer"]),
    ({"config": {"drain": {"timeout_s": 0}}}, ["/config/drain/timeout_s", "minimum: got 0, want 1"]),
    ({"config": {"rebalance": {"threshold": 1}}}, ["/config/rebalance/threshold", "minimum: got 1, want 1.05"]),
    ({"config": {"rebalance": {"threshold": 1.2345}}}, ["/config/rebalance/threshold", "multipleOf"]),
    ({"config": {"log": {"level": "loud"}}}, ["/config/log/level", "'debug', 'info', 'warn', 'error'"]),
    ({"config": {"auth": {"require_expiry": "no"}}}, ["/config/auth/require_expiry", "got string, want", "boolean"]),
    ({"config": {"nats": {"url": "nats://a:4222"}}}, ["/config/nats/url", "got string, want", "array"]),
    ({"config": {"nats": {"url": [""]}}}, ["/config/nats/url/0", "minLength: got 0, want 1"]),
    ({"config": {"listen": "8080"}}, ["/config/listen", "pattern"]),
    ({"config": {"events": [{"event": "a", "type": "b", "to": "all"}]}}, ["/config/events/0/to", "'chat', 'user'"]),
    ({"node": {"config": {"log": {"level": 1}}}}, ["/node/config/log/level"]),
    ({"secrets": {"auth": {"hmac_secret": "0123456789"}}}, ["/secrets/auth/hmac_secret", "got string, want", "object"]),
    ({"secrets": {"relay": {"api_key": {"name": "a"}}}}, ["/secrets/relay/api_key", "missing property 'key'"]),
    ({"secrets": {"log": {"level": {"name": "a", "key": "b"}}}}, ["/secrets", "'log' not allowed"]),
    ({"nats": None}, ["missing property 'nats'"]),
    ({"networkPolicy": {"egress": None}}, ["/networkPolicy", "missing property 'egress'"]),
    ({"node": {"replicas": -1}}, ["/node/replicas", "minimum"]),
    ({"node": {"terminationGracePeriodSeconds": 5}}, ["/node", "'terminationGracePeriodSeconds' not allowed"]),
    ({"node": {"resources": {"limits": {"memory": "1 GB"}}}}, ["/node/resources/limits/memory"]),
    ({"node": {"podDisruptionBudget": {"maxUnavailable": 0}}}, ["/node/podDisruptionBudget/maxUnavailable"]),
    ({"fullnameOverride": "Chat"}, ["/fullnameOverride", "pattern"]),
    ({"image": {"tag": "a b"}}, ["/image/tag", "pattern"]),
    ({"image": {"digest": "sha256:12"}}, ["/image/digest", "pattern"]),
    ({"service": {"type": "ExternalName"}}, ["/service/type", "'ClusterIP', 'NodePort', 'LoadBalancer'"]),
    ({"service": {"port": 70000}}, ["/service/port", "maximum"]),
    ({"autoscaling": {"mode": "vpa"}}, ["/autoscaling/mode", "'off', 'hpa', 'keda'"]),
    ({"autoscaling": {"targetPercent": 101}}, ["/autoscaling/targetPercent", "maximum"]),
    ({"autoscaling": {"scaleDown": {"periodSeconds": 1801}}}, ["/autoscaling/scaleDown/periodSeconds", "maximum"]),
    ({"ingress": {"hosts": ["ws.example.com"]}}, ["/ingress/hosts/0", "got string, want object"]),
    ({"nats": {"replicas": 2}}, ["/nats/replicas"]),
    ({"metrics": {"serviceMonitor": {"interval": "15"}}}, ["/metrics/serviceMonitor/interval", "pattern"]),
    ({"commonLabels": {"a": 1}}, ["/commonLabels/a", "got number, want string"]),
]

ACROSS = [
    ({"config": {"nats": {"url": None}}}, ["config.nats.url", "nats.enabled"]),
    ({"config": {"redis": {"url": None}}}, ["config.redis.url", "redis.enabled"]),
    ({"secrets": {"auth": None}}, ["secrets.auth.hmac_secret", "auth.public_key_file"]),
    ({"config": {"tls": {"cert_file": "/x"}}}, ["tls.cert_file and tls.key_file", "tls.secretName"]),
    ({"config": {"admin": {"listen": "127.0.0.1:9090"}}}, ["config.admin.listen", "0.0.0.0"]),
    ({"config": {"relay": {"listen": "[::1]:9091"}}}, ["config.relay.listen", "0.0.0.0"]),
    ({"config": {"listen": "localhost:8080"}}, ["config.listen", "0.0.0.0"]),
    ({"config": {"listen": "0.0.0.0:9090"}}, ["same port, 9090"]),
    ({"config": {"relay": {"lease_ms": 0}}}, ["relay.lease_ms is 0", "relay.replicas"]),
    ({"config": {"limits": {"connections": 0}}, "autoscaling": {"mode": "hpa"}}, ["config.limits.connections", "share"]),
    ({"autoscaling": {"mode": "keda", "minReplicas": 9, "maxReplicas": 8}}, ["minReplicas", "maxReplicas"]),
    ({"ingress": {"enabled": True}}, ["ingress.hosts"]),
    ({"ingress": {"enabled": True, "hosts": [{"host": "a"}], "timeoutSeconds": 35}}, ["ping.interval_s + ping.timeout_s, 35"]),
    ({"httpRoute": {"enabled": True}}, ["httpRoute.parentRefs"]),
    ({"nats": {"enabled": True, "authSecret": "x"}}, ["leave it out", "nats.url"]),
    ({"nats": {"enabled": True}, "config": {"nats": None}}, ["nats.authSecret", "authorizer"]),
    ({"relay": {"config": {"stream": {"shards": 4}}}}, ["stream.shards is 1 for nodes and 4 for relays"]),
    ({"node": {"config": {"stream": {"name": "other"}}}}, ["stream.name is other for nodes and roomcast_events_1 for relays"]),
    ({"nats": {"enabled": True, "authSecret": "x"}, "config": {"nats": None, "stream": {"replicas": 3}}}, ["stream.replicas is 3", "nats.replicas 1"]),
    ({"redis": {"enabled": True}}, ["redis.enabled sets redis.url itself"]),
    ({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}, ["twice"]),
    ({"node": {"extraEnv": [{"name": "ROOMCAST_DRAIN_TIMEOUT_S", "value": "9"}]}}, ["node.extraEnv", "config.drain.timeout_s"]),
    ({"relay": {"extraEnv": [{"name": "ROOMCAST_RELAY_API_KEY_FILE", "value": "/x"}]}}, ["relay.extraEnv", "secrets.relay.api_key"]),
]


@pytest.mark.parametrize("values, parts", SCHEMA)
def test_schema_refuses(values, parts):
    message = refusal(values=values)
    assert "values don't meet the specifications of the schema" in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize("values, parts", ACROSS)
def test_templates_refuse_what_contradicts_itself(values, parts):
    message = refusal(values=values)
    assert "schema" not in message, message
    for part in parts:
        assert part in message, message


def test_a_cluster_that_is_too_old_is_refused():
    assert "kubeVersion" in refusal(kubernetes="1.26.9")


def test_the_chart_does_not_render_without_knowing_where_its_servers_are():
    from conftest import CHART, KUBERNETES, helm

    answer = helm("template", "r", CHART, "--kube-version", KUBERNETES)
    assert answer.returncode != 0 and "where NATS is, is not said" in answer.stderr


def test_null_takes_back_what_another_file_said():
    assert "limits.connections" not in render(values={"config": {"limits": {"connections": None}}}).config("node")
    assert "nats.ca_file" not in render("full", values={"secrets": {"nats": {"ca_file": None}}}).config("node")
