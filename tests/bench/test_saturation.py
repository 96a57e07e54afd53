"""How trials are judged, what is concluded of an arm, and how two arms are held against each other."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import samples
from wsbench.arms import Outcome
from wsbench.errors import UsageError
from wsbench.machine import Use
from wsbench.plan import arms_named
from wsbench.saturation import (
    Capacity,
    CapacityVerdict,
    Limit,
    Objective,
    SaturationPlan,
    capacity,
    judge,
    outcome,
    parse_objectives,
    ratio,
    replayed,
)
from wsbench.search import SearchPlan
from wsbench.trial import ProcessUse, Trial
from wsbench_client import DrivePlan, Pattern

SECOND_NS = 10**9
SEARCH = SearchPlan(first=1000, lowest=100, highest=16_000, resolution=0.5, repeats=1)


def plan(**changes: Any) -> SaturationPlan:
    settings: dict[str, Any] = {"load": samples.plan(), "search": SEARCH, "objectives": parse_objectives("p99=20ms")}
    return SaturationPlan(**{**settings, **changes})


def trial(
    rate: float,
    p99_ms: float = 1.0,
    *,
    name: str = "http1",
    number: int = 1,
    lag_us: float = 10.0,
    cores: dict[str, float] | None = None,
    **changes: Any,
) -> Trial:
    """A trial at a rate whose response times all are ``p99_ms``; ``cores`` says what parts used over the window."""
    used = {"driver": 0.1, "server": 0.1, "client_sidecar": 0.1, "server_sidecar": 0.1, "machine": 0.5, **(cores or {})}
    fields = {
        "plan": DrivePlan("ws://127.0.0.1:1/", connections=4, rate=rate),
        "response_time": samples.histogram([round(p99_ms * 1e6)] * 1000),
        "send_lag": samples.histogram([round(lag_us * 1e3)] * 1000),
        "cpu_ns": round(used["driver"] * SECOND_NS),
        **changes,
    }
    sidecar = name != "direct"
    return Trial(
        name=name,
        round=number,
        position=1,
        recording=samples.recording(open_loop=True, **fields),
        proof=samples.PROVED,
        server=ProcessUse(round(used["server"] * SECOND_NS)),
        client_sidecar=ProcessUse(round(used["client_sidecar"] * SECOND_NS), 1, 1) if sidecar else None,
        server_sidecar=ProcessUse(round(used["server_sidecar"] * SECOND_NS), 1, 1) if sidecar else None,
        machine=Use(busy=used["machine"] / 2, steal=0.0, cpu_s=2.0),
    )


# -- what is asked for


@pytest.mark.parametrize(
    ("text", "percentile", "limit_ns"),
    [("p99=20ms", 99, 20_000_000), (" p50 = 250us ", 50, 250_000), ("p99.9=1s", 99.9, 10**9)],
)
def test_an_objective_is_read(text: str, percentile: float, limit_ns: int) -> None:
    assert Objective.parse(text) == Objective(percentile, limit_ns)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p98=20ms", "'p98=20ms' is no objective: write p99=20ms, of p50, p90"),
        ("99=20ms", "is no objective"),
        ("p99<20ms", "is no objective"),
        ("p100=20ms", "is no objective"),
        ("p99=20", "'20' is not a time"),
        ("p99=0s", "cannot be met"),
        ("", "'' is no objective"),
        ("p99=20ms,", "'' is no objective"),
    ],
)
def test_what_is_no_objective_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"objective|time|met") as caught:
        parse_objectives(text)
    assert words in str(caught.value)


def test_several_objectives() -> None:
    assert [str(one) for one in parse_objectives("p50=2ms,p99.9=10ms")] == ["p50", "p99.9"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objectives": ()}, "give --slo"),
        ({"max_lost": 1.0}, "not 100.0000%"),
        ({"search": SearchPlan(first=10, lowest=10)}, "at 10 messages a second .* --first-rate must be 100 or more"),
        ({"objectives": parse_objectives("p50=1ms,p99.9=1s")}, "--first-rate must be 1000 or more"),
        ({"load": samples.plan(arms=arms_named(["http2-blocked"]))}, "'http2-blocked' claims to be refused"),
        ({"load": samples.plan(pattern=Pattern.parse("one-way"))}, "no response time"),
    ],
)
def test_what_cannot_be_searched(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(**changes)


def test_the_drain_waits_for_what_is_late_but_may_count() -> None:
    drive = plan(objectives=parse_objectives("p50=1ms,p99=3s")).drive_plan("ws://127.0.0.1:1/", 5000, 1)
    assert (drive.rate, drive.drain_timeout_ns) == (5000, 6 * SECOND_NS)


# -- a trial


@pytest.mark.parametrize(
    ("made", "missed"),
    [
        (trial(1000), ()),
        (trial(1000, 19.9), ()),
        (trial(1000, 20.5), ("p99 20.5 ms",)),
        (trial(1000, unanswered=1), ()),  # 0.1% of 1,000
        (trial(1000, unanswered=2), ("0.20% lost",)),
        (trial(1000, unsent=500), ("33.33% lost",)),
        (trial(1000, mismatched=2), ("0.20% lost",)),
        (trial(1000, 30, unanswered=2), ("p99 30 ms", "0.20% lost")),
        (trial(1000, sent=0, response_time=samples.histogram([])), ("nothing was sent",)),
    ],
)
def test_a_trial_is_judged(made: Trial, missed: tuple[str, ...]) -> None:
    judged = judge(made, plan())
    assert judged.carried == (not missed)
    # An HDR histogram of three digits may say 30.02 where 30 was recorded.
    assert [word.split(".")[0] for word in judged.missed] == [word.split(".")[0] for word in missed]


def test_every_objective_must_hold() -> None:
    judged = judge(trial(1000, 5), plan(objectives=parse_objectives("p50=4ms,p99=20ms")))
    assert [word.split()[0] for word in judged.missed] == ["p50"]


# -- an arm


def found(*trials: Trial, **changes: Any) -> Capacity | None:
    return capacity(samples.subject(trials[0].name, trials), plan(**changes), cpu_count=2)


def climbing(**high: Any) -> tuple[Trial, ...]:
    """Carried at 1,000 and at 1,410 a second, not at 2,000; ``high`` says how the last one went."""
    return trial(1000), trial(2000, 50, **high), trial(1410, number=3)


@pytest.mark.parametrize(
    ("high", "limit", "known"),
    [
        ({}, Limit.LATENCY, True),
        ({"cores": {"driver": 0.97}}, Limit.DRIVER, False),
        ({"cores": {"server": 0.97}}, Limit.SERVER, False),
        ({"cores": {"client_sidecar": 0.97}}, Limit.CLIENT_SIDECAR, True),
        ({"cores": {"server_sidecar": 0.97}}, Limit.SERVER_SIDECAR, True),
        ({"cores": {"machine": 1.95}}, Limit.MACHINE, True),
        ({"lag_us": 5000}, Limit.DRIVER, False),
        ({"lag_us": 5000, "cores": {"machine": 1.7}}, Limit.MACHINE, True),
        ({"lag_us": 1000}, Limit.LATENCY, True),
    ],
)
def test_what_ended_the_search_is_named(high: dict[str, Any], limit: Limit, known: bool) -> None:
    assert found(*climbing(**high)) == Capacity(1410, 2000 if known else None, limit)


def test_the_highest_rate_is_no_limit_of_the_hop() -> None:
    carried = [trial(rate, number=number) for number, rate in enumerate((1000, 2000, 4000, 8000, 16_000), 1)]
    assert found(*carried) == Capacity(16_000, None, Limit.HIGHEST_RATE)


def test_a_search_cut_short_has_no_upper_end() -> None:
    assert found(trial(1000), trial(2000, 50)) == Capacity(1000, None, Limit.UNFINISHED)
    once = replace(SEARCH, repeats=3)
    assert found(trial(1000), trial(2000), search=once) == Capacity(None, None, Limit.UNFINISHED)


def test_nothing_carried_is_said() -> None:
    tried: list[Trial] = []
    while (rate := replayed(tried, plan()).next_rate()) is not None:
        tried.append(trial(rate, 50, number=len(tried) + 1))
    assert [one.recording.plan.rate for one in tried] == [1000, 500, 250, 125, 100]
    assert found(*tried) == Capacity(None, 100, Limit.LOWEST_RATE)


def test_an_arm_that_failed_has_no_capacity() -> None:
    trials = climbing()
    disproved = (*trials[:2], replace(trials[2], proof=samples.DISPROVED))
    for subject in (
        samples.subject("http1", ()),
        samples.subject("http1", trials, "its Envoy died"),
        samples.subject("http1", disproved),
    ):
        assert outcome(subject) is Outcome.FAILED
        assert capacity(subject, plan(), cpu_count=2) is None


# -- two arms


def bracket(low: float | None, high: float | None) -> Capacity:
    return Capacity(low, high, Limit.LATENCY)


@pytest.mark.parametrize(
    ("baseline", "candidate", "ends", "verdict"),
    [
        (bracket(100, 105), bracket(200, 210), (200 / 105, 2.1), CapacityVerdict.MORE),
        (bracket(200, 210), bracket(100, 105), (100 / 210, 105 / 200), CapacityVerdict.LESS),
        (bracket(100, 105), bracket(102, 108), (102 / 105, 1.08), CapacityVerdict.NO_DIFFERENCE),
        # What is not known of one may still decide: it carries at least so much.
        (bracket(100, 105), bracket(200, None), (200 / 105, None), CapacityVerdict.MORE),
        (bracket(200, None), bracket(100, 105), (None, 105 / 200), CapacityVerdict.LESS),
        (bracket(100, None), bracket(200, None), (None, None), CapacityVerdict.OPEN),
        (bracket(100, None), bracket(200, 210), (None, 2.1), CapacityVerdict.OPEN),
        (bracket(None, 100), bracket(200, 210), (2.0, None), CapacityVerdict.MORE),
        (bracket(None, 100), bracket(None, 100), (None, None), CapacityVerdict.OPEN),
    ],
)
def test_brackets_are_compared_from_end_to_end(
    baseline: Capacity, candidate: Capacity, ends: tuple[float | None, float | None], verdict: CapacityVerdict
) -> None:
    over = ratio(baseline, candidate)
    assert (over.low, over.high) == ends
    assert over.verdict is verdict


ends = st.floats(1, 1e6)


@given(ends, ends, ends, ends)
def test_the_true_ratio_is_between_the_ends(one: float, two: float, three: float, four: float) -> None:
    baseline, candidate = sorted((one, two)), sorted((three, four))
    over = ratio(bracket(*baseline), bracket(*candidate))
    middle = sum(candidate) / sum(baseline)
    assert over.low is not None
    assert over.high is not None
    assert over.low <= middle * (1 + 1e-9)
    assert middle <= over.high * (1 + 1e-9)
