from __future__ import annotations

from typing import Any

import pytest

from wsbench_client import DrivePlan, Pattern, PayloadMix
from wsbench_client.exchange import ClosedBursts, ClosedLoop, Exchange, OpenBursts, OpenLoop, SelfPaced
from wsbench_client.journal import Journal, Window
from wsbench_client.making import exchange_for
from wsbench_client.one_way import PacedStream, Stream
from wsbench_client.payload import PayloadRing


def made(**changes: Any) -> Exchange:
    plan = DrivePlan("ws://h/", **changes)
    stumbled: list[SelfPaced] = []
    return exchange_for(plan, PayloadRing.build(plan.mix, plan.payload_kind, 0), 0, stumbled.append)


@pytest.mark.parametrize(
    ("pattern", "closed", "opened"),
    [("echo", ClosedLoop, OpenLoop), ("burst:3", ClosedBursts, OpenBursts), ("one-way", Stream, PacedStream)],
)
def test_which_discipline(pattern: str, closed: type, opened: type) -> None:
    assert type(made(pattern=Pattern.parse(pattern))) is closed
    assert type(made(pattern=Pattern.parse(pattern), rate=100.0)) is opened


@pytest.mark.parametrize(
    ("changes", "outstanding"),
    [
        ({"connections": 2}, 125_000),
        ({"connections": 300_000}, 1),
        ({"payload_bytes": 1024 * 1024, "connections": 4}, 16),
        ({"payload_mix": PayloadMix(((1024 * 1024, 1), (3 * 1024 * 1024, 1))), "connections": 4}, 8),
        ({"pattern": Pattern.parse("burst:20"), "connections": 300_000}, 20),
        ({"pattern": Pattern.parse("one-way"), "connections": 2}, 25_000),
        ({"pattern": Pattern.parse("one-way"), "payload_bytes": 1024 * 1024, "connections": 4}, 8),
        ({"pattern": Pattern.parse("one-way"), "payload_bytes": 64 * 1024 * 1024, "connections": 4}, 1),
    ],
)
def test_how_much_may_be_outstanding(changes: dict[str, Any], outstanding: int) -> None:
    exchange = made(rate=100.0, **changes)
    sent: list[bytes] = []
    exchange.send = sent.append
    exchange.begin(Journal(Window(0, 2**62), open_loop=True))
    assert isinstance(exchange, (OpenLoop, PacedStream))
    while not exchange.unsent:
        exchange.send_due(1)
    assert len(sent) == outstanding
