"""Two runs held against each other, arm by arm: the content of ``wsbench compare --format json``.

The rounds of two runs are no pairs: they are compared as independent samples (``statistics.ratio_of_samples``). What
such an interval cannot know is what changed on the machine between the runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from wsbench.arms import Outcome
from wsbench.comparing import lower_is_better, value_of
from wsbench.conditions import Judged, metric_path
from wsbench.errors import UsageError
from wsbench.proof import Verdict as Proved
from wsbench.statistics import CONFIDENCE, precision_of, ratio_of_samples, samples_needed, verdict_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wsbench import document
    from wsbench.conditions import Condition

SCHEMA_VERSION = 1
SHOWN = (
    "rate",
    "rtt.p50",
    "rtt.p90",
    "rtt.p99",
    "connect.p50",
    "cpu.driver",
    "cpu.server",
    "cpu.client_sidecar",
    "cpu.server_sidecar",
)
"""The metrics that are compared of every arm, by their names on the command line."""

# Rounds and seeds may differ: both are how often and in what order, not what was measured.
_FREE = {"rounds", "seed", "until_precision", "max_duration_us", "arms", "targets"}
_CONTROL = "direct"


class Difference(TypedDict):
    """A setting or a version in which the runs differ."""

    name: str
    base: Any
    new: Any


class Side(TypedDict):
    """One of the runs."""

    path: str
    started_at: str
    wsbench_version: str
    complete: bool


class Change(TypedDict):
    """New over base of one metric of one arm. ``ratio`` and its interval are null where data are insufficient."""

    arm: str
    metric: str
    path: str
    lower_is_better: bool
    base_rounds: int
    new_rounds: int
    ratio: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float
    precision: float | None
    verdict: str


class ConditionResult(TypedDict):
    """A condition and what the data say of it: fails, does not, not shown, no data."""

    condition: str
    judged: str


class RunComparison(TypedDict):
    """The whole. ``failed`` says whether a condition fails."""

    kind: str
    schema_version: int
    base: Side
    new: Side
    plan_differences: list[Difference]
    environment_differences: list[Difference]
    only_in_base: list[str]
    only_in_new: list[str]
    changes: list[Change]
    conditions: list[ConditionResult]
    warnings: list[str]
    failed: bool


def compare_runs(
    base: tuple[str, document.Result],
    new: tuple[str, document.Result],
    *,
    conditions: Sequence[Condition] = (),
    allowed: Collection[str] = (),
    strict: bool = False,
) -> RunComparison:
    """Compare ``new`` with ``base``, each with the path it was read from.

    Plans may differ in ``allowed`` settings only. ``strict`` lets a condition fail too that the data do not decide.
    Raises UsageError for unlike plans, saying what differs, and for conditions on arms that are in neither run.
    """
    (base_path, first), (new_path, second) = base, new
    differences = _differences(first["plan"], second["plan"], without=_FREE)
    _refuse_unlike(differences, allowed)
    both = [name for name in first["arms"] if name in second["arms"]]
    _refuse_unknown(conditions, {*first["arms"], *second["arms"]})
    standing = [name for name in both if _stands(first["arms"][name]) and _stands(second["arms"][name])]
    open_loop = second["plan"]["rate"] is not None
    wanted = _wanted(standing, conditions, first, second, open_loop=open_loop)
    changes = [_change(first, second, arm, metric, len(wanted), open_loop=open_loop) for arm, metric in wanted]
    judged = [(condition, condition.judge(_find(changes, condition))) for condition in conditions]
    undecided = {Judged.OPEN, Judged.UNKNOWN} if strict else set()
    return RunComparison(
        kind="run comparison",
        schema_version=SCHEMA_VERSION,
        base=_side(base_path, first),
        new=_side(new_path, second),
        plan_differences=differences,
        environment_differences=_environment_differences(first, second),
        only_in_base=[name for name in first["arms"] if name not in second["arms"]],
        only_in_new=[name for name in second["arms"] if name not in first["arms"]],
        changes=changes,
        conditions=[ConditionResult(condition=one.text, judged=found.value) for one, found in judged],
        warnings=[
            *_unsound(first, second),
            *_not_compared(both, standing, first, second),
            *_too_few(changes),
            *_control(changes),
        ],
        failed=any(found is Judged.FAILS or found in undecided for _, found in judged),
    )


def _refuse_unlike(differences: Iterable[Difference], allowed: Collection[str]) -> None:
    refused = [one for one in differences if one["name"] not in allowed]
    if refused:
        words = "; ".join(f"{one['name']} {one['base']!r} in base, {one['new']!r} in new" for one in refused)
        names = ",".join(one["name"] for one in refused)
        raise UsageError(f"the runs are unlike: {words}. To compare them all the same: --allow-different {names}")


def _refuse_unknown(conditions: Iterable[Condition], arms: Collection[str]) -> None:
    for condition in conditions:
        if condition.arm not in arms:
            raise UsageError(
                f"{condition.text!r}: neither run has an arm {condition.arm!r}, choose from {', '.join(sorted(arms))}"
            )


def _differences(
    base: Mapping[str, object], new: Mapping[str, object], *, without: Collection[str] = ()
) -> list[Difference]:
    names = [*base, *(name for name in new if name not in base)]
    return [
        Difference(name=name, base=base.get(name), new=new.get(name))
        for name in names
        if name not in without and base.get(name) != new.get(name)
    ]


def _environment_differences(base: document.Result, new: document.Result) -> list[Difference]:
    flat = [
        {
            **{f"{name}": value for name, value in result["environment"].items() if name != "libraries"},
            **result["environment"]["libraries"],
            "wsbench": result["wsbench_version"],
        }
        for result in (base, new)
    ]
    return _differences(*flat, without={"load_average"})


def _stands(arm: document.ArmResult) -> bool:
    return arm["outcome"] == Outcome.MEASURED and arm["proof"]["verdict"] != Proved.DISPROVED


def _wanted(
    arms: Sequence[str],
    conditions: Iterable[Condition],
    base: document.Result,
    new: document.Result,
    *,
    open_loop: bool,
) -> list[tuple[str, str]]:
    """What is shown: the usual metrics that both runs know, and those of conditions. In the open loop rates are set."""
    asked = {(condition.arm, condition.metric) for condition in conditions}
    wanted = []
    for arm in arms:
        metrics = [*SHOWN, *sorted(metric for of, metric in asked if of == arm and metric not in SHOWN)]
        for metric in metrics:
            path = metric_path(metric, open_loop=open_loop)
            known = all(_values(result, arm, path) for result in (base, new))
            if (arm, metric) in asked or (known and not (open_loop and metric == "rate")):
                wanted.append((arm, metric))
    return wanted


def _values(result: document.Result, arm: str, path: str) -> list[float]:
    found = [value_of(figures, path) for figures in result["arms"][arm]["rounds"]]
    return [value for value in found if value is not None and value > 0]


def _change(
    base: document.Result, new: document.Result, arm: str, metric: str, shown: int, *, open_loop: bool
) -> Change:
    path = metric_path(metric, open_loop=open_loop)
    values = _values(base, arm, path), _values(new, arm, path)
    estimate = ratio_of_samples(*values, comparisons=shown)
    return Change(
        arm=arm,
        metric=metric,
        path=path,
        lower_is_better=lower_is_better(path),
        base_rounds=len(values[0]),
        new_rounds=len(values[1]),
        ratio=estimate.ratio,
        ci_low=estimate.low,
        ci_high=estimate.high,
        confidence=CONFIDENCE,
        precision=precision_of(estimate.low, estimate.high),
        verdict=verdict_of(estimate, lower_is_better=lower_is_better(path)),
    )


def _find(changes: Iterable[Change], condition: Condition) -> Change | None:
    named = (condition.arm, condition.metric)
    return next((change for change in changes if (change["arm"], change["metric"]) == named), None)


def _side(path: str, result: document.Result) -> Side:
    return Side(
        path=path,
        started_at=result["started_at"],
        wsbench_version=result["wsbench_version"],
        complete=result["complete"],
    )


# -- warnings


def _unsound(base: document.Result, new: document.Result) -> list[str]:
    found = []
    for name, result in (("base", base), ("new", new)):
        if not result["complete"]:
            found.append(f"{name} is incomplete: {result['incomplete_reason']}")
        if result["too_busy"] is not None:
            found.append(f"{name} was measured on a busy machine: {result['too_busy']}")
    return found


def _not_compared(
    both: Iterable[str], standing: Collection[str], base: document.Result, new: document.Result
) -> list[str]:
    found = []
    for name in both:
        states = [f"{arm['outcome']}, {arm['proof']['verdict']}" for arm in (base["arms"][name], new["arms"][name])]
        refused = all(result["arms"][name]["outcome"] == Outcome.REFUSED for result in (base, new))
        if name not in standing and not refused:
            found.append(f"{name} is not compared: {states[0]} in base; {states[1]} in new")
    return found


def _too_few(changes: Sequence[Change]) -> list[str]:
    short = [min(change["base_rounds"], change["new_rounds"]) for change in changes if change["ratio"] is None]
    if not short:
        return []
    needed = samples_needed(len(changes))
    return [f"{min(short)} rounds in one of the runs: {len(changes)} comparisons need {needed} in each, see --rounds"]


def _control(changes: Iterable[Change]) -> list[str]:
    """``direct`` has no proxy in its way: where it moved, the machine or the ends did."""
    moved = [
        change["metric"]
        for change in changes
        if change["arm"] == _CONTROL
        and change["ci_low"] is not None
        and change["ci_high"] is not None
        and not change["ci_low"] <= 1 <= change["ci_high"]
    ]
    if not moved:
        return []
    what = f"direct, which has no proxy in its way, changed too, in {', '.join(moved)}"
    return [f"{what}: so the machine, the driver or the server did, and other arms' changes are not the proxies' alone"]
