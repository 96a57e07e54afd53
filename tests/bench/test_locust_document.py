from __future__ import annotations

import json
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.bench import samples
from wsbench.locust_document import About, Asked, locust_document, logs
from wsbench.locust_fleet import Fleet, Report
from wsbench.report import html, markdown
from wsbench.results import EndedBy
from wsbench.run_comparison import compare_runs
from wsbench.storage import schema
from wsbench_client import PayloadKind
from wsbench_client.stretch import Stretch

SECOND = 1_000_000_000
BEGUN = 1_790_000_000 * SECOND
ROUNDS = 12


def asked(**changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "url": "ws://127.0.0.1:1/",
        "users": {"EchoUser": 4},
        "spawn_rate": 4.0,
        "run_time_s": 12.0,
        "payload_bytes": 64,
        "payload_kind": PayloadKind.BINARY,
        "user_rate": None,
        "driver_connections": 8,
    }
    return Asked(**{**fields, **changes})


def about(reason: str | None = None) -> About:
    environment = samples.run().environment
    return About(environment, "0.0.0", "2.47.0", "wsbench locust", "then", "now", reason, EndedBy.MAX_DURATION)


def fleet(scale: float = 1.0, latency: str = "service_time") -> Fleet:
    """Two workers, a stretch a second each."""
    found = Fleet(1, SECOND, BEGUN)
    for name in ("a", "b"):
        rng = np.random.default_rng(samples.seed_of(name, round(scale * 10)))
        so_far = 0
        for number in range(1, ROUNDS + 1):
            values = (rng.lognormal(13, 0.3, 500 + number) * scale).astype(np.int64)
            histograms = {"service_time": samples.histogram(values), latency: samples.histogram(values)}
            if number == 1:
                histograms |= {"connect": samples.histogram([10**6, 2 * 10**6])}
            begin = BEGUN + (number - 1) * SECOND
            so_far += values.size
            one = Stretch(
                begin, begin + SECOND, opened=2 * (number == 1), sent=values.size, received=values.size,
                cpu_ns=SECOND // 5, histograms=histograms, hop_protocols={"HTTP/2": 2} if number == 1 else {},
            )  # fmt: skip
            report = Report(1, number, so_far, (one,), (), {"EchoUser": 2}, final=number == ROUNDS)
            found.hear(name, report, begin + SECOND)
    return found


def test_it_is_a_result_like_any_other() -> None:
    result = json.loads(json.dumps(locust_document(asked(), fleet(), about())))
    jsonschema.validate(result, schema())
    arm = result["arms"]["target"]
    total = 2 * sum(500 + number for number in range(1, ROUNDS + 1))
    assert arm["service_time"]["count"] == arm["received"] == total
    assert (arm["kind"], arm["outcome"], arm["proof"]["verdict"]) == ("target", "measured", "unproved")
    assert [one["window_us"] for one in arm["rounds"]] == [1e6] * ROUNDS
    # Two workers with a fifth of a core each.
    assert arm["driver"]["cpu_cores"] == pytest.approx(0.4)
    assert (result["plan"]["connections"], result["plan"]["workers"]) == (4, 2)
    assert result["plan"]["engine"] == "websocket-client"
    assert result["locust"]["run_time_us"] == 12e6
    assert [worker["received"] for worker in result["locust"]["workers"]] == [total // 2] * 2
    assert result["locust"]["workers"][0]["driver"]["cpu_cores"] == pytest.approx(0.2)
    assert html.render(result).count("driven by Locust")
    assert "target" in markdown.render(result)


def test_merged_percentiles_are_those_of_all_samples() -> None:
    found = fleet()
    result = locust_document(asked(), found, about())
    by_hand = samples.histogram([])
    for member in found.members.values():
        assert member.total is not None
        by_hand.add(member.total.histogram("service_time"))
    p99 = by_hand.percentiles_ns([99.0])[0]
    assert p99 is not None
    assert result["arms"]["target"]["service_time"]["p99_us"] == p99 / 1000


def test_two_runs_compare() -> None:
    base, new = (locust_document(asked(), fleet(scale), about()) for scale in (1.0, 1.5))
    changes = compare_runs(("base", base), ("new", new))["changes"]
    by_metric = {change["metric"]: change for change in changes}
    assert by_metric["rtt.p50"]["verdict"] == "slower"
    assert by_metric["rtt.p50"]["ratio"] == pytest.approx(1.5, rel=0.05)
    # All connections are of the first round.
    assert by_metric["connect.p50"]["verdict"] == "insufficient data"


def test_drivers_at_a_rate_are_the_open_loop() -> None:
    plan = asked(users={"DriverUser": 2}, drivers=2, user_rate=500.0)
    result = locust_document(plan, fleet(latency="response_time"), about())
    jsonschema.validate(json.loads(json.dumps(result)), schema())
    assert (result["plan"]["rate"], result["plan"]["connections"], result["plan"]["workers"]) == (1000.0, 16, 2)
    assert result["plan"]["engine"] == "picows"
    response = result["arms"]["target"]["response_time"]
    assert response is not None
    assert response["count"] == result["arms"]["target"]["service_time"]["count"]
    assert result["locust"]["workers"][0]["response_time"] is not None


@pytest.mark.parametrize(
    ("users", "connections", "rate"),
    [
        ({"EchoUser": 3}, 3, None),
        ({"DriverUser": 3}, 24, 30.0),
        # Whoever waits for echoes has no rate of its own.
        ({"EchoUser": 3, "DriverUser": 1}, 11, None),
    ],
)
def test_what_was_asked_for(users: dict[str, int], connections: int, rate: float | None) -> None:
    plan = asked(users=users, drivers=users.get("DriverUser", 0), user_rate=10.0)
    assert (plan.connections, plan.rate) == (connections, rate)


def test_what_is_missing_makes_it_incomplete() -> None:
    result = locust_document(asked(), fleet(), about("worker a was last heard of then"))
    assert (result["complete"], result["incomplete_reason"]) == (False, "worker a was last heard of then")


def test_nothing_reported_is_no_result_and_no_echo_a_failure() -> None:
    with pytest.raises(ValueError, match="no worker has reported anything"):
        locust_document(asked(), Fleet(1, SECOND, BEGUN), about())
    dead = Fleet(1, SECOND, BEGUN)
    dead.hear("a", Report(1, 1, 0, (Stretch(BEGUN, BEGUN + SECOND),), final=True), BEGUN + SECOND)
    arm = locust_document(asked(), dead, about())["arms"]["target"]
    assert (arm["outcome"], arm["failure"]) == ("failed", "no echo came back: no user sent anything")


def test_logs_of_all_together_and_of_each() -> None:
    found = logs(fleet())
    assert set(found) == {f"{name}.{what}.hlog" for name in ("target", "a", "b") for what in ("rtt", "connect")}
    assert found["target.rtt.hlog"].count("Tag=target,") == ROUNDS
    assert found["a.rtt.hlog"].count("Tag=a,") == 1
