"""Claims, witnesses, verdicts: what an arm says its hop speaks, held against what it really spoke.

Pure. Witnesses that know nothing of each other testify over every trial; they must agree with the claim, and on the
number of WebSockets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol, Transport
from wsbench.log_summary import SWITCHING_PROTOCOLS
from wsbench.witnesses import (
    Stance,
    Testimony,
    WitnessName,
    from_counters,
    from_handshakes,
    from_log,
    handshake_words,
    of_refusal,
    one,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsbench.arms import Claim
    from wsbench.witnesses import Evidence

# Downstream protocol error: the sidecar took the stream for malformed (Envoy docs, access log response flags).
_DPE = "DPE"


class Verdict(StrEnum):
    """The outcome. An arm without proof is not a result."""

    PROVED = "proved"
    DISPROVED = "disproved"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict over one or more trials, and every witness's word."""

    verdict: Verdict
    summary: str
    testimonies: tuple[Testimony, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Upgrades that were refused: with which status, how many, why, and what to do."""

    status: int
    count: int
    reason: str
    remedy: str


def judge(
    claim: Claim | None,
    *,
    opened: int,
    refused: Mapping[int, int],
    hop_protocols: Mapping[str, int],
    evidence: Evidence | None,
) -> Proof:
    """The proof of one trial.

    ``opened`` WebSockets and ``refused`` (by status) are the driver's own count; ``hop_protocols`` counts what the
    handshakes' header said, under "" where it was absent. ``claim`` None is a target's, which claims nothing.
    """
    if claim is None:
        seen = handshake_words(hop_protocols)
        testimony = Testimony(
            WitnessName.HANDSHAKE, Stance.SILENT, one(hop_protocols), opened, f"no claim to hold it against: {seen}"
        )
        return Proof(Verdict.UNPROVED, "a target claims nothing of its hop", (testimony,))
    if claim.refused_status is not None:
        return verdict_on(claim, opened, of_refusal(claim, opened, refused, evidence))
    if not opened:
        return Proof(Verdict.UNPROVED, f"claimed {claim_words(claim)}, but no WebSocket was opened", ())
    testimonies = [from_handshakes(claim, opened, hop_protocols)]
    if claim.hop_protocol is not None:
        testimonies = [
            from_log(claim, opened, evidence),
            from_counters(claim, opened, sum(refused.values()), evidence),
            *testimonies,
        ]
    return verdict_on(claim, opened, testimonies)


def merge(proofs: Sequence[Proof]) -> Proof:
    """The proof of an arm over all its trials: as strong as its weakest."""
    if not proofs:
        return Proof(Verdict.UNPROVED, "no trial was made", ())
    verdicts = [proof.verdict for proof in proofs]
    worst = next(verdict for verdict in (Verdict.DISPROVED, Verdict.UNPROVED, Verdict.PROVED) if verdict in verdicts)
    decisive = next(proof for proof in proofs if proof.verdict is worst)
    testimonies = tuple(
        _merged([testimony for proof in proofs for testimony in proof.testimonies if testimony.witness is witness])
        for witness in WitnessName
        if any(testimony.witness is witness for proof in proofs for testimony in proof.testimonies)
    )
    share = verdicts.count(worst)
    return Proof(worst, f"{decisive.summary} ({share} of {len(proofs)} trials)", testimonies)


def refusal_of(refused: Mapping[int, int], evidence: Evidence | None) -> Refusal | None:
    """Why upgrades were refused, from the sidecars' logs; None where none were."""
    if not refused:
        return None
    status, count = max(refused.items(), key=lambda item: item[1])
    # Lines of the refusals: there may be others, of the WebSockets that opened.
    client = server = None
    if evidence and evidence.client:
        client = evidence.client.log.sample(lambda kind: kind.response_code == status)
    if evidence and evidence.server:
        server = evidence.server.log.sample(lambda kind: kind.response_code != SWITCHING_PROTOCOLS)
    reasons = []
    if client is not None:
        reasons.append(f"client sidecar: {client.response_code_details} (flags {client.response_flags})")
    if server is not None:
        reasons.append(
            f"server sidecar: {server.protocol}, {server.response_code_details} (flags {server.response_flags})"
        )
    blocked = server is not None and server.protocol == HopProtocol.HTTP2 and _DPE in (server.response_flags or "")
    return Refusal(
        status,
        count,
        "; ".join(reasons) or "the target did not say",
        "The server's sidecar does not accept extended CONNECT (RFC 8441). Either apply an EnvoyFilter that sets "
        "http2_protocol_options.allow_connect: true on the connection manager of the workload's SIDECAR_INBOUND, or "
        "set h2UpgradePolicy: DO_NOT_UPGRADE in the DestinationRule of its host."
        if blocked
        else "See the sidecars' access logs in the output folder, or the logs of the target.",
    )


def claim_words(claim: Claim) -> str:
    """What is claimed, as in ``HTTP/2 over mTLS on the hop``."""
    if claim.hop_protocol is None:
        return "no proxy in the way"
    if claim.refused_status is not None:
        return f"every {claim.hop_protocol} upgrade refused with {claim.refused_status}"
    carried = "" if claim.transport is Transport.PLAINTEXT else f" over {claim.transport}"
    return f"{claim.hop_protocol}{carried} on the hop"


# -- from words to a verdict


def verdict_on(claim: Claim, opened: int, testimonies: Sequence[Testimony]) -> Proof:
    """The proof that these testimonies make: one that contradicts disproves, one that is silent leaves it unproved."""
    contradicting = [testimony for testimony in testimonies if testimony.verdict is Stance.CONTRADICTS]
    silent = [testimony for testimony in testimonies if testimony.verdict is Stance.SILENT]
    claimed = claim_words(claim)
    if contradicting:
        words = "; ".join(_objection(claim, testimony) for testimony in contradicting)
        return Proof(Verdict.DISPROVED, f"claimed {claimed}, but {words}", tuple(testimonies))
    if silent:
        words = "; ".join(f"{testimony.witness}: {testimony.detail}" for testimony in silent)
        return Proof(Verdict.UNPROVED, f"claimed {claimed}, not proved: {words}", tuple(testimonies))
    number = {1: "one witness agrees", 2: "both witnesses agree"}.get(
        len(testimonies), f"all {len(testimonies)} witnesses agree"
    )
    of = f" on {opened} WebSockets" if opened else ""
    return Proof(Verdict.PROVED, f"{claimed}: {number}{of}", tuple(testimonies))


def _objection(claim: Claim, testimony: Testimony) -> str:
    """What contradicts: another protocol, or the same one with other numbers."""
    other_protocol = claim.refused_status is None and testimony.says not in (None, claim.hop_protocol)
    return f"{testimony.witness} says {testimony.says if other_protocol else testimony.detail}"


def _merged(testimonies: Sequence[Testimony]) -> Testimony:
    stances = [testimony.verdict for testimony in testimonies]
    worst = next(stance for stance in (Stance.CONTRADICTS, Stance.SILENT, Stance.SUPPORTS) if stance in stances)
    decisive = next(testimony for testimony in testimonies if testimony.verdict is worst)
    said = Counter(testimony.says for testimony in testimonies if testimony.says is not None)
    return Testimony(
        decisive.witness,
        worst,
        one({says: count for says, count in said.items() if says}),
        sum(testimony.websockets for testimony in testimonies),
        decisive.detail
        if len(testimonies) == 1
        else f"in each of {len(testimonies)} trials as in this: {decisive.detail}"
        if worst is Stance.SUPPORTS
        else decisive.detail,
        decisive.sample,
    )
