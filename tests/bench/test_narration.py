import logging

import pytest

from wsbench.narration import narrated

_log = logging.getLogger("wsbench.processes")


def test_what_the_bench_logs_is_told_while_it_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    with narrated(told.append, wanted=True):
        _log.info("pid %d started: %s", 7, "envoy")
    _log.info("unheard")
    assert told == ["pid 7 started: envoy"]
    assert not caplog.records
    assert _log.getEffectiveLevel() > logging.INFO
    assert not logging.getLogger("wsbench").handlers


def test_nothing_is_told_unless_wanted() -> None:
    told: list[str] = []
    with narrated(told.append, wanted=False):
        _log.info("unheard")
    assert not told
