"""The command as its users run it, for the tests of several commands."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def wsbench(*words: str) -> subprocess.CompletedProcess[str]:
    """A command run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wsbench", *words], capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is on."""
    argv = [sys.executable, "-m", "wsbench", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        try:
            yield bench
        finally:
            bench.kill()


def wait_for_line(bench: subprocess.Popen[str], beginning: str) -> None:
    """Until it says so on standard error."""
    assert bench.stderr is not None
    for line in bench.stderr:
        if line.startswith(beginning):
            return
    pytest.fail("it ended before")


def children_of(bench: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that it started."""
    return psutil.Process(bench.pid).children(recursive=True)
