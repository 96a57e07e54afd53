import re
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from wsbench import document, storage
from wsbench.arms import Sidecars, Transport
from wsbench.proof import Verdict
from wsbench.witnesses import Stance, WitnessName

ROOT = Path(__file__).parents[2]
# Figures is a part of two others, never a value of its own.
TYPES = [
    value
    for value in vars(document).values()
    if isinstance(value, type) and typing.is_typeddict(value) and value is not document.Figures
]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(storage.schema())


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_types_and_schema_name_the_same_fields(kind: type) -> None:
    schema = storage.schema()
    described = schema if kind is document.Result else schema["$defs"][kind.__name__]
    fields = typing.get_type_hints(kind)
    assert list(described["properties"]) == list(fields)
    hints = typing.get_type_hints(kind, include_extras=True)
    required = [name for name, hint in hints.items() if typing.get_origin(hint) is not typing.NotRequired]
    assert sorted(described["required"]) == sorted(required)
    assert described["additionalProperties"] is False


def test_every_type_is_in_the_schema() -> None:
    assert {kind.__name__ for kind in TYPES} - {"Result"} == set(storage.schema()["$defs"])


@pytest.mark.parametrize("schema", [storage.schema(), storage.schema(1, "saturation")], ids=["result", "saturation"])
def test_every_field_is_in_the_docs(schema: dict[str, Any]) -> None:
    told = set(re.findall(r"\w+", (ROOT / "docs" / "result-schema.md").read_text()))
    for described in (schema, *schema["$defs"].values()):
        assert set(described["properties"]) <= told


@pytest.mark.parametrize("schema", [storage.schema(), storage.schema(1, "saturation")], ids=["result", "saturation"])
@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        ("Witness", "witness", WitnessName),
        ("Witness", "verdict", Stance),
        ("Proof", "verdict", Verdict),
        ("Claim", "transport", Transport),
        ("Claim", "sidecars", Sidecars),
    ],
)
def test_the_schema_knows_every_word_that_is_written(
    schema: dict[str, Any], kind: str, field: str, values: type[StrEnum]
) -> None:
    described = schema["$defs"][kind]["properties"][field]
    (words,) = [part["enum"] for part in (described, *described.get("anyOf", ())) if "enum" in part]
    assert set(words) == {value.value for value in values}


def test_times_are_microseconds_and_say_so() -> None:
    for kind in TYPES:
        for name, hint in typing.get_type_hints(kind).items():
            if "float" in str(hint) and "Curve" not in kind.__name__:
                known = {
                    "achieved_rate",
                    "rate",
                    "connect_rate",
                    "spawn_rate",
                    "ratio",
                    "ci_low",
                    "ci_high",
                    "goodput_mb_per_s",
                    "share",
                    "confidence",
                }
                known |= {
                    "rss_kib_per_connection",
                    "load_average",
                    "cpu_us_per_message",
                    "precision",
                    "until_precision",
                }
                assert name.endswith(("_us", "_cores")) or name in known, f"{kind.__name__}.{name}"
