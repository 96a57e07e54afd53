import json
from pathlib import Path

import pytest

from tests.bench.test_run_comparison import result
from wsbench.cli import main

OLD = Path(__file__).parents[1] / "data" / "result-version-1.json"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    slower = result({"direct": 1.0, "http1": 3.0, "http2": 3.0}, seed=1)
    for name, content in (("base", result()), ("new", slower)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(content))
    return str(tmp_path / "base"), str(tmp_path / "new")


def test_a_condition_that_is_shown_is_exit_code_4(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *runs]) == 0
    assert main(["compare", *runs, "--fail-if", "http2.rtt.p99 > +10%"]) == 4
    assert "fail if http2.rtt.p99 > +10%: fails" in capsys.readouterr().out
    assert main(["compare", *runs, "--fail-if", "http1.rtt.p99 > +0.1%"]) == 0
    assert main(["compare", *runs, "--fail-if", "http1.rtt.p99 > +0.1%", "--strict"]) == 4


def test_json_and_markdown(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *runs, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["base"]["path"]) == ("run comparison", runs[0])
    assert main(["compare", *runs, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("### Worse in ")


def test_results_of_version_1_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(OLD), str(OLD)]) == 0
    assert "direct" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fail-if", "http2.rtt.p99 > 10%"], "is no condition: write ARM.METRIC"),
        (["--fail-if", "http9.rate < -1%"], "neither run has an arm 'http9'"),
        (["nowhere"], "unrecognized arguments: nowhere"),
    ],
)
def test_bad_words_are_exit_code_2(
    runs: tuple[str, str], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *runs, *words]) == 2
    assert said in capsys.readouterr().err


def test_unlike_runs_are_exit_code_2(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", runs[0], str(OLD)]) == 2
    assert "the runs are unlike: connections 4" not in capsys.readouterr().out
    assert main(["compare", runs[0], "/nowhere"]) == 2
    assert "no result at /nowhere" in capsys.readouterr().err
