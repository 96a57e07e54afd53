"""One check for every rendered object: Kubernetes' schemas, Istio's, and the enums that the former leave out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import kubernetes_validate

if TYPE_CHECKING:
    from collections.abc import Iterator

KUBERNETES = "1.32"
# From the constants of k8s.io/api (core/v1/types.go and others): the published schemas have these as plain strings.
ENUMS = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "seccompProfile.type": {"RuntimeDefault", "Localhost", "Unconfined"},
    "spec.type": {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "dnsPolicy": {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
    "strategy.type": {"Recreate", "RollingUpdate"},
}


def check(manifest: dict[str, Any]) -> None:
    """Raise ValueError for an object that an API server would not take."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    if group.endswith("istio.io"):
        module = importlib.import_module(f"cloudcoil.models.istio.{group.partition('.')[0]}.{version}")
        getattr(module, manifest["kind"]).model_validate(manifest, extra="forbid")
        return
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise ValueError(str(error)) from None
    for path, value in _strings(manifest, ""):
        for name, allowed in ENUMS.items():
            if f".{path}".endswith(f".{name}") and value not in allowed:
                raise ValueError(f"{path} is {value!r}, not one of {sorted(allowed)}")


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, path)
    elif isinstance(value, str):
        yield path, value
