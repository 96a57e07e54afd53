"""The overlay with a Locust master and its workers, as a cluster would get it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.validation import check
from wsbench_client.plan import endpoint

K8S = Path(__file__).parents[2] / "k8s"
PODS = ("locust-master", "locust-workers")
# Locust must not be imported here: it patches whoever imports it.
PARSE = """
import json, sys
from locust import argument_parser, events
from wsbench import locust_main
events.init_command_line_parser.add_listener(locust_main.add_options)
print(json.dumps(vars(argument_parser.get_parser(default_config_files=[]).parse_args(sys.argv[1:])), default=str))
"""

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH: nothing was rendered")


@pytest.fixture(scope="module")
def rendered() -> dict[tuple[str, str], dict[str, Any]]:
    done = subprocess.run(
        ["kubectl", "kustomize", str(K8S / "overlays" / "locust")], capture_output=True, text=True, check=True
    )
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout)}


def template(rendered: dict[tuple[str, str], dict[str, Any]], job: str) -> dict[str, Any]:
    found: dict[str, Any] = rendered["Job", job]["spec"]["template"]
    return found


def container(rendered: dict[tuple[str, str], dict[str, Any]], job: str) -> dict[str, Any]:
    (found,) = template(rendered, job)["spec"]["containers"]
    return dict(found)


@pytest.fixture(scope="module")
def options(rendered: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The arguments of each, as the real command parses them."""
    found = {}
    for job in PODS:
        command, *words = container(rendered, job)["args"]
        assert command == "locust"
        done = subprocess.run([sys.executable, "-c", PARSE, *words], capture_output=True, text=True, check=True)
        found[job] = json.loads(done.stdout)
    return found


def test_every_rendered_object_is_what_its_schema_says(rendered: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {("Job", job) for job in PODS} <= rendered.keys()
    # It would measure at the same time.
    assert ("Job", "websockets-client") not in rendered
    for manifest in rendered.values():
        check(manifest)


def test_nothing_runs_as_root_or_writes_to_its_image(rendered: dict[tuple[str, str], dict[str, Any]]) -> None:
    for job in PODS:
        assert template(rendered, job)["spec"]["securityContext"]["runAsNonRoot"] is True
        assert container(rendered, job)["image"] == "wsbench-client:0.1.0"
        assert container(rendered, job)["securityContext"]["readOnlyRootFilesystem"] is True
        assert container(rendered, job)["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_master_and_workers_find_each_other(
    rendered: dict[tuple[str, str], dict[str, Any]], options: dict[str, dict[str, Any]]
) -> None:
    master, workers = options["locust-master"], options["locust-workers"]
    assert (master["master"], master["headless"], workers["worker"]) == (True, True, True)
    jobs = rendered["Job", "locust-workers"]["spec"]
    assert master["expect_workers"] == jobs["parallelism"] == jobs["completions"]
    assert master["expect_workers_max_wait"] > 0
    service = rendered["Service", workers["master_host"]]["spec"]
    (port,) = service["ports"]
    assert port["port"] == workers["master_port"]
    assert service["selector"].items() <= template(rendered, "locust-master")["metadata"]["labels"].items()
    (opened,) = container(rendered, "locust-master")["ports"]
    assert (opened["name"], opened["containerPort"]) == (port["targetPort"], master["master_bind_port"])


def test_the_load_goes_to_a_service_and_the_result_to_the_volume(
    rendered: dict[tuple[str, str], dict[str, Any]], options: dict[str, dict[str, Any]]
) -> None:
    master = options["locust-master"]
    target = endpoint(master["host"])
    assert target.port in {port["port"] for port in rendered["Service", target.host]["spec"]["ports"]}
    assert master["run_time"] > 0
    (mount,) = [one for one in container(rendered, "locust-master")["volumeMounts"] if one["name"] == "results"]
    assert Path(master["output"]).is_relative_to(mount["mountPath"])
    assert master["format"] == "line"


def test_only_the_load_goes_through_a_sidecar_that_outlives_its_worker(
    rendered: dict[tuple[str, str], dict[str, Any]], options: dict[str, dict[str, Any]]
) -> None:
    pod = template(rendered, "locust-workers")
    annotations = pod["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/nativeSidecar"] == "true"
    assert annotations["traffic.sidecar.istio.io/excludeOutboundPorts"] == str(options["locust-workers"]["master_port"])
    proxy = yaml.safe_load(annotations["proxy.istio.io/config"])
    assert proxy["holdApplicationUntilProxyStarts"] is True
    drain_s = int(proxy["terminationDrainDuration"].removesuffix("s"))
    assert drain_s < pod["spec"]["terminationGracePeriodSeconds"]
    assert template(rendered, "locust-master")["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
