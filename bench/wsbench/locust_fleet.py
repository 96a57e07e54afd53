"""What a Locust master has been told by its workers: every sample, which of them are missing, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wsbench_client.stretch import Stretch, added

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_ROUNDS = 120
"""A longer test has longer rounds: what is kept of it must not grow with its length."""

# Reports come late, but seldom by intervals: older ones are kept encoded, some KB each.
_HOT = 3
_NS = 1_000_000_000


@dataclass(slots=True)
class Report:
    """What a worker tells: all since its report before.

    ``received_so_far`` counts its answered messages from the start. ``number`` is 1 for its first of a test. ``final``
    says that its users are stopped and nothing will follow.
    """

    test: int
    number: int
    received_so_far: int
    stretches: tuple[Stretch, ...]
    troubles: tuple[str, ...] = ()
    users: Mapping[str, int] = field(default_factory=dict)
    final: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for Locust's messages."""
        return {
            "test": self.test,
            "number": self.number,
            "received_so_far": self.received_so_far,
            "stretches": [stretch.to_json() for stretch in self.stretches],
            "troubles": list(self.troubles),
            "users": dict(self.users),
            "final": self.final,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """The inverse of ``to_json``. Raises KeyError, TypeError or ValueError for what is none."""
        stretches = tuple(Stretch.from_json(stretch) for stretch in data["stretches"])
        return cls(**{**data, "stretches": stretches, "troubles": tuple(data["troubles"])})


@dataclass(slots=True)
class Member:
    """One worker of a test, as far as it has been heard. Times are nanoseconds since the epoch."""

    name: str
    joined_unix_ns: int
    reports: int = 0
    last_number: int = 0
    received_so_far: int = 0
    total: Stretch | None = None
    users: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    final: bool = False
    final_unix_ns: int = 0

    @property
    def received(self) -> int:
        """Its answered messages that have been reported."""
        return self.total.received if self.total else 0

    @property
    def reports_lost(self) -> int:
        """Reports that are known to be missing."""
        return self.last_number - self.reports

    @property
    def messages_lost(self) -> int:
        """Answered messages that it has counted, and that have not been reported."""
        return max(self.received_so_far - self.received, 0)

    @property
    def last_heard_unix_ns(self) -> int:
        """The end of what it has reported; its joining where it has reported nothing."""
        return self.total.end_unix_ns if self.total else self.joined_unix_ns


class Fleet:
    """All workers of one test, and what they recorded, by intervals of ``interval_ns`` of the wall clock."""

    def __init__(self, test: int, interval_ns: int, begun_unix_ns: int) -> None:
        self.test = test
        self.interval_ns = interval_ns
        self.begun_unix_ns = begun_unix_ns
        self.members: dict[str, Member] = {}
        self._hot: dict[int, Stretch] = {}
        self._cold: dict[int, dict[str, Any]] = {}

    def join(self, name: str, now_unix_ns: int) -> Member:
        """A worker takes part from now on, or has already."""
        return self.members.setdefault(name, Member(name, now_unix_ns))

    def hear(self, name: str, report: Report, now_unix_ns: int) -> None:
        """A report has come. One of another test counts nowhere; neither does one that has been heard."""
        if report.test != self.test:
            return
        member = self.join(name, now_unix_ns)
        if report.number <= member.last_number:
            return
        member.reports += 1
        member.last_number = report.number
        member.received_so_far = report.received_so_far
        member.troubles = report.troubles
        member.users = report.users or member.users
        if report.final:
            member.final, member.final_unix_ns = True, now_unix_ns
        if not report.stretches:
            return
        member.total = added([*([member.total] if member.total else []), *report.stretches])
        for stretch in report.stretches:
            self._add(stretch.interval(self.interval_ns), stretch)
        self._keep_few()

    def rounds(self) -> tuple[Stretch, ...]:
        """What all workers recorded together in each interval, in order."""
        return tuple(self._interval(place) for place in sorted({*self._hot, *self._cold}))

    def missing(self, ended_unix_ns: int, strangers: Iterable[str] = ()) -> list[str]:
        """Why what is known is not the whole, in words; nothing where it is.

        ``ended_unix_ns`` is when the test was to end; ``strangers`` are workers that report nothing to us.
        """
        found = []
        for member in self.members.values():
            if not member.final:
                at_s = (member.last_heard_unix_ns - self.begun_unix_ns) / _NS
                of_s = (ended_unix_ns - self.begun_unix_ns) / _NS
                found.append(
                    f"worker {member.name} was last heard of {at_s:.1f} s into the test of {of_s:.1f} s: its "
                    f"{member.received:,} messages until then are kept, later ones are not known"
                )
            elif member.final_unix_ns < ended_unix_ns:
                at_s = (member.final_unix_ns - self.begun_unix_ns) / _NS
                found.append(f"worker {member.name} left {at_s:.1f} s into the test, with all it had recorded")
            if member.reports_lost or member.messages_lost:
                found.append(
                    f"{member.reports_lost} reports of worker {member.name} never came: "
                    f"{member.messages_lost:,} messages are missing"
                )
            found.extend(f"worker {member.name}: {words}" for words in dict.fromkeys(member.troubles))
        found.extend(f"worker {name} runs Locust without wsbench: what it did is not known" for name in strangers)
        return found

    def latecomers(self) -> list[str]:
        """Workers that joined a test already begun, in words."""
        late = [one for one in self.members.values() if one.joined_unix_ns - self.begun_unix_ns > self.interval_ns]
        return [
            f"worker {member.name} joined {(member.joined_unix_ns - self.begun_unix_ns) / _NS:.1f} s into the test"
            for member in late
        ]

    def _add(self, place: int, stretch: Stretch) -> None:
        before = self._interval(place) if place in self._hot or place in self._cold else None
        self._cold.pop(place, None)
        self._hot[place] = added([before, stretch]) if before else stretch

    def _interval(self, place: int) -> Stretch:
        return self._hot[place] if place in self._hot else Stretch.from_json(self._cold[place])

    def _keep_few(self) -> None:
        for place in sorted(self._hot)[:-_HOT]:
            self._cold[place] = self._hot.pop(place).to_json()
        if len(self._hot) + len(self._cold) > MOST_ROUNDS:
            rounds = self.rounds()
            self.interval_ns *= 2
            self._hot.clear()
            self._cold.clear()
            for stretch in rounds:
                self._add(stretch.interval(self.interval_ns), stretch)
                self._keep_few()
