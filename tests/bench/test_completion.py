"""Completion scripts, tried in the shells themselves."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from wsbench.arms import ARMS
from wsbench.cli import main
from wsbench.completion import SHELLS, offered

# Asks as bash does when a tab is pressed after the last word.
TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_wsbench
printf '%s\\n' "${COMPREPLY[@]}"
"""


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells leave a history and settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["sat"], ["saturate"]),
        (["run", "--server-engine", ""], ["websockets", "picows"]),
        (["run", "--arms", "http2"], [name for name in ARMS if name.startswith("http2")]),
        (["run", "--sabotage", "hb"], ["hbone"]),
        (["run", "--pattern", "o"], ["one-way"]),
        (["compare", "--fail"], ["--fail-if"]),
        (["serve", "--engine", "p"], ["picows"]),
        (["report", "--format", ""], ["text", "json"]),
    ],
)
def test_bash_completes(
    words: list[str], completed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "wsbench.bash"
    script.write_text(printed("bash", capsys))
    done = subprocess.run(
        ["bash", "-c", TAB, "bash", str(script), "wsbench", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == completed
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_takes_its_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / f"wsbench.{shell}"
    script.write_text(printed(shell, capsys))
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "wsbench.fish"
    script.write_text(printed("fish", capsys))
    words = "source $argv[1]; complete -C 'wsbench run --server-engine p'"
    done = subprocess.run(["fish", "-c", words, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "picows"


def test_another_shell_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", "ksh"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("metavar", "words"), [("max|N", ["max"]), ("auto|none|URL", ["auto", "none"]), ("SIZE|MIX", []), ("T", [])]
)
def test_the_words_of_a_metavar_are_offered(metavar: str, words: list[str]) -> None:
    action = argparse.ArgumentParser().add_argument("--option", metavar=metavar)
    assert offered(action) == words
