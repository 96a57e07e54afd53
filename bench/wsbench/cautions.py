"""What may be wrong with a result's figures, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.arms import Outcome
from wsbench.comparing import rounds_for
from wsbench.limits import Bound, lag_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsbench import document
    from wsbench.plan import RunPlan


def cautions(
    plan: RunPlan, arms: Mapping[str, document.ArmResult], comparisons: Sequence[document.Comparison]
) -> list[str]:
    """What a reader has to know before believing the figures; each one line."""
    found = []
    measured = {name: arm for name, arm in arms.items() if arm["outcome"] == Outcome.MEASURED and arm["rounds"]}
    rounds = max((len(arm["rounds"]) for arm in measured.values()), default=0)
    needed = rounds_for(len(comparisons), by_precision=plan.until_precision is not None) if comparisons else 0
    if rounds < needed:
        found.append(f"{rounds} complete rounds: {len(comparisons)} comparisons need {needed}, see --rounds")
    for name, arm in measured.items():
        found.extend(_bound(name, arm))
        lost = arm["unanswered"] + arm["unsent"] + arm["mismatched"]
        if lost:
            missing, wrong = ("unacknowledged", "receipts") if plan.pattern.one_way else ("unanswered", "echoes")
            found.append(
                f"{name}: {arm['unanswered']} {missing}, {arm['unsent']} unsent, {arm['mismatched']} wrong {wrong}"
            )
        if arm["errors"]:
            found.append(f"{name}: " + ", ".join(f"{count} x {kind}" for kind, count in arm["errors"].items()))
        if arm["unrecorded"]:
            found.append(f"{name}: {arm['unrecorded']} values did not fit the histogram")
    if plan.until_precision is not None:
        found.extend(_open(plan.until_precision, comparisons))
    if plan.sabotage:
        found.append(f"sabotaged on purpose (--sabotage): {', '.join(plan.sabotage)}")
    return found


def _open(asked: float, comparisons: Sequence[document.Comparison]) -> list[str]:
    """Which verdicts stayed open: what is not known as precisely as was asked."""
    return [
        f"stayed open: {one['candidate']} against {one['baseline']}, {one['metric']} is known within "
        f"{one['precision']:.1%}, not {asked:.2%}"
        if one["precision"] is not None
        else f"stayed open: {one['candidate']} against {one['baseline']}, {one['metric']}: too few rounds"
        for one in comparisons
        if one["precision"] is None or one["precision"] > asked
    ]


def _bound(name: str, arm: document.ArmResult) -> list[str]:
    """Where an end or the machine, not the way of the message, may be what was measured."""
    bounds, found = arm["bound_by"] or [], []
    driver, server, lag, machine = arm["driver"], arm["server"], lag_share(arm), arm["machine"]
    if Bound.DRIVER in bounds:
        words = f"used {driver['cpu_cores'] or 0:.2f} cores"
        if lag is not None:
            words += f" and its send lag p99 is {lag:.0%} of response time p99"
        found.append(f"{name}: client-bound, the driver {words}: it is part of what was measured (see --workers)")
    if Bound.SERVER in bounds and server is not None:
        words = f"used {server['cpu_cores'] or 0:.2f} cores"
        found.append(f"{name}: server-bound, the echo server {words}: it is part of what was measured")
    if Bound.MACHINE in bounds and machine is not None:
        found.append(
            f"{name}: machine-bound, {machine['busy_cores']:.2f} cores busy: all parts compete for the same CPUs"
        )
    return found
