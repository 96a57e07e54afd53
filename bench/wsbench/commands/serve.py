"""``wsbench serve``: the echo server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.errors import UsageError
from wsbench_server import cli

if TYPE_CHECKING:
    import argparse

DESCRIPTION = cli.DESCRIPTION
EXAMPLES = cli.EXAMPLES.replace(f"{cli.PROG} ", "wsbench serve ")
add_options = cli.add_arguments


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Serve until a signal comes."""
    try:
        return cli.run(arguments)
    except cli.UsageError as error:
        raise UsageError(str(error)) from None
