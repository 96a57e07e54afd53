"""``wsbench saturate``: the highest rate that each arm carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

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
from wsbench.errors import UsageError
from wsbench.kernel_limits import make_room
from wsbench.mesh import mesh_of
from wsbench.options import UNITS, add_load, add_output, add_parts, add_subjects, duration, plan_of, rate, share
from wsbench.plan import DEFAULT_ARMS, arms_named
from wsbench.report import saturation as report
from wsbench.saturating import Saturation
from wsbench.saturation import SaturationPlan, lowest_rate, parse_objectives
from wsbench.saturation_document import to_document
from wsbench.search import SearchPlan
from wsbench.storage import SATURATION, OutputFolder
from wsbench_server.cli import argument

if TYPE_CHECKING:
    import argparse

    from wsbench.report.terminal import Detail
    from wsbench.saturation_document import Saturation as Document

EXAMPLES = f"""\
{UNITS}
examples:
  wsbench saturate                                  direct, http1 and http2: about five minutes
  wsbench saturate --slo p50=2ms,p99=10ms           two objectives, both must hold
  wsbench saturate --arms http1,http2 -c 1000 --resolution 10% --max-duration 10m
  wsbench saturate --target mine=ws://127.0.0.1:8080/ --first-rate 10000

exit codes: 0 valid, 2 usage, 3 a claim disproved or an arm failed, 130 and 143 ended by Ctrl-C and by SIGTERM (what
was measured is saved)
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
        help="the share of messages that may be unanswered, unsent or wrong (default: 0.1%%)",
    )
    search.add_argument(
        "--first-rate",
        type=rate,
        default=default.first,
        metavar="N",
        help="messages a second to begin with (default: 1000)",
    )
    search.add_argument(
        "--highest-rate",
        type=rate,
        default=default.highest,
        metavar="N",
        help="messages a second, try no more (default: 1000000)",
    )
    search.add_argument(
        "--resolution",
        type=argument(share),
        default="5%",
        metavar="P%",
        help="end where the two ends are this near (default: 5%%)",
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
    make_room(plan.load)
    mesh = mesh_of(plan.load)
    folder = OutputFolder(arguments.output or new_folder("saturation-"), SATURATION)
    folder.claim()
    with watched(arguments) as watcher:
        search = Saturation(
            plan,
            folder.path,
            mesh,
            command_again(words, plan.load.seed),
            watcher,
            lambda so_far: folder.write_json(SATURATION, to_document(so_far)),
        )
        ending = carry_out(search, folder)
    found = to_document(search.result(reason_of(ending, search.where)))

    def write() -> None:
        folder.write_json(SATURATION, found)
        render(found, folder)

    where = f"report: {folder.path / 'saturation.html'}   result: {folder.path / SATURATION}"
    return conclude(
        ending,
        write,
        lambda: show(found, arguments.format, detail_of(arguments)),
        where if arguments.format == "text" and not arguments.quiet else None,
        fit=not any(arm["outcome"] == Outcome.FAILED for arm in found["arms"].values()),
    )


def render(found: Document, folder: OutputFolder) -> None:
    """saturation.html and saturation.md. Raises ResultError."""
    folder.write_text("saturation.html", report.render_html(found))
    folder.write_text("saturation.md", report.render_markdown(found))


def show(found: Document, output_format: str, detail: Detail) -> None:
    """What was found, on standard output."""
    if output_format != "text":
        print_json(found, output_format)
    else:
        report.print_summary(found, Console(), detail)


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
            lowest=min(arguments.first_rate, lowest_rate(arguments.slo, arguments.duration)),
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
