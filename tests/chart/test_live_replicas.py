"""The number of pods belongs to the autoscaler: what helm does about a StatefulSet that is there. Real helm asks a stub of
the API server (stub_kube.py). Where tests/chart/build-apiserver has built a real one it installs and upgrades at that too,
on Debian's etcd."""
import json
import shutil
import ssl
import urllib.request

import pytest
import yaml

from conftest import CASES, CHART, KUBERNETES, TOOLS, render, run, values_of
from stub_kube import StubKube

from harness.ports import free_port
from harness.processes import Process

NAMESPACE = "chat-ns"
NEEDS_MORE_KINDS = ("full", "keda", "tls")  # they have objects of operators' kinds
APISERVER = TOOLS / "kube-apiserver"
STATEFULSET = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/r-roomcast"


def ask(kube, path, method="GET", body=None, kind="application/json"):
    request = urllib.request.Request(kube.url + path, method=method, data=json.dumps(body).encode() if body else None,
                                     headers={"Authorization": f"Bearer {kube.token}", "Content-Type": kind})  # fmt: skip
    unchecked = ssl._create_unverified_context() if kube.url.startswith("https") else None
    with urllib.request.urlopen(request, timeout=10, context=unchecked) as answer:
        return json.loads(answer.read())


class Etcd(Process):
    def choose_ports(self):
        self.port, self.peers = free_port(), free_port()

    def command(self):
        url, peers = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peers}"
        return ["etcd", "--data-dir=data", f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}"]  # fmt: skip

    def is_ready(self):
        return "ready to serve client requests" in self.log_text()


class RealKube(Process):
    token = "a-token-of-the-chart-tests"

    def __init__(self, directory):
        super().__init__("kube-apiserver", directory)
        self.etcd = Etcd("etcd", directory / "etcd")
        self.etcd.choose_ports()
        self.choose_ports()

    def choose_ports(self):
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"

    def command(self):
        (self.directory / "tokens").write_text(f"{self.token},admin,admin,system:masters\n")
        return [APISERVER, f"--etcd-servers=http://127.0.0.1:{self.etcd.port}", f"--secure-port={self.port}",
                "--bind-address=127.0.0.1", "--cert-dir=pki", "--token-auth-file=tokens", "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-signing-key-file={self.directory}/key", f"--service-account-key-file={self.directory}/key"]  # fmt: skip

    def is_ready(self):
        try:
            ask(self, "/api/v1/namespaces/default")
            return True
        except OSError:
            return False

    def start(self):
        assert run("openssl", "genrsa", "-out", self.directory / "key", "2048").returncode == 0
        self.etcd.start()
        super().start()
        ask(self, "/api/v1/namespaces", "POST", {"metadata": {"name": NAMESPACE}})
        return self

    def stop(self):
        self.kill()
        self.etcd.kill()


@pytest.fixture
def stub():
    stub = StubKube().start()
    yield stub
    stub.stop()


@pytest.fixture
def kube(tmp_path):
    missing = [str(program) for program in (APISERVER, "etcd") if not shutil.which(program)]
    if missing:
        pytest.skip(f"not run: no {' and no '.join(missing)}; tests/chart/build-apiserver builds the former")
    kube = RealKube(tmp_path / "kube")
    try:
        yield kube.start()
    finally:
        kube.stop()


def helm(kube, directory, *command, **values):
    """At `kube`, for the minimal case with `values` over it."""
    config = directory / "kubeconfig"
    config.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": kube.url, "insecure-skip-tls-verify": kube.url.startswith("https")}}],
        "users": [{"name": "me", "user": {"token": kube.token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me", "namespace": NAMESPACE}}],
    }))  # fmt: skip
    answer = run(TOOLS / "helm", *command, "r", CHART, "-n", NAMESPACE, "-f", values_of("minimal"), "-f", "-", given=json.dumps(values),
                 environment={"KUBECONFIG": str(config), "HOME": str(directory)})  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def rendered_replicas(*arguments, **values):
    """What the StatefulSet says, as `helm template` makes it when it may ask the server."""
    documents = yaml.safe_load_all(helm(*arguments, "template", "--dry-run=server", "--kube-version", KUBERNETES, **values))
    return next(item["spec"].get("replicas") for item in documents if item and item["kind"] == "StatefulSet")


@pytest.mark.parametrize("mode", ["hpa", "keda"])
def test_an_autoscaler_is_left_as_many_as_there_are(stub, tmp_path, mode):
    stub.put(STATEFULSET, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "r-roomcast"}, "spec": {"replicas": 7}})
    assert rendered_replicas(stub, tmp_path, autoscaling={"mode": mode}) == 7
    assert stub.asked(STATEFULSET) == 1


def test_of_none_that_is_there_nothing_is_said(stub, tmp_path):
    assert rendered_replicas(stub, tmp_path, autoscaling={"mode": "hpa"}) is None
    assert stub.asked(STATEFULSET) == 1


def test_without_an_autoscaler_the_number_is_the_values_whatever_is_there(stub, tmp_path):
    stub.put(STATEFULSET, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "r-roomcast"}, "spec": {"replicas": 7}})
    assert rendered_replicas(stub, tmp_path, node={"replicas": 4}) == 4


# --- with a real kube-apiserver


def replicas(kube):
    return ask(kube, STATEFULSET)["spec"]["replicas"]


def scale(kube, count):
    """As an autoscaler, or somebody by hand."""
    ask(kube, STATEFULSET, "PATCH", {"spec": {"replicas": count}}, "application/merge-patch+json")
    assert replicas(kube) == count


def test_autoscaling_that_is_turned_on_later_takes_over_as_many_as_there_are(kube, tmp_path):
    helm(kube, tmp_path, "install", node={"replicas": 3})
    assert replicas(kube) == 3
    scale(kube, 7)
    helm(kube, tmp_path, "upgrade", autoscaling={"mode": "hpa"})
    assert replicas(kube) == 7


def test_upgrades_leave_the_number_to_the_autoscaler(kube, tmp_path):
    helm(kube, tmp_path, "install", autoscaling={"mode": "hpa"})
    assert replicas(kube) == 1, "nobody has said how many"
    for count in (5, 2):
        scale(kube, count)
        helm(kube, tmp_path, "upgrade", autoscaling={"mode": "hpa"}, node={"annotations": {"count": str(count)}})
        assert replicas(kube) == count
        assert ask(kube, STATEFULSET)["metadata"]["annotations"]["count"] == str(count), "it was upgraded"


def test_the_number_is_the_values_again_when_autoscaling_is_turned_off(kube, tmp_path):
    helm(kube, tmp_path, "install", autoscaling={"mode": "hpa"})
    scale(kube, 9)
    helm(kube, tmp_path, "upgrade", node={"replicas": 4})
    assert replicas(kube) == 4


@pytest.mark.parametrize("case", [case for case in CASES if case not in NEEDS_MORE_KINDS])
def test_a_real_server_takes_every_object(kube, case):
    """Dry, but with all of the server's validation and admission, of the restricted profile too."""
    ask(kube, f"/api/v1/namespaces/{NAMESPACE}", "PATCH", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        "application/merge-patch+json")  # fmt: skip
    for item in render(case).objects:
        group = f"/apis/{item['apiVersion']}" if "/" in item["apiVersion"] else f"/api/{item['apiVersion']}"
        plural = item["kind"].lower().replace("policy", "policie") + "s"
        asked = f"{group}/namespaces/{NAMESPACE}/{plural}?dryRun=All&fieldValidation=Strict"
        assert ask(kube, asked, "POST", item)["kind"] == item["kind"]
