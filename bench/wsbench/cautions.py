"""What may be wrong with a result's figures, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.arms import Outcome
from wsbench.statistics import MIN_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench import document
    from wsbench.plan import RunPlan

# Of one core: both ends are single processes.
_BOUND_CPU = 0.9
# Of the response time's 99th percentile.
_BOUND_LAG = 0.1


def cautions(plan: RunPlan, arms: Mapping[str, document.ArmResult]) -> list[str]:
    """What a reader has to know before believing the figures; each one line."""
    found = []
    measured = {name: arm for name, arm in arms.items() if arm["outcome"] == Outcome.MEASURED and arm["rounds"]}
    rounds = max((len(arm["rounds"]) for arm in measured.values()), default=0)
    if measured and rounds < MIN_ROUNDS:
        found.append(f"{rounds} complete rounds: comparisons need {MIN_ROUNDS}, ask for more with --rounds")
    for name, arm in measured.items():
        found.extend(_bound(name, arm))
        lost = arm["unanswered"] + arm["unsent"] + arm["mismatched"]
        if lost:
            found.append(
                f"{name}: {arm['unanswered']} unanswered, {arm['unsent']} unsent, {arm['mismatched']} wrong echoes"
            )
        if arm["errors"]:
            found.append(f"{name}: " + ", ".join(f"{count} x {kind}" for kind, count in arm["errors"].items()))
        if arm["unrecorded"]:
            found.append(f"{name}: {arm['unrecorded']} values did not fit the histogram")
    if plan.sabotage:
        found.append(f"sabotaged on purpose (--sabotage): {', '.join(plan.sabotage)}")
    return found


def _bound(name: str, arm: document.ArmResult) -> list[str]:
    """Where an end, not the way of the message, may be what was measured."""
    found = []
    for part, cost in (("driver", arm["driver"]), ("server", arm["server"])):
        share = ((cost and cost["cpu_us_per_message"]) or 0) * (arm["achieved_rate"] or 0) / 1e6
        if share > _BOUND_CPU:
            bound = "client-bound" if part == "driver" else "server-bound"
            found.append(f"{name}: {bound}, the {part} used {share:.0%} of one core: it is part of what was measured")
    lag, response = arm["send_lag"], arm["response_time"]
    if lag is not None and response is not None:
        lag_us, response_us = lag["p99_us"], response["p99_us"]
        if lag_us is not None and response_us is not None and lag_us > _BOUND_LAG * response_us:
            found.append(
                f"{name}: client-bound, send lag p99 {lag_us:.0f} us is {lag_us / response_us:.0%} of response time p99"
            )
    return found
