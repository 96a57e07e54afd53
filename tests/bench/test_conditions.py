from typing import Any

import pytest

from wsbench.conditions import Condition, Judged, metric_path, parse_condition
from wsbench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "arm", "metric", "above", "threshold"),
    [
        ("http2.rtt.p99 > +10%", "http2", "rtt.p99", True, 1.1),
        ("http2.rate<-5.5%", "http2", "rate", False, 0.945),
        ("  my.target.rtt.p99.9  >  +0% ", "my.target", "rtt.p99.9", True, 1.0),
        ("http1.cpu.client_sidecar > -10%", "http1", "cpu.client_sidecar", True, 0.9),
        ("direct.first_echo.p50 < +300%", "direct", "first_echo.p50", False, 4.0),
    ],
)
def test_conditions_are_read(text: str, arm: str, metric: str, above: bool, threshold: float) -> None:
    found = parse_condition(text)
    assert (found.arm, found.metric, found.above) == (arm, metric, above)
    assert found.threshold == pytest.approx(threshold)
    assert found.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no condition: write ARM.METRIC"),
        ("http2.rtt.p99 > 10%", "is no condition"),
        ("http2.rtt.p99 = +10%", "is no condition"),
        ("http2.rtt > +10%", "is no condition"),
        ("rtt.p99 > +10%", "is no condition"),
        ("http2.rtt.p98 > +10%", "there is no metric 'rtt.p98'"),
        ("http2.cpu.kernel > +10%", "there is no metric 'cpu.kernel'"),
        ("http2.rate < -100%", "nothing falls by 100% or more"),
    ],
)
def test_what_is_no_condition_is_told_with_the_grammar(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_condition(text)


@pytest.mark.parametrize(
    ("name", "closed", "opened"),
    [
        ("rtt.p99", "service_time.p99_us", "response_time.p99_us"),
        ("rate", "achieved_rate", "achieved_rate"),
        ("connect.p99.9", "connect.p999_us", "connect.p999_us"),
        ("cpu.server_sidecar", "sidecars.server.cpu_us_per_message", "sidecars.server.cpu_us_per_message"),
    ],
)
def test_metrics_are_paths_in_the_figures(name: str, closed: str, opened: str) -> None:
    assert metric_path(name, open_loop=False) == closed
    assert metric_path(name, open_loop=True) == opened


@pytest.mark.parametrize("name", ["latency.p50", "rtt.p1", "rtt", ""])
def test_other_metrics_are_not_there(name: str) -> None:
    with pytest.raises(KeyError):
        metric_path(name, open_loop=False)


def change(low: float | None, high: float | None) -> Any:
    return {"ci_low": low, "ci_high": high}


@pytest.mark.parametrize(
    ("above", "found", "judged"),
    [
        (True, change(1.11, 1.3), Judged.FAILS),
        (True, change(1.1, 1.3), Judged.OPEN),
        (True, change(1.0, 1.11), Judged.OPEN),
        (True, change(0.9, 1.1), Judged.HOLDS_OFF),
        (False, change(0.9, 1.09), Judged.FAILS),
        (False, change(0.9, 1.2), Judged.OPEN),
        (False, change(1.1, 1.2), Judged.HOLDS_OFF),
        (True, change(None, None), Judged.UNKNOWN),
        (True, None, Judged.UNKNOWN),
    ],
)
def test_it_fails_only_where_the_whole_interval_is_beyond(above: bool, found: Any, judged: Judged) -> None:
    assert Condition("", "a", "rate", above, 1.1).judge(found) is judged
