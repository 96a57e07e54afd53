"""The answer in one sentence with its figures, to be pasted into a change request; never better than the intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench import proof
from wsbench.report import reading, verdict, wording
from wsbench.report.reading import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench import document

    _Judged = Sequence[tuple[document.Comparison, Judgement]]


def sentence(result: document.Result, baseline: str, candidate: str) -> str:
    """What the candidate changes, how sure that is, and what proves what both spoke.

    Where the run cannot tell them apart it is the verdict's own title, which says why.
    """
    judged = verdict.judgements(result, baseline, candidate)
    if not any(found in {Judgement.FASTER, Judgement.SLOWER, Judgement.NO_DIFFERENCE} for _, found in judged):
        return verdict.of(result, (baseline, candidate)).title
    faster = _changes(judged, Judgement.FASTER)
    slower = _changes(judged, Judgement.SLOWER)
    even = _named(judged, Judgement.NO_DIFFERENCE)
    unknown = _named(judged, Judgement.INSUFFICIENT)
    hops = _hops(result, baseline, candidate)
    first, *further = [*faster, *hops] if faster else [*slower, *hops] if slower else [_undecided(even), *hops]
    parts = [", ".join([_with_name(first, judged) if faster or slower else first, *further])]
    if faster and slower:
        parts.append(f"but {', '.join(slower)}")
    if even and (faster or slower):
        parts.append(_undecided(even))
    if unknown:
        parts.append(f"insufficient data for {wording.listed(unknown)}")
    parts.append(_proved(result, baseline, candidate))
    this, that = verdict.spoken(candidate), verdict.spoken(baseline)
    return f"{_where(result, baseline, candidate)}, with {this} instead of {that}: {'; '.join(parts)}."


def _where(result: document.Result, *names: str) -> str:
    """Where it holds, and what is wrong there: the sentence goes where the page's alerts do not."""
    place = verdict.where(result, *names)
    wrong = [
        *(["had other work while it measured"] if result["too_busy"] is not None else []),
        *(["did not finish"] if not result["complete"] else []),
    ]
    if not wrong:
        return place
    if result["too_busy"] is None:
        return f"{place}, in a run that {wording.listed(wrong)}"
    return f"{place}, which {wrong[0]}" + (", in a run that did not finish" if not result["complete"] else "")


def _changes(judged: _Judged, wanted: Judgement) -> list[str]:
    """Each change with its interval, as in p50 round trip 24% lower (19% to 28%)."""
    found = []
    for comparison, judgement in judged:
        if judgement is wanted:
            change = wording.change(comparison["ratio"])
            interval = wording.interval(comparison["ci_low"], comparison["ci_high"])
            direction = change.rpartition(" ")[2]
            # "24% lower (19% to 28%)" says it once; where the ends are in other words, all of them stay.
            if direction in {"lower", "higher"} and interval.count(direction) == 1 and " to " in interval:
                interval = interval.removesuffix(f" {direction}")
            found.append(f"{verdict.metric(comparison['metric'])} {change} ({interval})")
    return found


def _with_name(change: str, judged: _Judged) -> str:
    """The first interval of a sentence says what the others are too."""
    return change.replace("(", f"({wording.confidence(judged[0][0]['confidence'])} CI ", 1)


def _named(judged: _Judged, wanted: Judgement) -> list[str]:
    return [verdict.metric(comparison["metric"]) for comparison, judgement in judged if judgement is wanted]


def _undecided(metrics: Sequence[str]) -> str:
    return f"no difference shown in {wording.listed(metrics)}"


def _hops(result: document.Result, baseline: str, candidate: str) -> list[str]:
    before, after = (verdict.hop_connections(result["arms"][name]) for name in (baseline, candidate))
    if before is None or after is None or before == after:
        return []
    return [f"{after:,} instead of {wording.counted(before, 'connection')} on the hop"]


def _proved(result: document.Result, *names: str) -> str:
    arms = {name: result["arms"][name] for name in names if reading.claims(result["arms"][name])}
    if not arms:
        return "what either spoke is not proved"
    lacking = [name for name, arm in arms.items() if reading.standing(arm) is not proof.Verdict.PROVED]
    if lacking:
        return f"NOT PROVED: what {wording.listed(lacking)} spoke"
    counts = [verdict.witnesses(arm) for arm in arms.values()]
    if len(arms) == 1:
        return f"{verdict.spoken(next(iter(arms)))} proved by {wording.counted(counts[0], 'witness')}"
    if len(set(counts)) == 1:
        return f"each proved by {wording.counted(counts[0], 'witness')}"
    told = [f"{verdict.spoken(name)} by {count:,}" for name, count in zip(arms, counts, strict=True)]
    return f"proved: {wording.listed(told)} witnesses"
