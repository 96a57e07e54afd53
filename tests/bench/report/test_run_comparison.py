from io import StringIO

import pytest
from rich.console import Console

from tests.bench.test_run_comparison import compared, result
from wsbench.report import run_comparison as report

SLOWER = {"direct": 1.0, "http1": 3.0, "http2": 3.0}


def printed(*conditions: str) -> str:
    paper = StringIO()
    report.print_summary(compared(result(), result(SLOWER, seed=1), *conditions), Console(file=paper, width=100))
    return paper.getvalue()


def test_the_verdict_comes_first() -> None:
    assert printed().startswith("Worse in ")
    assert printed("http2.rtt.p99 > +10%").startswith("FAILED: http2.rtt.p99 > +10%. Worse in ")
    assert report.headline(compared(result(), result(seed=1))) == "No difference was shown between the runs."
    few = compared(result(rounds=3), result(rounds=3))
    assert report.headline(few).startswith("Insufficient data")
    nothing = compared(result({"http1": 1.0}), result({"http2": 1.0}))
    assert report.headline(nothing) == "Nothing could be compared."


def test_every_condition_and_every_change_is_told() -> None:
    text = printed("http2.rtt.p99 > +10%", "http1.rtt.p99 > +500%")
    assert "fail if http2.rtt.p99 > +10%: fails" in text
    assert "fail if http1.rtt.p99 > +500%: does not" in text
    assert [line.split()[-2:] for line in text.splitlines()].count(["12,", "12"]) == 25
    assert max(len(line) for line in text.splitlines()) <= 100


def test_markdown_has_a_row_for_every_change_and_escapes_what_it_did_not_write() -> None:
    base, new = result(), result(SLOWER, seed=1)
    base["arms"] = {("<b>|x" if name == "http1" else name): arm for name, arm in base["arms"].items()}
    new["arms"] = {("<b>|x" if name == "http1" else name): arm for name, arm in new["arms"].items()}
    found = compared(base, new, "http2.rtt.p99 > +10%")
    text = report.markdown(found)
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3 + 2 + len(found["changes"])
    assert len({line.count("|") for line in rows[3:]}) == 1


@pytest.mark.parametrize("conditions", [(), ("http2.rtt.p99 > +10%",)])
def test_nothing_is_printed_beside_the_page(conditions: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    report.markdown(compared(result(), result(), *conditions))
    assert capsys.readouterr().out == ""
