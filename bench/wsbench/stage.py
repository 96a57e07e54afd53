"""The stage of an experiment: the driver, the lab and whoever is measured, ready for trials."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.arms import Claim
from wsbench.driver_process import driver_process
from wsbench.errors import TargetError
from wsbench.lab import LabPlan, open_lab
from wsbench.measuring import Contender, Trials, failure_words
from wsbench.pod_sidecar import look_around
from wsbench_client import DrivePlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wsbench.driver_process import DriverProcess
    from wsbench.lab import Lab
    from wsbench.mesh import Mesh
    from wsbench.plan import RunPlan, Target
    from wsbench.progress import Watcher
    from wsbench_client import Progress

_PROBE_NS = 50_000_000
"""How long a target is tried before anything is measured."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Who is measured, and what makes the trials."""

    contenders: tuple[Contender, ...]
    trials: Trials


@asynccontextmanager
async def staged(plan: RunPlan, output: Path, mesh: Mesh | None, watcher: Watcher) -> AsyncIterator[Stage]:
    """Start all that the plan needs, and end it on every way out. Logs and configurations go to ``output``.

    Raises LabError where a part does not start, TargetError where a target cannot be measured at all.
    """
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driver_process(output / "driver.log", plan.workers))
        for target in plan.targets:
            await _probe(driver, target, plan)
        lab = await stack.enter_async_context(open_lab(_lab_plan(plan, output, mesh))) if plan.arms else None
        # After the probes: where they got through, a sidecar that there is has begun to serve.
        mesh_around = await look_around(plan.sidecar) if any(target.claim for target in plan.targets) else None
        trials = Trials(driver, lab, watcher, mesh_around)
        await trials.note_idle()
        yield Stage(tuple(_contenders(plan, lab)), trials)


def _lab_plan(plan: RunPlan, output: Path, mesh: Mesh | None) -> LabPlan:
    return LabPlan(
        arms=plan.arms,
        output=output,
        mesh=mesh,
        envoy_concurrency=plan.envoy_concurrency,
        server_engine=plan.server_engine,
        max_message_bytes=plan.mix.largest_bytes,
    )


def _contenders(plan: RunPlan, lab: Lab | None) -> list[Contender]:
    found = []
    for arm in plan.arms:
        assert lab is not None, "a plan with arms has a lab"
        place = lab.targets[arm.name]
        kind = "sidecar" if arm.has_sidecars else "direct"
        found.append(Contender(arm.name, kind, arm.summary, place.url, arm.claim, place))
    found.extend(
        Contender(
            target.name,
            "target",
            "a target of the user's own",
            target.url,
            Claim(target.claim) if target.claim else None,
            None,
        )
        for target in plan.targets
    )
    return found


async def _probe(driver: DriverProcess, target: Target, run_plan: RunPlan) -> None:
    """One short exchange: a dead target is no matter of minutes."""
    plan = DrivePlan(
        target.url,
        connections=1,
        warmup_ns=0,
        duration_ns=_PROBE_NS,
        payload_bytes=run_plan.payload_bytes,
        payload_kind=run_plan.payload_kind,
        engine=run_plan.engine,
        payload_mix=run_plan.payload_mix,
        pattern=run_plan.pattern,
    )
    recording = await driver.drive(plan, _unheard)
    words = failure_words(recording)
    if not recording.opened:
        raise TargetError(f"target {target.name!r} ({target.url}) cannot be measured: {words}")
    if not recording.received:
        does = "count" if plan.pattern.one_way else "echo"
        found = words or f"{recording.mismatched} wrong, {recording.unanswered} missing of {recording.sent}"
        raise TargetError(f"target {target.name!r} ({target.url}) does not {does} what it is sent: {found}")


async def _unheard(_progress: Progress) -> None:
    pass
