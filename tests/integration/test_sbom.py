"""cluster/sbom: the document names what the programs are linked with."""
import json
import pathlib
import re
import subprocess

import pytest

from harness.processes import ROOT, binary

# Of the compiler and the C library, or of a sanitizer build: in no list of ours.
TOOLCHAIN = re.compile(r"^(libc6|libgcc-s1|libstdc\+\+6|lib(a|ub|t|l)san\d+|libc\+\+.*|libunwind.*|libllvm.*|gcc.*)$")


@pytest.fixture(scope="module")
def document():
    command = [ROOT / "cluster" / "sbom", pathlib.Path(binary("roomcast")).parent]
    first = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    return json.loads(first)


def by_reference(document):
    return {component["bom-ref"]: component for component in document["components"]}


def test_the_document_is_cyclonedx_and_holds_together(document):
    assert document["bomFormat"] == "CycloneDX" and document["specVersion"] == "1.5" and document["version"] == 1
    components = by_reference(document)
    assert len(components) == len(document["components"])  # no two of one reference
    known = {*components, document["metadata"]["component"]["bom-ref"]}
    for edge in document["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= known
    for component in components.values():
        assert component["name"] and component["version"] and component["purl"].startswith("pkg:")


def test_every_library_of_the_programs_is_there_with_its_version(document):
    libraries = {
        property["value"].split()[0]
        for component in document["components"]
        for property in component.get("properties", [])
        if property["name"] == "roomcast:library"
    }
    for program in ("roomcast", "roomcast-relay", "roomcast-bench"):
        loaded = subprocess.run(["ldd", binary(program)], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"^\s*(\S+) => /", loaded, re.MULTILINE)) <= libraries
    for component in document["components"]:
        if component["purl"].startswith("pkg:deb/"):
            version = subprocess.run(
                ["dpkg-query", "--show", "--showformat=${Version}\\n", component["name"]], capture_output=True, text=True, check=True
            ).stdout.splitlines()
            assert component["version"] in version


def test_what_is_linked_is_in_the_list_of_packages(document):
    lines = (ROOT / "cluster" / "packages").read_text().splitlines()
    listed = {line.split()[1] for line in lines if line.startswith("runtime ")}
    components = by_reference(document)
    linked = {
        components[reference]["name"]
        for edge in document["dependencies"]
        if components.get(edge["ref"], {}).get("type") == "application"
        for reference in edge["dependsOn"]
    }
    assert len(linked) > 8
    # What another library brings along; some linkers name it as ours too.
    brought = {
        components[reference]["name"]
        for edge in document["dependencies"]
        if components.get(edge["ref"], {}).get("type") == "library"
        for reference in edge["dependsOn"]
    }
    assert {name for name in linked - brought if not TOOLCHAIN.match(name)} <= listed
