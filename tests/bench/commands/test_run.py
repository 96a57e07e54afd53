"""The command as its users run it: words in, files and an exit code out."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from tests.bench.commands.words import children_of, wait_for_line, wsbench
from tests.bench.commands.words import running as words_running
from wsbench.cli import main
from wsbench.storage import schema
from wsbench_client.histogram import HIGHEST_NS

SHORT = ("--duration", "300ms", "--warmup", "100ms", "--connections", "8", "--no-progress")
WITNESSES = ["server_access_log", "envoy_counters", "handshake_header"]


def result_of(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    jsonschema.validate(result, schema())
    return result


# -- a whole run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two rounds of all four arms; made once, looked at by many."""
    output = tmp_path_factory.mktemp("run") / "r"
    arms = "direct,http1,http2,http2-blocked"
    return wsbench("run", "--arms", arms, "--rounds", "2", "--seed", "1", "-o", str(output), *SHORT), output


@pytest.mark.lab
def test_every_arm_gives_what_it_claims(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, output = run
    assert done.returncode == 0, done.stderr
    arms = result_of(output)["arms"]
    assert {name: arm["proof"]["verdict"] for name, arm in arms.items()} == dict.fromkeys(arms, "proved")
    assert {name: arm["outcome"] for name, arm in arms.items()} == {
        "direct": "measured",
        "http1": "measured",
        "http2": "measured",
        "http2-blocked": "refused",
    }
    for name, protocol in (("http1", "HTTP/1.1"), ("http2", "HTTP/2")):
        witnesses = arms[name]["proof"]["witnesses"]
        assert [witness["witness"] for witness in witnesses] == WITNESSES
        assert {witness["says"] for witness in witnesses} == {protocol}
        assert {witness["websockets"] for witness in witnesses} == {16}
    blocked = arms["http2-blocked"]
    assert (blocked["refusal"]["status"], blocked["refusal"]["count"]) == (503, 16)
    assert blocked["service_time"]["count"] == 0
    assert blocked["errors"] == {"rejected": 16}


@pytest.mark.lab
def test_no_message_is_lost_count(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    for name in ("direct", "http1", "http2"):
        arm = result_of(run[1])["arms"][name]
        assert arm["received"] > 0
        assert arm["sent"] == arm["received"] + arm["unanswered"] + arm["mismatched"]
        assert arm["service_time"]["count"] == arm["received"]
        assert arm["connect"]["count"] == 16
        assert arm["closes"] == {"1000": 16}


@pytest.mark.lab
def test_sidecars_cost_and_http2_shares_its_connection(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    arms = result_of(run[1])["arms"]
    assert arms["direct"]["sidecars"] is None
    for name, connections in (("http1", 8), ("http2", 1)):
        for side in ("client", "server"):
            cost = arms[name]["sidecars"][side]
            assert cost["hop_connections"] == connections
            assert 0 < cost["cpu_us_per_message"] < 1000
        assert 0 < arms[name]["driver"]["cpu_us_per_message"] < 1000
        assert 0 < arms[name]["server"]["cpu_us_per_message"] < 1000


@pytest.mark.lab
def test_many_connections_are_light_and_share_more_than_one_of_the_hop(tmp_path: Path) -> None:
    """The command of docs/scale.md with fewer; the bar of the driver's memory is issue 6's."""
    words = (
        "--arms",
        "http2",
        "-c",
        "1500",
        "-R",
        "500",
        "--rounds",
        "1",
        "--no-progress",
        "--server-engine",
        "picows",
    )
    done = wsbench("run", *words, "-o", str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr
    arm = result_of(tmp_path / "r")["arms"]["http2"]
    assert (arm["proof"]["verdict"], arm["errors"], arm["unanswered"], arm["connect"]["count"]) == (
        "proved",
        {},
        0,
        1500,
    )
    # Streams are 1,024 a connection.
    assert arm["sidecars"]["client"]["hop_connections"] == 2
    assert 1 < arm["driver"]["rss_kib_per_connection"] < 20
    assert 1 < arm["server"]["rss_kib_per_connection"] < 20
    assert arm["connect_rate"] > 10


@pytest.mark.lab
def test_two_rounds_are_too_few_to_compare(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    result = result_of(run[1])
    assert {comparison["verdict"] for comparison in result["comparisons"]} == {"insufficient data"}
    assert any("2 complete rounds" in warning for warning in result["warnings"])


@pytest.mark.lab
def test_the_summary_fits_100_columns_and_names_the_report(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, output = run
    *summary, last = done.stdout.splitlines()
    assert max(map(len, summary)) <= 100
    assert f"{output}/report.html" in last
    assert done.stderr == ""


@pytest.mark.lab
@pytest.mark.parametrize(("log", "key"), [("rtt", "service_time"), ("connect", "connect")])
def test_the_histogram_logs_hold_what_the_result_says(
    run: tuple[subprocess.CompletedProcess[str], Path], log: str, key: str
) -> None:
    for name in ("direct", "http1", "http2"):
        total = HdrHistogram(1, HIGHEST_NS, 3)
        reader = HistogramLogReader(str(run[1] / f"{name}.{log}.hlog"), total)
        with reader.input_file:
            while interval := reader.get_next_interval_histogram():
                assert interval.get_tag() == name
                total.add(interval)
        said = result_of(run[1])["arms"][name][key]
        assert total.get_total_count() == said["count"]
        for field, percentile in (("p50_us", 50), ("p99_us", 99), ("p999_us", 99.9), ("max_us", 100)):
            assert total.get_value_at_percentile(percentile) / 1000 == said[field]


@pytest.mark.lab
def test_configurations_and_logs_are_kept(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    for name in ("http1", "http2", "http2-blocked"):
        for side in ("client", "server"):
            assert json.loads((run[1] / "envoy" / name / f"{side}.json").read_text())["static_resources"]
    lines = (run[1] / "envoy" / "http2" / "server.access.log").read_text().splitlines()
    assert len(lines) == 16
    assert all(json.loads(line)["protocol"] == "HTTP/2" for line in lines)


@pytest.mark.lab
def test_a_report_is_rendered_again_from_the_result_alone(
    run: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run[1] / "report.html").read_text()
    (tmp_path / "result.json").write_text((run[1] / "result.json").read_text())
    assert main(["report", str(tmp_path)]) == 0
    assert "http2" in capsys.readouterr().out
    assert (tmp_path / "report.html").read_text() == before
    assert main(["report", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == result_of(run[1])


@pytest.mark.lab
def test_the_command_in_the_result_repeats_the_run(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    command = result_of(run[1])["command"]
    assert command.startswith("python -m wsbench run --arms direct,http1,http2,http2-blocked")
    assert command.count("--seed") == 1


@pytest.mark.lab
def test_a_sabotaged_arm_is_disproved_with_exit_3(tmp_path: Path) -> None:
    output = tmp_path / "r"
    done = wsbench("run", "--arms", "http2", "--sabotage", "http2", "--rounds", "1", "-o", str(output), *SHORT)
    assert done.returncode == 3
    arm = result_of(output)["arms"]["http2"]
    assert arm["proof"]["verdict"] == "disproved"
    assert {witness["verdict"] for witness in arm["proof"]["witnesses"]} == {"contradicts"}
    assert done.stdout.split("\n", 1)[0].strip().startswith("DISPROVED: http2")
    assert "DISPROVED" in (output / "report.md").read_text().split("##")[0]


@pytest.mark.lab
def test_a_killed_envoy_fails_its_arm_and_no_other(tmp_path: Path) -> None:
    output = tmp_path / "r"
    with running("--arms", "direct,http2", "--rounds", "3", "-o", str(output)) as bench:
        wait_for_round(bench, 2)
        next(child for child in children_of(bench) if "envoy/http2/client.json" in " ".join(child.cmdline())).kill()
        assert bench.wait(timeout=60) == 3
    arms = result_of(output)["arms"]
    assert "http2's client sidecar" in arms["http2"]["failure"]
    assert (arms["direct"]["outcome"], len(arms["direct"]["rounds"])) == ("measured", 3)


# -- targets


@contextmanager
def echo_server(*options: str) -> Iterator[str]:
    argv = [sys.executable, "-m", "wsbench_server", "--port", "0", *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


def test_targets_alone_start_no_lab_and_prove_nothing(tmp_path: Path) -> None:
    output = tmp_path / "r"
    with echo_server() as url:
        done = wsbench(
            *("run", "--target", f"a={url}", "--target", f"b={url}", "--rounds", "6", "-R", "500", "--format", "json"),
            *("-o", str(output), *SHORT),
        )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result == result_of(output)
    assert not (output / "envoy").exists()
    assert {arm["proof"]["verdict"] for arm in result["arms"].values()} == {"unproved"}
    for arm in result["arms"].values():
        assert arm["response_time"]["count"] == arm["send_lag"]["count"] == arm["received"]
        assert arm["sent"] == 6 * 150
        assert arm["achieved_rate"] == pytest.approx(500, rel=0.1)
    assert {(c["baseline"], c["candidate"], c["rounds"]) for c in result["comparisons"]} == {("a", "b", 6)}


def test_a_claim_without_a_sidecar_is_unproved_and_said_first(tmp_path: Path) -> None:
    with echo_server() as url:
        done = wsbench(
            *("run", "--target", f"mine={url}", "--claim", "http2", "--sidecar", "http://127.0.0.1:9"),
            *("--rounds", "1", "-o", str(tmp_path / "r"), *SHORT),
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n", 1)[0].strip().startswith("UNPROVED: nothing shows what mine spoke")
    arm = result_of(tmp_path / "r")["arms"]["mine"]
    # What carries the hop, and where proxies are, no target claims.
    assert arm["claim"] == {"hop_protocol": "HTTP/2", "refused_status": None, "transport": None, "sidecars": None}
    assert {(one["witness"], one["verdict"]) for one in arm["proof"]["witnesses"]} == {
        ("envoy_counters", "silent"),
        ("handshake_header", "silent"),
    }
    for words in ("own sidecar not found (http://127.0.0.1:9: connection refused; ", "witness-header.yaml"):
        assert words in arm["proof"]["summary"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://127.0.0.1:9/", "connection refused"),
        ("ws://no.such.host.invalid/", "no.such.host.invalid"),
    ],
)
def test_a_dead_target_is_one_line_and_exit_3(tmp_path: Path, url: str, words: str) -> None:
    done = wsbench("run", "--target", f"mine={url}", "-o", str(tmp_path / "r"), *SHORT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"wsbench: error: target 'mine' ({url}) cannot be measured: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


# -- how much is said


def test_quiet_says_the_verdict_alone(tmp_path: Path) -> None:
    with echo_server() as url:
        words = ("run", "--target", f"a={url}", "--target", f"b={url}", "--rounds", "1", "-o", str(tmp_path / "r"))
        done = wsbench(*words, "-q", *SHORT[:-1])
    assert (done.returncode, done.stderr) == (0, "")
    *alerts, verdict = done.stdout.splitlines()
    assert verdict.startswith("Insufficient data: 1 paired round")
    # Of a machine that other work was busy on, that is said as well; nothing else.
    assert not alerts or "TOO BUSY" in alerts[0]
    assert (tmp_path / "r" / "report.html").exists()


def test_verbose_and_quiet_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-q", "-v"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.lab
def test_verbose_says_what_the_lab_does_and_every_table(tmp_path: Path) -> None:
    output = tmp_path / "r"
    done = wsbench("run", "--arms", "clientonly", "--rounds", "1", "-v", "-o", str(output), *SHORT[:-1])
    assert done.returncode == 0, done.stderr
    for words in (r"-m wsbench_client\.worker$", r"-m wsbench_server --port 0", rf"envoy .*{output}/envoy/clientonly"):
        assert re.search(rf"^pid \d+ started: .*{words}", done.stderr, re.MULTILINE)
    told = r"^clientonly's client sidecar: Envoy [\d.]+, pid \d+, 127.0.0.1:\d+, admin 127.0.0.1:\d+; \S+/client.json"
    assert re.search(told, done.stderr, re.MULTILINE)
    assert "round 1 of 1" in done.stderr
    assert "Connect latency" in done.stdout


def on_a_terminal(argv: list[str], until: bytes, keys: bytes, **environment: str) -> tuple[int, bytes]:
    """Run it as a terminal's foreground job; once it shows ``until``, type these. Its exit code and all it wrote."""
    pid, terminal = pty.fork()
    if not pid:
        inherited = {name: value for name, value in os.environ.items() if not name.endswith("_COLOR")}
        os.execve(argv[0], argv, {**inherited, "TERM": "xterm-256color", "COLUMNS": "100", **environment})
    written, typed = b"", False
    try:
        while told := os.read(terminal, 4096):
            written += told
            if until in written and not typed:
                typed = True
                os.write(terminal, keys)
    except OSError:
        pass  # the last of theirs is closed
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_ctrl_c_leaves_the_terminal_clean_and_no_color_is_obeyed(tmp_path: Path, environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "wsbench", "run", "--arms", "direct", "--rounds", "9", "-d", "600ms", "-c", "4"]
    code, written = on_a_terminal([*argv, "-o", str(tmp_path / "r")], b"trial 2 of 9", b"\x03", **environment)
    assert code == 130
    live, after = written.rsplit(b"\x1b[?25h", 1)
    assert live.count(b"\x1b[?25l") == 1
    assert re.search(rb"direct +measuring", re.sub(rb"\x1b\[[\d;]*m", b"", live))
    # The view is wiped, line by line, by the last that is written before the summary.
    wiped, _, summary = after.partition(b"INCOMPLETE")
    assert b"\x1b[2K" in wiped
    assert b"trial" not in wiped
    assert b"by SIGINT in round " in summary
    assert (re.search(rb"\x1b\[[\d;]*[34]\d", written) is None) is ("NO_COLOR" in environment)


# -- bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arms", "http9"], "unknown arm 'http9': choose from direct"),
        (["--arms", ""], "nothing to measure"),
        (["--connections", "0"], "'0' is not a whole number of 1 or more"),
        (["--connections", "9999999"], "--connections 9999999: a sidecar connects to the next one"),
        (["--connections", "1e3"], "'1e3' is not a whole number"),
        (["--duration", "banana"], "'banana' is not a time"),
        (["--duration", "0s"], "'0s' is no time to measure in"),
        (["--warmup", "5"], "'5' is not a time"),
        (["--payload", "0"], "not 0"),
        (["--payload", "huge"], "'huge' is not a size"),
        (["--rate", "-5"], "'-5' is neither 'max' nor a number above 0"),
        (["--rate", "nan"], "'nan' is neither 'max'"),
        (["--engine", "steam"], "'steam' is not a valid EngineName"),
        (["--envoy", "/no/such/envoy"], "no Envoy at /no/such/envoy"),
        (["--envoy", "/etc/passwd"], "the Envoy at /etc/passwd is not executable"),
        (["--target", "x=http://h/"], "'http://h/'"),
        (["--sabotage", "direct"], "cannot sabotage 'direct': it is not an arm of this run"),
        (["--target", "x=ws://h/", "--claim", "x=http9"], "--claim x=http9: 'http9' is nothing a hop may claim"),
        (["--claim", "http2"], "--claim http2 must name a target, and there is none"),
        (["--target", "ws://h/", "--sidecar", "x"], "'x' is no sidecar: give auto, none, http://HOST:PORT"),
        (["--seed", "x"], "'x' is not a whole number"),
        (["--output", "/proc/nowhere"], "cannot write to the output folder /proc/nowhere"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_bad_input_is_one_line_with_the_value_and_exit_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("wsbench: error: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err
    assert not list(tmp_path.iterdir())


def test_help_has_examples_and_exit_codes() -> None:
    said = wsbench("run", "--help").stdout
    assert "examples:" in said
    assert "exit codes: 0 valid, 2 usage, 3" in said
    assert re.search(r"--duration T +how long a trial is measured \(default: 2s\)", said)


# -- interrupted


def running(*words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return words_running("run", *words, "-d", "300ms", "--warmup", "100ms", "-c", "8")


def wait_for_round(bench: subprocess.Popen[str], number: int) -> None:
    wait_for_line(bench, f"round {number} of")


@pytest.mark.lab
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_in_round_2_keeps_round_1_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    output = tmp_path / "r"
    with running("--arms", "direct,http1,http2", "--rounds", "50", "-o", str(output)) as bench:
        wait_for_round(bench, 2)
        children = children_of(bench)
        assert len(children) >= 6
        os.kill(bench.pid, number)
        assert bench.wait(timeout=30) == code
    result = result_of(output)
    assert result["complete"] is False
    assert result["incomplete_reason"] == f"interrupted by {number.name} in round 2 of 50"
    assert {len(arm["rounds"]) for arm in result["arms"].values()} == {1}
    assert (output / "report.html").exists()
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive
