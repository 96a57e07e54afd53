"""Times and sizes as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

_MOST = (1 << 63) - 1
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)")
_NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_BYTES = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "kib": 1 << 10, "mib": 1 << 20, "k": 1 << 10, "m": 1 << 20}


def parse_duration_ns(text: str) -> int:
    """Nanoseconds of ``500us``, ``5ms``, ``2s``, ``1.5m``. Raises ValueError with the text in it."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _NANOSECONDS:
        raise ValueError(f"{text!r} is not a time: write a number and a unit, as in 500us, 5ms, 2s, 1m")
    return _whole(text, Decimal(match[1]) * _NANOSECONDS[match[2]])


def parse_size_bytes(text: str) -> int:
    """Bytes of ``64``, ``16KiB``, ``1MiB`` (``k`` and ``m`` alone are KiB and MiB). Raises ValueError."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError(f"{text!r} is not a size: write bytes, or a number and a unit, as in 64, 16KiB, 1MiB")
    return _whole(text, Decimal(match[1]) * _BYTES[match[2].lower()])


def _whole(text: str, value: Decimal) -> int:
    if value > _MOST:
        raise ValueError(f"{text[:40]!r} is too much")
    return round(value)
