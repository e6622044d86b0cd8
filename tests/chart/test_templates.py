"""What the objects say, template by template."""
import pytest
import yaml

from conftest import CASES, ROOT, render


def nodes(rendered, name="r-roomcast"):
    return rendered.pod("StatefulSet", name)


def container(rendered):
    return nodes(rendered)["containers"][0]


# --- pods


@pytest.mark.parametrize("case", CASES)
def test_every_pod_fits_the_restricted_profile(case):
    for item in render(case).workloads():
        pod = item["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
        for each in (each for each in pod["containers"] if not each["image"].startswith("busybox")):
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["readOnlyRootFilesystem"] is True
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for volume in pod["volumes"]:
            assert not {"hostPath", "secret"} & set(volume)


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_their_pods_and_nobody_elses(case):
    rendered = render(case)
    pods = {item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"] for item in rendered.workloads()}

    def found(selector):
        return {name for name, labels in pods.items() if selector.items() <= labels.items()}

    for item in rendered.workloads():
        assert found(item["spec"]["selector"]["matchLabels"]) == {item["metadata"]["name"]}
    for item in rendered.all("Service"):
        assert len(found(item["spec"]["selector"])) == 1
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        for item in rendered.all(kind):
            selector = item["spec"].get("selector") or item["spec"]["podSelector"]
            assert len(found(selector["matchLabels"])) == 1


@pytest.mark.parametrize("case", CASES)
def test_what_is_referred_to_is_there(case):
    rendered = render(case)
    maps = {item["metadata"]["name"] for item in rendered.all("ConfigMap")}
    services = {item["metadata"]["name"] for item in rendered.all("Service")}
    for item in rendered.workloads():
        pod = item["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]} | {
            claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])}
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
        for each in pod["containers"]:
            assert {mount["name"] for mount in each.get("volumeMounts", [])} <= volumes
            ports = {port["name"] for port in each.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert next(iter(each.get(probe, {"": {"port": None}}).values()), {})
                if "httpGet" in each.get(probe, {}):
                    assert each[probe]["httpGet"]["port"] in ports
        assert item["spec"].get("serviceName") in services | {None}
    accounts = {item["metadata"]["name"] for item in rendered.all("ServiceAccount")} or {"default"}
    assert {nodes(rendered, "chat" if case == "bare" else "r-roomcast")["serviceAccountName"]} <= accounts


def test_programs_are_started_with_the_file_that_is_mounted():
    for kind, name, program in (("StatefulSet", "r-roomcast", "roomcast"), ("Deployment", "r-roomcast-relay", "roomcast-relay")):
        each = render().pod(kind, name)["containers"][0]
        assert each["command"] == [f"/usr/bin/{program}"] and each["args"] == ["--config", "/etc/roomcast/roomcast.yaml"]
        assert {"name": "config", "mountPath": "/etc/roomcast", "readOnly": True} in each["volumeMounts"]


def test_liveness_asks_for_no_dependency_and_readiness_does():
    each = container(render())
    assert each["startupProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert each["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert each["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}


def test_images():
    def images(values):
        rendered = render(values=values)
        return [item["spec"]["template"]["spec"]["containers"][0]["image"] for item in
                (rendered.one("StatefulSet", "r-roomcast"), rendered.one("Deployment", "r-roomcast-relay"))]

    digest = "sha256:" + "0" * 64
    assert images({}) == ["roomcast:0.1.0"] * 2
    assert images({"image": {"repository": "a/b", "tag": "2"}}) == ["a/b:2"] * 2
    assert images({"image": {"digest": digest}, "relay": {"image": {"tag": "3"}}}) == [f"roomcast@{digest}", "roomcast:3"]
    assert images({"node": {"image": {"repository": "c", "tag": "4"}}}) == ["c:4", "roomcast:0.1.0"]


# --- how a pod ends


@pytest.mark.parametrize("drain, hook, grace", [(45, 5, 60), (1, 0, 11), (3600, 600, 4210)])
def test_grace_holds_the_hook_and_the_whole_drain(drain, hook, grace):
    rendered = render(values={"config": {"drain": {"timeout_s": drain}}, "node": {"preStopSeconds": hook}})
    assert nodes(rendered)["terminationGracePeriodSeconds"] == grace
    assert container(rendered).get("lifecycle") == ({"preStop": {"sleep": {"seconds": hook}}} if hook else None)
    assert rendered.config("node")["drain.timeout_s"] == drain


def test_grace_of_a_component_follows_its_own_drain():
    rendered = render(values={"config": {"drain": {"timeout_s": 100}}, "relay": {"config": {"drain": {"timeout_s": 20}}}})
    assert nodes(rendered)["terminationGracePeriodSeconds"] == 115
    assert rendered.pod("Deployment", "r-roomcast-relay")["terminationGracePeriodSeconds"] == 30


def test_before_1_30_there_is_no_hook_and_no_time_for_it():
    rendered = render(kubernetes="1.29.5")
    assert "lifecycle" not in container(rendered) and nodes(rendered)["terminationGracePeriodSeconds"] == 55


def test_relays_are_replaced_one_beside_the_other_and_without_lease_never():
    strategy = lambda rendered, name: rendered.one("Deployment", name)["spec"]["strategy"]
    assert strategy(render(), "r-roomcast-relay") == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert strategy(render("bare"), "chat-relay") == {"type": "Recreate"}


def test_partition_holds_an_update_of_the_nodes_back():
    rendered = render(values={"node": {"updateStrategy": {"partition": 3}}})
    assert rendered.one("StatefulSet", "r-roomcast")["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}
    rendered = render(values={"node": {"updateStrategy": {"type": "OnDelete"}}})
    assert rendered.one("StatefulSet", "r-roomcast")["spec"]["updateStrategy"] == {"type": "OnDelete"}


# --- ways in


def test_ports_follow_the_addresses():
    rendered = render("tls")
    assert [port["containerPort"] for port in container(rendered)["ports"]] == [8443, 9190]
    assert rendered.pod("Deployment", "r-roomcast-relay")["containers"][0]["ports"][0]["containerPort"] == 9191
    policy = rendered.one("NetworkPolicy", "r-roomcast-node")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in policy] == [8443, 9190]


def test_clients_service_does_not_lead_to_the_admin_port():
    service = render().one("Service", "r-roomcast")["spec"]
    assert [port["targetPort"] for port in service["ports"]] == ["client"] and service["sessionAffinity"] == "None"


def test_tls_of_the_nodes_is_known_everywhere():
    rendered = render("tls")
    config = rendered.config("node")
    assert config["tls.cert_file"] == "/run/secrets/roomcast/tls.cert_file"
    assert "tls.cert_file" not in rendered.config("relay")
    port = rendered.one("Service", "r-roomcast")["spec"]["ports"][0]
    assert (port["name"], port["port"], port["appProtocol"]) == ("https", 443, "kubernetes.io/wss")
    annotations = rendered.one("Ingress", "r-roomcast")["metadata"]["annotations"]
    assert annotations["haproxy.org/server-ssl"] == "true"
    nginx = render("tls", values={"ingress": {"controller": "nginx"}}).one("Ingress", "r-roomcast")["metadata"]["annotations"]
    assert nginx["nginx.ingress.kubernetes.io/backend-protocol"] == "HTTPS"


def test_secrets_are_for_the_pods_group_only():
    volume = next(volume for volume in nodes(render())["volumes"] if volume["name"] == "secrets")
    assert volume["projected"]["defaultMode"] == 0o440
    assert nodes(render())["securityContext"]["fsGroup"] == 65532


@pytest.mark.parametrize("controller, key, value", [
    ("nginx", "nginx.ingress.kubernetes.io/proxy-read-timeout", "900"),
    ("nginx", "nginx.ingress.kubernetes.io/proxy-send-timeout", "900"),
    ("haproxy", "haproxy.org/timeout-tunnel", "900s"),
    ("haproxy", "haproxy-ingress.github.io/timeout-tunnel", "900s"),
])
def test_ingress_keeps_connections_that_last(controller, key, value):
    values = {"ingress": {"enabled": True, "controller": controller, "timeoutSeconds": 900, "hosts": [{"host": "a"}]}}
    assert render(values=values).one("Ingress", "r-roomcast")["metadata"]["annotations"][key] == value


def test_own_annotations_of_the_ingress_go_first():
    annotations = render("full").one("Ingress", "r-roomcast")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "7200"


def test_route_has_no_time_limit():
    rule = render("full").one("HTTPRoute", "r-roomcast")["spec"]["rules"][0]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def paths_of(rendered):
    """Of the Ingress and of the HTTPRoute."""
    (rule,) = rendered.one("Ingress", "r-roomcast")["spec"]["rules"]
    (other,) = rendered.one("HTTPRoute", "r-roomcast")["spec"]["rules"]
    return [one["path"] for one in rule["http"]["paths"]], [match["path"]["value"] for match in other["matches"]]


def test_routes_lead_to_all_that_nodes_serve_to_clients_or_to_what_is_asked_for():
    document = yaml.safe_load((ROOT / "proto/openapi.yaml").read_text())
    served = [path for path, item in document["paths"].items() if "$ref" in item]  # of `listen`; the others are the operators'
    both = {"ingress": {"enabled": True, "hosts": [{"host": "a"}]}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}
    assert "/ws" in served and paths_of(render(values=both)) == (served, served)
    both["ingress"]["hosts"][0]["paths"] = both["httpRoute"]["paths"] = ["/ws"]
    assert paths_of(render(values=both)) == (["/ws"], ["/ws"])


# --- who may speak with whom


def ingress_of(rendered, name):
    return {rule["ports"][0]["port"]: rule.get("from") for rule in rendered.one("NetworkPolicy", name)["spec"]["ingress"]}


def test_the_admin_port_is_open_to_the_monitoring_only():
    rules = ingress_of(render(), "r-roomcast-node")
    assert rules[8080] is None
    assert rules[9090] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert 9090 not in ingress_of(render(values={"networkPolicy": {"metricsFrom": []}}), "r-roomcast-node")


def test_the_relay_is_open_to_its_namespace_and_the_monitoring():
    peers = ingress_of(render(), "r-roomcast-relay")[9091]
    assert peers[0] == {"podSelector": {}} and len(peers) == 2
    peers = ingress_of(render("full"), "r-roomcast-relay")[9091]
    assert peers[0] == {"namespaceSelector": {"matchLabels": {"team": "messaging"}}}


def test_pods_reach_names_and_servers_only():
    def ports(rendered, name):
        return sorted({port["port"] for rule in rendered.one("NetworkPolicy", name)["spec"]["egress"] for port in rule.get("ports", [])})

    assert ports(render(), "r-roomcast-node") == [53, 4222]
    assert ports(render(), "r-roomcast-relay") == [53, 4222, 6379]
    trial = render("trial").one("NetworkPolicy", "r-roomcast-relay")["spec"]["egress"]
    assert [rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for rule in trial[1:]] == ["nats", "redis"]
    assert "egress" not in render("keda").one("NetworkPolicy", "r-roomcast-node")["spec"]


@pytest.mark.parametrize("urls, redis, ports", [
    (["nats://a:4222", "nats://b:4443"], "redis://user:pass@c:6380/1", [53, 4222, 4443, 6380]),
    (["tls://a"], "redis://c/1", [53, 4222, 6379]),
    (["nats://[2001:db8::1]:4333", "nats://[2001:db8::2]"], "redis://c:7000", [53, 4222, 4333, 7000]),
])
def test_policies_follow_the_ports_of_the_urls(urls, redis, ports):
    rendered = render(values={"config": {"nats": {"url": urls}, "redis": {"url": redis}}})
    egress = rendered.one("NetworkPolicy", "r-roomcast-relay")["spec"]["egress"]
    assert sorted({port["port"] for rule in egress for port in rule["ports"]}) == ports


@pytest.mark.parametrize("url, port", [("https://id.example.com/keys", 443), ("https://id.example.com:8443/keys/a", 8443)])
def test_nodes_reach_the_issuer_of_keys(url, port):
    rendered = render(values={"config": {"auth": {"jwks_url": url}}, "secrets": {"auth": {"hmac_secret": None}}})
    rules = [rule["ports"] for rule in rendered.one("NetworkPolicy", "r-roomcast-node")["spec"]["egress"]]
    assert [{"protocol": "TCP", "port": port}] in rules
    assert "auth.jwks_url" not in rendered.config("relay")


@pytest.mark.parametrize("case", CASES)
def test_no_rule_of_a_policy_is_open_by_an_empty_list(case):
    for item in render(case).all("NetworkPolicy"):
        for rule in item["spec"].get("ingress", []) + item["spec"].get("egress", []):
            assert rule and None not in rule.values() and [] not in rule.values(), item["metadata"]["name"]


# --- how many


def autoscaler(values=None):
    return render(values={"autoscaling": {"mode": "hpa"}, **(values or {})}).one("HorizontalPodAutoscaler", "r-roomcast")["spec"]


def test_the_target_is_a_share_of_the_limit():
    target = lambda values: autoscaler(values)["metrics"][0]["pods"]["target"]["averageValue"]
    assert target({}) == "12000"
    assert target({"config": {"limits": {"connections": 7777}}, "autoscaling": {"mode": "hpa", "targetPercent": 33}}) == "2566"
    assert target({"config": {"limits": {"connections": 10000000}}}) == "6000000"


def test_one_pod_at_a_time_goes_and_its_drain_fits_in_between():
    policies = lambda values: autoscaler(values)["behavior"]["scaleDown"]["policies"]
    assert policies({}) == [{"type": "Pods", "value": 1, "periodSeconds": 75}]
    assert policies({"config": {"drain": {"timeout_s": 600}}})[0]["periodSeconds"] == 630
    assert policies({"config": {"drain": {"timeout_s": 3600}}})[0]["periodSeconds"] == 1800, "what the API allows at most"


@pytest.mark.parametrize("window, drain, want", [(600, 45, 600), (10, 45, 75), (600, 700, 730), (0, 3600, 1800)])
def test_the_window_is_never_shorter_than_the_period(window, drain, want):
    values = {"autoscaling": {"mode": "hpa", "scaleDown": {"stabilizationWindowSeconds": window}}, "config": {"drain": {"timeout_s": drain}}}
    assert autoscaler(values)["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == want


@pytest.mark.parametrize("mode", ["hpa", "keda"])
def test_an_autoscaler_alone_says_how_many(mode):
    rendered = render(values={"autoscaling": {"mode": mode}})
    assert "replicas" not in rendered.one("StatefulSet", "r-roomcast")["spec"]
    kind = {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}[mode]
    target = rendered.one(kind, "r-roomcast")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "r-roomcast"}
    assert len(rendered.all("HorizontalPodAutoscaler") + rendered.all("ScaledObject")) == 1


def test_scaled_object_asks_prometheus_or_any_node_for_the_sum():
    trigger = render("tls").one("ScaledObject", "r-roomcast")["spec"]["triggers"][0]
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"]["query"] == 'sum(roomcast_connections{namespace="chat-ns",pod=~"r-roomcast-[0-9]+"})'
    trigger = render("keda").one("ScaledObject", "r-roomcast")["spec"]["triggers"][0]
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"]["url"] == "http://r-roomcast-headless.chat-ns.svc:9090/metrics"


def test_monitors_find_their_services_and_ports():
    rendered = render("full")
    for name, port in (("r-roomcast", "admin"), ("r-roomcast-relay", "http")):
        monitor = rendered.one("ServiceMonitor", name)["spec"]
        services = [item for item in rendered.all("Service") if monitor["selector"]["matchLabels"].items() <= item["metadata"]["labels"].items()]
        assert len(services) == 1 and port in [each["name"] for each in services[0]["spec"]["ports"]]
        assert monitor["endpoints"][0]["port"] == port


def test_topology_constraints_keep_a_selector_of_their_own():
    own = render("full").pod("StatefulSet", "r-roomcast")["topologySpreadConstraints"][0]["labelSelector"]
    assert own == {"matchLabels": {"tier": "edge"}}
    assert "app.kubernetes.io/component" in nodes(render())["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]


def test_a_new_chart_version_alone_restarts_nobody():
    labels = render().one("StatefulSet", "r-roomcast")["spec"]["template"]["metadata"]["labels"]
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels)


def test_extra_objects_are_templates():
    rendered = render("full")
    assert rendered.one("ConfigMap", "more")["data"] == {"release": "r"} and rendered.one("ConfigMap", "r-text")
