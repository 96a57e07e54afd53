import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsbench.capacity import PortRange
from wsbench.driver_process import driver_process
from wsbench.echo_server import running_echo_server
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


def test_where_ports_would_run_out_it_connects_from_several_addresses(
    on_loop: Callable[..., Any], tmp_path: Path
) -> None:
    async def work() -> Counter[str]:
        seen: Counter[str] = Counter()

        async def echo(connection: ServerConnection) -> None:
            seen[connection.remote_address[0]] += 1
            async for message in connection:
                await connection.send(message)

        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            # Four ports an address, of which two are used.
            async with driver_process(tmp_path / "driver.log", 2, PortRange(40_000, 40_003)) as driver:
                plan = DrivePlan(f"ws://127.0.0.1:{port}/", connections=6, duration_ns=10**7, warmup_ns=0)
                recording = await driver.drive(plan, unheard)
                assert (recording.opened, recording.errors, recording.plan) == (6, {}, plan)
        return seen

    assert on_loop(work) == {"127.0.0.1": 2, "127.0.0.2": 2, "127.0.0.3": 2}


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
                os.kill(driver._workers[0].pid, signal.SIGKILL)

            for _ in range(2):
                with pytest.raises(LabDownError, match="the driver's process was killed by signal 9"):
                    await driver.drive(NOWHERE, kill)
                await anyio.lowlevel.checkpoint()

    on_loop(work)


def test_two_workers_record_what_one_would_and_begin_together(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            running_echo_server(tmp_path / "server.log", engine="picows") as server,
            driver_process(tmp_path / "driver.log", workers=2) as driver,
        ):
            plan = DrivePlan(server.url, 5, 300_000_000, 100_000_000, rate=1000.0)
            told: list[Progress] = []

            async def hear(progress: Progress) -> None:
                told.append(progress)

            for _drive in range(2):
                told.clear()
                found = await driver.drive(plan, hear)
                assert found.plan == plan
                assert (found.opened, found.sent, found.received, found.errors) == (5, 300, 300, {})
                assert found.response_time is not None
                assert found.response_time.count == 300
                assert (found.cold.connect.count, found.warm.connect.count) == (1, 4)
                assert sum(interval.received for interval in found.series) == found.echoes_in_window
                assert sum(found.cpu_of_workers_ns) == found.cpu_ns > 0
                assert len(found.cpu_of_workers_ns) == 2
                phases = [progress.phase for progress in told]
                assert phases == sorted(phases, key=list(Phase).index)
                assert max(progress.opened for progress in told) == 5

    on_loop(work)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_is_told_with_its_loss_and_the_others_finish(
    on_loop: Callable[..., Any], tmp_path: Path, killed: int
) -> None:
    async def work() -> None:
        async with (
            running_echo_server(tmp_path / "server.log", engine="picows") as server,
            driver_process(tmp_path / "driver.log", workers=2) as driver,
        ):
            plan = DrivePlan(server.url, 5, 300_000_000, 100_000_000)

            async def kill(progress: Progress) -> None:
                if progress.phase is Phase.MEASURING:
                    with suppress(ProcessLookupError):
                        os.kill(driver._workers[killed].pid, signal.SIGKILL)

            lost = (3, 2)[killed]
            words = f"worker {killed + 1} of 2 was killed by signal 9: .*its {lost} of 5 connections are lost"
            with pytest.raises(LabDownError, match=words):
                await driver.drive(plan, kill)
            assert driver._workers[1 - killed]._child.returncode is None
            # And the next drive says so at once, instead of a smaller load.
            with pytest.raises(LabDownError, match=words):
                await driver.drive(plan, unheard)

    on_loop(work)
