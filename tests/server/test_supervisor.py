import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from websockets.sync.client import connect

from tests.server.conftest import Running


def gone(pids: list[int]) -> bool:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(processes, timeout=5)[1]


@pytest.mark.parametrize("engine", ["websockets", "picows"])
def test_processes_share_the_port_and_their_counts_are_summed(serve: Callable[..., Running], engine: str) -> None:
    running = serve("--engine", engine, "--processes", "2")
    assert len(set(running.pids)) == 2
    assert running.process.pid not in running.pids
    for number in range(20):
        with connect(running.url) as connection:
            connection.send(f"hello {number}")
            assert connection.recv(timeout=5) == f"hello {number}"
    assert running.stop() == 0
    assert gone(running.pids)


def test_metrics_reach_the_supervisor(serve: Callable[..., Running]) -> None:
    running = serve("--processes", "2")
    with connect(running.url) as connection:
        connection.send("x")
        connection.recv(timeout=5)
        running.wait_for("messages_sent_total", 1)
        running.wait_for("connections_open", 1)
    assert running.stop() == 0


def test_a_worker_that_dies_ends_the_server_with_words(
    serve: Callable[..., Running], capfd: pytest.CaptureFixture[str]
) -> None:
    running = serve("--processes", "2")
    os.kill(running.pids[0], signal.SIGKILL)
    assert running.process.wait(timeout=10) == 1
    assert gone(running.pids)
    assert f"echo process {running.pids[0]} ended by itself with -9" in capfd.readouterr().err


def test_workers_do_not_outlive_a_supervisor_that_is_killed(serve: Callable[..., Running]) -> None:
    running = serve("--processes", "2")
    running.process.kill()
    running.process.wait()
    assert gone(running.pids)


def test_a_second_server_does_not_share_the_port_of_the_first(serve: Callable[..., Running]) -> None:
    running = serve("--processes", "2")
    argv = [sys.executable, "-m", "wsbench_server", "--processes", "2", "--port", str(running.port)]
    second = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert second.returncode == 2
    assert f"port {running.port}: Address already in use" in second.stderr
    assert running.stop() == 0


def test_an_interrupt_from_the_terminal_ends_all_quietly() -> None:
    """It goes to the whole group, here while the workers still import: no traceback of theirs, no worker left."""
    argv = [sys.executable, "-m", "wsbench_server", "--processes", "2", "--port", "0"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        supervisor = psutil.Process(process.pid)
        deadline = time.monotonic() + 10
        while not any("spawn_main" in " ".join(child.cmdline()) for child in supervisor.children()):
            assert time.monotonic() < deadline
        workers = [child.pid for child in supervisor.children()]
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")
    assert gone(workers)
