"""What the bench does, told while it does it: its log records, to whoever watches."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BENCH = logging.getLogger(__package__)


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def narrated(tell: Callable[[str], None], *, wanted: bool) -> Iterator[None]:
    """While this is open, ``tell`` hears of every process started and what became of it; of nothing unless wanted."""
    if not wanted:
        yield
        return
    teller, level, propagates = _Teller(tell), _BENCH.level, _BENCH.propagate
    _BENCH.addHandler(teller)
    _BENCH.setLevel(logging.INFO)
    _BENCH.propagate = False
    try:
        yield
    finally:
        _BENCH.removeHandler(teller)
        _BENCH.setLevel(level)
        _BENCH.propagate = propagates
