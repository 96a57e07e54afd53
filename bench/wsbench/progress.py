"""What a run tells while it goes: to a terminal live, to anything else in plain lines."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console

    from wsbench_client import Progress as DriveProgress


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run is: the trial about to be made.

    ``round`` counts from 1, ``aim`` says how many there will be ("of 10"). ``done`` of ``total`` trials are over.
    """

    round: int
    aim: str
    name: str
    done: int
    total: int


class Watcher(Protocol):
    """Hears how a run goes."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def step(self, step: Step) -> None:
        """A trial begins."""

    def drive(self, progress: DriveProgress) -> None:
        """The driver told how far the trial is."""

    def finished(self) -> None:
        """No trial comes any more."""


class Silence:
    """Says nothing."""

    def note(self, text: str) -> None: ...
    def step(self, step: Step) -> None: ...
    def drive(self, progress: DriveProgress) -> None: ...
    def finished(self) -> None: ...


class PlainLines:
    """One line a round: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._round = 0

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: Step) -> None:
        if step.round != self._round:
            self._round = step.round
            self.note(f"round {step.round} {step.aim}")

    def drive(self, progress: DriveProgress) -> None: ...
    def finished(self) -> None: ...


class LiveBar:
    """One live line: round, arm, phase, the figures so far, the time left."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
            # The machine under measurement draws this too: seldom is enough.
            refresh_per_second=2,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> LiveBar:
        self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: Step) -> None:
        description = f"round {step.round} {step.aim}: {step.name}"
        if self._task is None:
            self._task = self._bar.add_task(description, total=step.total, figures="")
        self._bar.update(self._task, description=description, completed=step.done, total=step.total, figures="")

    def drive(self, progress: DriveProgress) -> None:
        if self._task is None:
            return
        figures = f"{progress.phase}"
        if progress.p50_ns is not None and progress.p99_ns is not None:
            figures += f" p50 {progress.p50_ns / 1e6:.2f} p99 {progress.p99_ns / 1e6:.2f} ms"
        if progress.failed:
            figures += f" {progress.failed} failed"
        self._bar.update(self._task, figures=figures)

    def finished(self) -> None:
        self._bar.stop()


def watcher_for(console: Console, *, wanted: bool) -> AbstractContextManager[Watcher]:
    """Live on a terminal, plain lines elsewhere, silence where progress is not wanted."""
    if not wanted:
        return nullcontext(Silence())
    if console.is_terminal:
        return LiveBar(console)
    return nullcontext(PlainLines(console))
