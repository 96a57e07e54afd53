"""New lines of one access log, counted by kind: 20,000 of them take no more room than two. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wsbench.access_log import AccessRecord

SWITCHING_PROTOCOLS = 101


@dataclass(frozen=True, slots=True)
class LineKind:
    """What the lines of one kind have in common. ``peer`` is the SPIFFE ID that a client proved itself to have."""

    protocol: str | None
    response_code: int | None
    flags: str | None
    tls_version: str | None
    peer: str | None
    upstream_protocol: str | None

    @classmethod
    def of(cls, record: AccessRecord) -> LineKind:
        """The kind of one line."""
        return cls(
            record.protocol,
            record.response_code,
            record.response_flags,
            record.downstream_tls_version,
            record.downstream_peer_uri_san,
            record.upstream_protocol,
        )

    @property
    def in_words(self) -> str:
        """As in ``HTTP/2 101 TLSv1.3``; flags only where they are of a refusal."""
        flags = self.flags if self.response_code not in (SWITCHING_PROTOCOLS, 200) else None
        parts = (self.protocol or "no protocol", self.response_code, flags, self.tls_version)
        return " ".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class LogSummary:
    """How many lines of each kind, and the first of each."""

    lines: Mapping[LineKind, int] = field(default_factory=lambda: MappingProxyType({}))
    samples: Mapping[LineKind, AccessRecord] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, records: Iterable[AccessRecord]) -> LogSummary:
        """Count records."""
        return cls().plus(records)

    def plus(self, records: Iterable[AccessRecord]) -> LogSummary:
        """The same with further records; of each kind only the first is kept."""
        lines, samples = Counter(self.lines), dict(self.samples)
        for record in records:
            kind = LineKind.of(record)
            lines[kind] += 1
            samples.setdefault(kind, record)
        return LogSummary(dict(lines), samples)

    def sample(self, wanted: Callable[[LineKind], bool] = lambda _: True) -> AccessRecord | None:
        """The first line of a kind that is wanted; None where there is none."""
        return next((record for kind, record in self.samples.items() if wanted(kind)), None)

    @property
    def count(self) -> int:
        """All lines."""
        return sum(self.lines.values())

    def answered(self, code: int) -> int:
        """Lines of this response code, whatever else they say."""
        return sum(count for kind, count in self.lines.items() if kind.response_code == code)

    def counted(self, key: Callable[[LineKind], str | None]) -> dict[str, int]:
        """How many lines have each value of ``key``; those that have none under ""."""
        found: Counter[str] = Counter()
        for kind, count in self.lines.items():
            found[key(kind) or ""] += count
        return dict(found)

    @property
    def in_words(self) -> str:
        """As in ``64 x HTTP/2 101``."""
        kinds = self.counted(lambda kind: kind.in_words)
        return ", ".join(f"{count} x {words}" for words, count in sorted(kinds.items())) or "no line"
