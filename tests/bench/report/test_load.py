from typing import Any

import pytest

from tests.bench.report import examples
from wsbench.report import load


def asked(**changes: Any) -> Any:
    return {**examples.closed_loop()["plan"], **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "closed (the next message waits for the echo)"),
        ({"pattern": "one-way"}, "closed (as fast as the server takes messages)"),
        ({"rate": 5000.0}, "open, 5,000 messages per second over all connections"),
    ],
)
def test_when_messages_leave(changes: dict[str, Any], words: str) -> None:
    assert load.loop(asked(**changes)) == words


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("echo", "one message, one echo"),
        ("burst:8", "bursts of 8 messages, each answered by as many echoes"),
        ("one-way", "one-way: the server counts and echoes nothing"),
    ],
)
def test_who_says_what(pattern: str, words: str) -> None:
    assert load.pattern(asked(pattern=pattern)) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "opened as fast as it goes"),
        ({"ramp_us": 5e6}, "opened evenly over 5 s"),
        ({"connect_rate": 100.0}, "opened 100 per second"),
    ],
)
def test_how_connections_are_opened(changes: dict[str, Any], words: str) -> None:
    assert load.opening(asked(**changes)) == words


MIX = [{"bytes": 64, "share": 0.9}, {"bytes": 16_384, "share": 0.1}]


def test_how_large_messages_are() -> None:
    assert load.payload(asked()) == "64 bytes, binary"
    mixed = load.payload(asked(payload_bytes=1696, payload_mix=MIX))
    assert mixed == "90% of 64 bytes, 10% of 16,384 bytes (1,696 bytes on average), binary"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "64-byte messages, closed loop"),
        ({"rate": 5000.0, "pattern": "burst:8"}, "64-byte messages, open loop at 5,000 messages/s, bursts of 8"),
        (
            {"payload_bytes": 1696, "payload_mix": MIX, "pattern": "one-way"},
            "1,696-byte messages (a mix of 2 sizes, on average), closed loop, one-way",
        ),
    ],
)
def test_in_brief(changes: dict[str, Any], words: str) -> None:
    assert load.in_brief(asked(**changes)) == words
