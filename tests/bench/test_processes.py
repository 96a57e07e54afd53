import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
import uvloop

from wsbench.errors import LabError
from wsbench.processes import last_words, spawn

STUBBORN = (
    "import signal,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)
PARENT = """
import asyncio, sys
from wsbench.processes import spawn
async def main():
    child = await spawn([sys.executable, "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_child_ends_on_sigterm(on_loop: Callable[..., Any]) -> None:
    async def work() -> int | None:
        child = await spawn([sys.executable, "-c", "import time; time.sleep(60)"])
        await child.stop(5)
        return child.returncode

    assert on_loop(work) == -signal.SIGTERM


def test_a_stubborn_child_is_killed(on_loop: Callable[..., Any]) -> None:
    async def work() -> int | None:
        child = await spawn([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
        assert child.process.stdout is not None
        assert await child.process.stdout.readline() == b"up\n"
        await child.stop(0.1)
        return child.returncode

    assert on_loop(work) == -signal.SIGKILL


def test_stop_does_its_work_in_a_cancelled_task(on_loop: Callable[..., Any]) -> None:
    async def work() -> int | None:
        child = await spawn([sys.executable, "-c", "import time; time.sleep(60)"])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await child.stop(5)
        return child.returncode

    assert on_loop(work) == -signal.SIGTERM


def test_stopping_one_that_has_ended_is_no_error(on_loop: Callable[..., Any]) -> None:
    async def work() -> int:
        child = await spawn([sys.executable, "-c", "raise SystemExit(7)"])
        code = await child.wait()
        await child.stop(1)
        return code

    assert on_loop(work) == 7


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(on_loop: Callable[..., Any]) -> None:
    async def work() -> tuple[int, int]:
        child = await spawn([sys.executable, "-c", "import time; time.sleep(60)"])
        group = os.getpgid(child.pid)
        await child.stop(5)
        return group, os.getpgrp()

    child_group, ours = on_loop(work)
    assert child_group != ours


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=5)
    assert not alive


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_start_that_is_cancelled_at_any_moment_leaves_no_child(loop_factory: Any) -> None:
    async def work() -> None:
        for turns in range(10):
            start = asyncio.ensure_future(spawn([sys.executable, "-c", "input()"], stdout=subprocess.PIPE))
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            try:
                child = await start
            except asyncio.CancelledError:
                continue
            await child.stop(5)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())


def test_the_last_words_are_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_words(log) == "it left no log"
    log.write_bytes(b"\n")
    assert last_words(log) == "it said nothing"
    log.write_bytes(b"one\ntwo\n\n three \nfour \xff\n")
    assert last_words(log) == "two | three | four \ufffd"
    log.write_text("x" * 5000)
    assert len(last_words(log)) == 1500


def test_what_cannot_be_started_is_named(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        await spawn([str(tmp_path / "nothing")])

    with pytest.raises(LabError, match=r"cannot start .*nothing: No such file"):
        on_loop(work)
