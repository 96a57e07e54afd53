from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client import DrivePlan, EngineName, Pattern, PatternKind, PayloadKind, PayloadMix
from wsbench_client.mix import MAX_PAYLOAD_BYTES
from wsbench_client.plan import Endpoint, endpoint

URL = "ws://127.0.0.1:8080/"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://example.org", Endpoint("example.org", 80, secure=False)),
        ("wss://example.org/chat?room=1", Endpoint("example.org", 443, secure=True)),
        ("ws://[::1]:9000/", Endpoint("::1", 9000, secure=False)),
        ("WS://Example.ORG:1/", Endpoint("example.org", 1, secure=False)),
    ],
)
def test_endpoint(url: str, expected: Endpoint) -> None:
    assert endpoint(url) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/", "must begin with ws:// or wss://"),
        ("example.org:80", "must begin with"),
        ("", "must begin with"),
        ("ws://", "names no host"),
        ("ws://:80/", "names no host"),
        ("ws://h:0/", "port 0"),
        ("ws://h:65536/", "out of range"),
        ("ws://h:x/", "x"),
        ("ws://[::1/", "Invalid IPv6"),
        ("ws://u:p@h/", "user information"),
        ("ws://h/#part", "fragment"),
    ],
)
def test_what_is_no_websocket_url(url: str, why: str) -> None:
    with pytest.raises(ValueError, match="not a WebSocket URL") as raised:
        DrivePlan(url)
    assert why in str(raised.value)
    assert repr(url) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connections", 0),
        ("connections", -3),
        ("duration_ns", 0),
        ("warmup_ns", -1),
        ("payload_bytes", 0),
        ("payload_bytes", MAX_PAYLOAD_BYTES + 1),
        ("rate", 0),
        ("rate", -1.0),
        ("rate", 1.1e9),
        ("rate", float("nan")),
        ("connect_rate", 0),
        ("connect_concurrency", 0),
        ("connect_timeout_ns", 0),
        ("drain_timeout_ns", 0),
    ],
)
def test_what_cannot_be_driven_is_named_with_its_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as raised:
        DrivePlan(URL, **{name: value})
    assert str(value) in str(raised.value)


@given(
    st.builds(
        DrivePlan,
        url=st.just(URL),
        connections=st.integers(1, 10**6),
        duration_ns=st.integers(1, 10**15),
        warmup_ns=st.integers(0, 10**15),
        payload_bytes=st.integers(1, MAX_PAYLOAD_BYTES),
        payload_kind=st.sampled_from(PayloadKind),
        rate=st.none() | st.floats(0.001, 1e9),
        engine=st.sampled_from(EngineName),
        seed=st.integers(),
        payload_mix=st.none() | st.just(PayloadMix(((64, 0.9), (16384, 0.1)))),
        pattern=st.sampled_from([Pattern(), Pattern(PatternKind.ONE_WAY)]),
    )
)
def test_through_json_and_back(plan: DrivePlan) -> None:
    assert DrivePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.open_loop is (plan.rate is not None)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DrivePlan(URL).connections = 2  # type: ignore[misc]


def test_a_burst_through_json_and_back() -> None:
    plan = DrivePlan(URL, pattern=Pattern(PatternKind.BURST, 7))
    assert DrivePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_source_that_is_no_address_is_named() -> None:
    with pytest.raises(ValueError, match="source_addresses must be IP addresses, not 'localhost'"):
        DrivePlan(URL, source_addresses=("127.0.0.1", "localhost"))


def test_source_addresses_through_json_and_back() -> None:
    plan = DrivePlan(URL, source_addresses=("127.0.0.1", "127.0.0.2"))
    assert DrivePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_single_size_is_a_mix_of_one() -> None:
    assert DrivePlan(URL, payload_bytes=5).mix == PayloadMix.of(5)
    mix = PayloadMix(((64, 3.0), (128, 1.0)))
    assert DrivePlan(URL, payload_mix=mix).mix == mix


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"payload_mix": PayloadMix(((64, 0.99999), (65, 0.00001)))}, "cannot be represented.*0.0010% of 65 bytes"),
        (
            {"payload_bytes": MAX_PAYLOAD_BYTES // 2, "pattern": Pattern(PatternKind.BURST, 3)},
            f"a burst must be of {MAX_PAYLOAD_BYTES} bytes at most, not {MAX_PAYLOAD_BYTES // 2 * 3}",
        ),
    ],
)
def test_a_load_of_no_such_shape_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DrivePlan(URL, **changes)


@pytest.mark.parametrize(("pattern", "kind"), [("echo", "binary"), ("burst:2", "binary"), ("one-way", "text")])
def test_what_kind_of_frame_answers(pattern: str, kind: str) -> None:
    assert DrivePlan(URL, pattern=Pattern.parse(pattern)).answer_kind == kind
