import importlib.util
import json
import re
from pathlib import Path

import pytest

from wsbench.cli import main

SHORT = ["--rounds", "8", "--duration", "40ms", "--warmup", "10ms", "--connections", "2", "--no-progress"]


def test_a_study_is_made_and_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calibrate", *SHORT, "--plant", "500%", "-o", str(tmp_path)]
    assert main([*words, "--runs", "1"]) in (0, 3)  # one run decides nothing, and may be one of the unlucky ones
    first = json.loads((tmp_path / "calibration.json").read_text())
    told = [word for word in words if word != "--no-progress"]
    assert main([*told, "--runs", "2", "--format", "json"]) in (0, 3)
    both = json.loads((tmp_path / "calibration.json").read_text())
    assert both["runs"][:1] == first["runs"]
    assert [run["number"] for run in both["runs"]] == [1, 2]
    # What was planted is there to be seen.
    for baseline, planted in (run["values"]["plus500"]["response_time.p50_us"] for run in both["runs"]):
        assert sorted(planted)[3] > 1.5 * sorted(baseline)[3]
    assert (tmp_path / "calibration.svg").read_text().startswith("<svg")
    printed, meanwhile = capsys.readouterr()
    assert re.fullmatch(r"run 2 of 2: .*; about 0 min left\n", meanwhile)
    assert "plus500 (+500%)" in printed
    assert json.loads(printed[printed.index('{"kind"') :])["runs"] == both["runs"]


def test_another_plan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calibrate", *SHORT, "--runs", "1", "--rate", "max", "--plant", "none", "-o", str(tmp_path)]
    assert main([*words, "--quiet"]) in (0, 3)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "promises" in said or "no more often wrong" in said
    assert main([*words, "--payload", "1KiB"]) == 2
    assert "was begun with payload_bytes 64, not 1024" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plant", "much"], "'much' is not a list of percentages"),
        (["--rounds", "3"], "--rounds 3 can show nothing"),
        (["--rate", "max"], "--plant needs --rate"),
        (["--runs", "0"], "'0' is not a whole number of 1 or more"),
    ],
)
def test_bad_options_are_named(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "-o", str(tmp_path / "x"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_no_study_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "calibration.json").write_text("[]")
    assert main(["calibrate", "-o", str(tmp_path)]) == 2
    assert "calibration.json is not JSON of a calibration" in capsys.readouterr().err


def test_without_scipy_nothing_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {"envoy": "here"}.get)
    assert main(["calibrate", "-o", str(tmp_path / "x")]) == 2
    assert "no scipy" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_no_time_makes_no_run_and_leaves_nothing(tmp_path: Path) -> None:
    assert main(["calibrate", *SHORT, "--plant", "none", "--max-duration", "1us", "-o", str(tmp_path / "x")]) == 0
    assert not (tmp_path / "x").exists()
