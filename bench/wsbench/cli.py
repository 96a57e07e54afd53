"""The command line: words in, exit code out. The only module that sees every other."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from wsbench import __version__, hlog
from wsbench.arms import Outcome
from wsbench.commands import calibrate, compare, saturate
from wsbench.envoy import EnvoyBinary
from wsbench.errors import ResultError, UsageError, WsbenchError
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.options import EXAMPLES, add_run_options, plan_of
from wsbench.progress import watcher_for
from wsbench.proof import Verdict
from wsbench.report import terminal
from wsbench.results import EndedBy, Run, to_document
from wsbench.runner import Experiment
from wsbench.storage import OutputFolder, read_result
from wsbench_server import cli as server_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsbench import document
    from wsbench.interruption import Ending
    from wsbench.plan import RunPlan

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_FAILED = 3


class _Parser(argparse.ArgumentParser):
    """Errors of one line, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``argv`` (the process's own by default) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser().parse_args(words)
        command: Callable[[argparse.Namespace, list[str]], int] = arguments.command
        return command(arguments, words)
    except WsbenchError as error:
        print(f"wsbench: error: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wsbench",
        description="Should the WebSockets in your mesh be tunnelled over HTTP/2? Measured on real Envoys, with proof.",
    )
    parser.add_argument("--version", action="version", version=f"wsbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser(
        "run",
        help="compare arms and targets",
        description="Compare ways for a WebSocket message to travel, on real Envoy sidecars or against your own URLs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_run_options(run)
    run.set_defaults(command=_run)

    load = commands.add_parser(
        "saturate",
        help="the load that a hop can carry",
        description=(
            "Search, for every arm, the highest rate at which the response time keeps its objectives, and say what "
            "ended the search: the hop, the driver, the server or the machine."
        ),
        epilog=saturate.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    saturate.add_options(load)
    load.set_defaults(command=saturate.run)

    both = commands.add_parser(
        "compare",
        help="hold one run against another",
        description="Compare two runs arm by arm. Runs of unlike plans are refused.",
        epilog=compare.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_options(both)
    both.set_defaults(command=compare.run)

    study = commands.add_parser(
        "calibrate",
        help="is the comparison as often wrong as it says?",
        description=(
            "Many short runs of what is equal, or differs by a planted delay: how often does the comparison claim a "
            "difference that is not there, and how often does it find one that is?"
        ),
        epilog=calibrate.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calibrate.add_options(study)
    study.set_defaults(command=calibrate.run)

    serve = commands.add_parser("serve", help="the echo server", description=server_cli.DESCRIPTION)
    server_cli.add_arguments(serve)
    serve.set_defaults(command=_serve)

    report = commands.add_parser(
        "report", help="render a result again", description="Write report.html and report.md again from result.json."
    )
    report.add_argument("folder", type=Path, metavar="DIR", help="a folder that 'wsbench run' wrote")
    report.add_argument("--format", choices=("text", "json"), default="text", help="what to print (default: text)")
    report.set_defaults(command=_report)
    return parser


# -- run


def _run(arguments: argparse.Namespace, words: list[str]) -> int:
    plan = plan_of(arguments)
    needs_envoy = any(arm.hop for arm in plan.arms)
    envoy = EnvoyBinary.find(plan.envoy_path) if needs_envoy else None
    folder = OutputFolder(arguments.output or Path("results") / datetime.now().strftime("%Y-%m-%dT%H-%M-%S"))
    folder.claim()
    console = Console(stderr=True)
    with watcher_for(console, wanted=not arguments.no_progress) as watcher:
        experiment = Experiment(
            plan,
            folder.path,
            envoy,
            _again(words, plan),
            watcher,
            folder.write_result,
        )
        ending = run_interruptible(experiment.run)
    if isinstance(ending, WsbenchError) and not experiment.measured_anything:
        folder.abandon()
        raise ending
    return _conclude(experiment, ending, folder, arguments.format)


def _again(words: list[str], plan: RunPlan) -> str:
    """The command that repeats this run, its drawn seed included."""
    seed = [] if any(word.startswith("--seed") for word in words) else ["--seed", str(plan.seed)]
    return shlex.join(["python", "-m", "wsbench", *words, *seed])


def _conclude(experiment: Experiment, ending: Ending, folder: OutputFolder, output_format: str) -> int:
    """Write everything, print the result, choose the exit code. A full disk costs files, not the figures printed."""
    reason, ended_by = None, None
    if isinstance(ending, signal.Signals):
        reason, ended_by = f"interrupted by {ending.name} {experiment.where}", EndedBy.SIGNAL
    elif ending is not None:
        reason, ended_by = f"{ending} ({experiment.where})", EndedBy.ERROR
    run = experiment.result(reason, ended_by)
    result = to_document(run)
    troubles = [ending] if isinstance(ending, WsbenchError) else []
    try:
        folder.write_result(result)
        folder.write_logs(_logs(run))
        folder.write_reports(result)
    except ResultError as error:
        troubles.append(error)
    _print(result, output_format)
    if output_format == "text" and not troubles:
        print(f"\nreport: {folder.path / 'report.html'}   result: {folder.path / 'result.json'}")
    for words in dict.fromkeys(str(trouble) for trouble in troubles):
        print(f"wsbench: error: {words}", file=sys.stderr)
    if isinstance(ending, signal.Signals):
        return exit_code_of(ending)
    return EXIT_FAILED if troubles else _exit_code(result)


def _exit_code(result: document.Result) -> int:
    unfit = any(
        arm["outcome"] == Outcome.FAILED or arm["proof"]["verdict"] == Verdict.DISPROVED
        for arm in result["arms"].values()
    )
    return EXIT_FAILED if unfit else EXIT_OK


def _print(result: document.Result, output_format: str) -> None:
    if output_format == "json":
        print(json.dumps(result, indent=1, allow_nan=False))
    else:
        terminal.print_summary(result, Console())


def _logs(run: Run) -> dict[str, str]:
    """Every arm's histogram logs, by file name: connect latency, and the round trip (response time if open loop)."""
    logs = {}
    for subject in run.subjects:
        recordings = [trial.recording for trial in subject.trials]
        for what, histograms in (
            ("connect", [recording.connecting.connect for recording in recordings]),
            ("rtt", [recording.response_time or recording.service_time for recording in recordings]),
        ):
            intervals = [
                hlog.Interval(recording.started_unix_s, recording.window_ns / 1e9, histogram)
                for recording, histogram in zip(recordings, histograms, strict=True)
                if histogram.count
            ]
            if intervals:
                logs[f"{subject.name}.{what}.hlog"] = hlog.render(subject.name, intervals)
    return logs


# -- serve, report


def _serve(arguments: argparse.Namespace, _words: list[str]) -> int:
    try:
        return server_cli.run(arguments)
    except server_cli.UsageError as error:
        raise UsageError(str(error)) from None


def _report(arguments: argparse.Namespace, _words: list[str]) -> int:
    result = read_result(arguments.folder)
    folder = OutputFolder(arguments.folder if arguments.folder.is_dir() else arguments.folder.parent)
    folder.write_reports(result)
    _print(result, arguments.format)
    return EXIT_OK
