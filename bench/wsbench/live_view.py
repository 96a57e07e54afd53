"""The live view of a run on a terminal: where it is, what the trial under way shows, what every arm last showed.

The machine under measurement draws this too. So nothing is asked of anybody for its sake: it shows what the driver
tells anyway (twice a second) and what finished trials found. It is drawn when that comes, not by a clock of its own,
and, unless a trial begins, not twice within 0.4 s; the table of arms is made between trials.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wsbench.proof import Verdict
from wsbench.report import wording
from wsbench_client import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.segment import Segment

    from wsbench.progress import Step
    from wsbench.trial import Trial
    from wsbench_client import Progress as DriveProgress

_DRAWN_EVERY_S = 0.4
_RECENT_S = 1.0
_BAR = 20
_ABOVE_ARMS = 4
"""Lines of the view that are not arms: two of the trial under way, the columns' heads, and the cursor's."""


@dataclass(slots=True)
class _ArmSoFar:
    """What is known of an arm: ``cells`` are of its last finished trial."""

    trials: int = 0
    lost: int = 0
    cells: tuple[Text, ...] = ()


@dataclass(slots=True)
class _UnderWay:
    """The trial that is being made. ``told``: when the driver told of how many messages received, the latest last."""

    step: Step
    begun_s: float
    progress: DriveProgress | None = None
    told: deque[tuple[float, int]] = field(default_factory=deque)

    def hear(self, progress: DriveProgress, now_s: float) -> None:
        self.progress = progress
        if progress.phase is not Phase.MEASURING:
            return
        self.told.append((now_s, progress.received))
        while now_s - self.told[0][0] > _RECENT_S and now_s - self.told[1][0] >= _RECENT_S / 2:
            self.told.popleft()

    @property
    def rate(self) -> float | None:
        """Messages a second of about the last second; None before the driver told twice."""
        if len(self.told) < 2:
            return None
        (first_s, before), (last_s, after) = self.told[0], self.told[-1]
        return (after - before) / (last_s - first_s) if last_s > first_s else None


class _Once:
    """Draws ``what`` once for each width, however often it is shown."""

    def __init__(self, what: RenderableType) -> None:
        self._what = what
        self._width = -1
        self._segments: list[Segment] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width != self._width:
            self._width = options.max_width
            self._segments = list(console.render(self._what, options))
        yield from self._segments


class LiveView:
    """Draws what it hears as a ``Watcher`` on ``console``, in place; notes scroll away above it.

    A context: on every way out the view is wiped and the cursor shown. ``clock`` gives seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live = Live(Text("starting", style="dim"), console=console, auto_refresh=False, transient=True)
        self._under_way: _UnderWay | None = None
        self._arms: dict[str, _ArmSoFar] = {}
        self._table: _Once | None = None
        self._lost = 0
        self._first_s: float | None = None
        self._steps = 0
        self._drawn_s = -_DRAWN_EVERY_S

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def starts(self, names: Sequence[str]) -> None:
        """The run is of these."""
        for name in names:
            self._arms.setdefault(name, _ArmSoFar())

    def step(self, step: Step) -> None:
        """A trial begins."""
        now_s = self._clock()
        if self._first_s is None:
            self._first_s = now_s
        self._steps += 1
        self._under_way = _UnderWay(step, now_s)
        self._table = _Once(self._table_of(step.name)) if any(arm.trials for arm in self._arms.values()) else None
        self._draw(now_s)

    def drive(self, progress: DriveProgress) -> None:
        """The driver told how far the trial is."""
        if self._under_way is None:
            return
        now_s = self._clock()
        self._under_way.hear(progress, now_s)
        if now_s - self._drawn_s >= _DRAWN_EVERY_S:
            self._draw(now_s)

    def measured(self, trial: Trial) -> None:
        """A trial is over."""
        arm = self._arms.setdefault(trial.name, _ArmSoFar())
        recording = trial.recording
        arm.trials += 1
        refused = trial.failure is None and not recording.opened
        lost = recording.unanswered + recording.unsent + recording.mismatched
        lost += 0 if refused else sum(recording.errors.values())
        arm.lost += lost
        self._lost += lost
        arm.cells = _cells(trial, refused=refused)

    def finished(self) -> None:
        """No trial comes any more."""
        self._live.stop()

    def _draw(self, now_s: float) -> None:
        self._drawn_s = now_s
        if self._under_way is not None:
            self._live.update(self._view(self._under_way), refresh=True)

    def _view(self, trial: _UnderWay) -> RenderableType:
        parts: list[RenderableType] = [self._where(trial), self._now(trial)]
        if self._table is not None:
            parts.append(self._table)
        return Group(*parts)

    def _where(self, trial: _UnderWay) -> Text:
        step = trial.step
        round_ = f"round {step.round} {step.aim}"
        where = f"{step.part}, {round_}" if step.part else round_
        filled = _BAR * step.done // max(step.total, 1)
        full, empty = ("#", ".") if self._console.options.ascii_only else ("━", "─")
        return _line(
            Text.assemble(
                (where, "bold"),
                f"   {full * filled}{empty * (_BAR - filled)}   trial {step.done + 1:,} of {step.total:,}",
                f"   {self._left(trial)}",
            )
        )

    def _left(self, trial: _UnderWay) -> str:
        """The time that is left, if all trials to come take as long as those finished on average."""
        finished = self._steps - 1
        if not finished or self._first_s is None:
            return "time left not known yet"
        each_s = (trial.begun_s - self._first_s) / finished
        left_s = each_s * (trial.step.total - trial.step.done) - (self._clock() - trial.begun_s)
        return f"about {_minutes(left_s)} left"

    def _now(self, trial: _UnderWay) -> Text:
        said = [f"  {trial.step.name}"]
        progress = trial.progress
        if progress is not None:
            said.append(progress.phase)
            if trial.rate is not None:
                said.append(f"{wording.rate(trial.rate)} msgs/s")
            for name, value_ns in (("p50", progress.p50_ns), ("p99", progress.p99_ns)):
                if value_ns is not None:
                    said.append(f"{name} {wording.time(value_ns / 1000)}")
            said.append(f"{progress.opened:,} open")
        failed = progress.failed if progress else 0
        if trial.step.refusal_claimed:
            said.append(f"{failed:,} refused")
            failed = 0
        errors = self._lost + failed
        line = Text("   ".join(said))
        line.append(f"   {wording.counted(errors, 'error')}", style="red" if errors else "")
        return _line(line)

    def _table_of(self, under_way: str) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for column in ("  last trial of", "proof"):
            table.add_column(column, no_wrap=True)
        for column in ("msgs/s", "p50", "p99", "errors, all"):
            table.add_column(column, no_wrap=True, justify="right")
        room = max(1, self._console.height - _ABOVE_ARMS)
        names = list(self._arms)
        place = names.index(under_way) + 1 if under_way in names else 0
        first = max(0, place - room)
        for name in names[first : first + room]:
            arm = self._arms[name]
            head = Text(f"{'>' if name == under_way else ' '} {name}", style="bold" if name == under_way else "")
            lost = Text(f"{arm.lost:,}" if arm.trials else "", style="red" if arm.lost else "")
            table.add_row(head, *(arm.cells or (Text("", style="dim"),) * 4), lost)
        return table


def _cells(trial: Trial, *, refused: bool) -> tuple[Text, ...]:
    """Proof, rate, p50 and p99 of a finished trial."""
    verdict, recording = trial.proof.verdict, trial.recording
    style = {Verdict.PROVED: "green", Verdict.DISPROVED: "bold red", Verdict.UNPROVED: "dim"}[verdict]
    proof = Text(verdict, style=style)
    if trial.failure:
        return proof, Text("failed", style="red"), Text(), Text()
    if refused:
        status = ", ".join(str(status) for status in recording.rejections)
        return proof, Text("refused"), Text(f"HTTP {status}"), Text()
    latency = recording.response_time or recording.service_time
    p50_ns, p99_ns = latency.percentiles_ns([50.0, 99.0])
    rate = recording.echoes_in_window / (recording.window_ns / 1e9) if recording.window_ns else None
    return (
        proof,
        Text(wording.rate(rate)),
        *(Text(wording.time(None if value is None else value / 1000)) for value in (p50_ns, p99_ns)),
    )


def _line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _minutes(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
