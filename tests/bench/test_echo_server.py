from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from wsbench.echo_server import running_echo_server
from wsbench.errors import LabDownError, LabError


def test_it_listens_when_it_is_there_and_is_gone_afterwards(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with running_echo_server(tmp_path / "server.log", engine="picows", options=["--delay", "1ms"]) as server:
            server.check_alive()
            async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
                await stream.send(b"GET / HTTP/1.1\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 4")
        assert server.child.returncode is not None
        with pytest.raises(LabDownError, match="the echo server has ended with"):
            server.check_alive()

    on_loop(work)


def test_one_that_cannot_start_leaves_its_words(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with running_echo_server(tmp_path / "server.log", engine="no such engine"):
            pass

    with pytest.raises(LabError, match=r"did not start: .*no such engine"):
        on_loop(work)
