"""Work that a signal ends in order: it is cancelled, and everything started is ended on the way out.

SIGINT and SIGTERM are such signals, and SIGHUP, which the end of a terminal sends, unless it is ignored (``nohup``).
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import uvloop

from wsbench.errors import ResultError, WsbenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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

    # Open until all has ended: who presses Ctrl-C twice is to get the same orderly end.
    hung_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hung_up) as signals:
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                nonlocal ending
                async for number in signals:
                    ending = signal.Signals(number)
                    tasks.cancel_scope.cancel()
                    return

            tasks.start_soon(listen)
            try:
                await work()
            except WsbenchError as error:
                ending = error
            except OSError as error:
                ending = ResultError(f"cannot write to the output folder: {error.strerror}: {error.filename}")
            tasks.cancel_scope.cancel()
    return ending
