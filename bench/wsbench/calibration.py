"""How often the comparison is wrong: many short runs of what is known to be equal, or to differ by a planted delay.

Every run measures ``base`` (an echo server), ``same`` (the same URL under another name) and for each planted share an
echo server that answers that much of the floor later. Where something is planted ``base`` has a delay too: to delay at
all costs a timer's wake-up, which is not to be counted as planted. Each of them against ``base`` is judged just as a
run of the two alone would be. The study keeps every round's values, so that it can be judged again by another method.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from wsbench.comparing import compared_metrics, lower_is_better
from wsbench.errors import UsageError
from wsbench.statistics import CONFIDENCE, RatioEstimate, Verdict, ratio_of_pairs, rounds_needed, verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsbench import document

BASE, SAME = "base", "same"
SCHEMA_VERSION = 1
FOUND_SHARE = 0.95
"""A planted difference of ``SURE_PLANTED`` or more is to be found in this share of runs."""

SURE_PLANTED = 0.3


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """What every run of a study does. Times are nanoseconds; ``planted`` are shares of the floor's p50.

    ``rate`` None is the closed loop. Nothing can be planted there: connections that wait for their echoes keep the
    driver or the server busy all the time, and a delay only shortens their queue.

    Raises UsageError for what makes no study.
    """

    rounds: int = 10
    connections: int = 16
    duration_ns: int = 500_000_000
    warmup_ns: int = 100_000_000
    payload_bytes: int = 64
    rate: float | None = 2_000.0
    planted: tuple[float, ...] = (0.1, 0.3)
    base_delay_ns: int = 200_000
    seed: int = 1

    def __post_init__(self) -> None:
        needed = rounds_needed(len(self.metrics))
        if self.rounds < needed:
            raise UsageError(f"--rounds {self.rounds} can show nothing: {len(self.metrics)} comparisons need {needed}")
        if self.planted and self.rate is None:
            raise UsageError("--plant needs --rate: in the closed loop a delay shortens a queue and adds no latency")
        if any(not 0 < share <= 10 for share in self.planted) or len(set(self.planted)) < len(self.planted):
            raise UsageError(f"--plant takes distinct shares above 0%, not {_shares(self.planted)}")

    @property
    def delay_of_base_ns(self) -> int:
        """The delay of ``base`` itself; none where nothing is planted."""
        return self.base_delay_ns if self.planted else 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a run of two targets compares."""
        return compared_metrics(open_loop=self.rate is not None)

    @property
    def candidates(self) -> tuple[str, ...]:
        """What is held against ``base``."""
        return (SAME, *(planted_name(share) for share in self.planted))


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One run: of every candidate and metric the rounds' values of base and candidate, in the order of the rounds.

    ``busy`` and ``steal`` are shares of the machine's CPU time over the run's windows; None where not known.
    """

    number: int
    started_at: str
    values: Mapping[str, Mapping[str, tuple[list[float | None], list[float | None]]]]
    busy: float | None = None
    steal: float | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that calibration.json holds. ``floor_ns`` is the floor's p50 that the delays were made of."""

    plan: CalibrationPlan
    floor_ns: int
    environment: document.Environment
    runs: tuple[StudyRun, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": "calibration", "schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of ``to_json``. Raises UsageError for what is not a study."""
        if data.get("kind") != "calibration" or data.get("schema_version") != SCHEMA_VERSION:
            raise UsageError("it is not a calibration of this version of wsbench")
        try:
            plan = CalibrationPlan(**{**data["plan"], "planted": tuple(data["plan"]["planted"])})
            runs = tuple(
                StudyRun(
                    **{
                        **run,
                        "values": {
                            name: {metric: (pair[0], pair[1]) for metric, pair in of.items()}
                            for name, of in run["values"].items()
                        },
                    }
                )
                for run in data["runs"]
            )
            return cls(plan, data["floor_ns"], data["environment"], runs)
        except (KeyError, TypeError, IndexError) as error:
            raise UsageError(f"it is not a whole calibration: {type(error).__name__}: {error}") from None

    def delay_ns(self, share: float) -> int:
        """The delay that plants ``share``: so much later than ``base``."""
        return self.plan.base_delay_ns + round(self.floor_ns * share)


@dataclass(frozen=True, slots=True)
class Judged:
    """One comparison of one run."""

    metric: str
    estimate: RatioEstimate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``runs``, and the exact (Clopper and Pearson 1934) 95% interval of the rate behind them."""

    count: int
    runs: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CandidateSummary:
    """What a study found of one candidate.

    ``claims`` counts runs that claimed any difference in any metric, ``by_metric`` those of each metric as (faster,
    slower). ``found`` counts runs that found the planted delay: p50 of the latency that counts, slower; ``wrong`` those
    that claimed a latency better than without the delay. Both are None for ``same``. ``ratio`` is the median estimate
    of that p50's ratio.
    """

    name: str
    planted: float
    claims: Rate
    by_metric: Mapping[str, tuple[int, int]]
    found: Rate | None
    wrong: int | None
    ratio: float | None

    @property
    def holds(self) -> bool:
        """Whether the promise is kept: the stated rate for what is equal; found, and never the wrong way round."""
        if self.found is None:
            return self.claims.count <= (1 - CONFIDENCE) * self.claims.runs
        return self.wrong == 0 and (self.planted < SURE_PLANTED or self.found.count >= FOUND_SHARE * self.found.runs)


def planted_name(share: float) -> str:
    """The name of a target with a planted delay: plus10, plus2.5."""
    return f"plus{share * 100:g}"


def judge_run(plan: CalibrationPlan, run: StudyRun, candidate: str) -> list[Judged]:
    """The comparisons of one candidate in one run, as a run of these two targets would show them."""
    found = []
    for metric in plan.metrics:
        baseline, values = run.values[candidate][metric]
        estimate = ratio_of_pairs(baseline, values, comparisons=len(plan.metrics))
        found.append(Judged(metric, estimate, verdict_of(estimate, lower_is_better=lower_is_better(metric))))
    return found


def summarize(study: Study) -> list[CandidateSummary]:
    """What the study says of each candidate; nothing where no run is finished."""
    if not study.runs:
        return []
    shares = dict(zip(study.plan.candidates, (0.0, *study.plan.planted), strict=True))
    return [
        _summary(study.plan, name, share, [judge_run(study.plan, run, name) for run in study.runs])
        for name, share in shares.items()
    ]


def _summary(plan: CalibrationPlan, name: str, planted: float, judged: Sequence[Sequence[Judged]]) -> CandidateSummary:
    decided = {Verdict.FASTER, Verdict.SLOWER}
    by_metric = {
        metric: (
            sum(one.metric == metric and one.verdict is Verdict.FASTER for run in judged for one in run),
            sum(one.metric == metric and one.verdict is Verdict.SLOWER for run in judged for one in run),
        )
        for metric in plan.metrics
    }
    latency = [metric for metric in plan.metrics if metric.partition(".")[0] in {"response_time", "service_time"}]
    first = [one for run in judged for one in run if one.metric == latency[0]]
    ratios = sorted(one.estimate.ratio for one in first if one.estimate.ratio is not None)
    return CandidateSummary(
        name=name,
        planted=planted,
        claims=rate_of(sum(any(one.verdict in decided for one in run) for run in judged), len(judged)),
        by_metric=by_metric,
        found=rate_of(sum(one.verdict is Verdict.SLOWER for one in first), len(judged)) if planted else None,
        wrong=sum(by_metric[metric][0] for metric in latency) if planted else None,
        ratio=ratios[len(ratios) // 2] if ratios else None,
    )


def rate_of(count: int, runs: int) -> Rate:
    """A rate with its exact interval."""
    # Imported here: half a second that only this command has to spend.
    from scipy.stats import binomtest

    interval = binomtest(count, runs).proportion_ci(confidence_level=0.95, method="exact")
    return Rate(count, runs, float(interval.low), float(interval.high))


def _shares(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.4g}" for share in shares)
