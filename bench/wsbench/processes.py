"""Starting and ending children, so that none is left behind on any way out."""

from __future__ import annotations

import asyncio
import logging
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import anyio

from wsbench.errors import LabError
from wsbench_client.orphaning import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
_DEFAULT_LINE_LIMIT = 64 * 1024
_LAST_LINES = 3
# Envoy names the file twice and every type on the way before it comes to the field that it does not know.
_LAST_CHARACTERS = 1500
_MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Child:
    """A child process, in a session of its own: Ctrl-C in the terminal reaches the bench alone, which then ends it."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs."""
        return self.process.returncode

    async def wait(self) -> int:
        """Wait for its end."""
        return await self.process.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL to one that has not ended in time. Does its work even when the caller is cancelled."""
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                with suppress(ProcessLookupError):
                    self.process.terminate()
                with anyio.move_on_after(grace_s):
                    await self.process.wait()
            if self.process.returncode is None:
                with suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()


async def spawn(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] = asyncio.subprocess.DEVNULL,
    stdout: int | IO[bytes] = asyncio.subprocess.DEVNULL,
    stderr: int | IO[bytes] = asyncio.subprocess.DEVNULL,
    limit: int = _DEFAULT_LINE_LIMIT,
) -> Child:
    """Start ``argv``. ``limit`` is the longest line that can be read from a piped output, bytes.

    The kernel kills the child when this process dies, however it dies (PR_SET_PDEATHSIG, prctl(2), Linux only). Raises
    LabError where it cannot be started.
    """
    try:
        # Cancelled after its fork and before its return, this would leave a child that nobody knows of.
        with anyio.CancelScope(shield=True):
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                limit=limit,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
    except OSError as error:
        raise LabError(f"cannot start {argv[0]}: {error.strerror}") from None
    _log.info("pid %d started: %s", process.pid, shlex.join(argv))
    return Child(process)


def last_words(log: Path) -> str:
    """The last lines of what a child wrote to ``log``, as one line for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "it left no log"
    if text.strip():
        _log.info("all that %s says:\n%s", log, text[-_MOST_CHARACTERS:].rstrip())
    return last_lines(text)


def last_lines(text: str) -> str:
    """The last lines of ``text`` as one; "it said nothing" where there are none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:])[:_LAST_CHARACTERS] or "it said nothing"
