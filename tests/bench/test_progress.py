import io

import pytest
from rich.console import Console

from wsbench.live_view import LiveView
from wsbench.progress import PartOf, PlainLines, Silence, Step, standard_error, watcher_for
from wsbench_client import Phase, Progress


def tell(console: Console, *, wanted: bool = True, rounds: bool = True) -> None:
    with watcher_for(console, wanted=wanted, rounds=rounds) as watcher:
        watcher.starts(["http2"])
        for number in (1, 1, 2):
            watcher.step(Step(number, "of 2", "http2", number - 1, 4))
            watcher.drive(Progress(Phase.MEASURING, 64, 1, 1000, 1_500_000, 9_000_000))
        watcher.note("[bold]http2[/] given up")
        watcher.finished()


def test_a_pipe_gets_one_plain_line_a_round() -> None:
    out = io.StringIO()
    tell(Console(file=out))
    assert out.getvalue() == "round 1 of 2\nround 2 of 2\n[bold]http2[/] given up\n"


def test_a_pipe_gets_notes_alone_where_rounds_are_not_wanted() -> None:
    out = io.StringIO()
    tell(Console(file=out), rounds=False)
    assert out.getvalue() == "[bold]http2[/] given up\n"


def test_who_wants_none_gets_none() -> None:
    out = io.StringIO()
    tell(Console(file=out, force_terminal=True), wanted=False)
    assert out.getvalue() == ""


def test_which_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for console, wanted, kind in (
        (Console(file=io.StringIO()), False, Silence),
        (Console(file=io.StringIO()), True, PlainLines),
        (Console(file=io.StringIO(), force_terminal=True), True, LiveView),
        (Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"}), True, PlainLines),
    ):
        with watcher_for(console, wanted=wanted) as watcher:
            assert isinstance(watcher, kind)


def test_colour_forced_on_a_pipe_animates_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = standard_error()
    assert console.is_terminal
    tell(console)
    assert capsys.readouterr().err == "round 1 of 2\nround 2 of 2\n[bold]http2[/] given up\n"


class Heard(Silence):
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.ended = False

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def finished(self) -> None:
        self.ended = True


def test_one_run_of_many_is_told_as_a_part_of_all() -> None:
    heard = Heard()
    part = PartOf(heard, 3, 10)
    part.step(Step(2, "of 8", "same", 5, 16))
    part.finished()
    assert heard.steps == [Step(2, "of 8", "same", 2 * 16 + 5, 160, part="run 3 of 10")]
    assert not heard.ended
