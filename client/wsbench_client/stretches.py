"""A drive without a set end: what it records is handed on a stretch at a time, until it is told to end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.stretch import Stretch
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import anyio

    from wsbench_client.exchange import Exchange
    from wsbench_client.histogram import LatencyHistogram
    from wsbench_client.journal import Journal
    from wsbench_client.loop_lag import LoopLag
    from wsbench_client.recording import ErrorKind
    from wsbench_client.sender import PacedSender

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of every stretch, and the event by which the drive is told to end."""

    deliver: Callable[[Stretch], None]
    ended: anyio.Event


class Drive(Protocol):
    """What is read of a drive: running totals, and histograms to be taken."""

    warm: ConnectPhases
    cold: ConnectPhases
    loop_lag: LoopLag
    exchanges: list[Exchange]
    sender: PacedSender | None
    errors: Counter[ErrorKind]
    rejections: Counter[int]
    details: dict[ErrorKind, str]
    closes: Counter[int]
    hop_protocols: Counter[str]
    closing: bool

    @property
    def connections(self) -> Sequence[object]:
        """Those that were opened."""


class Stretches:
    """Cuts what a drive has recorded, where the wall clock shows a multiple of ``every_ns``."""

    def __init__(self, every_ns: int, told: Told) -> None:
        self._every_ns = every_ns
        self._told = told
        # One offset for the whole drive: a clock that is set meanwhile moves no stretch.
        self._to_unix_ns = time.time_ns() - clock_ns()
        self._begin_ns = clock_ns()
        self._cpu_ns = time.process_time_ns()
        self._due_ns = 0
        self._counted: Counter[str] = Counter()
        self._errors: Counter[ErrorKind] = Counter()
        self._rejections: Counter[int] = Counter()
        self._closes: Counter[int] = Counter()
        self._hop_protocols: Counter[str] = Counter()
        self._set_due()

    @property
    def over(self) -> bool:
        """Whether the drive is to end."""
        return self._told.ended.is_set()

    @property
    def due(self) -> bool:
        """Whether it is time to cut."""
        return clock_ns() >= self._due_ns

    def cut(self, drive: Drive, journal: Journal) -> None:
        """Hand on what has been recorded since the last time."""
        found = journal.take() | {"loop_lag": drive.loop_lag.take()}
        # All connections are opened before the first stretch is due.
        connecting = drive.cold | drive.warm
        drive.cold, drive.warm = ConnectPhases(), ConnectPhases()
        found |= {name: getattr(connecting, name) for name in ConnectPhases.__dataclass_fields__}
        now_ns, cpu_ns = clock_ns(), time.process_time_ns()
        self._told.deliver(
            Stretch(
                begin_unix_ns=self._begin_ns + self._to_unix_ns,
                end_unix_ns=now_ns + self._to_unix_ns,
                cpu_ns=cpu_ns - self._cpu_ns,
                errors=_since(self._errors, drive.errors),
                rejections=_since(self._rejections, drive.rejections),
                details=dict(drive.details),
                closes=_since(self._closes, drive.closes),
                hop_protocols=_since(self._hop_protocols, drive.hop_protocols),
                histograms={name: one for name, one in found.items() if one.count or one.unrecorded},
                **self._counts(drive, found["service_time"]),
            )
        )
        self._begin_ns, self._cpu_ns = now_ns, cpu_ns
        self._set_due()

    def _counts(self, drive: Drive, service_time: LatencyHistogram) -> dict[str, int]:
        exchanges = drive.exchanges
        # Before the end an answer may still come, and what is due may still be sent.
        ended = drive.closing
        unsent = drive.sender.unsent if drive.sender and ended else 0
        totals = Counter(
            opened=len(drive.connections),
            mismatched=sum(exchange.mismatched for exchange in exchanges),
            wrong=sum(exchange.mismatched_in_window for exchange in exchanges),
            unanswered=sum(exchange.unanswered() for exchange in exchanges) if ended else 0,
            unsent=unsent + sum(getattr(exchange, "unsent", 0) for exchange in exchanges),
        )
        new = totals - self._counted
        self._counted = totals
        sent = service_time.count + service_time.unrecorded + new["wrong"] + new["unanswered"]
        counts = {name: new[name] for name in ("opened", "mismatched", "unanswered", "unsent")}
        return {**counts, "sent": sent, "received": service_time.count}

    def _set_due(self) -> None:
        unix_ns = clock_ns() + self._to_unix_ns
        self._due_ns = (unix_ns // self._every_ns + 1) * self._every_ns - self._to_unix_ns


def _since(seen: Counter[_Key], totals: Counter[_Key]) -> dict[_Key, int]:
    """What has been added to ``totals`` since they were ``seen``, which is brought up to date."""
    new = totals - seen
    seen.update(new)
    return dict(new)
