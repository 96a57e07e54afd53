"""What every report must say, whatever the medium."""

from __future__ import annotations

import html as escaping
import re
from typing import TYPE_CHECKING

import pytest

from tests.bench.report import examples
from tests.bench.report.test_terminal import printed
from wsbench.report import html, markdown, tables
from wsbench.report.terminal import Detail

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench import document


def _read_html(result: document.Result) -> str:
    page = html.render(result)
    body = page[page.index("<body>") :]
    return escaping.unescape(re.sub(r"<[^>]*>", " ", body))


def _read_markdown(result: document.Result) -> str:
    return re.sub(
        r"\\([\\`*_{}\[\]()#!|~$])", r"\1", escaping.unescape(re.sub(r"[`*]|</?\w+>", "", markdown.render(result)))
    )


MEDIA: dict[str, Callable[[document.Result], str]] = {
    "terminal": printed,
    "terminal, in brief": lambda result: printed(result, detail=Detail.BRIEF),
    "markdown": _read_markdown,
    "html": _read_html,
}

SAYS = {
    "closed_loop": [
        "On this machine, HTTP/2 was faster than HTTP/1.1 in messages per second and p50 round trip; no difference",
        "refused with 503, 640 times, as it claims",
        "apply the EnvoyFilter with allow_connect: true",
        "service time",
        "30,159",
        "2.09 ms",
        "~2.46 ms",
        "thin: fewer than 10 samples",
        "24% to 38% higher",
        "no difference shown",
        "server access log",
        "47.9",
        "client-bound",
        "1 warning, see below",
        "AMD EPYC 7B13",
        "--seed 7",
    ],
    "one_way": [
        "HTTP/2 was faster than HTTP/1.1 in goodput; no difference shown in p50 connect",
        "Upstream throughput (one-way)",
        "1,696-byte messages (a mix of 2 sizes, on average), closed loop, one-way",
        "51.1",
        "20% to 40% higher",
    ],
    "open_loop": [
        "response time",
        "send lag",
        "A trade: on this machine, HTTP/2 was faster than HTTP/1.1 in p50 response time, but slower in p99",
        "open loop at 20,000 messages/s",
    ],
    "disproved": [
        "DISPROVED: http2 did not speak what it claims",
        "Its figures are no result",
        "No verdict on HTTP/2 against HTTP/1.1: http2 is disproved.",
        "void",
    ],
    "incomplete": [
        "INCOMPLETE: the run did not finish",
        "Interrupted by SIGINT in round 2 of 10.",
        "Insufficient data",
    ],
    "failed": ["FAILED: http2 was not measured to the end", "the client sidecar died with exit code 139"],
    "lone_target": ["shop: p50 round trip 240 us", "unproved, claims nothing"],
    "zero_received": ["640 x echo_timeout", "UNPROVED: nothing shows what http2 spoke"],
    "twelve": [
        examples.LONG,
        "region-7",
        "widened (Bonferroni), so that all 256",
    ],
    "nulls": ["no reason was recorded", "how was not recorded"],
    "no_arms": ["interrupted before the first round", "no arm has figures that stand"],
}


IN_FULL_ONLY = ["server access log", "47.9", "~2.46 ms", "thin: fewer than 10 samples", "send lag"]
"""Of witnesses, single processes, connect percentiles and the driver, the brief summary has what is wrong alone."""


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("name", SAYS)
def test_says_what_it_must(name: str, medium: str) -> None:
    text = " ".join(MEDIA[medium](examples.EXAMPLES[name]()).split())
    # A table's cell may be broken over lines: a long name or sentence is looked for without its blanks.
    squeezed = re.sub(r"\s", "", text).lower()
    missing = [words for words in SAYS[name] if re.sub(r"\s", "", words).lower() not in squeezed]
    if medium == "terminal, in brief":
        missing = [words for words in missing if words not in IN_FULL_ONLY]
    assert missing in ([], [examples.LONG])  # the terminal folds the long name between its neighbours' cells
    assert not missing or medium.startswith("terminal")


@pytest.mark.parametrize("medium", MEDIA)
def test_renders_without_error_and_leaves_the_result_as_it_was(example: document.Result, medium: str) -> None:
    before = repr(example)
    assert MEDIA[medium](example)
    assert repr(example) == before


WHOLE = [medium for medium in MEDIA if medium != "terminal, in brief"]
"""What tells everything, and in one order."""


@pytest.mark.parametrize("medium", WHOLE)
def test_a_disproved_arm_has_no_figures_and_is_said_before_all_else(medium: str) -> None:
    text = MEDIA[medium](examples.disproved())
    for figure in ("30,159", "603,178", "9.88 ms"):
        assert figure not in text
    assert text.index("DISPROVED") < text.index("No verdict") < text.index("Connect latency")


@pytest.mark.parametrize("medium", WHOLE)
def test_the_order_of_things(medium: str) -> None:
    text = MEDIA[medium](examples.closed_loop())
    landmarks = ["HTTP/2 was faster", "Connect latency", "paired by round", "Proof", "Cost: CPU"]
    assert landmarks == sorted(landmarks, key=text.index)


def test_what_holds_of_every_run_in_the_lab_is_said_with_the_warnings() -> None:
    closed, opened, alone = examples.closed_loop(), examples.open_loop(), examples.lone_target()
    assert len(tables.limits(closed)) == 2
    assert "2 cores of one machine, and every hop was its loopback" in tables.limits(closed)[0]
    assert len(tables.limits(opened)) == 1
    # Of a target nothing is known: it may be anywhere.
    assert tables.limits(alone) == []
    page = html.render(closed)
    assert "allow_connect: true" in page
    assert "h2UpgradePolicy: UPGRADE" in page
    assert "allow_connect: true" not in html.render(alone)
