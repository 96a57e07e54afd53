"""What the lab makes sidecars of: an Envoy, and the policy of each arm's hop as its manifests say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.envoy import EnvoyBinary
from wsbench.manifests import read_manifests, shipped
from wsbench.mesh_policy import policy_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench.mesh_policy import MeshPolicy
    from wsbench.plan import RunPlan


@dataclass(frozen=True, slots=True)
class Mesh:
    """An Envoy, and the policies of those arms that manifests have a say in, by name."""

    envoy: EnvoyBinary
    policies: Mapping[str, MeshPolicy]


def mesh_of(plan: RunPlan) -> Mesh | None:
    """What the plan's arms need; None where none has sidecars.

    Raises UsageError where there is no such Envoy, or manifests cannot be read or honoured.
    """
    if not any(arm.has_sidecars for arm in plan.arms):
        return None
    overlays = {arm.name: arm.overlay for arm in plan.arms if arm.overlay is not None}
    own = dict(plan.manifests)
    policies = {
        name: policy_of(read_manifests(own.get(name) or shipped(overlay))) for name, overlay in overlays.items()
    }
    return Mesh(
        EnvoyBinary.find(plan.envoy_path),
        {name: policy.contrary() if name in plan.sabotage else policy for name, policy in policies.items()},
    )
