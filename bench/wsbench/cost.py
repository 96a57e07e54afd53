"""What processes use: CPU time and memory, sampled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from wsbench.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU time since the process began, of all its threads, and its resident memory."""

    cpu_ns: int
    rss_bytes: int


class ProcessCosts:
    """Samples a set of processes, by process id. Raises LabError for one that is gone."""

    def __init__(self, pids: Sequence[int]) -> None:
        try:
            self._processes = {pid: psutil.Process(pid) for pid in pids}
        except psutil.NoSuchProcess as error:
            raise _gone(error) from None

    def sample(self, pids: Iterable[int]) -> Mapping[int, Sample]:
        """These of them, now. Raises LabError for one that is gone."""
        try:
            chosen = [self._processes[pid] for pid in pids]
            return {process.pid: Sample(_cpu_ns(process), process.memory_info().rss) for process in chosen}
        except psutil.NoSuchProcess as error:
            raise _gone(error) from None


def _gone(error: psutil.NoSuchProcess) -> LabError:
    return LabError(f"process {error.pid} of the lab has ended")


def _cpu_ns(process: psutil.Process) -> int:
    """From the scheduler's own count where there is one: psutil's ticks of 10 ms are coarse on a trial of 2 s."""
    try:
        threads = list(Path(f"/proc/{process.pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
    except (OSError, ValueError, IndexError):
        times = process.cpu_times()
        return round((times.user + times.system) * 1e9)
