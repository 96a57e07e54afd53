from pathlib import Path
from typing import Any

import pytest

from tests.bench.samples import plan
from wsbench.arms import ARMS, HopProtocol
from wsbench.errors import UsageError
from wsbench.plan import Target, arms_named, on_versions, parse_manifests, parse_sidecar, parse_target, with_claims


def test_every_round_has_every_name_once_in_an_order_that_the_seed_decides() -> None:
    orders = [plan().order(number) for number in range(1, 20)]
    assert all(sorted(order) == ["direct", "http1", "http2"] for order in orders)
    assert len(set(orders)) > 1
    assert orders == [plan().order(number) for number in range(1, 20)]
    assert orders != [plan(seed=6).order(number) for number in range(1, 20)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": ()}, "nothing to measure"),
        ({"arms": arms_named(["http1", "http1"])}, "'http1' is named twice"),
        ({"targets": (Target("a", "ws://x/"), Target("a", "ws://y/"))}, "'a' is named twice"),
        ({"rounds": 0}, "--rounds must be at least 1, not 0"),
        ({"connections": 0}, "connections must be at least 1, not 0"),
        ({"payload_bytes": 0}, "payload_bytes must be from 1 to"),
        ({"rate": -1.0}, "rate must be above 0"),
        ({"envoy_concurrency": 0}, "--envoy-concurrency must be at least 1, not 0"),
        ({"workers": 5}, r"--workers must be from 1 to --connections \(4\), not 5"),
        ({"until_precision": 0.05}, "--until-precision needs --max-duration"),
        ({"until_precision": 0.0005, "max_duration_ns": 1}, "must be above 0.1% and below 100%, not 0.05"),
        ({"until_precision": 1.0, "max_duration_ns": 1}, "below 100%, not 100.0"),
        ({"until_precision": 0.05, "arms": arms_named(["http1"])}, "needs two arms or targets to compare"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_value(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(**changes)


@pytest.mark.parametrize(
    ("names", "comparisons", "needed"),
    [
        (["http1"], 0, 6),
        (["http1", "http2"], 4, 8),
        (["direct", "http1", "http2", "http2-blocked"], 12, 9),
    ],
)
def test_the_rounds_that_the_comparisons_need_are_known_beforehand(
    names: list[str], comparisons: int, needed: int
) -> None:
    made = plan(arms=arms_named(names))
    assert (made.comparisons, made.rounds_needed) == (comparisons, needed)


def test_a_claimed_refusal_is_tried_on_all_connections_at_once() -> None:
    assert plan(connections=50).drive_plan("ws://x/", 1, refusal_claimed=True).connect_concurrency == 50
    assert plan(connections=50).drive_plan("ws://x/", 1).connect_concurrency < 50


@pytest.mark.parametrize(
    ("changes", "side_by_side"),
    [
        ({}, 4),
        ({"connect_rate": 1000.0}, 250),
        ({"connect_rate": 1.0}, 4),
        # 50 in half a second
        ({"ramp_ns": 500_000_000}, 25),
    ],
)
def test_a_set_connect_rate_does_not_wait_for_slow_ones(changes: dict[str, Any], side_by_side: int) -> None:
    assert plan(connections=50, **changes).drive_plan("ws://x/", 1).connect_concurrency == side_by_side


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a=ws://h:1/p?q=1", Target("a", "ws://h:1/p?q=1")),
        ("ws://h:1/p?q=1", Target("target", "ws://h:1/p?q=1")),
        ("b-1.x_y=wss://h/", Target("b-1.x_y", "wss://h/")),
    ],
)
def test_targets_are_named_or_called_target(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a=http://h/", "must begin with ws:// or wss://"),
        ("a/b=ws://h/", "bad target name 'a/b'"),
        ("=ws://h/", "bad target name ''"),
        ("..=ws://h/", "bad target name"),
        ("http1=ws://h/", "has the name of an arm"),
        ("a=ws://", "names no host"),
        ("a=ws://h:99999/", "not a WebSocket URL"),
        ("banana", "must begin with ws://"),
    ],
)
def test_a_target_that_is_none_is_refused_with_the_value(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_target(text)


def test_arms_by_name() -> None:
    assert arms_named(["http1", "direct"]) == (ARMS["http1"], ARMS["direct"])
    with pytest.raises(UsageError, match="unknown arm 'http9': choose from direct, http1"):
        arms_named(["http9"])


def test_every_arm_with_sidecars_is_measured_on_every_envoy() -> None:
    arms = arms_named(["http1", "direct", "http2"])
    found = on_versions(arms, ["1.36.2", "1.40.0"])
    assert [(arm.name, arm.envoy_version) for arm in found] == [
        ("direct", None),
        ("http1@1.36.2", "1.36.2"),
        ("http2@1.36.2", "1.36.2"),
        ("http1@1.40.0", "1.40.0"),
        ("http2@1.40.0", "1.40.0"),
    ]
    # Of a single one the names are as ever: the environment says which it is.
    assert [(arm.name, arm.envoy_version) for arm in on_versions(arms, ["1.36.2"])] == [
        ("direct", None),
        ("http1", "1.36.2"),
        ("http2", "1.36.2"),
    ]
    assert on_versions(arms, []) == arms
    with pytest.raises(UsageError, match=r"--envoy-version 1\.40\.0: no arm of this run has a sidecar"):
        on_versions(arms_named(["direct"]), ["1.40.0"])
    with pytest.raises(UsageError, match=r"'http1@1\.40\.0' is named twice"):
        plan(arms=on_versions(arms, ["1.40.0", "1.40.0"]))
    assert parse_manifests("http2=mine", found) == ("http2", Path("mine"))
    assert plan(arms=found, sabotage=("http2",)).sabotage == ("http2",)


def test_mtls_is_short_for_the_arms_under_it() -> None:
    names = ["direct", "http1", "http2", "hbone", "http1+mtls"]
    found = [arm.name for arm in arms_named(names[:4], mtls=True)]
    assert found == ["direct", "http1+mtls", "http2+mtls", "hbone"]
    assert arms_named(["http1+mtls"], mtls=True) == (ARMS["http1+mtls"],)
    with pytest.raises(UsageError, match="none of these arms has a hop to put under mTLS: direct, http3"):
        arms_named(["direct", "http3"], mtls=True)


@pytest.mark.parametrize("name", ["http2", "direct", "hbone"])
def test_only_arms_whose_hop_manifests_decide_are_sabotaged(name: str) -> None:
    with pytest.raises(UsageError, match=f"cannot sabotage '{name}': it is not an arm of this run whose hop manifests"):
        plan(arms=arms_named(["direct", "http1", "hbone"]), sabotage=(name,))


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("mine/", ["direct", "http2"], ("http2", Path("mine"))),
        ("http1=mine", ["http1", "http2"], ("http1", Path("mine"))),
        ("a=b.yaml", ["http2"], ("http2", Path("a=b.yaml"))),
    ],
)
def test_manifests_are_of_an_arm(text: str, names: list[str], found: tuple[str, Path]) -> None:
    assert parse_manifests(text, arms_named(names)) == found


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("mine", ["http1", "http2"], "must name its arm, as in http2=mine"),
        ("mine", ["direct"], "must name its arm"),
        ("direct=mine", ["direct", "http2"], "'direct' is not an arm of this run whose hop"),
        ("http3=mine", ["http2", "http3"], "'http3' is not an arm of this run whose hop"),
        ("http1=mine", ["http2"], "'http1' is not an arm of this run whose hop"),
    ],
)
def test_manifests_of_no_arm(text: str, names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_manifests(text, arms_named(names))


def test_an_arm_has_one_set_of_manifests() -> None:
    with pytest.raises(UsageError, match="give those of an arm once"):
        plan(arms=arms_named(["http1"]), manifests=(("http1", Path("a")), ("http1", Path("b"))))


TARGETS = (Target("a", "ws://x/"), Target("b", "ws://y:8080/"))


@pytest.mark.parametrize(
    ("targets", "texts", "claims"),
    [
        (TARGETS, [], [None, None]),
        (TARGETS, ["b=http2"], [None, HopProtocol.HTTP2]),
        (TARGETS, ["b=http2", "a=http1"], [HopProtocol.HTTP1, HopProtocol.HTTP2]),
        (TARGETS[:1], ["http1"], [HopProtocol.HTTP1]),
        (TARGETS[:1], ["a=http1"], [HopProtocol.HTTP1]),
    ],
)
def test_what_targets_claim(targets: tuple[Target, ...], texts: list[str], claims: list[HopProtocol | None]) -> None:
    found = with_claims(targets, texts)
    assert [target.claim for target in found] == claims
    assert [(target.name, target.url) for target in found] == [(target.name, target.url) for target in targets]


@pytest.mark.parametrize(
    ("targets", "texts", "words"),
    [
        (TARGETS, ["a=http9"], "--claim a=http9: 'http9' is nothing a hop may claim: choose from http1, http2"),
        (TARGETS, ["a="], "--claim a=: '' is nothing a hop may claim"),
        (TARGETS, ["http2"], r"--claim http2 must name one of the targets \(a, b\), as in NAME=http2"),
        (TARGETS, ["c=http2"], r"--claim c=http2 must name one of the targets \(a, b\)"),
        (TARGETS, ["a=http2", "a=http1"], "--claim a=http1: 'a' has made its claim already"),
        ((), ["http2"], "--claim http2 must name a target, and there is none: see --target"),
        ((Target("s", "wss://x/"),), ["http2"], "'s' is wss://x/: no sidecar sees into TLS of the driver's own"),
    ],
)
def test_claims_that_nobody_can_make(targets: tuple[Target, ...], texts: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        with_claims(targets, texts)


@pytest.mark.parametrize(
    "text",
    ["auto", "none", "http://127.0.0.1:15000", "http://localhost:9901/", "http://127.0.0.1:15090/stats/prometheus"],
)
def test_where_a_sidecar_may_be(text: str) -> None:
    assert parse_sidecar(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "off",
        "15000",
        "127.0.0.1:15000",
        "https://127.0.0.1:15000",
        "http://h",
        "http://:1",
        "http://h:x",
        "http://h:1/stats",
    ],
)
def test_where_no_sidecar_can_be(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no sidecar: give auto, none, http://HOST:PORT"):
        parse_sidecar(text)
