"""What a run tells while it goes: to a terminal live, to anything else in plain lines."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from wsbench.live_view import LiveView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench.trial import Trial
    from wsbench_client import Progress as DriveProgress


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run is: the trial about to be made.

    ``round`` counts from 1, ``aim`` says how many there will be ("of 10"). ``done`` of ``total`` trials are over.
    ``part`` names the run, where it is one of several: "run 3 of 100". ``refusal_claimed``: upgrades are to be refused.
    """

    round: int
    aim: str
    name: str
    done: int
    total: int
    part: str = ""
    refusal_claimed: bool = False


class Watcher(Protocol):
    """Hears how a run goes."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def starts(self, names: Sequence[str]) -> None:
        """The run is of these."""

    def step(self, step: Step) -> None:
        """A trial begins."""

    def drive(self, progress: DriveProgress) -> None:
        """The driver told how far the trial is."""

    def measured(self, trial: Trial) -> None:
        """A trial is over."""

    def finished(self) -> None:
        """No trial comes any more."""


class Silence:
    """Says nothing."""

    def note(self, text: str) -> None: ...
    def starts(self, names: Sequence[str]) -> None: ...
    def step(self, step: Step) -> None: ...
    def drive(self, progress: DriveProgress) -> None: ...
    def measured(self, trial: Trial) -> None: ...
    def finished(self) -> None: ...


class PlainLines(Silence):
    """Notes, and one line a round if ``rounds`` are wanted: for logs and pipes."""

    def __init__(self, console: Console, *, rounds: bool = True) -> None:
        self._console = console
        self._rounds = rounds
        self._round = 0

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: Step) -> None:
        if self._rounds and step.round != self._round:
            self._round = step.round
            self.note(f"round {step.round} {step.aim}")


class PartOf:
    """Hears one run of many, and tells ``watcher`` of it as a part of all of them.

    ``number`` of ``runs``, each as long as any other. The end of this one is not the end of all.
    """

    def __init__(self, watcher: Watcher, number: int, runs: int) -> None:
        self._number, self._runs = number, runs
        self._watcher = watcher
        self.note = watcher.note
        self.starts = watcher.starts
        self.drive = watcher.drive
        self.measured = watcher.measured

    def step(self, step: Step) -> None:
        """A trial begins."""
        before = (self._number - 1) * step.total
        part = f"run {self._number} of {self._runs}"
        self._watcher.step(replace(step, done=before + step.done, total=self._runs * step.total, part=part))

    def finished(self) -> None:
        """The others have not."""


def standard_error() -> Console:
    """The console for what is said meanwhile. FORCE_COLOR colours a pipe, but nothing is animated in one."""
    return Console(stderr=True, force_interactive=None if sys.stderr.isatty() else False)


def watcher_for(console: Console, *, wanted: bool, rounds: bool = True) -> AbstractContextManager[Watcher]:
    """Live on a terminal, plain lines elsewhere (one a round if ``rounds``), silence where progress is not wanted."""
    if not wanted:
        return nullcontext(Silence())
    if console.is_interactive:
        return LiveView(console)
    return nullcontext(PlainLines(console, rounds=rounds))
