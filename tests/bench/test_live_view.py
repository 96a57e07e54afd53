import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.bench import samples
from wsbench.live_view import LiveView
from wsbench.progress import Step
from wsbench.proof import Verdict
from wsbench.trial import Trial
from wsbench_client import ErrorKind, Phase, Progress

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Screen:
    """A terminal, and a clock that is set by hand."""

    def __init__(self, width: int = 100, height: int = 30, encoding: str = "utf-8") -> None:
        self.stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        self.console = Console(file=self.stream, force_terminal=True, width=width, height=height, color_system=None)
        self.now_s = 100.0
        self.view = LiveView(self.console, lambda: self.now_s)

    @property
    def written(self) -> str:
        raw = self.stream.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode(self.stream.encoding)

    @property
    def last_frame(self) -> str:
        """What was drawn last, without control sequences."""
        frames = re.split(r"\x1b\[2K", self.written)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", frames[-1])
        return "\n".join(line.rstrip() for line in text.splitlines())


def trial(name: str, **changes: Any) -> Trial:
    (made,) = samples.trials(name, 1.0, 1)
    return replace(made, **changes)


def step(name: str, done: int, total: int = 8, *, refusal_claimed: bool = False) -> Step:
    return Step(done // 2 + 1, "of 4", name, done, total, refusal_claimed=refusal_claimed)


def measuring(received: int, failed: int = 0) -> Progress:
    return Progress(Phase.MEASURING, 64, failed, received, 1_500_000, 9_000_000)


def test_it_says_where_the_run_is_and_what_the_trial_shows_now() -> None:
    screen = Screen()
    with screen.view as view:
        view.starts(["http1", "http2"])
        view.step(step("http2", 2))
        assert "round 2 of 4" in screen.last_frame
        assert "trial 3 of 8" in screen.last_frame
        assert "time left not known yet" in screen.last_frame
        for received in (0, 10_000, 30_000):
            screen.now_s += 0.5
            view.drive(measuring(received, failed=2))
        # 30,000 messages in the second between the first telling and the last.
        for words in ("http2   measuring", "30,000 msgs/s", "p50 1.50 ms", "p99 9.00 ms", "64 open", "2 errors"):
            assert words in screen.last_frame


def test_the_rate_is_of_the_last_second_not_of_the_whole_trial() -> None:
    screen = Screen()
    with screen.view as view:
        view.step(step("http2", 0))
        for received in (0, 50_000, 100_000, 100_500, 101_000, 101_500):
            screen.now_s += 0.5
            view.drive(measuring(received))
        assert "1,000 msgs/s" in screen.last_frame


def test_the_time_left_is_what_finished_trials_took() -> None:
    screen = Screen()
    with screen.view as view:
        view.step(step("http1", 0))
        screen.now_s += 20
        view.step(step("http2", 1))
        assert "about 2:20 left" in screen.last_frame  # seven of 20 s
        screen.now_s += 40
        view.step(step("http1", 2))
        assert "about 3:00 left" in screen.last_frame  # six of 30 s


def test_every_arm_shows_its_last_finished_trial_with_its_proof() -> None:
    screen = Screen()
    lossy = samples.recording(unanswered=3, errors={ErrorKind.LOST: 1})
    with screen.view as view:
        view.starts(["direct", "http1", "http2", "http2-blocked"])
        view.measured(trial("http1", recording=lossy))
        view.measured(trial("http2", proof=samples.DISPROVED))
        view.measured(trial("http2-blocked", recording=samples.refused_recording()))
        view.step(step("direct", 3))
        lines = screen.last_frame.splitlines()
    assert any(re.search(r"^  http1 +proved +1,000 +\d+ us +\S+ us|ms +4$", line) for line in lines)
    assert any(re.search(r"http2 +disproved", line) for line in lines)
    assert any(re.search(r"http2-blocked +proved +refused +HTTP 503 +0$", line) for line in lines)
    assert any(line.startswith("> direct") for line in lines)


def test_a_refusal_that_is_claimed_is_no_error() -> None:
    screen = Screen()
    with screen.view as view:
        view.step(step("http2-blocked", 0, refusal_claimed=True))
        screen.now_s += 1
        view.drive(Progress(Phase.CONNECTING, 0, 64, 0, None, None))
        assert "64 refused   0 errors" in screen.last_frame


def test_it_is_not_drawn_more_than_every_0_4_s_while_a_trial_is_on() -> None:
    screen = Screen()
    with screen.view as view:
        view.step(step("http2", 0))
        before = screen.written
        for _ in range(3):
            screen.now_s += 0.13
            view.drive(measuring(0))
        assert screen.written == before
        screen.now_s += 0.13
        view.drive(measuring(0))
        assert screen.written != before


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_or_low_terminal_gets_what_fits(width: int) -> None:
    screen = Screen(width, 8)
    names = [f"http{number}@1.36.2" for number in range(9)]
    with screen.view as view:
        view.starts(names)
        view.measured(trial(names[0]))
        view.step(step(names[6], 6))
        screen.now_s += 1
        view.drive(measuring(10))
        lines = screen.last_frame.splitlines()
    assert len(lines) <= 8
    assert max(map(len, lines)) <= width
    assert any(line.startswith(f"> {names[6]}") for line in lines)


def test_ascii_is_enough() -> None:
    screen = Screen(encoding="ascii")
    with screen.view as view:
        view.step(step("http2", 4))
        assert "##########.........." in screen.last_frame


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_on_every_way_out_the_view_is_wiped_and_the_cursor_shown(error: type[BaseException] | None) -> None:
    screen = Screen()
    try:
        with screen.view as view:
            view.step(step("http2", 0))
            view.note("[bold]words[/]")
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert screen.written.rfind(SHOW) > screen.written.rfind(HIDE) >= 0
    assert screen.written.rstrip().endswith("\x1b[2K")
    assert "[bold]words[/]\n" in screen.written


def test_verdicts_all_have_a_style() -> None:
    screen = Screen()
    with screen.view as view:
        for verdict in Verdict:
            view.measured(trial("http1", proof=replace(samples.PROVED, verdict=verdict)))
            view.step(step("http1", 1))
            assert f"http1  {verdict}" in re.sub(" +", "  ", screen.last_frame)
