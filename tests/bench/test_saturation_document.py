import json
import typing
from typing import Any

import jsonschema
import pytest

from tests.bench import samples
from tests.bench.test_saturation import climbing, plan, trial
from wsbench import document, saturation_document
from wsbench.results import Subject
from wsbench.saturation_document import Saturation, SaturationRun, to_document
from wsbench.storage import schema
from wsbench_client import ErrorKind

SCHEMA = schema(saturation_document.SCHEMA_VERSION, saturation_document.KIND)


def searched(*subjects: Subject, **changes: Any) -> Saturation:
    """A document that is what the schema says."""
    of = samples.run()
    fields: dict[str, Any] = {
        "plan": plan(),
        "subjects": subjects,
        "environment": of.environment,
        "wsbench_version": "0.0.0",
        "command": "wsbench saturate",
        "started_at": of.started_at,
        "finished_at": of.finished_at,
    }
    found = to_document(SaturationRun(**{**fields, **changes}))
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), SCHEMA)
    return found


def arms(**changes: Any) -> Saturation:
    """http1 carries 1,410 a second, http2 15,000 at least; ``direct`` died."""
    far = tuple(
        trial(rate, name="http2", number=number) for number, rate in enumerate((1000, 2000, 4000, 8000, 16_000), 1)
    )
    return searched(
        samples.subject("direct", (), "its server died"),
        samples.subject("http1", climbing()),
        samples.subject("http2", far),
        **changes,
    )


def test_types_and_schema_name_the_same_fields() -> None:
    ours = {kind for kind in vars(saturation_document).values() if typing.is_typeddict(kind)}
    shared = {getattr(document, name) for name in SCHEMA["$defs"] if not hasattr(saturation_document, name)}
    assert {kind.__name__ for kind in ours | shared} == {"Saturation", *SCHEMA["$defs"]}
    for kind in ours | shared:
        described = SCHEMA if kind is Saturation else SCHEMA["$defs"][kind.__name__]
        assert list(described["properties"]) == list(typing.get_type_hints(kind))
        assert described["required"] == list(described["properties"])


def test_what_both_schemas_describe_they_describe_alike() -> None:
    results = schema()["$defs"]
    for name in set(results) & set(SCHEMA["$defs"]) - set(vars(saturation_document)):
        assert SCHEMA["$defs"][name] == results[name]


def test_every_arm_has_its_capacity_or_its_failure() -> None:
    found = arms()
    assert {name: arm["capacity"] for name, arm in found["arms"].items()} == {
        "direct": None,
        "http1": {"low": 1410, "high": 2000, "limit": "latency"},
        "http2": {"low": 16_000, "high": None, "limit": "highest_rate"},
    }
    assert found["arms"]["direct"]["failure"] == "its server died"
    assert found["complete"] is True


def test_only_arms_with_a_capacity_are_compared() -> None:
    (comparison,) = arms()["comparisons"]
    assert comparison == {
        "baseline": "http1",
        "candidate": "http2",
        "ratio_low": 8.0,
        "ratio_high": None,
        "verdict": "carries more",
    }


def test_a_step_tells_of_its_trial() -> None:
    found = searched(
        samples.subject("http1", (trial(1000, 50, lag_us=100, unanswered=40, errors={ErrorKind.PROTOCOL: 2}),))
    )
    (step,) = found["arms"]["http1"]["steps"]
    assert (step["rate"], step["carried"], step["missed"][1:]) == (1000, False, ["4.00% lost"])
    assert step["missed"][0].startswith("p99 50")
    assert (step["unanswered"], step["errors"]) == (40, {"protocol_error": 2})
    assert step["response_time"]["p99_us"] == pytest.approx(50_000, rel=0.01)
    assert step["send_lag"]["p99_us"] == pytest.approx(100, rel=0.01)
    assert step["cpu_cores"] == {
        "driver": 0.1,
        "server": 0.1,
        "client_sidecar": 0.1,
        "server_sidecar": 0.1,
        "machine": pytest.approx(0.5),
    }


@pytest.mark.parametrize(
    ("high", "words"),
    [
        ({"cores": {"driver": 0.97}}, "http1: the driver was at its limit: try --workers auto"),
        ({"cores": {"server": 0.97}}, "http1: the echo server was at its limit: try --server-engine picows"),
        ({"cores": {"machine": 1.95}}, "http1: all CPUs of this machine were in use"),
        ({}, None),
    ],
)
def test_what_was_not_the_hops_limit_is_a_warning(high: dict[str, Any], words: str | None) -> None:
    warnings = searched(samples.subject("http1", climbing(**high)))["warnings"]
    assert [warning[: len(words or "")] for warning in warnings] == ([words] if words else [])


def test_one_cut_short_says_so() -> None:
    found = searched(
        samples.subject("http1", climbing()[:2]),
        samples.subject("http2", ()),
        incomplete_reason="interrupted",
        warnings=("it began badly",),
    )
    assert (found["complete"], found["incomplete_reason"]) == (False, "interrupted")
    assert found["warnings"] == [
        "it began badly",
        "http1: the search was cut short: its bracket is wider than asked",
    ]
    assert found["arms"]["http2"]["failure"] == "not measured: the search ended before it"
