"""The command line: words in, exit code out. The only module that sees every other."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from wsbench import __version__
from wsbench.commands import calibrate, check, compare, lab, locust, report, run, saturate, serve
from wsbench.completion import SHELLS, PrintCompletion
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
    _Command(
        "check",
        "what of WebSockets works at a URL, and why the rest does not",
        "Try WebSockets at a URL over HTTP/1.1 and over HTTP/2 step by step, and say for each step that fails why it "
        "does and what to do: a doctor for the 503 and its relatives.",
        check.add_options,
        check.run,
        check.EXAMPLES,
    ),
    _Command(
        "lab",
        "the sidecars alone, to try by hand",
        "The lab without a measurement: start it and leave it up, or write the configurations of its sidecars only.",
        lab.add_options,
        lab.run,
        lab.EXAMPLES,
    ),
    _Command("serve", "the echo server", serve.DESCRIPTION, serve.add_options, serve.run, serve.EXAMPLES),
    _Command(
        "report",
        "render a result again",
        "Write the reports of a run or a search again from its result.json or saturation.json.",
        report.add_options,
        report.run,
        report.EXAMPLES,
    ),
)


_EXAMPLES = """\
to begin with:
  wsbench run                                   which hop is better here? about two minutes, no root, no cluster
  wsbench run --sabotage http2                  see the proof fail where the hop is not what it claims
  wsbench saturate                              how much does each hop carry?
  wsbench run --target mine=ws://127.0.0.1:8080/
                                                a server of your own, no lab
  wsbench COMMAND --help                        options with their units and defaults, examples, exit codes

exit codes: 0 well, 2 asked for wrongly, 3 measured but not as it should be, 4 a condition of "compare" fails,
130 and 143 ended by Ctrl-C and by SIGTERM: the complete rounds are saved
"""


class _HelpFormatter(argparse.HelpFormatter):
    """Text of one line is wrapped, text of several is left as it was written; no option is cut at its hyphens."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return textwrap.indent(text, indent)
        return super()._fill_text(text, width, indent)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


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
    except KeyboardInterrupt:
        # Before an experiment listens to signals, or after it.
        print("wsbench: interrupted", file=sys.stderr)
        return exit_code_of(signal.SIGINT)
    except BrokenPipeError:
        # Whoever read the output has had enough (as "head" has): what was measured is in its files.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code_of(signal.SIGPIPE)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wsbench",
        description="Should the WebSockets in your mesh be tunnelled over HTTP/2? Measured on real Envoys, with proof.",
        epilog=_EXAMPLES,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wsbench {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        action=PrintCompletion,
        help="print what completes the words of wsbench in your shell, and end",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for command in _COMMANDS:
        of_its_own = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog=command.examples,
            formatter_class=_HelpFormatter,
        )
        command.add_options(of_its_own)
        of_its_own.set_defaults(command=command)
    # To be listed; its words never come here.
    commands.add_parser(locust.NAME, help=locust.HELP)
    return parser
