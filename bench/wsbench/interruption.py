"""Work that a signal ends in order: SIGINT and SIGTERM cancel it, and everything started is ended on the way out."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import uvloop

from wsbench.errors import ResultError, WsbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus

Ending = signal.Signals | WsbenchError | None
"""How work ended: by a signal, by an error, or (None) as it should."""


def run_interruptible(work: Callable[[], Awaitable[None]]) -> Ending:
    """Run ``work`` on a uvloop of its own to its end, a signal or an error of ours, and say which it was.

    Any other exception is a fault of the program and is raised.
    """
    return anyio.run(_interruptible, work, backend="asyncio", backend_options={"loop_factory": uvloop.new_event_loop})


def exit_code_of(ending: signal.Signals) -> int:
    """What a shell says of a process that this signal ended."""
    return 128 + ending


async def _interruptible(work: Callable[[], Awaitable[None]]) -> Ending:
    ending: Ending = None

    async with anyio.create_task_group() as tasks:

        async def listen(*, task_status: TaskStatus[None]) -> None:
            nonlocal ending
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for number in signals:
                    ending = signal.Signals(number)
                    tasks.cancel_scope.cancel()
                    return

        await tasks.start(listen)
        try:
            await work()
        except WsbenchError as error:
            ending = error
        except OSError as error:
            ending = ResultError(f"cannot write to the output folder: {error.strerror}: {error.filename}")
        tasks.cancel_scope.cancel()
    return ending
