"""``wsbench run`` as the Job's container runs it: in a pod of Istio's shape, its own sidecar on Istio's ports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.bench.pod import ROOT, Command, Done, PodPlan, missing, run_in_pod
from wsbench.mesh_proof import SHOW_COUNTERS
from wsbench.storage import schema

LACKING = missing()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(LACKING is not None, reason=LACKING or "")]

SHORT = ("--duration", "200ms", "--warmup", "100ms", "--connections", "8", "--format", "line")
HTTP2 = "two=ws://websockets-http2:8080/"


def command(output: Path, *words: str, rounds: int = 1, kill_sidecar_at: str | None = None) -> Command:
    return Command(["run", *words, "--rounds", str(rounds), "-o", str(output), *SHORT], kill_sidecar_at)


def the_jobs_words() -> list[str]:
    """Of the overlay that compares both hops; where options come twice, the later ones count."""
    (patch,) = yaml.safe_load((ROOT / "k8s" / "overlays" / "compare" / "targets.yaml").read_text())
    words: list[str] = patch["value"]
    assert words[0] == "run"
    return words[1:]


def arms_of(done: Done) -> dict[str, Any]:
    (line,) = done.out.splitlines()
    result = json.loads(line)
    jsonschema.validate(result, schema())
    arms: dict[str, Any] = result["arms"]
    return arms


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Done], Path]:
    """A pod with everything; the commands are run once, looked at by many. The last one loses its sidecar."""
    output = tmp_path_factory.mktemp("pod")
    plan = PodPlan(
        [
            command(output / "job", *the_jobs_words()),
            command(
                output / "metrics",
                *("--target", HTTP2, "--claim", "http2", "--sidecar", "http://127.0.0.1:15090/stats/prometheus"),
            ),
            command(output / "wrong", "--target", HTTP2, "--claim", "http1", "--no-progress"),
            command(output / "killed", "--target", HTTP2, "--claim", "http2", rounds=2, kill_sidecar_at="round 2"),
        ]
    )
    return run_in_pod(plan), output


def test_the_job_that_compares_proves_both_hops_by_two_witnesses(whole: tuple[list[Done], Path]) -> None:
    done = whole[0][0]
    assert done.code == 0, done.err
    assert done.err == "round 1 of 1\n"
    for name, service, protocol, new in (
        ("mesh-http1", "websockets-http1", "HTTP/1.1", "8 new HTTP/1.1 and 0 new HTTP/2 connections"),
        ("mesh-http2", "websockets-http2", "HTTP/2", "0 new HTTP/1.1 and 1 new HTTP/2 connections"),
    ):
        arm = arms_of(done)[name]
        assert arm["claim"]["hop_protocol"] == protocol
        assert arm["proof"]["verdict"] == "proved"
        assert arm["proof"]["summary"].startswith(f"{protocol} on the hop: both witnesses agree on 8 WebSockets")
        counters, header = arm["proof"]["witnesses"]
        assert (counters["witness"], header["witness"]) == ("envoy_counters", "handshake_header")
        assert {(one["says"], one["websockets"]) for one in (counters, header)} == {(protocol, 8)}
        assert "admin at http://127.0.0.1:15000" in counters["detail"]
        assert f"cluster outbound|8080||{service}.wsbench.svc.cluster.local: {new}" in counters["detail"]


def test_the_reports_say_that_it_is_proved(whole: tuple[list[Done], Path]) -> None:
    report = (whole[1] / "job" / "report.md").read_text()
    assert "both witnesses agree" in report
    assert "a target claims nothing" not in report


def test_the_prometheus_port_tells_the_same(whole: tuple[list[Done], Path]) -> None:
    done = whole[0][1]
    assert done.code == 0, done.err
    proof = arms_of(done)["two"]["proof"]
    assert proof["verdict"] == "proved", proof
    said = proof["witnesses"][0]["detail"]
    assert said.startswith("own sidecar (Envoy, Prometheus at http://127.0.0.1:15090/stats/prometheus), cluster ")
    assert said.endswith("1 new HTTP/2 connections, 1 open under load, 8 requests, 8 x 101; the driver opened 8")


def test_a_wrong_claim_is_disproved_said_first_and_exit_3(whole: tuple[list[Done], Path]) -> None:
    done = whole[0][2]
    assert (done.code, done.err) == (3, "")
    proof = arms_of(done)["two"]["proof"]
    assert proof["verdict"] == "disproved"
    assert {(one["verdict"], one["says"]) for one in proof["witnesses"]} == {("contradicts", "HTTP/2")}
    assert "DISPROVED: two" in (whole[1] / "wrong" / "report.md").read_text().split("##")[0]


def test_a_sidecar_killed_in_a_run_is_words_and_no_traceback(whole: tuple[list[Done], Path]) -> None:
    done = whole[0][3]
    assert done.code == 3
    assert "Traceback" not in done.err
    assert re.search(r"^two: given up: round 2: ", done.err, re.MULTILINE), done.err
    arm = arms_of(done)["two"]
    assert arm["outcome"] == "failed"
    assert arm["proof"]["verdict"] == "unproved"


def test_without_annotation_and_filter_it_is_unproved_with_what_to_add(tmp_path: Path) -> None:
    (done,) = run_in_pod(
        PodPlan([command(tmp_path / "r", "--target", HTTP2, "--claim", "http2")], annotated=False, header=False)
    )
    assert done.code == 0, done.err
    arm = arms_of(done)["two"]
    assert (arm["outcome"], arm["proof"]["verdict"]) == ("measured", "unproved")
    assert {one["verdict"] for one in arm["proof"]["witnesses"]} == {"silent"}
    for words in (SHOW_COUNTERS, "8 x no header", "k8s/mesh/witness-header.yaml"):
        assert words in arm["proof"]["summary"]
    assert "UNPROVED: nothing shows what two spoke" in (tmp_path / "r" / "report.md").read_text()
