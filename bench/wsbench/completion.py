"""Shell completion: a script for each shell, made from the parser that reads the words.

The script is static: completing a word starts no Python. ``--print-completion SHELL`` prints it, and docs/completion.md
says where it goes.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsbench.arms import ARMS
from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHELLS = ("bash", "zsh", "fish")

# A word that stands for itself in a metavar such as "auto|none|URL"; capitals stand for what is to be written there.
_LITERAL = re.compile(r"[a-z][a-z0-9-]*")
_ARM_METAVARS = ("ARM", "A,B,...")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for this shell, of this parser; which it spoils for reading words. Raises UsageError."""
    try:
        import shtab
    except ModuleNotFoundError:
        raise UsageError("no shtab, which makes the completion: pip install 'wsbench[targets]'") from None
    for action in _actions(parser):
        words = offered(action)
        if words:
            action.choices = words
        elif action.type is Path:
            vars(action)["complete"] = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
    text: str = shtab.complete(parser, shell=shell)
    return text


def offered(action: argparse.Action) -> list[str]:
    """The words that an option or argument can be given; empty where it is free."""
    if action.choices is not None:
        return [str(word) for word in action.choices]
    if action.metavar in _ARM_METAVARS:
        return list(ARMS)
    parts = action.metavar.split("|") if isinstance(action.metavar, str) and "|" in action.metavar else []
    return [part for part in parts if _LITERAL.fullmatch(part)]


class PrintCompletion(argparse.Action):
    """The option: prints the script and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        _option_string: str | None = None,
    ) -> None:
        """Called by argparse. Raises UsageError."""
        sys.stdout.write(script(parser, str(values)) + "\n")
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and argument, those of the commands included; the choice of a command is none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                command = action.choices[choice.dest]
                # A shell has room for the few words of the list of commands.
                command.description = choice.help
                yield from _actions(command)
        else:
            yield action
