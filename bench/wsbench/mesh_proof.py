"""The proof of a target from within its pod: its claim, held against its own sidecar's counters and the handshakes.

Pure. Of the lab's witnesses (``proof``) two are within a pod's reach: the counters of the client's sidecar, of the
cluster that the target's URL leads to, and the header in which the server's sidecar says what the hop spoke. The
access logs are not. Both must support the claim; where one is out of reach the claim is unproved, and the words say
what to add.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol
from wsbench.cluster_stats import Cluster, Counts
from wsbench.proof import Proof, Verdict, verdict_on
from wsbench.witnesses import Stance, Testimony, WitnessName, from_handshakes, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsbench.arms import Claim
    from wsbench.cluster_stats import ClusterStats

SHOW_COUNTERS = r"proxyStatsMatcher: {inclusionRegexps: ['cluster\.(inbound|outbound)\|.*\.upstream_(cx|rq)_.*']}"
"""What makes Istio's sidecar tell the counters: to be put into the annotation ``proxy.istio.io/config`` of the pod."""

_ADD_COUNTERS = f"add the annotation proxy.istio.io/config with {SHOW_COUNTERS} to the driver's pod"
_ADD_HEADER = "apply the EnvoyFilter of k8s/mesh/witness-header.yaml to the server's workload"
_CONNECTIONS = {
    HopProtocol.HTTP1: "upstream_cx_http1_total",
    HopProtocol.HTTP2: "upstream_cx_http2_total",
    HopProtocol.HTTP3: "upstream_cx_http3_total",
}
_NEEDED = ("upstream_cx_http1_total", "upstream_cx_http2_total", "upstream_rq_total")
_SWITCHED = "upstream_rq_101"
_ACTIVE = "upstream_cx_active"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a target's URL leads. ``search`` are the domains with which the pod's resolver completes short names."""

    host: str
    port: int
    search: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def clusters(self, known: Iterable[Cluster]) -> tuple[Cluster, ...]:
        """Those of ``known`` that carry what is sent there: one for each subset; empty where there is none.

        The host is taken as the resolver takes it: as it is, then completed by each search domain. Where neither gives
        a cluster, a host that begins with it does. Raises LookupError where several do.
        """
        here = [cluster for cluster in known if cluster.port == self.port]
        for host in (self.host, *(f"{self.host}.{domain}" for domain in self.search)):
            if found := [cluster for cluster in here if cluster.host == host]:
                return tuple(sorted(found))
        begun = [cluster for cluster in here if cluster.host.startswith(f"{self.host}.")]
        hosts = sorted({cluster.host for cluster in begun})
        if len(hosts) > 1:
            raise LookupError(f"{self} may be any of {', '.join(hosts)}: write the whole host name in --target")
        return tuple(sorted(begun))


@dataclass(frozen=True, slots=True)
class SidecarEvidence:
    """What the pod's own sidecar counted of the clusters of a destination's port, before a trial and after it.

    ``while_open`` was counted while every WebSocket was open; None where that was missed. ``source`` names the sidecar
    in words. ``trouble`` says why there are no counters; all else is empty then.
    """

    source: str
    before: ClusterStats
    while_open: ClusterStats | None
    after: ClusterStats
    trouble: str | None = None

    @classmethod
    def none(cls, source: str, trouble: str) -> SidecarEvidence:
        """No counters, and why."""
        return cls(source, {}, None, {}, trouble)

    def open_before(self, destination: Destination) -> int | None:
        """Connections that were open on the hop when the trial began; None where that is not known."""
        try:
            clusters = destination.clusters(self.after)
        except LookupError:
            return None
        # A cluster that nobody has used yet is not told of, in today's Istio: it has no connection.
        told = _ACTIVE in _sum(self.after, clusters).told
        return _sum(self.before, clusters).get(_ACTIVE) if told else None


def judge_target(
    claim: Claim,
    destination: Destination,
    *,
    opened: int,
    refused: Mapping[int, int],
    hop_protocols: Mapping[str, int],
    evidence: SidecarEvidence,
) -> Proof:
    """The proof of one trial of a target that claims a protocol; the figures are as in ``proof.judge``."""
    assert claim.hop_protocol is not None, "a target that claims nothing has nothing to prove"
    if not opened:
        return Proof(Verdict.UNPROVED, f"claimed {claim.hop_protocol} on the hop, but no WebSocket was opened", ())
    counters = _from_counters(claim.hop_protocol, destination, opened, sum(refused.values()), evidence)
    return verdict_on(claim, opened, [counters, _from_header(claim, opened, hop_protocols)])


# -- the witnesses


def _from_header(claim: Claim, opened: int, hop_protocols: Mapping[str, int]) -> Testimony:
    """As in the lab; but a handshake that says nothing contradicts nothing: a pod may lack a sidecar or the filter."""
    testimony = from_handshakes(claim, opened, hop_protocols)
    told = {protocol for protocol, count in hop_protocols.items() if protocol and count}
    if testimony.verdict is not Stance.SUPPORTS and told <= {claim.hop_protocol}:
        return replace(testimony, verdict=Stance.SILENT, detail=f"{testimony.detail}: {_ADD_HEADER}")
    return testimony


def _from_counters(
    claimed: HopProtocol, destination: Destination, opened: int, refused: int, evidence: SidecarEvidence
) -> Testimony:
    def silent(why: str) -> Testimony:
        return Testimony(WitnessName.COUNTERS, Stance.SILENT, None, 0, f"{evidence.source}{why}")

    if evidence.trouble is not None:
        return silent(evidence.trouble)
    try:
        clusters = destination.clusters(evidence.after)
    except LookupError as error:
        return silent(f": {error.args[0]}")
    if not clusters:
        return silent(
            f" tells no counters of a cluster for {destination}. Istio hides them by default: {_ADD_COUNTERS}. "
            "Or the host is none of the mesh's services"
        )
    before, after = _sum(evidence.before, clusters), _sum(evidence.after, clusters)
    if hidden := after.missing(_NEEDED):
        return silent(f" hides {', '.join(hidden)} of {_named(clusters)}: {_ADD_COUNTERS}")
    return _Hop(claimed, clusters, before, after, opened, refused).testimony(evidence)


@dataclass(frozen=True, slots=True)
class _Hop:
    """The counters of the clusters of one destination, around one trial."""

    claimed: HopProtocol
    clusters: Sequence[Cluster]
    before: Counts
    after: Counts
    opened: int
    refused: int

    def testimony(self, evidence: SidecarEvidence) -> Testimony:
        stance, why = self._stance()
        words = f"{evidence.source}, {_named(self.clusters)}: {self._in_words(evidence.while_open)}"
        new = {str(protocol): self._rise(name) for protocol, name in _CONNECTIONS.items()}
        # An HTTP/2 connection lives for an hour by default: this trial's may be an earlier one.
        says = one(new) or one({str(protocol): self.after.get(name) for protocol, name in _CONNECTIONS.items()})
        switched = self._switched()
        return Testimony(
            WitnessName.COUNTERS,
            stance,
            says,
            self._rise("upstream_rq_total") if switched is None else switched,
            f"{words}: {why}" if why else words,
        )

    def _stance(self) -> tuple[Stance, str | None]:
        mine = _CONNECTIONS[self.claimed]
        foreign = [name for name in _CONNECTIONS.values() if name != mine]
        if any(self._rise(name) < 0 for name in (*_CONNECTIONS.values(), "upstream_rq_total")):
            return Stance.SILENT, "it began to count anew in the trial"
        if any(self._rise(name) for name in foreign):
            return Stance.CONTRADICTS, None
        asked, switched = self._rise("upstream_rq_total"), self._switched()
        passed = asked if switched is None else switched
        if passed < self.opened:
            return Stance.SILENT, "not all of them passed here: a VirtualService may send them elsewhere"
        if passed > self.opened + (self.refused if switched is None else 0):
            return Stance.SILENT, "others in this pod used it meanwhile"
        if any(self.after.get(name) for name in foreign):
            return self._beside_foreign_ones(mine)
        if not self.after.get(mine):
            return Stance.SILENT, "it counted no connection of HTTP"
        return Stance.SUPPORTS, None

    def _beside_foreign_ones(self, mine: str) -> tuple[Stance, str | None]:
        """Connections of another protocol were opened before the trial: they may still have carried it."""
        if not self.after.get(mine):
            return Stance.CONTRADICTS, "all were opened before the trial"
        # Every WebSocket has a connection of its own over HTTP/1.1; over HTTP/2 they share one.
        enough = self.opened if self.claimed is HopProtocol.HTTP1 else 1
        if self._rise(mine) >= enough:
            return Stance.SUPPORTS, None
        return Stance.SILENT, "connections of more than one protocol were opened before the trial"

    def _in_words(self, while_open: ClusterStats | None) -> str:
        new = [
            f"{self._rise(name)} new {protocol}"
            for protocol, name in _CONNECTIONS.items()
            if protocol is not HopProtocol.HTTP3 or self._rise(name)
        ]
        words = f"{' and '.join(new)} connections"
        if not self._rise(_CONNECTIONS[self.claimed]):
            words += f" ({self.before.get(_CONNECTIONS[self.claimed])} {self.claimed} before)"
        if while_open is not None:
            words += f", {_sum(while_open, self.clusters).get(_ACTIVE)} open under load"
        words += f", {self._rise('upstream_rq_total')} requests"
        if (switched := self._switched()) is not None:
            words += f", {switched} x 101"
        return f"{words}; the driver opened {self.opened}"

    def _switched(self) -> int | None:
        """How many 101s; None where they are not told."""
        return self._rise(_SWITCHED) if _SWITCHED in self.after.told else None

    def _rise(self, name: str) -> int:
        return self.after.get(name) - self.before.get(name)


def _sum(stats: ClusterStats, clusters: Sequence[Cluster]) -> Counts:
    total: dict[str, int] = {}
    for cluster in clusters:
        if cluster in stats:
            for name, value in stats[cluster].told.items():
                total[name] = total.get(name, 0) + value
    return Counts(total)


def _named(clusters: Sequence[Cluster]) -> str:
    word = "cluster" if len(clusters) == 1 else "clusters"
    return f"{word} {', '.join(map(str, clusters))}"
