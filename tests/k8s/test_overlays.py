"""The manifests as a cluster would get them. No cluster is at hand: they are rendered, and checked against schemas."""

from __future__ import annotations

import argparse
import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.validation import check
from wsbench.commands import run
from wsbench.manifests import Manifest, read_manifests
from wsbench.mesh_policy import policy_of

K8S = Path(__file__).parents[2] / "k8s"
OVERLAYS = ("plain", "http1", "http2", "http2-blocked", "compare")

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH: nothing was rendered")


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[dict[str, Any]]]:
    found = {}
    for overlay in OVERLAYS:
        done = subprocess.run(
            ["kubectl", "kustomize", str(K8S / "overlays" / overlay)], capture_output=True, text=True, check=True
        )
        found[overlay] = list(yaml.safe_load_all(done.stdout))
    return found


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_rendered_object_is_what_its_schema_says(rendered: dict[str, Any], overlay: str) -> None:
    assert len(rendered[overlay]) >= 8
    for manifest in rendered[overlay]:
        check(manifest)


@pytest.mark.parametrize("overlay", ["http1", "http2", "http2-blocked"])
def test_the_lab_reads_what_a_cluster_gets(rendered: dict[str, Any], overlay: str) -> None:
    cluster = policy_of([Manifest(item, "rendered") for item in rendered[overlay]])
    lab = policy_of(read_manifests(K8S / "overlays" / overlay))
    assert cluster.pool == lab.pool
    assert [(patch.direction, patch.value) for patch in cluster.patches] == [
        (patch.direction, patch.value) for patch in lab.patches
    ]


HTTP = ("spec", "trafficPolicy", "connectionPool", "http")
PLANTED: list[tuple[str, str, tuple[str | int, ...], Any]] = [
    # A misspelling, a wrong enum and a wrong type; of core objects and of Istio's.
    ("Deployment", "websockets-server", ("spec", "repicas"), 2),
    ("Deployment", "websockets-server", ("spec", "replicas"), "two"),
    ("Deployment", "websockets-server", ("spec", "template", "spec", "restartPolicy"), "Allways"),
    ("Deployment", "websockets-server", ("spec", "template", "spec", "containers", 0, "imagePullPolicy"), "Sometimes"),
    ("Deployment", "websockets-server", ("spec", "template", "spec", "securityContext", "seccompProfile", "type"), "X"),
    ("Service", "websockets-server", ("spec", "type"), "ClusterIp"),
    ("Service", "websockets-server", ("spec", "ports", 0, "port"), "8080"),
    ("Job", "websockets-client", ("spec", "backofLimit"), 0),
    ("PersistentVolumeClaim", "wsbench-results", ("spec", "accessModes"), ["ReadWriteTwice"]),
    (
        "DestinationRule",
        "websockets-server",
        (*HTTP, "h2UpgradePolicy"),
        "UP",
    ),
    (
        "DestinationRule",
        "websockets-server",
        (*HTTP, "h2Upgrade"),
        "UPGRADE",
    ),
    ("DestinationRule", "websockets-server", ("spec", "host"), 5),
    ("EnvoyFilter", "allow-connect", ("spec", "configPatches", 0, "applyTo"), "NETWORK_FILTERS"),
    ("EnvoyFilter", "allow-connect", ("spec", "configPatch"), []),
    ("EnvoyFilter", "allow-connect", ("spec", "configPatches", 0, "match", "context"), "SIDECAR_IN"),
    ("Telemetry", "access-log", ("spec", "accessLoging"), []),
]


@pytest.mark.parametrize(("kind", "name", "path", "value"), PLANTED, ids=lambda part: str(part)[-40:])
def test_a_planted_mistake_is_caught(
    rendered: dict[str, Any], kind: str, name: str, path: tuple[str | int, ...], value: Any
) -> None:
    manifest = copy.deepcopy(one(rendered["http2"], kind, name))
    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=r"."):
        check(manifest)


def test_nothing_runs_as_root_or_writes_to_its_image(rendered: dict[str, Any]) -> None:
    for overlay in OVERLAYS:
        for kind, name in (("Deployment", "websockets-server"), ("Job", "websockets-client")):
            pod = one(rendered[overlay], kind, name)["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in pod["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_only_the_plain_overlay_is_outside_the_mesh(rendered: dict[str, Any]) -> None:
    for overlay in OVERLAYS:
        labels = one(rendered[overlay], "Namespace", "wsbench")["metadata"]["labels"]
        assert labels["istio-injection"] == ("disabled" if overlay == "plain" else "enabled")
        assert (overlay == "plain") is not any("istio.io" in item["apiVersion"] for item in rendered[overlay])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_job_says_what_the_command_understands(rendered: dict[str, Any], overlay: str) -> None:
    (container,) = one(rendered[overlay], "Job", "websockets-client")["spec"]["template"]["spec"]["containers"]
    command, *words = container["args"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    run.add_options(parser)
    arguments = parser.parse_args(words)
    assert (command, arguments.format) == ("run", "line")
    assert {target.name for target in arguments.target} == (
        {"mesh-http1", "mesh-http2"} if overlay == "compare" else {"mesh"}
    )
