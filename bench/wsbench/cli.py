"""The command line: words in, exit code out. The only module that sees every other."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from wsbench import __version__
from wsbench.commands import calibrate, compare, locust, report, run, saturate, serve
from wsbench.errors import UsageError, WsbenchError
from wsbench.interruption import exit_code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class _Command:
    """A command: ``run`` gets the parsed options and the words as they were given, and returns the exit code."""

    name: str
    help: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, list[str]], int]
    examples: str | None = None


_COMMANDS = (
    _Command(
        "run",
        "compare arms and targets",
        "Compare ways for a WebSocket message to travel, on real Envoy sidecars or against your own URLs.",
        run.add_options,
        run.run,
        run.EXAMPLES,
    ),
    _Command(
        "saturate",
        "the load that a hop can carry",
        "Search, for every arm, the highest rate at which the response time keeps its objectives, and say what ended "
        "the search: the hop, the driver, the server or the machine.",
        saturate.add_options,
        saturate.run,
        saturate.EXAMPLES,
    ),
    _Command(
        "compare",
        "hold one run against another",
        "Compare two runs arm by arm. Runs of unlike plans are refused.",
        compare.add_options,
        compare.run,
        compare.EXAMPLES,
    ),
    _Command(
        "calibrate",
        "is the comparison as often wrong as it says?",
        "Many short runs of what is equal, or differs by a planted delay: how often does the comparison claim a "
        "difference that is not there, and how often does it find one that is?",
        calibrate.add_options,
        calibrate.run,
        calibrate.EXAMPLES,
    ),
    _Command("serve", "the echo server", serve.DESCRIPTION, serve.add_options, serve.run),
    _Command(
        "report",
        "render a result again",
        "Write the reports of a run or a search again from its result.json or saturation.json.",
        report.add_options,
        report.run,
    ),
)


class _Parser(argparse.ArgumentParser):
    """Errors of one line, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``argv`` (the process's own by default) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == [locust.NAME]:
            # Its options are Locust's: all of them, whatever the version.
            locust.run(words[1:])
        arguments = _parser().parse_args(words)
        command: _Command = arguments.command
        code = command.run(arguments, words)
        sys.stdout.flush()
    except WsbenchError as error:
        print(f"wsbench: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the output has had enough (as "head" has): what was measured is in its files.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code_of(signal.SIGPIPE)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wsbench",
        description="Should the WebSockets in your mesh be tunnelled over HTTP/2? Measured on real Envoys, with proof.",
    )
    parser.add_argument("--version", action="version", version=f"wsbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for command in _COMMANDS:
        of_its_own = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog=command.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter if command.examples else argparse.HelpFormatter,
        )
        command.add_options(of_its_own)
        of_its_own.set_defaults(command=command)
    # To be listed; its words never come here.
    commands.add_parser(locust.NAME, help=locust.HELP)
    return parser
