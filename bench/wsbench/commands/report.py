"""``wsbench report``: what a run or a search left, rendered again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wsbench.commands import run as runs
from wsbench.commands import saturate
from wsbench.commands.experiments import detail_of
from wsbench.exit_codes import EXIT_OK
from wsbench.options import add_detail
from wsbench.storage import OutputFolder, holds_saturation, read_result, read_saturation

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  wsbench report results/2026-11-23T10-00-00                writes report.html and report.md again, prints the summary
  wsbench report results/2026-11-23T10-00-00 --format json  prints the result, older ones in today's form

exit codes: 0 written, 2 usage, or no result there that can be read, 3 the reports cannot be written
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that 'wsbench run' or 'saturate' wrote")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="what to print (default: text)")
    add_detail(parser.add_argument_group("how much is printed"))


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Render, print."""
    path: Path = arguments.folder
    folder = OutputFolder(path if path.is_dir() else path.parent)
    if holds_saturation(path):
        found = read_saturation(path)
        saturate.render(found, folder)
        saturate.show(found, arguments.format, detail_of(arguments))
    else:
        result = read_result(path)
        runs.render(result, folder)
        runs.show(result, arguments.format, detail_of(arguments))
    return EXIT_OK
