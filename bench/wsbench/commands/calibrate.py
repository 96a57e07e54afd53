"""``wsbench calibrate``: is the comparison as often wrong as it says, on this machine?"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from wsbench.calibrating import FILE, Calibration
from wsbench.calibration import CalibrationPlan, summarize
from wsbench.commands.experiments import watched
from wsbench.errors import UsageError, WsbenchError
from wsbench.exit_codes import EXIT_FAILED, EXIT_OK
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.options import UNITS, add_detail, count, duration, rate, whole
from wsbench.report import calibration as report
from wsbench.storage import OutputFolder
from wsbench_server.cli import argument
from wsbench_server.units import parse_duration_ns, parse_size_bytes

if TYPE_CHECKING:
    import argparse

    from wsbench.calibration import Study
    from wsbench.interruption import Ending
    from wsbench.progress import Watcher

EXAMPLES = f"""\
{UNITS}
examples:
  wsbench calibrate -o results/calibration              100 runs, about 45 minutes
  wsbench calibrate -o results/calibration --max-duration 10m
                                                        some of them now; the same command goes on later
  wsbench calibrate -o results/closed --rate max --plant none
                                                        the closed loop: nothing planted

exit codes: 0 the promises hold, 2 usage, 3 they do not, 130 and 143 ended by Ctrl-C and by SIGTERM (finished runs
are kept)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    default = CalibrationPlan()
    study = parser.add_argument_group("the study")
    load = parser.add_argument_group("the load")
    output = parser.add_argument_group("the result")
    study.add_argument("--runs", type=count, default=100, metavar="N", help="runs of the study (default: 100)")
    study.add_argument(
        "--max-duration",
        type=duration,
        metavar="T",
        help="make no further run after this time; the same command goes on later (default: none)",
    )
    study.add_argument(
        "--plant",
        type=argument(_planted),
        default=default.planted,
        metavar="P%,P%",
        help="delays to be found, as shares of the floor's p50; 'none' for none (default: 10%%,30%%)",
    )
    study.add_argument(
        "--base-delay",
        type=argument(parse_duration_ns),
        default="200us",
        metavar="T",
        help="the delay of the echo server that the others are held against, where any is planted (default: 200us)",
    )
    load.add_argument(
        "-R",
        "--rate",
        type=rate,
        default="2000",
        metavar="max|N",
        help="messages a second; max is the closed loop (default: 2000)",
    )
    study.add_argument(
        "--rounds", type=count, default=default.rounds, metavar="N", help="rounds of each run (default: 10)"
    )
    load.add_argument(
        "-c",
        "--connections",
        type=count,
        default=default.connections,
        metavar="N",
        help="WebSockets open at once (default: 16)",
    )
    load.add_argument(
        "-d", "--duration", type=duration, default="500ms", metavar="T", help="measured, per trial (default: 500ms)"
    )
    load.add_argument(
        "--warmup",
        type=argument(parse_duration_ns),
        default="100ms",
        metavar="T",
        help="before it, left out (default: 100ms)",
    )
    load.add_argument(
        "-p",
        "--payload",
        type=argument(parse_size_bytes),
        default="64",
        metavar="SIZE",
        help="of a message (default: 64)",
    )
    study.add_argument(
        "--seed", type=whole, default=default.seed, metavar="N", help="orders follow from it (default: 1)"
    )
    output.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results/calibration"),
        metavar="DIR",
        help="a new folder, or that of a study of the same plan, to go on with it (default: results/calibration)",
    )
    output.add_argument("--format", choices=("text", "json"), default="text", help="what to print (default: text)")
    output.add_argument("--no-progress", action="store_true", help="nothing on standard error while it runs")
    add_detail(output)


def _planted(text: str) -> tuple[float, ...]:
    if text == "none":
        return ()
    try:
        return tuple(float(word.removesuffix("%")) / 100 for word in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not a list of percentages: write 10%,30%, or none") from None


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Make the study, or the rest of it; the exit code. Raises UsageError."""
    # Not imported: half a second. Not left to the end: the study takes most of an hour.
    if importlib.util.find_spec("scipy") is None:
        raise UsageError("no scipy, which the study's exact intervals need: pip install 'wsbench[bench]'")
    plan = CalibrationPlan(
        rounds=arguments.rounds,
        connections=arguments.connections,
        duration_ns=arguments.duration,
        warmup_ns=arguments.warmup,
        payload_bytes=arguments.payload,
        rate=arguments.rate,
        planted=arguments.plant,
        base_delay_ns=arguments.base_delay,
        seed=arguments.seed,
    )
    end_s = None if arguments.max_duration is None else time.monotonic() + arguments.max_duration / 1e9
    folder = OutputFolder(arguments.output)
    folder.claim()
    calibration = Calibration(plan, arguments.runs, folder.path, end_s=end_s)
    with watched(arguments, rounds=False) as watcher:
        progress = _Progress(arguments.runs, watcher)
        ending = run_interruptible(lambda: calibration.run(progress.told, watcher))
    if calibration.study is None or not calibration.study.runs:
        folder.abandon()
        if isinstance(ending, WsbenchError):
            raise ending
        return EXIT_OK if ending is None else exit_code_of(ending)
    return _conclude(calibration.study, arguments.runs, ending, folder, arguments)


def _conclude(study: Study, wanted: int, ending: Ending, folder: OutputFolder, arguments: argparse.Namespace) -> int:
    summaries = summarize(study)
    folder.write_text("calibration.md", report.markdown(study, summaries))
    folder.write_text("calibration.svg", report.drawing(study))
    if arguments.format == "json":
        print(json.dumps(study.to_json(), allow_nan=False))
    elif arguments.quiet:
        print(report.headline(summaries))
    else:
        report.print_summary(study, summaries, Console())
        missing = wanted - len(study.runs)
        rest = f"   {missing} runs are missing: the same command goes on" if missing > 0 else ""
        print(f"\nstudy: {folder.path / FILE}   drawing: {folder.path / 'calibration.svg'}{rest}")
    if isinstance(ending, WsbenchError):
        print(f"wsbench: error: {ending}", file=sys.stderr)
        return ending.exit_code
    if ending is not None:
        return exit_code_of(ending)
    return EXIT_OK if all(summary.holds for summary in summaries) else EXIT_FAILED


class _Progress:
    """A line a run."""

    def __init__(self, wanted_runs: int, watcher: Watcher) -> None:
        self._runs = wanted_runs
        self._watcher = watcher
        self._begun_s = time.monotonic()
        self._made = 0

    def told(self, study: Study) -> None:
        """A run is finished."""
        self._made += 1
        left_s = (time.monotonic() - self._begun_s) / self._made * (self._runs - len(study.runs))
        words = report.run_in_words(study.plan, study.runs[-1])
        self._watcher.note(f"run {len(study.runs)} of {self._runs}: {words}; about {left_s / 60:.0f} min left")
