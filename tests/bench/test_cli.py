import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wsbench.cli import main

OLD = Path(__file__).parent / "data" / "result-version-1.json"


@pytest.mark.parametrize(
    "words",
    [[], ["dance"], ["report"], ["report", "/no/such/folder"], ["serve", "--port", "x"], ["serve", "--port", "70000"]],
)
def test_other_commands_misused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_command_has_help_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in ("run", "saturate", "compare", "calibrate", "check", "lab", "serve", "report"):
        assert f"    {command} " in said or f"    {command}\n" in said
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"usage: wsbench {command} " in capsys.readouterr().out


def test_ctrl_c_where_nobody_listens_for_it_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("wsbench.commands.report.read_result", interrupted)
    assert main(["report", "somewhere"]) == 130
    assert capsys.readouterr().err == "wsbench: interrupted\n"


@pytest.mark.parametrize("command", ["run", "saturate", "compare", "calibrate", "check", "serve", "report"])
def test_help_is_a_whole_page(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert f"examples:\n  wsbench {command} " in said
    assert "exit codes: 0 " in said
    assert max(map(len, said.splitlines())) <= 120
    # No option is explained by its default alone, or not at all.
    options = re.findall(r"^  (-.*?)(?=^  -|^\S|^$)", said, re.MULTILINE | re.DOTALL)
    assert len(options) > 1
    for option in options:
        words = re.sub(r"\(default:.*?\)", "", " ".join(re.split(r"\n {20,}| {2,}", option)[1:]), flags=re.DOTALL)
        assert len(words.split()) > 1, option


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wsbench", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("wsbench ")


def test_a_reader_who_has_had_enough_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(OLD.read_text())
    with subprocess.Popen(
        [sys.executable, "-m", "wsbench", "report", str(tmp_path), "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as bench:
        assert bench.stdout is not None
        assert bench.stderr is not None
        bench.stdout.close()
        assert bench.stderr.read() == b""
        assert bench.wait(timeout=60) == 141
