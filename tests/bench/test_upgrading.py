import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from wsbench import storage
from wsbench.storage import read_result
from wsbench.upgrading import upgraded

OLD = Path(__file__).parent / "data" / "result-version-1.json"


@pytest.fixture
def old() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(OLD.read_text())
    return content


def test_an_old_result_is_read_as_a_new_one(old: dict[str, Any]) -> None:
    jsonschema.validate(old, storage.schema(1))
    new = read_result(OLD)
    jsonschema.validate(json.loads(json.dumps(new)), storage.schema())
    assert new["arms"]["http1"]["service_time"] == old["arms"]["http1"]["service_time"]
    assert new["arms"]["http2"]["cold"] is None


def test_cores_follow_from_what_was_known(old: dict[str, Any]) -> None:
    arm = upgraded(old)["arms"]["http2"]
    for cost in (arm["driver"], arm["server"], *arm["sidecars"].values()):
        assert cost["cpu_cores"] == pytest.approx(cost["cpu_us_per_message"] * arm["achieved_rate"] / 1e6)


def test_a_new_result_stays_as_it_is(old: dict[str, Any]) -> None:
    new = upgraded(old)
    assert upgraded(new) is new
    assert old["schema_version"] == 1
