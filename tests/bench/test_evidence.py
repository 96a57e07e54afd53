"""Gathering evidence from sidecars: their files and counters are made up here, real ones are in test_lab."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER
from wsbench.errors import LabError
from wsbench.evidence import Observer

LINE = '{"protocol":"HTTP/2","response_code":101,"response_flags":"UC"}\n'


class Written:
    """A sidecar that is only what it wrote and counted."""

    def __init__(self, folder: Path, name: str) -> None:
        self.access_log = folder / f"{name}.access.log"
        self.counted: dict[str, int] = {}
        self.dead = False

    async def counters(self) -> Mapping[str, int]:
        return dict(self.counted)

    def check_alive(self) -> None:
        if self.dead:
            raise LabError("it died")

    def log(self, text: str) -> None:
        with self.access_log.open("a") as log:
            log.write(text)


@pytest.fixture
def sidecars(tmp_path: Path) -> tuple[Any, Any]:
    return Written(tmp_path, "client"), Written(tmp_path, "server")


def test_only_what_came_since_the_beginning_is_evidence(on_loop: Callable[..., Any], sidecars: tuple[Any, Any]) -> None:
    client, server = sidecars

    async def work() -> None:
        for sidecar in sidecars:
            sidecar.log(LINE * 3)
            sidecar.counted = {"a": 5, "b": 1}
        observer = Observer(client, server)
        await observer.begin()
        client.log(LINE * 2)
        server.log(LINE * 2)
        server.counted = {"a": 7, "b": 1, "c": 2}
        evidence = await observer.finish(2, 0)
        assert evidence.client is not None
        assert evidence.server is not None
        assert evidence.client.log.count == evidence.server.log.answered(101) == 2
        assert evidence.client.counters == {}
        assert evidence.server.counters == {"a": 2, "c": 2}

    on_loop(work)


def test_a_line_that_is_half_written_is_waited_for(on_loop: Callable[..., Any], sidecars: tuple[Any, Any]) -> None:
    client, server = sidecars

    async def work() -> None:
        observer = Observer(client, server)
        await observer.begin()
        client.log(LINE)
        server.log(LINE[:20])
        asked = 0
        check_alive = server.check_alive

        def finish_the_line() -> None:
            nonlocal asked
            asked += 1
            if asked == 2:
                server.log(LINE[20:])
            check_alive()

        server.check_alive = finish_the_line
        evidence = await observer.finish(1, 0)
        assert evidence.server is not None
        assert evidence.server.log.count == 1
        assert asked == 2

    on_loop(work)


def test_lines_that_never_come_are_not_waited_for_for_ever(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsbench.evidence._LINES_WITHIN_S", 0.1)

    async def work() -> None:
        observer = Observer(*sidecars)
        await observer.begin()
        evidence = await observer.finish(1, 0)
        assert evidence.server is not None
        assert evidence.server.log.count == 0

    on_loop(work)


@pytest.mark.parametrize(("opened", "refused", "waited_s"), [(0, 3, 0.3), (40, 0, 0.4), (20, 30, 0.5)])
def test_many_lines_are_waited_for_longer_and_not_for_ever(
    on_loop: Callable[..., Any],
    sidecars: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    opened: int,
    refused: int,
    waited_s: float,
) -> None:
    monkeypatch.setattr("wsbench.evidence._LINES_WITHIN_S", 0.0 if opened else 0.27)
    monkeypatch.setattr("wsbench.evidence._LINE_WITHIN_S", 0.01)

    async def work() -> float:
        observer = Observer(*sidecars)
        await observer.begin()
        begun_s = anyio.current_time()
        await observer.finish(opened, refused)
        return anyio.current_time() - begun_s

    assert waited_s - 0.01 < on_loop(work) < 10 * waited_s


def test_a_sidecar_that_dies_while_waiting_is_an_error(on_loop: Callable[..., Any], sidecars: tuple[Any, Any]) -> None:
    async def work() -> None:
        observer = Observer(*sidecars)
        await observer.begin()
        sidecars[1].dead = True
        await observer.finish(1, 0)

    with pytest.raises(LabError, match="it died"):
        on_loop(work)


def test_of_many_refusals_one_line_of_the_servers_is_enough(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any]
) -> None:
    client, server = sidecars

    async def work() -> None:
        observer = Observer(client, server)
        await observer.begin()
        client.log(LINE * 8)
        server.log(LINE)
        evidence = await observer.finish(0, 8)
        assert evidence.client is not None
        assert evidence.client.log.count == 8

    on_loop(work)


def test_refusals_do_not_pass_for_the_lines_of_those_that_opened(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any]
) -> None:
    client, server = sidecars
    refused = LINE.replace("101", "400")

    async def work() -> None:
        observer = Observer(client, server)
        await observer.begin()
        client.log(refused * 3 + LINE * 2)
        server.log(refused * 3)  # the refused end at once, the others' lines come later
        check_alive = server.check_alive

        def write_the_rest() -> None:
            server.check_alive = check_alive
            server.log(LINE * 2)

        server.check_alive = write_the_rest
        evidence = await observer.finish(2, 3)
        assert evidence.server is not None
        assert evidence.server.log.answered(101) == 2

    on_loop(work)


def test_many_lines_are_read_in_parts_and_kept_as_counts(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsbench.evidence._CHUNK_BYTES", 1000)

    async def work() -> None:
        observer = Observer(*sidecars)
        await observer.begin()
        for sidecar in sidecars:
            sidecar.log(LINE * 500)
        evidence = await observer.finish(500, 0)
        assert evidence.server is not None
        assert list(evidence.server.log.lines.values()) == [500]
        assert len(evidence.server.log.samples) == 1

    on_loop(work)


def test_a_line_that_is_no_access_log_line_is_an_error_that_names_the_file(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any]
) -> None:
    async def work() -> None:
        observer = Observer(*sidecars)
        await observer.begin()
        sidecars[1].log("no space left\n")
        await observer.finish(1, 0)

    with pytest.raises(LabError, match=r"server\.access\.log: not JSON: 'no space left'"):
        on_loop(work)


def test_hop_connections_are_read_from_both_sides(on_loop: Callable[..., Any], sidecars: tuple[Any, Any]) -> None:
    client, server = sidecars
    client.counted = {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active": 4}
    server.counted = {f"http.{INBOUND_STAT_PREFIX}.downstream_cx_active": 4}

    async def work() -> None:
        assert await Observer(client, server).hop_connections() == (4, 4)
        assert await Observer(server, client).hop_connections() == (0, 0)

    on_loop(work)


def test_a_hop_is_fresh_once_its_last_connection_is_gone(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = sidecars
    client.counted = {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active": 1}

    async def work() -> None:
        observer = Observer(*sidecars)
        client.check_alive = client.counted.clear  # it is asked once, finds one, and then it goes
        assert await observer.fresh_hop()
        client.counted = {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active": 1}
        client.check_alive = lambda: None
        monkeypatch.setattr("wsbench.evidence._FRESH_WITHIN_S", 0.05)
        assert not await observer.fresh_hop()

    on_loop(work)


def test_a_side_without_a_sidecar_leaves_nothing_and_is_not_waited_for(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any]
) -> None:
    client, server = sidecars
    client.counted = {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active": 3}
    server.counted = {f"http.{INBOUND_STAT_PREFIX}.downstream_cx_active": 2}

    async def work() -> None:
        for observer, hop in ((Observer(client, None), (3, None)), (Observer(None, server), (None, 2))):
            await observer.begin()
            assert await observer.hop_connections() == hop
            for sidecar in sidecars:
                sidecar.log(LINE)
            evidence = await observer.finish(1, 0)
            assert [traces and traces.log.count for traces in (evidence.client, evidence.server)] == [
                None if connections is None else 1 for connections in hop
            ]
        # The driver's own connections are gone with the driver.
        assert await Observer(None, server).fresh_hop()

    on_loop(work)


def test_the_lines_of_a_tunnel_are_those_of_its_connects(
    on_loop: Callable[..., Any], sidecars: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsbench.evidence._LINES_WITHIN_S", 30)
    client, server = sidecars

    async def work() -> None:
        observer = Observer(client, server, opened_status=200)
        await observer.begin()
        client.log(LINE.replace("101", "0"))
        server.log(LINE.replace("101", "200"))
        evidence = await observer.finish(1, 0)
        assert evidence.server is not None
        assert evidence.server.log.answered(200) == 1

    on_loop(work)
