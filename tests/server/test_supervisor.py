import os
import signal
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
