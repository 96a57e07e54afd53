from typing import Any

import pytest

from tests.bench.report import examples
from wsbench.limits import Bound, bounds_of, lag_share, too_busy

SIDECARS = {"client": {"cpu_cores": 0.1}, "server": {"cpu_cores": 0.1}}


def figures(**changes: Any) -> Any:
    return {
        **examples.figures(2000, 60_000, rate=1000.0),
        "driver": {"cpu_cores": 0.1},
        "server": {"cpu_cores": 0.1},
        "sidecars": SIDECARS,
        "machine": {"busy_cores": 0.5, "others_cores": 0.1, "steal_cores": 0.0},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"driver": {"cpu_cores": 0.91}}, [Bound.DRIVER]),
        ({"driver": {"cpu_cores": None}, "server": None, "sidecars": None, "machine": None}, []),
        ({"send_lag": examples.latency(2000, 60_000)}, [Bound.DRIVER]),
        ({"server": {"cpu_cores": 0.95}}, [Bound.SERVER]),
        ({"sidecars": {**SIDECARS, "client": {"cpu_cores": 0.95}}}, [Bound.CLIENT_SIDECAR]),
        ({"sidecars": {**SIDECARS, "server": {"cpu_cores": 0.95}}}, [Bound.SERVER_SIDECAR]),
        ({"machine": {"busy_cores": 1.8, "others_cores": 0.1, "steal_cores": 0.15}}, [Bound.MACHINE]),
        ({"machine": {"busy_cores": 1.8, "others_cores": 0.1, "steal_cores": 0.0}}, []),
    ],
)
def test_what_was_saturated(changes: dict[str, Any], expected: list[Bound]) -> None:
    assert bounds_of(figures(**changes), cpu_count=2) == expected


def test_more_processes_and_threads_have_more_cores() -> None:
    busy = figures(driver={"cpu_cores": 1.5}, sidecars={**SIDECARS, "client": {"cpu_cores": 1.5}})
    assert bounds_of(busy, cpu_count=8) == [Bound.DRIVER, Bound.CLIENT_SIDECAR]
    assert bounds_of(busy, cpu_count=8, workers=2, envoy_concurrency=2) == []


def test_lag_is_of_the_open_loop() -> None:
    assert lag_share(figures(response_time=None, send_lag=None)) is None
    assert lag_share(figures(response_time=examples.nothing())) is None
    share = lag_share(figures())
    assert share is not None
    assert share < 0.1


def use(others: float | None, steal: float) -> Any:
    return {"busy_cores": 1.0, "others_cores": others, "steal_cores": steal}


@pytest.mark.parametrize(
    ("uses", "words"),
    [
        ([], None),
        ([None], None),
        ([use(0.4, 0.05)], None),
        ([use(None, 0.0)], None),
        # A single bad trial is a round's noise.
        ([use(0.1, 0.0), use(0.1, 0.0), use(1.5, 1.0)], None),
        ([use(0.1, 0.3)], "the hypervisor kept 15% of its CPU time (steal) for others while it measured"),
        ([use(0.9, 0.0)], "other work used 0.9 of its 2 cores while it measured; the load average was 1.5"),
        ([use(None, 0.3)], "the hypervisor kept 15%"),
        ([use(0.9, 0.3)], "for others and other work used 0.9 of its 2 cores"),
    ],
)
def test_a_machine_too_busy_to_measure_on(uses: list[Any], words: str | None) -> None:
    found = too_busy(uses, cpu_count=2, load_average=1.5)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found
