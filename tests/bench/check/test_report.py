from __future__ import annotations

import io
import json

from rich.console import Console

from tests.bench.check.test_findings import diagnosed, through_a_client_sidecar
from wsbench.check.findings import Need
from wsbench.check.remedies import Remedy
from wsbench.check.report import document, print_diagnosis

LONG = "  key: " + "x" * 150
MANIFESTS = {Remedy.ALLOW_CONNECT: ("/k8s/allow-connect.yaml", f"kind: EnvoyFilter\n{LONG}\n")}


def printed(need: Need = Need.ANY) -> list[str]:
    out = io.StringIO()
    print_diagnosis(diagnosed(through_a_client_sidecar(), need), MANIFESTS, Console(file=out, width=100))
    return out.getvalue().splitlines()


def test_a_page_of_100_columns_and_manifests_that_can_be_copied() -> None:
    lines = printed()
    assert lines[:2] == ["ws://x:8080/ (server: envoy)", "WebSockets do not work here."]
    assert "    kubectl apply -f /k8s/allow-connect.yaml" in lines
    assert f"      {LONG}" in lines
    assert all(len(line) <= 100 for line in lines if LONG not in line)


def test_remedies_are_numbered_and_what_was_not_tried_is_told_in_a_line() -> None:
    lines = printed()
    assert any(line.rstrip().endswith("[1, 2]") for line in lines)
    assert any(line.startswith("  2. Or keep the hop on HTTP/1.1") for line in lines)
    assert "not tried (needs upgrade): ping, pong; echo of text; echo of bytes; close" in lines


def test_a_need_that_is_not_met_is_said() -> None:
    assert "Needed (--need http2), and not met." in printed(Need.HTTP2)


def test_the_document_is_json_with_the_same_content() -> None:
    content = json.loads(json.dumps(document(diagnosed(through_a_client_sidecar()), MANIFESTS)))
    assert (content["kind"], content["schema_version"], content["met"]) == ("check", 1, False)
    upgrade = next(step for step in content["steps"] if step["step"] == "upgrade")
    assert (upgrade["over"], upgrade["outcome"]) == ("HTTP/1.1", "does not")
    assert upgrade["remedies"] == ["allow-connect", "do-not-upgrade"]
    assert content["remedies"][0]["manifest"] == "/k8s/allow-connect.yaml"
