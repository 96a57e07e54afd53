"""The calibration study made: echo servers, runs against them, every finished run saved."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from wsbench import environment
from wsbench.calibration import BASE, SAME, Study, StudyRun, planted_name
from wsbench.comparing import value_of
from wsbench.driver_process import driver_process
from wsbench.echo_server import running_echo_server
from wsbench.errors import LabError, ResultError, UsageError
from wsbench.plan import RunPlan, Target
from wsbench.progress import PartOf
from wsbench.results import to_document
from wsbench.runner import Experiment
from wsbench_client import DrivePlan, EngineName, PayloadKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from wsbench.calibration import CalibrationPlan
    from wsbench.echo_server import EchoServer
    from wsbench.progress import Watcher
    from wsbench.results import Run
    from wsbench_client import Progress

FILE = "calibration.json"
_FLOOR_DRIVES = 3
_FLOOR_NS = 1_000_000_000


class Calibration:
    """One study in its folder: begun, or gone on with where the folder holds one of the same plan.

    ``study`` is what there is so far. Raises UsageError where the folder holds another plan's study.
    """

    def __init__(self, plan: CalibrationPlan, runs: int, folder: Path, *, end_s: float | None = None) -> None:
        self.study: Study | None = None
        self._plan = plan
        self._runs = runs
        self._folder = folder
        self._end_s = end_s
        path = folder / FILE
        if path.exists():
            self.study = read_study(path)
            _refuse_unlike(self.study.plan, plan, path)

    async def run(self, on_run: Callable[[Study], None], watcher: Watcher) -> None:
        """Make the runs that are missing, until ``end_s`` of the monotonic clock at most.

        ``on_run`` hears of each when it is made, ``watcher`` how it goes.

        Raises LabError where a server does not start, ResultError where the study cannot be written.
        """
        if self.study is not None and len(self.study.runs) >= self._runs:
            return
        async with AsyncExitStack() as stack:
            base = await stack.enter_async_context(self._server(BASE, self._plan.delay_of_base_ns))
            if self.study is None:
                floor_ns = await self._floor_ns(base.url)
                self.study = Study(self._plan, floor_ns, environment.capture(None))
            targets = [Target(BASE, base.url), Target(SAME, base.url)]
            for share in self._plan.planted:
                name = planted_name(share)
                server = await stack.enter_async_context(self._server(name, self.study.delay_ns(share)))
                targets.append(Target(name, server.url))
            while len(self.study.runs) < self._runs and not self._over():
                number = len(self.study.runs) + 1
                run = await self._one_run(number, tuple(targets), PartOf(watcher, number, self._runs))
                self.study = replace(self.study, runs=(*self.study.runs, run))
                self._write()
                on_run(self.study)

    def _server(self, name: str, delay_ns: int) -> AbstractAsyncContextManager[EchoServer]:
        options = ["--delay", f"{delay_ns}ns"] if delay_ns else []
        return running_echo_server(self._folder / f"{name}.log", engine="picows", options=options)

    def _over(self) -> bool:
        return self._end_s is not None and time.monotonic() >= self._end_s

    async def _floor_ns(self, url: str) -> int:
        """The p50 of the latency that counts, with nothing planted."""
        plan = self._plan
        drive = DrivePlan(url, plan.connections, _FLOOR_NS, plan.warmup_ns, plan.payload_bytes, rate=plan.rate)
        found = []
        async with driver_process(self._folder / "driver.log") as driver:
            for _drive in range(_FLOOR_DRIVES):
                recording = await driver.drive(drive, _unheard)
                (p50_ns,) = (recording.response_time or recording.service_time).percentiles_ns([50.0])
                if p50_ns is None:
                    raise LabError(f"no floor: the echo server at {url} echoed nothing")
                found.append(p50_ns)
        return sorted(found)[len(found) // 2]

    async def _one_run(self, number: int, targets: tuple[Target, ...], watcher: Watcher) -> StudyRun:
        plan = self._plan
        run_plan = RunPlan(
            arms=(),
            targets=targets,
            connections=plan.connections,
            duration_ns=plan.duration_ns,
            warmup_ns=plan.warmup_ns,
            rounds=plan.rounds,
            payload_bytes=plan.payload_bytes,
            payload_kind=PayloadKind.BINARY,
            rate=plan.rate,
            connect_rate=None,
            engine=EngineName.PICOWS,
            server_engine=EngineName.PICOWS,
            envoy_path=None,
            envoy_concurrency=1,
            seed=plan.seed * 1_000_000 + number * plan.rounds,
        )
        experiment = Experiment(run_plan, self._folder, None, "wsbench calibrate", watcher, lambda _run: None)
        await experiment.run()
        return _figures(number, experiment.result(), plan)

    def _write(self) -> None:
        assert self.study is not None
        path = self._folder / FILE
        partial = self._folder / f".{FILE}.partial"
        try:
            partial.write_text(json.dumps(self.study.to_json(), allow_nan=False) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ResultError(f"cannot write {path}: {error.strerror}") from None


def read_study(path: Path) -> Study:
    """A study from its file. Raises UsageError, naming the file."""
    try:
        return Study.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path} is not JSON of a calibration: {error}") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _refuse_unlike(found: CalibrationPlan, asked: CalibrationPlan, path: Path) -> None:
    unlike = [
        f"{name} {getattr(found, name)!r}, not {getattr(asked, name)!r}"
        for name in found.__slots__
        if getattr(found, name) != getattr(asked, name)
    ]
    if unlike:
        raise UsageError(f"{path} was begun with {'; '.join(unlike)}: ask for the same, or give another --output")


def _figures(number: int, run: Run, plan: CalibrationPlan) -> StudyRun:
    """What is kept of a run. Raises LabError where a target was given up."""
    arms = to_document(run)["arms"]
    for name, arm in arms.items():
        if arm["failure"]:
            raise LabError(f"run {number}: {name}: {arm['failure']}")
    rounds = {
        name: {metric: [value_of(one, metric) for one in arm["rounds"]] for metric in plan.metrics}
        for name, arm in arms.items()
    }
    uses = [trial.machine for subject in run.subjects for trial in subject.trials if trial.machine]
    return StudyRun(
        number=number,
        started_at=run.started_at,
        values={
            name: {metric: (rounds[BASE][metric], rounds[name][metric]) for metric in plan.metrics}
            for name in plan.candidates
        },
        busy=fmean(use.busy for use in uses) if uses else None,
        steal=fmean(use.steal for use in uses) if uses else None,
    )


async def _unheard(_progress: Progress) -> None: ...
