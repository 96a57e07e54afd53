import io

from rich.console import Console

from wsbench.progress import LiveBar, PlainLines, Silence, Step, watcher_for
from wsbench_client import Phase, Progress


def tell(console: Console, *, wanted: bool = True) -> None:
    with watcher_for(console, wanted=wanted) as watcher:
        for number in (1, 1, 2):
            watcher.step(Step(number, "of 2", "http2", number - 1, 4))
            watcher.drive(Progress(Phase.MEASURING, 64, 1, 1000, 1_500_000, 9_000_000))
        watcher.note("[bold]http2[/] given up")
        watcher.finished()


def test_a_pipe_gets_one_plain_line_a_round() -> None:
    out = io.StringIO()
    tell(Console(file=out))
    assert out.getvalue() == "round 1 of 2\nround 2 of 2\n[bold]http2[/] given up\n"


def test_a_terminal_gets_one_live_line_with_figures() -> None:
    out = io.StringIO()
    tell(Console(file=out, force_terminal=True, width=120))
    assert "round 2 of 2: http2" in out.getvalue()
    assert "p50 1.50 p99 9.00 ms" in out.getvalue()
    assert "1 failed" in out.getvalue()


def test_who_wants_none_gets_none() -> None:
    out = io.StringIO()
    tell(Console(file=out, force_terminal=True), wanted=False)
    assert out.getvalue() == ""


def test_which_is_chosen() -> None:
    for console, wanted, kind in (
        (Console(file=io.StringIO()), False, Silence),
        (Console(file=io.StringIO()), True, PlainLines),
        (Console(file=io.StringIO(), force_terminal=True), True, LiveBar),
    ):
        with watcher_for(console, wanted=wanted) as watcher:
            assert isinstance(watcher, kind)
