"""A driver in a process of its own, so that nothing else of the bench runs on its event loop.

Lines of JSON both ways. On standard input: a ``DrivePlan`` each line, driven one after the other. On standard output:
``{"progress": ...}`` while it goes, then ``{"recording": ...}``, or ``{"error": "..."}``. The end of input ends it.

A plan that is to ``await_start`` stops at the phase ``ready`` until a line ``{"start_ns": ...}`` says when traffic
begins, on CLOCK_MONOTONIC: so several workers begin together.

A plan with a ``stretch_ns`` is the last: ``{"stretch": ...}`` comes every so often, until any line, or the end of
input, says that the drive is to end; then the last stretch and ``{"ended": true}``.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import uvloop

from wsbench_client.driver import drive
from wsbench_client.plan import DrivePlan
from wsbench_client.stretches import Told

if TYPE_CHECKING:
    from wsbench_client.recording import Progress


def main() -> int:
    """Serve plans until the input ends."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The message path makes no reference cycles; a collection in the middle of a trial would only be seen as latency.
    gc.freeze()
    gc.disable()
    anyio.run(_serve, backend="asyncio", backend_options={"loop_factory": uvloop.new_event_loop})
    return 0


async def _serve() -> None:
    while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        try:
            plan = DrivePlan.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _say({"error": f"{type(error).__name__}: {error}"})
            continue
        if plan.stretch_ns is not None:
            await _drive_in_stretches(plan)
            return
        recording = await drive(plan, _say_progress, _start_ns)
        _say({"recording": recording.to_json()})
        gc.collect()


async def _drive_in_stretches(plan: DrivePlan) -> None:
    ended = anyio.Event()

    async def listen() -> None:
        await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await drive(plan, None, _start_ns, Told(lambda stretch: _say({"stretch": stretch.to_json()}), ended))
        tasks.cancel_scope.cancel()
    _say({"ended": True})


async def _start_ns() -> int:
    line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line:
        # Nobody is there to say when: end like the input.
        raise SystemExit(0)
    return int(json.loads(line)["start_ns"])


def _say_progress(progress: Progress) -> None:
    _say({"progress": dataclasses.asdict(progress)})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
