"""What the commands that make an experiment share: a folder of its own, an end in order, an exit code."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wsbench.errors import ResultError, WsbenchError
from wsbench.exit_codes import EXIT_FAILED, EXIT_OK
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.narration import narrated
from wsbench.progress import standard_error, watcher_for
from wsbench.report.terminal import Detail

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from wsbench.interruption import Ending
    from wsbench.progress import Watcher
    from wsbench.storage import OutputFolder


class Experiment(Protocol):
    """What is carried out."""

    @property
    def measured_anything(self) -> bool:
        """Whether there is anything to keep."""

    @property
    def where(self) -> str:
        """How far it is, in words."""

    async def run(self) -> None:
        """Measure. Raises WsbenchError."""


def new_folder(kind: str = "") -> Path:
    """Where results go if no other place is named."""
    return Path("results") / f"{kind}{datetime.now().strftime('%Y-%m-%dT%H-%M-%S')}"


@contextmanager
def watched(arguments: argparse.Namespace, *, rounds: bool = True) -> Iterator[Watcher]:
    """Whoever hears how it goes, as the options have it; with ``--verbose`` of all that the lab does as well."""
    wanted = not (arguments.no_progress or arguments.quiet)
    with (
        watcher_for(standard_error(), wanted=wanted, rounds=rounds) as watcher,
        narrated(watcher.note, wanted=arguments.verbose),
    ):
        yield watcher


def detail_of(arguments: argparse.Namespace) -> Detail:
    """How much is to be printed of what was found."""
    if arguments.quiet:
        return Detail.VERDICT
    return Detail.FULL if arguments.verbose else Detail.BRIEF


def command_again(words: list[str], seed: int) -> str:
    """The command that repeats this one, the drawn seed included."""
    drawn = [] if any(word.startswith("--seed") for word in words) else ["--seed", str(seed)]
    return shlex.join(["python", "-m", "wsbench", *words, *drawn])


def carry_out(experiment: Experiment, folder: OutputFolder) -> Ending:
    """Run it to its end, and say how it ended.

    An error before anything was measured is raised, and leaves no folder.
    """
    ending = run_interruptible(experiment.run)
    if isinstance(ending, WsbenchError) and not experiment.measured_anything:
        folder.abandon()
        raise ending
    return ending


def reason_of(ending: Ending, where: str) -> str | None:
    """Why it is not complete; None where it is."""
    if isinstance(ending, signal.Signals):
        return f"interrupted by {ending.name} {where}"
    return None if ending is None else f"{ending} ({where})"


def print_json(document: Mapping[str, object], output_format: str) -> None:
    """The document on standard output: ``json`` for reading, ``line`` for a log of which it is one line."""
    print(json.dumps(document, indent=None if output_format == "line" else 1, allow_nan=False))


def conclude(
    ending: Ending, write: Callable[[], None], show: Callable[[], None], where: str | None, *, fit: bool
) -> int:
    """Write everything, show the result and ``where`` it is, choose the exit code.

    It is EXIT_OK only where all went well and what was found is ``fit``. A full disk costs files, not figures.
    """
    troubles = [str(ending)] if isinstance(ending, WsbenchError) else []
    try:
        write()
    except ResultError as error:
        troubles.append(str(error))
    show()
    if where and not troubles:
        print(f"\n{where}")
    for trouble in dict.fromkeys(troubles):
        print(f"wsbench: error: {trouble}", file=sys.stderr)
    if isinstance(ending, signal.Signals):
        return exit_code_of(ending)
    return EXIT_OK if fit and not troubles else EXIT_FAILED
