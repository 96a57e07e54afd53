"""``wsbench compare``: two runs held against each other; made for continuous integration."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from wsbench.conditions import GRAMMAR, parse_condition
from wsbench.exit_codes import EXIT_CONDITION, EXIT_OK
from wsbench.report import run_comparison as report
from wsbench.report.terminal import WIDTH
from wsbench.run_comparison import compare_runs
from wsbench.storage import read_result

if TYPE_CHECKING:
    import argparse

EXAMPLES = f"""\
examples:
  wsbench compare results/main results/branch
  wsbench compare base/ new/ --fail-if 'http2.rtt.p99 > +10%' --fail-if 'http2.rate < -5%'
  wsbench compare base/ new/ --format markdown >> "$GITHUB_STEP_SUMMARY"

a condition:
{textwrap.indent(textwrap.fill(GRAMMAR, 98), "  ")}
  rtt is the response time in the open loop and the service time in the closed one. It fails where the data show the
  change to be beyond the threshold: where the whole interval is. "not shown" does not fail, unless with --strict.

exit codes: 0 nothing that was asked for fails, 2 usage, unlike runs or no results, 4 a condition fails
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("base", type=Path, metavar="BASE", help="a folder that 'wsbench run' wrote, or its result.json")
    parser.add_argument("new", type=Path, metavar="NEW", help="the run to be held against it, likewise")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 4 where it is shown (see below); may be given several times",
    )
    parser.add_argument("--strict", action="store_true", help="a condition that the data do not decide fails too")
    parser.add_argument(
        "--allow-different",
        type=lambda text: [name.strip() for name in text.split(",")],
        default=[],
        metavar="FIELD,...",
        help="fields of the plan in which the runs may differ, as in connections,payload_bytes (default: none)",
    )
    parser.add_argument(
        "--format", choices=("text", "markdown", "json"), default="text", help="what to print (default: text)"
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Compare, print, and judge the conditions."""
    comparison = compare_runs(
        (str(arguments.base), read_result(arguments.base)),
        (str(arguments.new), read_result(arguments.new)),
        conditions=[parse_condition(text) for text in arguments.fail_if],
        allowed=arguments.allow_different,
        strict=arguments.strict,
    )
    if arguments.format == "json":
        print(json.dumps(comparison, indent=1, allow_nan=False))
    elif arguments.format == "markdown":
        print(report.markdown(comparison), end="")
    else:
        console = Console()
        report.print_summary(comparison, console if console.is_terminal else Console(width=WIDTH))
    return EXIT_CONDITION if comparison["failed"] else EXIT_OK
