"""What the lab makes sidecars of: Envoys, and the policy of each arm's hop as its manifests say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.arms import way_of
from wsbench.envoy import EnvoyBinary
from wsbench.envoy_cache import envoy_of_version
from wsbench.manifests import read_manifests, shipped
from wsbench.mesh_policy import policy_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench.mesh_policy import MeshPolicy
    from wsbench.plan import RunPlan


@dataclass(frozen=True, slots=True)
class Mesh:
    """The Envoys by the version asked for (None: the one at hand), and the policies that manifests make, by arm."""

    envoys: Mapping[str | None, EnvoyBinary]
    policies: Mapping[str, MeshPolicy]

    @property
    def versions(self) -> str:
        """Of all Envoys, as in ``1.36.2, 1.40.0``."""
        return ", ".join(dict.fromkeys(envoy.version for envoy in self.envoys.values()))


def mesh_of(plan: RunPlan) -> Mesh | None:
    """What the plan's arms need; None where none has sidecars.

    Envoys of versions that are not at hand are fetched. Raises UsageError where there is no such Envoy, or manifests
    cannot be read or honoured.
    """
    if not any(arm.has_sidecars for arm in plan.arms):
        return None
    overlays = {arm.name: arm.overlay for arm in plan.arms if arm.overlay is not None}
    own = dict(plan.manifests)
    policies = {
        name: policy_of(read_manifests(own.get(way_of(name)) or shipped(overlay))) for name, overlay in overlays.items()
    }
    versions = dict.fromkeys(arm.envoy_version for arm in plan.arms if arm.has_sidecars)
    return Mesh(
        {version: envoy_of_version(version) if version else EnvoyBinary.find(plan.envoy_path) for version in versions},
        {name: policy.contrary() if way_of(name) in plan.sabotage else policy for name, policy in policies.items()},
    )
