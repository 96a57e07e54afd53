import json
from dataclasses import replace

import jsonschema
import pytest

from tests.bench import samples
from wsbench import document, storage
from wsbench.figures import latency, pooled
from wsbench.results import Run, to_document
from wsbench_client import ErrorKind


def valid(run: Run) -> document.Result:
    result = to_document(run)
    jsonschema.validate(json.loads(json.dumps(result, allow_nan=False)), storage.schema())
    return result


def usual() -> Run:
    return samples.run(
        samples.subject("direct", samples.trials("direct", 1.0)),
        samples.subject("http1", samples.trials("http1", 3.0)),
        samples.subject("http2", samples.trials("http2", 2.0)),
        of=samples.plan(),
    )


def test_a_run_becomes_a_valid_document() -> None:
    result = valid(usual())
    assert result["complete"] is True
    assert list(result["arms"]) == ["direct", "http1", "http2"]
    http1 = result["arms"]["http1"]
    assert (http1["outcome"], http1["failure"], http1["refusal"]) == ("measured", None, None)
    assert http1["service_time"]["count"] == http1["received"] == 8000
    assert http1["response_time"] is None
    assert http1["send_lag"] is None
    assert len(http1["rounds"]) == 8


def test_pooling_is_of_values_not_of_percentiles() -> None:
    result = valid(usual())
    arm = result["arms"]["direct"]
    everything = pooled(
        samples.recording(1.0, seed=samples.seed_of("direct", number)).service_time for number in range(1, 9)
    )
    assert arm["service_time"] == latency(everything)


def test_costs_are_sums_over_sums() -> None:
    http1 = valid(usual())["arms"]["http1"]
    echoes = 8 * round(1000 / 3)
    assert http1["driver"]["cpu_us_per_message"] == pytest.approx(8 * 10_000 / echoes)
    assert http1["driver"]["rss_kib_per_connection"] == pytest.approx(48 / 4)
    assert http1["connect_rate"] == pytest.approx(4 / 2e-3)
    assert http1["server"] is not None
    assert http1["server"]["cpu_us_per_message"] == pytest.approx(8 * 15_000 / echoes)
    assert http1["server"]["rss_kib_per_connection"] == pytest.approx(100_000 / 1024 / 4)
    assert http1["sidecars"] is not None
    assert http1["sidecars"]["client"] == {
        "cpu_cores": pytest.approx(0.02),
        "cpu_us_per_message": pytest.approx(8 * 20_000 / echoes),
        "rss_kib_per_connection": pytest.approx(400_000 / 1024 / 4),
        "hop_connections": 4,
    }
    assert http1["achieved_rate"] == pytest.approx(echoes / 8)


def test_the_open_loop_has_response_time_and_send_lag() -> None:
    run = samples.run(
        samples.subject("direct", samples.trials("direct", 1.0, open_loop=True)),
        samples.subject("http1", samples.trials("http1", 2.0, open_loop=True)),
        of=samples.plan(rate=1000.0),
    )
    result = valid(run)
    response = result["arms"]["http1"]["response_time"]
    assert response is not None
    assert response["count"] == 8000
    assert {comparison["metric"] for comparison in result["comparisons"]} == {
        "response_time.p50_us",
        "response_time.p99_us",
        "connect.p50_us",
    }


def test_a_refused_arm_carries_no_latency() -> None:
    blocked = tuple(
        replace(trial, recording=samples.refused_recording(), client_sidecar=None, server_sidecar=None, server=None)
        for trial in samples.trials("http2-blocked", 1.0)
    )
    result = valid(samples.run(samples.subject("http2-blocked", blocked)))
    arm = result["arms"]["http2-blocked"]
    assert arm["outcome"] == "refused"
    assert arm["errors"] == {"rejected": 32}
    assert arm["service_time"]["count"] == 0
    assert arm["service_time"]["p50_us"] is None
    assert arm["achieved_rate"] is None
    assert arm["sidecars"] is None


def test_an_arm_given_up_has_failed_and_one_never_reached_too() -> None:
    result = valid(
        samples.run(
            samples.subject("http1", samples.trials("http1", 1.0, rounds=2), failure="round 3: it died"),
            samples.subject("http2", ()),
            incomplete_reason="interrupted",
        )
    )
    assert result["complete"] is False
    assert result["arms"]["http1"]["outcome"] == "failed"
    assert result["arms"]["http1"]["failure"] == "round 3: it died"
    assert result["arms"]["http1"]["service_time"]["count"] == 2000
    assert result["arms"]["http2"]["outcome"] == "failed"
    assert result["comparisons"] == []


def test_errors_and_closes_are_summed_under_their_names() -> None:
    trials = tuple(
        replace(trial, recording=replace(trial.recording, errors={ErrorKind.LOST: 1}, closes={1000: 3, 1006: 1}))
        for trial in samples.trials("direct", 1.0)
    )
    arm = valid(samples.run(samples.subject("direct", trials)))["arms"]["direct"]
    assert arm["errors"] == {"connection_lost": 8}
    assert arm["closes"] == {"1000": 24, "1006": 8}
