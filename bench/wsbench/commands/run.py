"""``wsbench run``: arms and targets compared."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from rich.console import Console

from wsbench import hlog
from wsbench.arms import Outcome
from wsbench.commands.experiments import (
    carry_out,
    command_again,
    conclude,
    detail_of,
    new_folder,
    print_json,
    reason_of,
    watched,
)
from wsbench.kernel_limits import make_room
from wsbench.mesh import mesh_of
from wsbench.options import (
    UNITS,
    add_load,
    add_output,
    add_parts,
    add_sabotage,
    add_subjects,
    count,
    duration,
    plan_of,
    rate,
    share,
)
from wsbench.proof import Verdict
from wsbench.report import html, markdown, terminal
from wsbench.results import EndedBy, to_document
from wsbench.runner import Experiment
from wsbench.storage import RESULT, OutputFolder
from wsbench_server.cli import argument

if TYPE_CHECKING:
    import argparse

    from wsbench import document
    from wsbench.report.terminal import Detail
    from wsbench.results import Run

EXAMPLES = f"""\
{UNITS}
examples:
  wsbench run                                       the four usual arms, ten rounds: about two minutes
  wsbench run --arms http1,http2 -c 256 -p 1KiB     two arms, more connections, larger messages
  wsbench run --rate 5000 --rounds 20               open loop: 5,000 messages a second in all
  wsbench run --until-precision 5% --max-duration 10m
                                                    as many rounds as every interval within 5% takes
  wsbench run --payload 16KiB --pattern one-way     how many MB/s get through upstream
  wsbench run --target a=ws://127.0.0.1:8080/ --target b=ws://127.0.0.1:8081/
                                                    two URLs of your own, no lab
  wsbench run --target mesh=ws://websockets-server:8080/ --claim mesh=http2
                                                    in a pod: its own sidecar witnesses what the hop speaks
  wsbench run --sabotage http2                      break an arm on purpose, see the witnesses catch it

exit codes: 0 valid, 2 usage, 3 a claim disproved or an arm failed, 130 and 143 ended by Ctrl-C and by SIGTERM (the
complete rounds are saved)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_subjects(parser)
    load = parser.add_argument_group("the load")
    add_load(load)
    load.add_argument(
        "--rounds",
        type=count,
        metavar="N",
        help="in each of which every arm is measured once (default: 10, or as many as these arms' comparisons need)",
    )
    load.add_argument(
        "--until-precision",
        type=argument(share),
        metavar="P%",
        help="go on beyond --rounds until every interval shown is within P%% of its middle (default: no)",
    )
    load.add_argument(
        "--max-duration",
        type=duration,
        metavar="T",
        help="begin no further round after this time (default: none; 30m with --until-precision)",
    )
    load.add_argument(
        "-R",
        "--rate",
        type=rate,
        default="max",
        metavar="max|N",
        help="messages a second over all connections: the open loop; max is the closed loop (default: max)",
    )
    load.add_argument(
        "--connect-rate",
        type=rate,
        default="max",
        metavar="max|N",
        help="connections opened a second; max: four at a time (default: max)",
    )
    load.add_argument(
        "--ramp", type=duration, metavar="T", help="open the connections spread evenly over this time (default: no)"
    )
    parts = parser.add_argument_group("the parts")
    add_parts(parts)
    add_sabotage(parts)
    add_output(parser)


def run(arguments: argparse.Namespace, words: list[str]) -> int:
    """Measure, write, print; the exit code."""
    plan = plan_of(arguments)
    make_room(plan)
    mesh = mesh_of(plan)
    folder = OutputFolder(arguments.output or new_folder(), RESULT)
    folder.claim()
    with watched(arguments) as watcher:
        experiment = Experiment(
            plan,
            folder.path,
            mesh,
            command_again(words, plan.seed),
            watcher,
            lambda so_far: folder.write_json(RESULT, so_far),
        )
        ending = carry_out(experiment, folder)
    ended_by = None if ending is None else EndedBy.SIGNAL if isinstance(ending, signal.Signals) else EndedBy.ERROR
    found = experiment.result(reason_of(ending, experiment.where), ended_by)
    result = to_document(found)

    def write() -> None:
        folder.write_json(RESULT, result)
        for name, log in _logs(found).items():
            folder.write_text(name, log)
        render(result, folder)

    where = f"report: {folder.path / 'report.html'}   result: {folder.path / RESULT}"
    return conclude(
        ending,
        write,
        lambda: show(result, arguments.format, detail_of(arguments)),
        where if arguments.format == "text" and not arguments.quiet else None,
        fit=_fit(result),
    )


def render(result: document.Result, folder: OutputFolder) -> None:
    """report.html and report.md. Raises ResultError."""
    folder.write_text("report.html", html.render(result))
    folder.write_text("report.md", markdown.render(result))


def show(result: document.Result, output_format: str, detail: Detail) -> None:
    """The result on standard output."""
    if output_format != "text":
        print_json(result, output_format)
    else:
        terminal.print_summary(result, Console(), detail)


def _fit(result: document.Result) -> bool:
    """Whether every arm was measured, and none is disproved."""
    return not any(
        arm["outcome"] == Outcome.FAILED or arm["proof"]["verdict"] == Verdict.DISPROVED
        for arm in result["arms"].values()
    )


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
