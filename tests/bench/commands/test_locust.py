"""Locust for real: processes of this machine, traffic to loopback. Not imported here: it patches whoever imports it."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import psutil
import pytest

from tests.bench.commands.words import running, wsbench
from wsbench import __version__
from wsbench.cli import main
from wsbench.storage import schema
from wsbench_client.histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Iterator

PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9, "p9999_us": 99.99, "max_us": 100.0}
PATIENCE_S = 60


@dataclass(frozen=True)
class Server:
    """The echo server, and its own count."""

    url: str
    health_port: int

    def count(self, name: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith(f"wsbench_{name} "))))

    @property
    def echoed(self) -> int:
        return self.count("messages_sent_total")


@pytest.fixture
def server() -> Iterator[Server]:
    with running("serve", "--port", "0", "--health-port", "0", "--engine", "picows") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Server(said["url"], said["health_port"])
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def locust(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "wsbench", "locust", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def master_words(server: Server, port: int, output: Path, *words: str) -> tuple[str, ...]:
    return (
        *("--headless", "--host", server.url, "--master", "--master-bind-host", "127.0.0.1"),
        *("--master-bind-port", str(port), "--only-summary", "--interval", "1s", "--output", str(output), *words),
    )


def worker_words(port: int, *words: str) -> tuple[str, ...]:
    return ("--worker", "--master-host", "127.0.0.1", "--master-port", str(port), *words)


def result_in(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    jsonschema.validate(result, schema())
    return result


def read(logs: list[Path]) -> LatencyHistogram:
    """What these histogram logs hold together, merged by hand."""
    total = LatencyHistogram()
    for log in logs:
        for line in log.read_text().splitlines():
            if line.startswith("Tag="):
                total.add(LatencyHistogram.decode(line.rsplit(",", 1)[1]))
    return total


def locusts_own(folder: Path, name: str) -> dict[str, str]:
    with (folder / "locust_stats.csv").open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["Name"] == name]
    return row


@pytest.mark.parametrize("user", ["EchoUser", "DriverUser"])
def test_a_master_and_two_workers_lose_no_sample(server: Server, port: int, tmp_path: Path, user: str) -> None:
    words = (user, "-u", "4", "-r", "4", "-t", "3s", "--expect-workers", "2", "--driver-connections", "8")
    with ExitStack() as stack:
        master = stack.enter_context(locust(*master_words(server, port, tmp_path / "m", *words)))
        workers = [
            stack.enter_context(locust(*worker_words(port, "--output", str(tmp_path / name)))) for name in ("a", "b")
        ]
        for process in (master, *workers):
            code, said = ended(process)
            assert code == 0, said
    result = result_in(tmp_path / "m")
    arm = result["arms"]["target"]
    assert (result["complete"], result["ended_by"], arm["kind"]) == (True, "max_duration", "target")
    # As many as the server counted; a driver's connections greet, which is counted as first echoes.
    count = arm["service_time"]["count"]
    assert server.echoed == count + arm["first_echo"]["count"] > 100
    assert server.count("connections_open") == 0
    assert arm["received"] == arm["sent"] == count == sum(one["received"] for one in arm["rounds"])
    assert len(arm["rounds"]) >= 3
    # As the workers' own logs say, merged by hand.
    own = read(sorted(tmp_path.glob("[ab]/*.own.rtt.hlog")))
    assert own.count == count
    by_hand = own.percentiles_ns(PERCENTILES.values())
    assert [arm["service_time"][name] for name in PERCENTILES] == [value and value / 1000 for value in by_hand]
    # Each worker for itself.
    found = result["locust"]["workers"]
    assert [worker["finished"] for worker in found] == [True, True]
    assert sum(worker["service_time"]["count"] for worker in found) == count
    for worker in found:
        (log,) = tmp_path.glob(f"[ab]/{worker['worker']}.own.rtt.hlog")
        assert worker["service_time"]["count"] == read([log]).count
        assert read([tmp_path / "m" / f"{worker['worker']}.rtt.hlog"]).count == read([log]).count
    # Locust's own figures, as far as it rounds: whole milliseconds, two digits from 100 on.
    row = locusts_own(tmp_path / "m", "message")
    assert int(row["Request Count"]) == count + arm["first_echo"]["count"]
    assert float(row["Max Response Time"]) >= arm["service_time"]["max_us"] / 1000 * 0.999
    for name, percentile in (("p50_us", "50%"), ("p99_us", "99%")):
        exact_ms = arm["service_time"][name] / 1000
        assert abs(float(row[percentile]) - exact_ms) <= max(1.0, exact_ms * 0.06)
    assert "<html" in (tmp_path / "m" / "locust.html").read_text()[:1000]
    assert result["plan"]["connections"] == (4 if user == "EchoUser" else 32)
    assert result["plan"]["engine"] == ("websocket-client" if user == "EchoUser" else "picows")


def test_a_killed_worker_leaves_what_it_had_reported(server: Server, port: int, tmp_path: Path) -> None:
    words = ("-u", "2", "-r", "2", "-t", "7s", "--expect-workers", "2", "--driver-connections", "4", "DriverUser")
    with ExitStack() as stack:
        master = stack.enter_context(locust(*master_words(server, port, tmp_path / "m", *words)))
        doomed = stack.enter_context(locust(*worker_words(port, "--output", str(tmp_path / "doomed"))))
        other = stack.enter_context(locust(*worker_words(port)))
        log = wait_for_log(tmp_path / "doomed", doomed)
        drivers = psutil.Process(doomed.pid).children(recursive=True)
        assert drivers
        doomed.kill()
        # The kernel ends its driver with it.
        assert psutil.wait_procs(drivers, timeout=10)[1] == []
        code, said = ended(master)
        assert ended(other)[0] == 0
    assert code == 3, said
    result = result_in(tmp_path / "m")
    gone, rest = sorted(result["locust"]["workers"], key=lambda worker: worker["finished"])
    assert (gone["finished"], rest["finished"]) == (False, True)
    assert result["complete"] is False
    assert f"worker {gone['worker']} was last heard of " in result["incomplete_reason"]
    assert f"{gone['received']:,} messages until then are kept" in result["incomplete_reason"]
    assert "incomplete: " in said
    # Right up to its last report: what its own log says that it had told.
    assert gone["service_time"]["count"] == read([log]).count > 0
    assert gone["last_report_us"] < rest["last_report_us"]
    count = result["arms"]["target"]["service_time"]["count"]
    assert count == gone["received"] + rest["received"] < server.echoed


def wait_for_log(folder: Path, process: subprocess.Popen[str]) -> Path:
    """Until a worker has reported for the first time."""
    for _ in range(PATIENCE_S * 20):
        logs = list(folder.glob("*.own.rtt.hlog"))
        if logs and read(logs).count:
            return logs[0]
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("it never reported")


def test_a_single_process_ends_in_order_and_compares_as_any_run(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("base", "new"):
        with locust(
            *("--headless", "--host", server.url, "-u", "2", "-r", "2", "--payload", "100", "--payload-kind", "text"),
            *("--interval", "200ms", "--output", str(tmp_path / name), "--format", "line", "--user-rate", "200"),
        ) as process:
            assert process.stdout is not None
            said = next(line for line in process.stdout if "All users spawned" in line)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            process.send_signal(signal.SIGTERM)
            code, rest = ended(process)
        assert code == 0, said + rest
        (line,) = [line for line in rest.splitlines() if line.startswith("{")]
        assert json.loads(line) == result_in(tmp_path / name)
    result = result_in(tmp_path / "new")
    assert (result["complete"], result["ended_by"]) == (True, "signal")
    assert (result["plan"]["payload_bytes"], result["plan"]["payload_kind"]) == (100, "text")
    assert server.count("bytes_sent_total") == 100 * server.echoed
    # Paced: 200 a second of each of two users.
    assert result["arms"]["target"]["rounds"][5]["achieved_rate"] == pytest.approx(400, rel=0.3)
    assert main(["compare", str(tmp_path / "base"), str(tmp_path / "new"), "--format", "json"]) == 0
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert {change["arm"] for change in changes} == {"target"}
    assert {change["metric"]: change["verdict"] for change in changes}["rtt.p50"] != "insufficient data"
    page = (tmp_path / "new" / "report.html").read_text()
    assert main(["report", str(tmp_path / "new"), "--format", "json"]) == 0
    assert (tmp_path / "new" / "report.html").read_text() == page


def test_a_worker_of_another_version_is_refused(server: Server, port: int, tmp_path: Path) -> None:
    # A worker whose installed wsbench says that it is another.
    said_version = tmp_path / "wsbench-0.0.9.dist-info"
    said_version.mkdir()
    (said_version / "METADATA").write_text("Metadata-Version: 2.1\nName: wsbench\nVersion: 0.0.9\n")
    words = master_words(server, port, tmp_path / "m", "-t", "2s", "--expect-workers-max-wait", "3")
    with locust(*words) as master, locust(*worker_words(port), PYTHONPATH=str(tmp_path)) as worker:
        code, said = ended(worker)
        assert code == 2
        assert f"wsbench: error: this worker has wsbench 0.0.9, its master {__version__}: install" in said
        code, said = ended(master)
    # And a master without workers gives up, in Locust's words, and leaves no folder.
    assert code == 1
    assert f"is refused: it has wsbench 0.0.9, this master {__version__}" in said
    assert "Gave up waiting for workers to connect" in said
    assert not (tmp_path / "m").exists()
    assert server.echoed == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--headless",), "no --host: say where"),
        (("--headless", "--host", "http://x"), "not a WebSocket URL: 'http://x'"),
        (("--headless", "--host", "ws://127.0.0.1:1/", "--payload", "0"), "payload_bytes must be from 1 to"),
        (
            ("--worker", "--master-port", "1", "--master-max-wait", "0.1"),
            "no Locust master at 127.0.0.1:1 within 0.1 s",
        ),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    done = wsbench("locust", *words, *([] if "--worker" in words else ["-o", str(tmp_path / "o")]))
    assert done.returncode == 2
    assert done.stderr.startswith("wsbench: error: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_every_option_of_locust_is_there_beside_ours() -> None:
    done = wsbench("locust", "--help")
    assert done.returncode == 0
    for option in ("--users", "--spawn-rate", "--run-time", "--headless", "--master", "--worker", "--expect-workers",
                   "--csv", "--html", "--processes", "--output", "--interval", "--payload", "--user-rate"):  # fmt: skip
        assert f"{option} " in done.stdout
