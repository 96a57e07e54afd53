"""The load that a hop can carry: what is asked of it, how a trial is judged, what ended the search. Pure.

A rate is carried where every objective holds for the response time, which is counted from the moment a message was due,
and where hardly a message was lost. A hop is credited with a limit only where it was the hop's: where the driver or the
echo server was at its own, the search says so instead.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from wsbench import figures
from wsbench.arms import Outcome
from wsbench.errors import UsageError
from wsbench.figures import Setting
from wsbench.limits import Bound, saturated_of
from wsbench.proof import Verdict, merge
from wsbench.search import Bracket, Search, SearchPlan
from wsbench_client import DrivePlan, PatternKind
from wsbench_server.units import parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench import document
    from wsbench.plan import RunPlan
    from wsbench.results import Subject
    from wsbench.trial import Trial

PERCENTILES = tuple(percentile for percentile in figures.PERCENTILES.values() if percentile < 100)
"""Of which an objective can be: those that every result tells."""

_OBJECTIVE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)\s*=\s*(\S+)")
_DRAIN_NS = 1_000_000_000
_LAG_SHARE = 0.1
# Of all CPUs: from there on a process that wants one has to wait.
_CONTENDED = 0.8


class Limit(StrEnum):
    """What ended the search of an arm: a part that used up its cores, or none of them.

    ``LATENCY``: an objective was missed while nothing was used up. ``HIGHEST_RATE``: the highest rate asked for was
    carried. ``LOWEST_RATE``: not even the lowest was. ``UNFINISHED``: the search was cut short.
    """

    DRIVER = Bound.DRIVER.value
    SERVER = Bound.SERVER.value
    CLIENT_SIDECAR = Bound.CLIENT_SIDECAR.value
    SERVER_SIDECAR = Bound.SERVER_SIDECAR.value
    MACHINE = Bound.MACHINE.value
    LATENCY = "latency"
    HIGHEST_RATE = "highest_rate"
    LOWEST_RATE = "lowest_rate"
    UNFINISHED = "unfinished"


_NOT_THE_HOPS = {Limit.DRIVER, Limit.SERVER, Limit.HIGHEST_RATE, Limit.UNFINISHED}


@dataclass(frozen=True, slots=True)
class Objective:
    """A percentile of the response time and what it must stay under, as in ``p99=20ms``."""

    percentile: float
    limit_ns: int

    def __str__(self) -> str:
        return f"p{self.percentile:g}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """``p99=20ms``. Raises ValueError with the text in it."""
        found = _OBJECTIVE.fullmatch(text.strip())
        if found is None or float(found[1]) not in PERCENTILES:
            known = ", ".join(f"p{percentile:g}" for percentile in PERCENTILES)
            raise ValueError(f"{text!r} is no objective: write p99=20ms, of {known}")
        limit_ns = parse_duration_ns(found[2])
        if limit_ns <= 0:
            raise ValueError(f"{text!r} cannot be met: the time must be more than 0")
        return cls(float(found[1]), limit_ns)


def lowest_rate(objectives: Sequence[Objective], duration_ns: int) -> float:
    """Below it a trial sends fewer messages than its percentiles need: one at least beyond each of them."""
    needed = max(100 / (100 - objective.percentile) for objective in objectives)
    return round(needed / (duration_ns / 1e9), 3)


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Several, with commas between. Raises ValueError."""
    return tuple(Objective.parse(part) for part in text.split(","))


@dataclass(frozen=True, slots=True)
class SaturationPlan:
    """The whole search: ``load`` but for its rate and rounds, what must hold, and where rates are searched.

    ``max_lost`` is the share of messages that may be unanswered, unsent or wrong. Raises UsageError, with the value in
    it, for what cannot be searched.
    """

    load: RunPlan
    search: SearchPlan
    objectives: tuple[Objective, ...]
    max_lost: float = 0.001

    def __post_init__(self) -> None:
        if not self.objectives:
            raise UsageError("nothing limits the search: give --slo")
        fewest = lowest_rate(self.objectives, self.load.duration_ns)
        if self.search.lowest < fewest:
            raise UsageError(
                f"at {self.search.lowest:g} messages a second a trial sends too few of them for its percentiles: "
                f"--first-rate must be {math.ceil(fewest)} or more, or --duration longer"
            )
        if not 0 <= self.max_lost < 1:
            raise UsageError(f"--max-lost must be from 0% and below 100%, not {self.max_lost:.4%}")
        refusing = [arm.name for arm in self.load.arms if arm.claim.refused_status]
        if refusing:
            raise UsageError(f"{refusing[0]!r} claims to be refused: it carries nothing")
        if self.load.pattern.kind is PatternKind.ONE_WAY:
            raise UsageError("one-way traffic has no response time to hold against --slo: take echo or burst:N")

    def drive_plan(self, url: str, rate: float, round_number: int) -> DrivePlan:
        """The load of one trial."""
        drive = replace(self.load, rate=rate).drive_plan(url, round_number)
        # What is behind by more than this has missed its objective by far.
        slowest_ns = max(objective.limit_ns for objective in self.objectives)
        return replace(drive, drain_timeout_ns=max(_DRAIN_NS, 2 * slowest_ns))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a trial says of its rate: carried where nothing is ``missed``, each in words."""

    missed: tuple[str, ...]

    @property
    def carried(self) -> bool:
        """Whether every objective held."""
        return not self.missed


def judge(trial: Trial, plan: SaturationPlan) -> Judged:
    """Hold a trial against the objectives."""
    recording = trial.recording
    response = recording.response_time
    missed = []
    for objective in plan.objectives if response is not None and response.count else ():
        assert response is not None
        (value_ns,) = response.percentiles_ns([objective.percentile])
        if value_ns is None or value_ns >= objective.limit_ns:
            missed.append(f"{objective} {(value_ns or 0) / 1e6:.3g} ms")
    due = recording.sent + recording.unsent
    lost = recording.unanswered + recording.unsent + recording.mismatched
    if not due or lost > plan.max_lost * due:
        missed.append(f"{lost / due:.2%} lost" if due else "nothing was sent")
    return Judged(tuple(missed))


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found of one arm.

    It carried ``low`` messages a second and did not carry ``high``, within the objectives. ``high`` None: what ended
    the search was not the hop's (``limit`` says what was), so that the hop may carry more. ``low`` None: nothing was
    carried.
    """

    low: float | None
    high: float | None
    limit: Limit


def rate_of(trial: Trial) -> float:
    """The rate that a trial was made at."""
    assert trial.recording.plan.rate is not None, "a search drives the open loop"
    return trial.recording.plan.rate


def replayed(trials: Sequence[Trial], plan: SaturationPlan) -> Search:
    """The search as it stands after these trials of one arm."""
    search = Search(plan.search)
    for trial in trials:
        search.tell(rate_of(trial), carried=judge(trial, plan).carried)
    return search


def outcome(subject: Subject) -> Outcome:
    """Whether an arm has a capacity: an arm that failed or is disproved has none."""
    proved = merge([trial.proof for trial in subject.trials])
    failed = subject.failure is not None or not subject.trials or proved.verdict is Verdict.DISPROVED
    return Outcome.FAILED if failed else Outcome.MEASURED


def capacity(subject: Subject, plan: SaturationPlan, cpu_count: int) -> Capacity | None:
    """What an arm carries; None where it has none to tell of."""
    if outcome(subject) is Outcome.FAILED:
        return None
    bracket = replayed(subject.trials, plan).bracket
    limit = _limit(subject, bracket, plan, cpu_count)
    return Capacity(bracket.low, None if limit in _NOT_THE_HOPS else bracket.high, limit)


def _limit(subject: Subject, bracket: Bracket, plan: SaturationPlan, cpu_count: int) -> Limit:
    if not bracket.closed:
        return Limit.UNFINISHED
    if bracket.high is None:
        return Limit.HIGHEST_RATE
    failing = [trial for trial in subject.trials if rate_of(trial) == bracket.high and not judge(trial, plan).carried]
    found = figures.figures_of(failing, setting_of(plan, cpu_count))
    used_up = saturated_of(
        found, cpu_count=cpu_count, workers=plan.load.workers, envoy_concurrency=plan.load.envoy_concurrency
    )
    if used_up:
        return Limit(used_up[0].value)
    if _late(found, plan):
        # A driver that is late with CPU time to spare of its own had to wait for a CPU: that is the machine's limit.
        return Limit.MACHINE if _contended(found, cpu_count) else Limit.DRIVER
    return Limit.LOWEST_RATE if bracket.low is None else Limit.LATENCY


def _late(found: document.Figures, plan: SaturationPlan) -> bool:
    """Whether the driver's own lateness took more than a little of what the objectives allow."""
    lag = found["send_lag"]
    tightest_us = min(objective.limit_ns for objective in plan.objectives) / 1000
    return lag is not None and lag["p99_us"] is not None and lag["p99_us"] > _LAG_SHARE * tightest_us


def _contended(found: document.Figures, cpu_count: int) -> bool:
    machine = found["machine"]
    return machine is not None and machine["busy_cores"] + machine["steal_cores"] > _CONTENDED * cpu_count


def setting_of(plan: SaturationPlan, cpu_count: int) -> Setting:
    """What figures are judged by."""
    return Setting(
        open_loop=True,
        cpu_count=cpu_count,
        workers=plan.load.workers,
        envoy_concurrency=plan.load.envoy_concurrency,
    )


class CapacityVerdict(StrEnum):
    """Who carries more, as far as the brackets tell."""

    MORE = "carries more"
    LESS = "carries less"
    NO_DIFFERENCE = "no difference shown"
    OPEN = "not decided"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A candidate's capacity over its baseline's, from bracket to bracket; None where an end is not known."""

    low: float | None
    high: float | None

    @property
    def verdict(self) -> CapacityVerdict:
        """What it says."""
        if self.low is not None and self.low > 1:
            return CapacityVerdict.MORE
        if self.high is not None and self.high < 1:
            return CapacityVerdict.LESS
        return CapacityVerdict.OPEN if self.low is None or self.high is None else CapacityVerdict.NO_DIFFERENCE


def ratio(baseline: Capacity, candidate: Capacity) -> Ratio:
    """Hold two brackets against each other."""
    return Ratio(_over(candidate.low, baseline.high), _over(candidate.high, baseline.low))


def _over(value: float | None, other: float | None) -> float | None:
    return None if value is None or not other else value / other
