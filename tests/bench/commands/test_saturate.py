from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from tests.bench.commands.words import children_of, running, wait_for_line, wsbench
from wsbench.cli import main
from wsbench.storage import schema

SHORT = ("-d", "200ms", "--warmup", "50ms", "-c", "4")


def found_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "saturation.json").read_text())
    jsonschema.validate(found, schema(1, "saturation"))
    return found


@pytest.mark.lab
def test_every_arm_is_searched_and_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a real lab, up to a highest rate that all of them carry: the end that a busy machine cannot move."""
    output = tmp_path / "s"
    words = ("--first-rate", "500", "--highest-rate", "1000", "--repeats", "1", "--slo", "p99=2s", "--seed", "1")
    assert main(["saturate", *words, "--no-progress", "-o", str(output), *SHORT]) == 0
    found = found_in(output)
    assert list(found["arms"]) == ["direct", "http1", "http2"]
    for arm in found["arms"].values():
        assert arm["proof"]["verdict"] == "proved"
        assert [step["rate"] for step in arm["steps"]] == [500, 1000]
        assert arm["capacity"] == {"low": 1000, "high": None, "limit": "highest_rate"}
        assert all(step["achieved_rate"] == pytest.approx(step["rate"], rel=0.1) for step in arm["steps"])
    assert {comparison["verdict"] for comparison in found["comparisons"]} == {"not decided"}
    assert found["command"].startswith("python -m wsbench saturate --first-rate 500")
    printed = capsys.readouterr().out
    assert "carries at least 1,000/s" in printed
    assert printed.endswith(f"report: {output}/saturation.html   result: {output}/saturation.json\n")

    page = (output / "saturation.html").read_text()
    assert main(["report", str(output), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert (output / "saturation.html").read_text() == page


def test_a_target_that_cannot_keep_up_is_bracketed(tmp_path: Path) -> None:
    """A server that holds every message for 300 ms misses 200 ms at any rate; nothing of ours is at its limit."""
    with running("serve", "--port", "0", "--delay", "300ms") as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        done = wsbench(
            *("saturate", "--target", f"slow={url}", "--first-rate", "1000", "--repeats", "1", "--slo", "p99=200ms"),
            *("--format", "line", "--no-progress", "-o", str(tmp_path / "s"), *SHORT),
        )
        server.terminate()
        assert server.wait(timeout=10) == 0
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert found == found_in(tmp_path / "s")
    capacity = found["arms"]["slow"]["capacity"]
    assert (capacity["low"], capacity["high"]) == (None, 500)
    # Where the tests of the other process leave no CPU idle, that is what must be said.
    assert capacity["limit"] in ("lowest_rate", "machine")
    assert all(step["missed"][0].startswith("p99 ") for step in found["arms"]["slow"]["steps"])


@pytest.mark.lab
def test_interrupted_it_keeps_what_it_found_and_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "s"
    with running("saturate", "--arms", "http1", "-o", str(output), *SHORT) as bench:
        wait_for_line(bench, "round 2 ")
        children = children_of(bench)
        assert len(children) >= 4
        os.kill(bench.pid, signal.SIGINT)
        assert bench.wait(timeout=30) == 130
    found = found_in(output)
    assert (found["complete"], found["incomplete_reason"]) == (False, "interrupted by SIGINT in round 2")
    assert found["arms"]["http1"]["capacity"]["limit"] == "unfinished"
    assert len(found["arms"]["http1"]["steps"]) == 1
    assert (output / "saturation.html").exists()
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slo", "p99<20ms"], "'p99<20ms' is no objective: write p99=20ms"),
        (["--slo", "p42=20ms"], "'p42=20ms' is no objective"),
        (["--slo", "p99=soon"], "'soon' is not a time"),
        (["--max-lost", "200%"], "not 200.0000%"),
        (["--first-rate", "max"], "--first-rate must be a number"),
        (["--first-rate", "5000", "--highest-rate", "100"], "to the highest, 100/s: 5,000"),
        (["--first-rate", "10"], "--first-rate must be 50 or more, or --duration longer"),
        (["--resolution", "0.1%"], "not 0.1000%"),
        (["--repeats", "2"], "an odd number of repeats, not 2"),
        (["--repeats", "-1"], "not -1"),
        (["--arms", "http2-blocked"], "'http2-blocked' claims to be refused"),
        (["--arms", "http9"], "unknown arm 'http9'"),
        (["--pattern", "one-way"], "one-way traffic has no response time"),
        (["--rate", "5"], "--rate"),
        (["--output", "/proc/nowhere"], "cannot write to the output folder /proc/nowhere"),
    ],
)
def test_bad_options_are_named(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["saturate", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert not list(tmp_path.iterdir())


def test_a_dead_target_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "s"
    assert main(["saturate", "--target", "mine=ws://127.0.0.1:9/", "--no-progress", "-o", str(output), *SHORT]) == 3
    assert "cannot be measured" in capsys.readouterr().err
    assert not output.exists()


def test_a_file_that_is_no_search_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "saturation.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert "saturation.json is not a wsbench result" in capsys.readouterr().err
