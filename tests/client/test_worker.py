from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from wsbench_client import DrivePlan, Phase, Recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

MS = 1_000_000


class Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = process.stdout

    def tell(self, line: str) -> None:
        self._stdin.write(line.encode() + b"\n")

    def plan(self, plan: DrivePlan) -> None:
        self.tell(json.dumps(plan.to_json()))

    async def answer(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self._stdout.readline(), 10)
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def until(self, phase: Phase) -> None:
        while (await self.answer()).get("progress", {}).get("phase") != phase:
            pass

    async def recording(self) -> Recording:
        while "recording" not in (answer := await self.answer()):
            assert "progress" in answer
        return Recording.from_json(answer["recording"])

    async def end(self) -> tuple[int, bytes]:
        self._stdin.close()
        assert self.process.stderr is not None
        words = await self.process.stderr.read()
        return await asyncio.wait_for(self.process.wait(), 10), words


@asynccontextmanager
async def running() -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "wsbench_client.worker",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    try:
        yield Worker(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # asyncio has no public way


async def test_one_plan_after_the_other(echoing: Any, make_plan: Any) -> None:
    async with echoing() as target, running() as worker:
        for rate in (None, 500.0):
            plan = make_plan(target.url, rate=rate)
            worker.plan(plan)
            recording = await worker.recording()
            assert recording.plan == plan
            assert recording.received == recording.sent > 0
            assert recording.cpu_ns > 0
            assert recording.peak_rss_kib > 10_000
        assert await worker.end() == (0, b"")


async def test_the_phases_are_told_while_they_last(echoing: Any, make_plan: Any) -> None:
    async with echoing() as target, running() as worker:
        worker.plan(make_plan(target.url))
        for phase in (phase for phase in Phase if phase is not Phase.READY):
            await worker.until(phase)
        assert "recording" in await worker.answer()


BROKEN = (
    ("not json", "JSONDecodeError"),
    ("", "JSONDecodeError"),
    ("[]", "AttributeError"),
    ("{}", "KeyError"),
    (json.dumps({"url": "ws://h/", "engine": "carrier pigeon", "payload_kind": "text"}), "carrier pigeon"),
    (json.dumps({"url": "http://h/", "engine": "picows", "payload_kind": "text"}), "http://h/"),
    (json.dumps({"url": "ws://h/", "engine": "picows", "payload_kind": "text", "colour": 1}), "colour"),
    (json.dumps({"url": "ws://h/", "engine": "picows", "payload_kind": "text", "connections": "4"}), "TypeError"),
    (json.dumps({"url": 5, "engine": "picows", "payload_kind": "text"}), "AttributeError"),
)


async def test_a_broken_plan_is_told_and_the_next_one_is_driven(echoing: Any) -> None:
    async with echoing() as target, running() as worker:
        for line, words in BROKEN:
            worker.tell(line)
            assert words in (await worker.answer())["error"]
        worker.plan(DrivePlan(target.url, 1, 20 * MS, 0))
        assert (await worker.recording()).received > 0


async def test_killed_it_lets_go_of_the_server(echoing: Any, make_plan: Any, until: Any) -> None:
    async with echoing() as target, running() as worker:
        worker.plan(make_plan(target.url, duration_ns=60_000 * MS))
        await worker.until(Phase.MEASURING)
        worker.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.process.wait(), 5) == -signal.SIGTERM
        await until(lambda: target.seen.closes.total() == 4)
    assert target.seen.closes == {1006: 4}


async def test_ctrl_c_is_for_the_bench_to_handle(echoing: Any, make_plan: Any) -> None:
    async with echoing() as target, running() as worker:
        worker.plan(make_plan(target.url))
        await worker.until(Phase.CONNECTING)
        worker.process.send_signal(signal.SIGINT)
        assert (await worker.recording()).received > 0


async def test_a_drive_in_stretches_ends_upon_a_word_or_when_nobody_listens(echoing: Any) -> None:
    for farewell in (True, False):
        async with echoing() as target, running() as driver:
            driver.plan(DrivePlan(target.url, 2, 10**17, 0, stretch_ns=100 * MS))
            first = await driver.answer()
            assert first["stretch"]["opened"] == 2
            if farewell:
                driver.tell("{}")
            else:
                assert driver.process.stdin is not None
                driver.process.stdin.close()
            while "stretch" in (answer := await driver.answer()):
                pass
            assert answer == {"ended": True}
            assert await driver.process.wait() == 0
