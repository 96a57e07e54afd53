"""What a result says, before any medium: which arms stand, which comparisons hold, what must be said first.

A document may come from an old or edited file, so nothing here trusts a verdict further than its interval goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict, TypeVar, cast

from wsbench import proof
from wsbench.arms import Outcome, Transport
from wsbench.report import wording
from wsbench_client import PatternKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench import document

_Document = TypeVar("_Document")


class Judgement(StrEnum):
    """What may be said of a comparison. ``VOID``: an arm in it has no figures that stand."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    INSUFFICIENT = "insufficient data"
    VOID = "void"


class Gravity(StrEnum):
    """How loudly an alert must be said."""

    DISPROVED = "disproved"
    BUSY = "busy"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something the reader must know before any figure."""

    gravity: Gravity
    title: str
    text: str


class Standing(TypedDict):
    """What of an arm, of any document, says whether its figures stand."""

    kind: str
    claim: document.Claim
    proof: document.Proof
    outcome: str
    failure: str | None


class Ending(TypedDict):
    """What of a document, of any kind, says whether it may be relied on at all."""

    complete: bool
    incomplete_reason: str | None
    too_busy: str | None


def cleaned(result: _Document) -> _Document:
    """The document with every text in it printable: control characters, bidi marks and the like are spelled out."""
    return cast("_Document", _cleaned(result))


def alerts(result: Ending, by_name: Mapping[str, Standing]) -> list[Alert]:
    """What must be said first, the gravest first."""
    arms = by_name.items()
    found = [
        Alert(
            Gravity.DISPROVED,
            f"DISPROVED: {name} did not speak what it claims",
            f"It claims {claim(arm)}. {sentence(arm['proof']['summary'])} Its figures are no result and are not shown.",
        )
        for name, arm in arms
        if standing(arm) is proof.Verdict.DISPROVED
    ]
    if result["too_busy"] is not None:
        found.append(
            Alert(
                Gravity.BUSY,
                "TOO BUSY: this machine had other work while it measured",
                f"{sentence(result['too_busy'])} Do not decide on these figures: run again on a quiet machine.",
            )
        )
    if not result["complete"]:
        reason = result["incomplete_reason"] or "no reason was recorded"
        found.append(
            Alert(
                Gravity.INCOMPLETE,
                "INCOMPLETE: the run did not finish",
                f"{sentence(reason)} Only what was measured until then is shown.",
            )
        )
    found.extend(
        Alert(Gravity.FAILED, f"FAILED: {name} was not measured to the end", sentence(failure(arm)))
        for name, arm in arms
        if outcome(arm) is Outcome.FAILED
    )
    found.extend(
        Alert(
            Gravity.UNPROVED,
            f"UNPROVED: nothing shows what {name} spoke",
            f"It claims {claim(arm)}. {sentence(arm['proof']['summary'])} Do not decide on its figures.",
        )
        for name, arm in arms
        if claims(arm) and standing(arm) is proof.Verdict.UNPROVED and outcome(arm) is not Outcome.FAILED
    )
    return found


def outcome(arm: Standing) -> Outcome:
    """What became of the arm."""
    return Outcome(arm["outcome"])


def standing(arm: Standing) -> proof.Verdict:
    """The verdict of its proof."""
    return proof.Verdict(arm["proof"]["verdict"])


def standing_words(arm: Standing) -> str:
    """The verdict of its proof; where nothing is claimed, there is nothing to prove."""
    found = standing(arm)
    nothing_claimed = found is proof.Verdict.UNPROVED and arm["kind"] == "target" and not claims(arm)
    return f"{found}, claims nothing" if nothing_claimed else found.value


def stands(arm: Standing) -> bool:
    """Whether the arm's figures may be shown as a result."""
    return outcome(arm) is Outcome.MEASURED and standing(arm) is not proof.Verdict.DISPROVED


def claims(arm: Standing) -> bool:
    """Whether the arm says anything of its hop."""
    return arm["claim"]["hop_protocol"] is not None or arm["claim"]["refused_status"] is not None


def claim(arm: Standing) -> str:
    """What the arm says of its hop."""
    protocol, status = arm["claim"]["hop_protocol"], arm["claim"]["refused_status"]
    if protocol is None and status is None:
        return "that no proxy is in the way" if arm["kind"] == "direct" else "nothing: what a target speaks is its own"
    spoken = "" if protocol is None else f"that the hop speaks {hop(arm['claim'])}"
    refused = "" if status is None else f"that every upgrade is refused with {status}"
    return ", and ".join(part for part in (spoken, refused) if part)


def hop(claimed: document.Claim) -> str:
    """What a claim says of the hop, as in HTTP/2 over mTLS; empty where it says nothing."""
    protocol, transport = claimed["hop_protocol"] or "", claimed["transport"]
    return protocol if transport in (None, Transport.PLAINTEXT) else f"{protocol} over {transport}"


def sidecars(figures: document.Figures) -> tuple[document.SidecarCost | None, document.SidecarCost | None]:
    """What the client's and the server's sidecar cost; None of a side that has none."""
    found = figures["sidecars"]
    return (found["client"], found["server"]) if found else (None, None)


def failure(arm: Standing) -> str:
    """Why an arm was given up."""
    return arm["failure"] or "no reason was recorded"


def absence(arm: document.ArmResult) -> str | None:
    """Why an arm has no figures to show, or None where it has."""
    if standing(arm) is proof.Verdict.DISPROVED:
        return "DISPROVED: its figures are no result"
    if outcome(arm) is Outcome.FAILED:
        return f"FAILED: {failure(arm)}"
    if outcome(arm) is Outcome.REFUSED:
        return refusal(arm)
    return None


def refused_as_claimed(arm: document.ArmResult) -> bool:
    """Whether the arm was refused just as it claims to be: no failure, but what it is there to show."""
    refused = arm["refusal"]
    return (
        outcome(arm) is Outcome.REFUSED
        and standing(arm) is not proof.Verdict.DISPROVED
        and refused is not None
        and refused["status"] == arm["claim"]["refused_status"]
    )


def refusal(arm: document.ArmResult) -> str:
    """How the arm was refused, and whether that is what it claims."""
    refused, status = arm["refusal"], arm["claim"]["refused_status"]
    if refused is None:
        return "refused; how was not recorded"
    how = f"refused with {refused['status']}, {wording.counted(refused['count'], 'time')}"
    if status is None:
        return f"{how}, though it claims to be served"
    return f"{how}, as it claims" if status == refused["status"] else f"{how}, though it claims {status}"


def open_loop(result: document.Result) -> bool:
    """Whether messages were due at a set rate."""
    return result["plan"]["rate"] is not None


def one_way(result: document.Result) -> bool:
    """Whether messages were only counted: there is no round trip then."""
    return result["plan"]["pattern"] == PatternKind.ONE_WAY


def answered(result: document.Result) -> str:
    """What a message that arrived was: echoed, or acknowledged."""
    return "acknowledged" if one_way(result) else "echoed"


def round_trip(figures: document.Figures, *, open_loop: bool) -> document.Latency | None:
    """The latency that counts: response time in the open loop, service time in the closed one."""
    return figures["response_time"] if open_loop else figures["service_time"]


def round_trip_curve(arm: document.ArmResult, *, open_loop: bool) -> list[tuple[float, float]]:
    """The percentile curve of the latency that counts."""
    curves = arm["curves"]
    return (curves["response_time"] or []) if open_loop else curves["service_time"]


def judge(result: document.Result, comparison: document.Comparison) -> Judgement:
    """What the comparison allows to be said: its own verdict, or less where its interval or its arms allow less."""
    for name in (comparison["baseline"], comparison["candidate"]):
        if name not in result["arms"] or not stands(result["arms"][name]):
            return Judgement.VOID
    said, low, high = Judgement(comparison["verdict"]), comparison["ci_low"], comparison["ci_high"]
    if said is Judgement.INSUFFICIENT or comparison["ratio"] is None or low is None or high is None:
        return Judgement.INSUFFICIENT
    if said is Judgement.NO_DIFFERENCE or low <= 1 <= high:
        return Judgement.NO_DIFFERENCE
    return Judgement.FASTER if (high < 1) == comparison["lower_is_better"] else Judgement.SLOWER


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def _printable(text: str) -> str:
    spaced = text.strip().replace("\n", " ").replace("\t", " ")
    if spaced.isprintable():
        return spaced
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in spaced
    )
