"""What a sidecar counts of its outbound clusters, from either of the two texts in which an Envoy tells it.

Pure. Istio names a cluster ``outbound|PORT|SUBSET|HOST`` (pilot/pkg/model/push_context.go, BuildSubsetKey) and its
statistics the same, with a ``;`` after it in today's releases (pilot/pkg/networking/core/cluster_builder.go,
DelimitedStatsPrefix). In Prometheus' text the name is a label, which the bootstrap's ``stats_tags`` cut out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = (
    "upstream_cx_http1_total",
    "upstream_cx_http2_total",
    "upstream_cx_http3_total",
    "upstream_cx_active",
    "upstream_rq_total",
    "upstream_rq_101",
)
_STAT = re.compile(rf"cluster\.(?P<cluster>outbound\|[^;]+?);?\.(?P<name>{'|'.join(_NAMES)})")
_CLUSTER = re.compile(r"outbound\|(?P<port>\d+)\|(?P<subset>[^|]*)\|(?P<host>[^|;]+);?")
_METRIC_PREFIX = "envoy_cluster_"
# Istio's tag, and that of an Envoy which takes the default tags.
_CLUSTER_LABELS = ("cluster_name", "envoy_cluster_name")
_CODE_LABELS = ("response_code", "envoy_response_code")


class StatsError(ValueError):
    """A text that is not an Envoy's statistics."""


@dataclass(frozen=True, slots=True, order=True)
class Cluster:
    """An outbound cluster by the parts of Istio's name; ``subset`` is empty where there is none."""

    host: str
    port: int
    subset: str = ""

    @classmethod
    def named(cls, name: str) -> Cluster | None:
        """The cluster of this name; None where it is not one of Istio's outbound ones."""
        match = _CLUSTER.fullmatch(name)
        return match and cls(match["host"], int(match["port"]), match["subset"])

    def __str__(self) -> str:
        return f"outbound|{self.port}|{self.subset}|{self.host}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one cluster or several: each of Envoy's counters that was told, by its name after the cluster's."""

    told: Mapping[str, int]

    def get(self, name: str) -> int:
        """The counter's value; 0 where it was not told: it has not moved yet, or it is hidden."""
        return self.told.get(name, 0)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these were not told."""
        return [name for name in names if name not in self.told]


ClusterStats = dict[Cluster, Counts]


def stats_filter(port: int) -> str:
    """The regular expression that has an Envoy tell what is needed of the clusters of this port, and no more.

    For the ``filter`` parameter of ``/stats`` and ``/stats/prometheus``; one that does not know it tells everything.
    """
    return rf"^cluster\.outbound\|{port}\|.*\.({'|'.join(_NAMES)})$"


def from_admin(text: str) -> ClusterStats:
    """What the admin endpoint's ``/stats?format=json`` says. Raises StatsError."""
    try:
        stats: list[dict[str, Any]] = json.loads(text)["stats"]
        # Histograms have no value of their own.
        values = [(str(stat["name"]), int(stat["value"])) for stat in map(dict, stats) if "value" in stat]
    except (ValueError, LookupError, TypeError) as error:
        raise StatsError(f"no statistics of an Envoy ({type(error).__name__}): {text[:60]!r}") from None
    found: dict[Cluster, dict[str, int]] = {}
    for name, value in values:
        match = _STAT.fullmatch(name)
        if match and (cluster := Cluster.named(match["cluster"])):
            found.setdefault(cluster, {})[match["name"]] = value
    # Of answers from outside, and the like, Envoy keeps a second count (HOST.external.upstream_rq_101): not a cluster.
    return {cluster: Counts(told) for cluster, told in found.items() if told.keys() != {"upstream_rq_101"}}


def from_prometheus(text: str) -> ClusterStats:
    """What ``/stats/prometheus`` says. Raises StatsError."""
    found: dict[Cluster, dict[str, int]] = {}
    try:
        for family in text_string_to_metric_families(text):
            if not family.name.startswith(_METRIC_PREFIX):
                continue
            for sample in family.samples:
                cluster = Cluster.named(_label(sample.labels, _CLUSTER_LABELS))
                name = _counter_name(sample.name, sample.labels)
                if cluster and name in _NAMES:
                    found.setdefault(cluster, {})[name] = int(sample.value)
    except ValueError as error:
        raise StatsError(f"no metrics in Prometheus' text format ({error}): {text[:60]!r}") from None
    return {cluster: Counts(told) for cluster, told in found.items()}


def _counter_name(sample: str, labels: Mapping[str, str]) -> str:
    """Envoy's own name of a counter. The response code is a label, too, where a tag cuts it out."""
    name = sample.removeprefix(_METRIC_PREFIX)
    # The parser ends every counter's name in _total, as OpenMetrics has it.
    if name == "upstream_rq_total" and (code := _label(labels, _CODE_LABELS)):
        return f"upstream_rq_{code}"
    if name == "upstream_rq_total" and any("response_code_class" in label for label in labels):
        return ""
    return "upstream_rq_101" if name == "upstream_rq_101_total" else name


def _label(labels: Mapping[str, str], names: Iterable[str]) -> str:
    return next((labels[name] for name in names if name in labels), "")
