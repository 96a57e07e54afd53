from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child"]


def catches(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether it has a handler for the signal (proc(5), SigCgt)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not on PATH")
def test_the_first_process_of_a_container_heeds_a_sigterm_while_it_still_imports() -> None:
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("pid namespaces may not be made here")
    argv = [*UNSHARE, sys.executable, "-m", "wsbench_server", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as outer:
        until = time.monotonic() + 20
        while not (found := psutil.Process(outer.pid).children()) or not catches(found[0], signal.SIGTERM):
            assert time.monotonic() < until
        found[0].send_signal(signal.SIGTERM)
        said, errors = outer.communicate(timeout=20)
    # It had not come to listening, and ended all the same.
    assert (said, errors, outer.returncode) == ("", "", 128 + signal.SIGTERM)
