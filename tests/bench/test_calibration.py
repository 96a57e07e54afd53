import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbench.calibration import (
    BASE,
    SAME,
    CalibrationPlan,
    CandidateSummary,
    Rate,
    Study,
    StudyRun,
    judge_run,
    planted_name,
    rate_of,
    summarize,
)
from wsbench.errors import UsageError
from wsbench.statistics import Verdict

PLAN = CalibrationPlan()
ENVIRONMENT: Any = {"kernel": "6"}


def study_run(number: int, *, noise: float = 0.01, effect: float = 1.0, plan: CalibrationPlan = PLAN) -> StudyRun:
    """Rounds with a share of noise; planted targets that are slower as planted, times ``effect``."""
    rng = np.random.default_rng(number)
    scales = {SAME: 1.0, **{planted_name(share): 1 + share * effect for share in plan.planted}}
    base = {metric: rng.lognormal(5, noise, plan.rounds).tolist() for metric in plan.metrics}
    values = {
        name: {
            metric: (
                base[metric],
                (rng.lognormal(5, noise, plan.rounds) * (scale if "time" in metric else 1)).tolist(),
            )
            for metric in plan.metrics
        }
        for name, scale in scales.items()
    }
    return StudyRun(number, "2026-11-23T00:00:00+00:00", values, busy=0.1, steal=0.0)


def study(*runs: StudyRun, plan: CalibrationPlan = PLAN) -> Study:
    return Study(plan, 250_000, ENVIRONMENT, runs)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 5}, "--rounds 5 can show nothing"),
        ({"rate": None}, "--plant needs --rate"),
        ({"planted": (0.1, 0.1)}, "distinct shares above 0%"),
        ({"planted": (0.0,)}, "distinct shares above 0%"),
        ({"planted": (float("nan"),)}, "distinct shares above 0%"),
    ],
)
def test_what_makes_no_study_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CalibrationPlan(**changes)


def test_equals_are_not_told_apart_and_planted_delays_are_found() -> None:
    same, ten, thirty = summarize(study(*(study_run(number) for number in range(1, 21))))
    assert same.holds
    assert same.found is None
    assert (ten.found, thirty.found) == (rate_of(20, 20), rate_of(20, 20))
    assert (ten.wrong, thirty.wrong) == (0, 0)
    assert thirty.holds
    assert thirty.ratio == pytest.approx(1.3, rel=0.02)
    assert thirty.by_metric["response_time.p50_us"] == (0, 20)


def test_a_planted_delay_that_makes_faster_is_the_wrong_way() -> None:
    *_, thirty = summarize(study(*(study_run(number, effect=-1) for number in range(1, 4))))
    assert thirty.wrong == 2 * 3  # p50 and p99 of each run
    assert not thirty.holds


def rate(count: int) -> Rate:
    return Rate(count, 100, 0, 1)


@pytest.mark.parametrize(
    ("summary", "holds"),
    [
        (CandidateSummary(SAME, 0.0, rate(5), {}, None, None, 1.0), True),
        (CandidateSummary(SAME, 0.0, rate(6), {}, None, None, 1.0), False),
        (CandidateSummary("plus30", 0.3, rate(100), {}, rate(95), 0, 1.3), True),
        (CandidateSummary("plus30", 0.3, rate(100), {}, rate(94), 0, 1.3), False),
        (CandidateSummary("plus30", 0.3, rate(100), {}, rate(100), 1, 1.3), False),
        (CandidateSummary("plus10", 0.1, rate(9), {}, rate(9), 0, 1.1), True),
        (CandidateSummary("plus10", 0.1, rate(9), {}, rate(9), 1, 1.1), False),
    ],
)
def test_the_promises(summary: CandidateSummary, holds: bool) -> None:
    assert summary.holds is holds


def test_a_study_comes_back_from_its_file_as_it_was() -> None:
    made = study(study_run(1), study_run(2))
    again = Study.from_json(json.loads(json.dumps(made.to_json())))
    assert again.plan == made.plan
    assert again.floor_ns == made.floor_ns
    assert [judge_run(PLAN, run, "plus30") for run in again.runs] == [
        judge_run(PLAN, run, "plus30") for run in made.runs
    ]


@pytest.mark.parametrize(
    "content",
    [{}, {"kind": "calibration", "schema_version": 2}, {"kind": "calibration", "schema_version": 1}],
)
def test_other_files_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="it is not a"):
        Study.from_json(content)


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(1, 50))
def test_a_rate_lies_in_its_interval(count: int, more: int) -> None:
    found = rate_of(count, count + more)
    assert found.low <= count / (count + more) <= found.high


def test_the_delays_are_shares_of_the_floor_beyond_the_bases_own() -> None:
    assert study().delay_ns(0.3) == 200_000 + 75_000
    assert PLAN.delay_of_base_ns == 200_000
    assert CalibrationPlan(planted=()).delay_of_base_ns == 0
    assert BASE not in PLAN.candidates


def test_without_runs_there_is_nothing_to_say() -> None:
    assert summarize(study()) == []


def test_rounds_that_are_missing_make_data_insufficient() -> None:
    run = study_run(1)
    values: Any = {
        name: {metric: (pair[0], [None] * len(pair[1])) for metric, pair in of.items()}
        for name, of in run.values.items()
    }
    judged = judge_run(PLAN, StudyRun(1, "", values), SAME)
    assert {one.verdict for one in judged} == {Verdict.INSUFFICIENT}
