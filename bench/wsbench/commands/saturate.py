"""``wsbench saturate``: the highest rate that each arm carries."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from wsbench.arms import Outcome
from wsbench.envoy import EnvoyBinary
from wsbench.errors import ResultError, UsageError, WsbenchError
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.options import add_load, add_output, add_parts, add_subjects, duration, plan_of, rate, share
from wsbench.plan import DEFAULT_ARMS, arms_named
from wsbench.progress import watcher_for
from wsbench.report import saturation as report
from wsbench.saturating import Saturation
from wsbench.saturation import SaturationPlan, parse_objectives
from wsbench.saturation_document import to_document
from wsbench.search import SearchPlan
from wsbench.storage import OutputFolder
from wsbench_server.cli import argument

if TYPE_CHECKING:
    import argparse

    from wsbench.interruption import Ending
    from wsbench.saturation_document import Saturation as Document

EXIT_OK, EXIT_FAILED = 0, 3
FILE = "saturation.json"

EXAMPLES = """\
examples:
  wsbench saturate                                  direct, http1 and http2: about five minutes
  wsbench saturate --slo p50=2ms,p99=10ms           two objectives, both must hold
  wsbench saturate --arms http1,http2 -c 1000 --resolution 10% --max-duration 10m
  wsbench saturate --target mine=ws://127.0.0.1:8080/ --first-rate 10000

exit codes: 0 valid, 2 usage, 3 a claim disproved or an arm failed, 130 interrupted (what was measured is saved)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    default = SearchPlan()
    add_subjects(parser, default=", ".join(_carrying()))
    search = parser.add_argument_group("the search")
    search.add_argument(
        "--slo",
        type=argument(parse_objectives),
        default="p99=20ms",
        metavar="pN=T,...",
        help="what the response time must stay under, of p50, p90, p99, p99.9, p99.99 (default: p99=20ms)",
    )
    search.add_argument(
        "--max-lost",
        type=argument(share),
        default="0.1%",
        metavar="P%",
        help="of the messages may be unanswered, unsent or wrong (default: 0.1%%)",
    )
    search.add_argument(
        "--first-rate", type=rate, default=default.first, metavar="N", help="messages a second (default: 1000)"
    )
    search.add_argument(
        "--highest-rate", type=rate, default=default.highest, metavar="N", help="try no higher (default: 1000000)"
    )
    search.add_argument(
        "--resolution", type=argument(share), default="5%", metavar="P%", help="of the bracket (default: 5%%)"
    )
    search.add_argument(
        "--repeats",
        type=int,
        default=default.repeats,
        metavar="N",
        help="an odd number; a rate is decided by the majority of so many trials (default: 3)",
    )
    search.add_argument(
        "--max-duration", type=duration, metavar="T", help="begin no further round after this time (default: none)"
    )
    add_load(parser.add_argument_group("the load"))
    add_parts(parser.add_argument_group("the parts"))
    add_output(parser)
    # What a search has no use for, of the options that make a run's plan.
    parser.set_defaults(rounds=1, until_precision=None, rate=None, connect_rate=None, ramp=None, sabotage=[])


def run(arguments: argparse.Namespace, words: list[str]) -> int:
    """Search, write, print; the exit code."""
    plan = _plan(arguments)
    needs_envoy = any(arm.hop for arm in plan.load.arms)
    envoy = EnvoyBinary.find(plan.load.envoy_path) if needs_envoy else None
    folder = OutputFolder(
        arguments.output or Path("results") / f"saturation-{datetime.now().strftime('%Y-%m-%dT%H-%M-%S')}", FILE
    )
    folder.claim()
    seed = [] if any(word.startswith("--seed") for word in words) else ["--seed", str(plan.load.seed)]
    command = shlex.join(["python", "-m", "wsbench", *words, *seed])
    with watcher_for(Console(stderr=True), wanted=not arguments.no_progress) as watcher:
        search = Saturation(
            plan, folder.path, envoy, command, watcher, lambda found: _write(folder, to_document(found))
        )
        ending = run_interruptible(search.run)
    if isinstance(ending, WsbenchError) and not search.measured_anything:
        folder.abandon()
        raise ending
    return _conclude(search, ending, folder, arguments.format)


def _plan(arguments: argparse.Namespace) -> SaturationPlan:
    """Raises UsageError."""
    if arguments.arms is None and not arguments.target:
        arguments.arms = _carrying()
    for name in ("first_rate", "highest_rate"):
        if getattr(arguments, name) is None:
            raise UsageError(f"--{name.replace('_', '-')} must be a number: 'max' is no rate to search from or up to")
    try:
        search = SearchPlan(
            first=arguments.first_rate,
            highest=arguments.highest_rate,
            resolution=arguments.resolution,
            repeats=arguments.repeats,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    return SaturationPlan(plan_of(arguments), search, arguments.slo, arguments.max_lost)


def _carrying() -> list[str]:
    """The arms that can be searched."""
    return [arm.name for arm in arms_named(DEFAULT_ARMS) if not arm.claim.refused_status]


def _write(folder: OutputFolder, found: Document) -> None:
    folder.write_text(FILE, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _conclude(search: Saturation, ending: Ending, folder: OutputFolder, output_format: str) -> int:
    """Write everything, print the result, choose the exit code. A full disk costs files, not the figures printed."""
    reason = None
    if isinstance(ending, signal.Signals):
        reason = f"interrupted by {ending.name} {search.where}"
    elif ending is not None:
        reason = f"{ending} ({search.where})"
    found = to_document(search.result(reason))
    troubles = [ending] if isinstance(ending, WsbenchError) else []
    try:
        _write(folder, found)
        folder.write_text("saturation.html", report.render_html(found))
        folder.write_text("saturation.md", report.render_markdown(found))
    except ResultError as error:
        troubles.append(error)
    if output_format == "json":
        print(json.dumps(found, indent=1, allow_nan=False))
    else:
        report.print_summary(found, Console())
        if not troubles:
            print(f"\nreport: {folder.path / 'saturation.html'}   result: {folder.path / FILE}")
    for said in dict.fromkeys(str(trouble) for trouble in troubles):
        print(f"wsbench: error: {said}", file=sys.stderr)
    if isinstance(ending, signal.Signals):
        return exit_code_of(ending)
    failed = troubles or any(arm["outcome"] == Outcome.FAILED for arm in found["arms"].values())
    return EXIT_FAILED if failed else EXIT_OK
