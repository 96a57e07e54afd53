import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from wsbench.driver_process import driver_process
from wsbench.errors import LabDownError, LabError
from wsbench_client import DrivePlan, ErrorKind, Phase, Progress

NOWHERE = DrivePlan("ws://127.0.0.1:9/", connections=2)


async def unheard(_progress: Progress) -> None:
    pass


def test_one_process_drives_plan_after_plan(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        phases = []

        async def hear(progress: Progress) -> None:
            phases.append(progress.phase)

        async with driver_process(tmp_path / "driver.log") as driver:
            for _ in range(2):
                recording = await driver.drive(NOWHERE, hear)
                assert recording.errors == {ErrorKind.REFUSED: 2}
        assert Phase.CONNECTING in phases

    on_loop(work)


def test_trouble_in_the_middle_does_not_shift_the_answers_after_it(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async def fail(_progress: Progress) -> None:
            raise LabError("an Envoy died")

        async with driver_process(tmp_path / "driver.log") as driver:
            with pytest.raises(LabError, match="an Envoy died"):
                await driver.drive(NOWHERE, fail)
            recording = await driver.drive(DrivePlan("ws://127.0.0.1:9/", connections=5), unheard)
            assert recording.errors == {ErrorKind.REFUSED: 5}

    on_loop(work)


def test_a_driver_that_dies_takes_the_lab_down(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with driver_process(tmp_path / "driver.log") as driver:

            async def kill(_progress: Progress) -> None:
                os.kill(driver._child.pid, signal.SIGKILL)

            for _ in range(2):
                with pytest.raises(LabDownError, match="the driver's process ended with -9"):
                    await driver.drive(NOWHERE, kill)
                await anyio.lowlevel.checkpoint()

    on_loop(work)
