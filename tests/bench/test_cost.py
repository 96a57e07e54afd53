import os
import subprocess
import sys
import time

import pytest

from wsbench.cost import ProcessCosts
from wsbench.errors import LabError


def test_cpu_and_memory_of_this_process_rise() -> None:
    costs = ProcessCosts([os.getpid()])
    before = costs.sample([os.getpid()])[os.getpid()]
    own = time.process_time_ns()
    while time.process_time_ns() - own < 50_000_000:
        pass
    after = costs.sample([os.getpid()])[os.getpid()]
    assert after.cpu_ns - before.cpu_ns == pytest.approx(50_000_000, rel=0.2)
    assert after.rss_bytes > 10_000_000


def test_a_process_that_is_gone_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        costs = ProcessCosts([child.pid])
        assert costs.sample([child.pid])
    gone = f"process {child.pid} of the lab has ended"
    with pytest.raises(LabError, match=gone):
        costs.sample([child.pid])
    with pytest.raises(LabError, match=gone):
        ProcessCosts([child.pid])
