import time

import pytest

from wsbench import machine
from wsbench.machine import Sample, Use, use_between


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (Sample(100, 50, 0), Sample(104, 51, 1), Use(busy=0.5, steal=0.25, cpu_s=4)),
        (Sample(100, 50, 0), Sample(104, 54, 0), Use(busy=0, steal=0, cpu_s=4)),
        # iowait may run backwards (proc(5)): no share is above 1 or below 0.
        (Sample(100, 50, 0), Sample(104, 49, 0), Use(busy=1, steal=0, cpu_s=4)),
    ],
)
def test_shares_of_all_cpu_time(begin: Sample, end: Sample, expected: Use) -> None:
    assert use_between(begin, end) == expected


def test_nothing_is_said_of_no_time() -> None:
    now = Sample(100, 50, 0)
    assert use_between(now, now) is None


def test_this_machine_at_work_is_seen_to_be_busy() -> None:
    begin = machine.sample()
    spun = time.process_time() + 0.3
    while time.process_time() < spun:
        pass
    found = use_between(begin, machine.sample())
    assert found is not None
    # Of our own 300 ms of work no less than most must be in it (ticks are 10 ms).
    assert found.busy * found.cpu_s > 0.2
    assert found.busy + found.steal <= 1
