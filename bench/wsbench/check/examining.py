"""One examination: the Envoys on the way are looked at before and after the URL is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.check.findings import diagnose
from wsbench.check.probing import probe

if TYPE_CHECKING:
    from wsbench.check.findings import Diagnosis, Need
    from wsbench.check.probing import CheckPlan
    from wsbench.check.sidecars import Sidecars


async def examine(plan: CheckPlan, need: Need, sidecars: Sidecars) -> Diagnosis:
    """The diagnosis of one URL. Raises UsageError where an access log cannot be read."""
    await sidecars.begin()
    observations = await probe(plan)
    views, logs = await sidecars.finish()
    return diagnose(plan.address, need, observations, views, logs)
