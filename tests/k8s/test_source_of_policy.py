"""The manifests are the source: one file of an overlay is changed, nothing else, and the lab's hop is another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.commands.words import wsbench
from wsbench.storage import read_result

pytestmark = pytest.mark.lab
K8S = Path(__file__).parents[2] / "k8s"


def in_rule(old: str, new: str) -> Callable[[Path], None]:
    return lambda overlay: _edit(overlay / "destination-rule.yaml", old, new)


def in_filter(old: str, new: str) -> Callable[[Path], None]:
    return lambda overlay: _edit(overlay / "allow-connect.yaml", old, new)


def filter_deleted(overlay: Path) -> None:
    (overlay / "allow-connect.yaml").write_text("")


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """The shipped one, in a copy of the whole folder."""
    shutil.copytree(K8S, tmp_path / "k8s")
    return tmp_path / "k8s" / "overlays" / "http2"


def run(overlay: Path, output: Path) -> subprocess.CompletedProcess[str]:
    load = ("--rounds", "1", "-c", "4", "-d", "100ms", "--warmup", "0s")
    return wsbench("run", "--arms", "http2", "--manifests", str(overlay), *load, "-o", str(output))


def test_the_opposite_policy_disproves_the_arm(overlay: Path, tmp_path: Path) -> None:
    in_rule("UPGRADE", "DO_NOT_UPGRADE")(overlay)
    assert run(overlay, tmp_path / "out").returncode == 3
    arm = read_result(tmp_path / "out" / "result.json")["arms"]["http2"]
    assert arm["proof"]["verdict"] == "disproved"
    assert {witness["says"] for witness in arm["proof"]["witnesses"]} == {"HTTP/1.1"}


@pytest.mark.parametrize("change", [filter_deleted, in_filter("allow_connect: true", "allow_connect: false")])
def test_without_the_filter_the_arm_fails_with_503(
    overlay: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(overlay)
    assert run(overlay, tmp_path / "out").returncode == 3
    arm = read_result(tmp_path / "out" / "result.json")["arms"]["http2"]
    assert arm["outcome"] == "failed"
    assert "HTTP 503" in (arm["failure"] or "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_filter("apiVersion", "{["), "allow-connect.yaml is not YAML"),
        (in_rule("websockets-server.wsbench", "other.wsbench"), "is for the host 'other.wsbench.svc.cluster.local'"),
        (in_filter("allow_connect", "allow_conect"), "Envoy rejects"),
        (in_filter("NETWORK_FILTER", "HTTP_FILTER"), "applyTo is 'HTTP_FILTER': the lab honours NETWORK_FILTER only"),
    ],
)
def test_what_cannot_be_honoured_ends_with_words(
    overlay: Path, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    change(overlay)
    done = run(overlay, tmp_path / "out")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert words in done.stderr
    assert not (tmp_path / "out" / "result.json").exists()
