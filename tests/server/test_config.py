from typing import Any

import pytest

from wsbench_server.config import Engine, ServerConfig


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"port": 65536}, "port must be from 0 to 65535, not 65536"),
        ({"health_port": -1}, "health-port must be from 0 to 65535, not -1"),
        ({"max_message_bytes": 0}, "max-message-size must be from 1 byte to 1 GiB, not 0"),
        ({"max_message_bytes": (1 << 30) + 1}, "max-message-size must be from 1 byte to 1 GiB"),
        ({"delay_ns": -1}, "delay must be from 0 to 1h"),
        ({"delay_jitter_ns": 3_601 * 10**9}, "delay-jitter must be from 0 to 1h, not 3601 s"),
        ({"grace_s": float("nan")}, "grace must be from 0 to 1h, not nan s"),
        ({"grace_s": -0.5}, "grace must be from 0 to 1h, not -0.5 s"),
        ({"processes": 0}, "processes must be at least 1, not 0"),
        ({"ping_interval_s": 0.0}, "ping-interval must be above 0"),
        ({"compression": True, "engine": Engine.PICOWS}, "compression needs the engine websockets"),
    ],
)
def test_what_cannot_be_served_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ServerConfig(**changes)


def test_a_delay_or_jitter_delays() -> None:
    assert not ServerConfig().delayed
    assert ServerConfig(delay_ns=1).delayed
    assert ServerConfig(delay_jitter_ns=1).delayed
