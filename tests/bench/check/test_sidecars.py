"""Real Envoys are read in tests/bench/commands/test_check.py; here, what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.check.servers import hanging_up, listening, saying, silent
from wsbench.check.sidecars import Sidecars
from wsbench.errors import UsageError

OnLoop = Callable[..., Any]


@pytest.mark.parametrize(
    ("handle", "problem"),
    [
        (hanging_up, "does not answer as an Envoy: "),
        (silent, "does not answer as an Envoy: no answer within 0.3 s"),
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"), "answers, but not as an Envoy's admin endpoint"),
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), "answers, but not as an Envoy's admin endpoint"),
        (saying(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), "does not answer as an Envoy: HTTP 404"),
    ],
)
def test_what_is_no_envoy_is_said_where_it_was_named(on_loop: OnLoop, handle: Any, problem: str) -> None:
    async def work() -> None:
        async with listening(handle) as port:
            url = f"http://127.0.0.1:{port}"
            sidecars = Sidecars([url], [], 0.3)
            await sidecars.begin()
            ((view,), _) = await sidecars.finish()
        assert view.problem is not None
        assert view.problem.startswith(url)
        assert problem in view.problem

    on_loop(work)


def test_new_lines_of_a_log_or_its_last_ones(on_loop: OnLoop, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("old\n")

    async def work() -> None:
        sidecars = Sidecars([], [log], 0.3)
        await sidecars.begin()
        _, (view,) = await sidecars.finish()
        assert (view.lines, view.fresh) == (("old",), False)
        with log.open("a") as file:
            file.write("new\nhalf a li")
        _, (view,) = await sidecars.finish()
        assert (view.lines, view.fresh) == (("new",), True)

    on_loop(work)


def test_a_log_that_is_not_there_is_bad_input(on_loop: OnLoop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--access-log .*nowhere cannot be read: No such file"):
        on_loop(Sidecars([], [tmp_path / "nowhere"], 0.3).begin)
    with pytest.raises(UsageError, match="Is a directory"):
        on_loop(Sidecars([], [tmp_path], 0.3).begin)
