import json
import typing
from dataclasses import replace
from importlib import resources
from typing import Any

import jsonschema
import pytest

from tests.bench import samples
from wsbench import document, run_comparison
from wsbench.conditions import Judged, parse_condition
from wsbench.errors import UsageError
from wsbench.results import to_document
from wsbench.run_comparison import RunComparison, compare_runs

SCHEMA = json.loads(resources.files("wsbench").joinpath("schema/run-comparison-1.schema.json").read_text("utf-8"))


def result(
    scales: dict[str, float] | None = None, *, rounds: int = 12, spread: float = 0.02, seed: int = 0, **plan: Any
) -> document.Result:
    """A run whose arms have these round trips, each round a little apart."""
    open_loop = plan.get("rate") is not None
    subjects = []
    for name, scale in (scales or {"direct": 1.0, "http1": 3.0, "http2": 2.0}).items():
        trials = samples.trials(name, scale, rounds, open_loop=open_loop)
        apart = [1 + spread * ((7 * (number + seed)) % 11 - 5) for number in range(rounds)]
        subjects.append(
            samples.subject(
                name,
                tuple(
                    replace(
                        trial,
                        recording=samples.recording(
                            scale * factor, seed=samples.seed_of(name, trial.round + 100 * seed), open_loop=open_loop
                        ),
                    )
                    for trial, factor in zip(trials, apart, strict=True)
                ),
            )
        )
    return to_document(samples.run(*subjects, of=samples.plan(**plan)))


def compared(base: document.Result, new: document.Result, *conditions: str, **options: Any) -> RunComparison:
    found = compare_runs(
        ("base", base), ("new", new), conditions=[parse_condition(text) for text in conditions], **options
    )
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), SCHEMA)
    return found


def verdicts(found: RunComparison, metric: str) -> dict[str, str]:
    return {change["arm"]: change["verdict"] for change in found["changes"] if change["metric"] == metric}


def test_types_and_schema_name_the_same_fields() -> None:
    kinds = [value for value in vars(run_comparison).values() if typing.is_typeddict(value)]
    assert {kind.__name__ for kind in kinds} == {"RunComparison", *SCHEMA["$defs"]}
    for kind in kinds:
        described = SCHEMA if kind is RunComparison else SCHEMA["$defs"][kind.__name__]
        assert list(described["properties"]) == list(typing.get_type_hints(kind))
        assert described["required"] == list(described["properties"])


def test_equal_runs_show_no_difference() -> None:
    found = compared(result(), result(seed=1))
    assert set(verdicts(found, "rtt.p50").values()) == {"no difference shown"}
    assert (found["failed"], found["warnings"], found["plan_differences"]) == (False, [], [])


def test_an_arm_that_became_slower_is_found_and_the_others_are_not() -> None:
    found = compared(result(), result({"direct": 1.0, "http1": 3.0, "http2": 3.0}, seed=1))
    assert verdicts(found, "rtt.p50") == {
        "direct": "no difference shown",
        "http1": "no difference shown",
        "http2": "slower",
    }
    assert verdicts(found, "rate")["http2"] == "slower"
    change = next(one for one in found["changes"] if (one["arm"], one["metric"]) == ("http2", "rtt.p50"))
    assert change["ratio"] == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize(
    ("condition", "judged", "failed"),
    [
        ("http2.rtt.p99 > +10%", Judged.FAILS, True),
        ("http2.rtt.p99 > +300%", Judged.HOLDS_OFF, False),
        ("http1.rtt.p99 > +0.1%", Judged.OPEN, False),
        ("http2.rate < -10%", Judged.FAILS, True),
        ("http1.rtt.p99.9 > +50%", Judged.HOLDS_OFF, False),
    ],
)
def test_conditions(condition: str, judged: Judged, failed: bool) -> None:
    slower = result({"direct": 1.0, "http1": 3.0, "http2": 3.0}, seed=1)
    found = compared(result(), slower, condition)
    assert found["conditions"] == [{"condition": condition, "judged": judged}]
    assert found["failed"] is failed
    assert compared(result(), slower, condition, strict=True)["failed"] is (judged is not Judged.HOLDS_OFF)


def test_unlike_plans_are_refused_with_what_differs() -> None:
    with pytest.raises(
        UsageError, match=r"payload_bytes 64 in base, 1024 in new; connect_rate None in base, 5\.0 in new"
    ):
        compared(result(), result(payload_bytes=1024, connect_rate=5.0))
    found = compared(result(), result(payload_bytes=1024), allowed=["payload_bytes"])
    assert found["plan_differences"] == [{"name": "payload_bytes", "base": 64, "new": 1024}]


def test_rounds_and_seeds_may_differ() -> None:
    assert compared(result(rounds=8), result(rounds=20, seed=7))["plan_differences"] == []


def test_environments_may_differ_and_are_told() -> None:
    new = result()
    new["environment"]["envoy"] = "9.9"
    new["environment"]["libraries"] = {**new["environment"]["libraries"], "picows": "9"}
    found = compared(result(), new)["environment_differences"]
    assert {one["name"] for one in found} == {"envoy", "picows"}


def test_an_arm_of_one_run_is_told_and_one_of_neither_is_a_mistake() -> None:
    found = compared(result({"http1": 3.0, "direct": 1.0}), result({"http1": 3.0, "http2": 2.0}))
    assert (found["only_in_base"], found["only_in_new"]) == (["direct"], ["http2"])
    assert compared(result(), result({"http1": 3.0}), "http2.rate < -5%")["conditions"][0]["judged"] == Judged.UNKNOWN
    with pytest.raises(UsageError, match="neither run has an arm 'http3', choose from direct, http1, http2"):
        compared(result(), result(), "http3.rate < -5%")


def test_a_disproved_arm_is_not_compared() -> None:
    new = result()
    new["arms"]["http2"]["proof"]["verdict"] = "disproved"
    found = compared(result(), new, "http2.rtt.p50 > +1%", strict=True)
    assert "http2" not in verdicts(found, "rtt.p50")
    assert "http2 is not compared: measured, proved in base; measured, disproved in new" in found["warnings"]
    assert found["failed"]


def test_a_floor_that_moved_is_said() -> None:
    found = compared(result(), result({"direct": 2.0, "http1": 3.0, "http2": 2.0}, seed=1))
    assert any(
        warning.startswith("direct, which has no proxy in its way, changed too") for warning in found["warnings"]
    )


def test_too_few_rounds_are_no_guess() -> None:
    found = compared(result(rounds=3), result({"direct": 9.0, "http1": 9.0, "http2": 9.0}, rounds=3))
    assert {change["verdict"] for change in found["changes"]} == {"insufficient data"}
    assert "3 rounds in one of the runs: 25 comparisons need 7 in each, see --rounds" in found["warnings"]


def test_the_open_loop_compares_response_times_and_no_rates() -> None:
    found = compared(result(rate=1000.0), result(rate=1000.0, seed=1))
    assert {change["path"] for change in found["changes"] if change["metric"] == "rtt.p99"} == {"response_time.p99_us"}
    assert verdicts(found, "rate") == {}


def test_runs_that_are_not_sound_are_said() -> None:
    base, new = result(), result()
    base["complete"], base["incomplete_reason"] = False, "interrupted"
    new["too_busy"] = "steal"
    assert compared(base, new)["warnings"][:2] == [
        "base is incomplete: interrupted",
        "new was measured on a busy machine: steal",
    ]
