"""Each case of helm/roomcast/ci is linted, rendered, decoded strictly and compared with what it was."""
import json
import os
import pathlib

import pytest

from conftest import CASES, CHART, KUBERNETES, TOOLS, helm, render, run, template, values_of

needs_strict = pytest.mark.skipif(not (TOOLS / "strict").exists(), reason="there is no Go to build strict with")
GOLDEN = pathlib.Path(__file__).parent / "golden"


def test_there_are_cases():
    assert len(CASES) >= 6


@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case):
    answer = helm("lint", "--strict", CHART, "--kube-version", KUBERNETES, "-f", values_of(case))
    assert answer.returncode == 0 and "[WARNING]" not in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.parametrize("case", CASES)
def test_rendered_objects_are_as_before(case):
    made, kept = template(case), GOLDEN / f"{case}.yaml"
    assert made.returncode == 0, made.stderr
    if "ROOMCAST_WRITE_GOLDEN" in os.environ:
        kept.write_text(made.stdout)
    assert made.stdout == kept.read_text(), f"{kept.name} differs; ROOMCAST_WRITE_GOLDEN=1 writes it"


@needs_strict
@pytest.mark.parametrize("case", CASES)
def test_every_object_is_of_its_kubernetes_type(case):
    answer = run(TOOLS / "strict", given=template(case).stdout)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"{len(render(case).objects)} documents\n"


@needs_strict
@pytest.mark.parametrize(
    "document, part",
    [
        ("apiVersion: v1\nkind: Service\nspec: {port: 1}\n", 'unknown field "port"'),
        ("apiVersion: v1\nkind: Service\nspec: {ports: [{port: x}]}\n", "cannot unmarshal"),
        ("apiVersion: v1\nkind: Service\nkind: Service\n", "already set"),
        ("apiVersion: v1\nkind: Secret\n", "not a kind"),
        ("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nspec: {trigger: []}\n", 'unknown field "trigger"'),
        ("# nothing\n", "no document"),
    ],
)
def test_strict_decoding_finds_what_is_wrong(document, part):
    answer = run(TOOLS / "strict", given=document)
    assert answer.returncode == 1 and part in answer.stderr, answer.stderr


@needs_strict
@pytest.mark.parametrize("change, part", [
    (lambda board: board.update(panel=[]), "unexpected field"),
    (lambda board: board["panels"][1]["options"].pop("textMode"), "textMode: required field is missing"),
    (lambda board: board["panels"][8]["options"]["legend"].update(shown=True), "unexpected field"),
    (lambda board: board["panels"][8]["targets"][0].update(expression="up"), "unexpected field"),
    (lambda board: board["panels"][8].update(type="graph"), "graph: its options are not known"),
    (lambda board: board["panels"][8]["gridPos"].update(w=25), "24"),
])  # fmt: skip
def test_strict_decoding_finds_what_grafana_does_not_know(change, part):
    board = json.loads((CHART / "files/dashboard.json").read_text())
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"grafana_dashboard": "1"}}}
    right = run(TOOLS / "strict", given=json.dumps({**config, "data": {"a.json": json.dumps(board)}}))
    assert right.returncode == 0, right.stderr
    change(board)
    wrong = run(TOOLS / "strict", given=json.dumps({**config, "data": {"a.json": json.dumps(board)}}))
    assert wrong.returncode == 1 and part in wrong.stderr, wrong.stderr


@pytest.mark.parametrize("case", CASES)
def test_names_and_labels_are_valid_and_no_object_comes_twice(case):
    rendered = render(case, release="a-release-with-a-name-of-fifty-three-characters-xxxx", namespace="n" * 63)
    seen = [(item["kind"], item["metadata"]["name"]) for item in rendered.objects]
    assert len(seen) == len(set(seen))
    for item in rendered.objects:
        if item["kind"] == "StatefulSet":
            assert len(item["metadata"]["name"]) <= 52, "its revisions' labels would be too long"
        assert len(item["metadata"]["name"]) <= 63
        for label in item["metadata"].get("labels", {}).values():
            assert len(label) <= 63


def test_long_names_that_begin_alike_differ():
    first, second = ("x" * 52 + end for end in "ab")
    names = [render(release=release).workloads()[0]["metadata"]["name"] for release in (first, second)]
    assert names[0] != names[1]


def test_dots_of_a_release_are_no_part_of_names():
    assert {item["metadata"]["name"] for item in render(release="a.b").all("Service")} == {
        "a-b-roomcast", "a-b-roomcast-headless", "a-b-roomcast-relay"}


def test_fullname_override_names_everything():
    rendered = render(values={"fullnameOverride": "chat"}, release="other")
    assert {item["metadata"]["name"].split("-")[0] for item in rendered.objects} == {"chat"}


def test_package_holds_no_documents_of_the_repository(tmp_path):
    answer = helm("package", CHART, "--destination", tmp_path)
    assert answer.returncode == 0, answer.stderr
    listing = run("tar", "tzf", *tmp_path.glob("*.tgz")).stdout
    assert "values.schema.json" in listing and "files/options.json" in listing
    assert "docs/" not in listing
