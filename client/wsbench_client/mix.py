"""The sizes of messages: one, or several in given proportions, and how a ring of whole messages can represent them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
_RING = 256
_LARGEST_RING = 4096
_RING_BYTES = 4 * 1024 * 1024
_MOST_RING_BYTES = 128 * 1024 * 1024
# A share is met closely enough within this much of itself; beyond the second it is refused.
_CLOSE, _FAR = 0.01, 0.1
_PRINTABLE = 64
_ONE_BYTE_RING = 32


@dataclass(frozen=True, slots=True)
class PayloadMix:
    """Sizes of messages in bytes, each with its weight; ``shares`` makes the weights add up to 1.

    Raises ValueError, with the value in it, for a size out of range or named twice, or a weight that is not above 0.
    """

    parts: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a payload mix needs one size at least")
        sizes = [size for size, _ in self.parts]
        for size, weight in self.parts:
            if not 1 <= size <= MAX_PAYLOAD_BYTES:
                raise ValueError(f"payload_bytes must be from 1 to {MAX_PAYLOAD_BYTES}, not {size}")
            if sizes.count(size) > 1:
                raise ValueError(f"the payload mix names {size} bytes twice")
            if not 0 < weight < math.inf:
                raise ValueError(f"the weight of {size} bytes must be above 0, not {weight:g}")

    @classmethod
    def of(cls, size: int) -> Self:
        """All messages of one size."""
        return cls(((size, 1.0),))

    @property
    def shares(self) -> tuple[tuple[int, float], ...]:
        """Sizes with their shares of all messages."""
        total = math.fsum(weight for _, weight in self.parts)
        return tuple((size, weight / total) for size, weight in self.parts)

    @property
    def mean_bytes(self) -> float:
        """Of a message, over many."""
        return math.fsum(size * share for size, share in self.shares)

    @property
    def largest_bytes(self) -> int:
        """The largest size."""
        return max(size for size, _ in self.parts)


def counts_of(mix: PayloadMix) -> tuple[tuple[int, int], ...]:
    """How many messages of each size a ring holds.

    The ring is the one nearest to 256 messages in 4 MiB whose shares are within 1% of those asked for, each of itself;
    failing that, of those up to 4,096 messages and 128 MiB the one that comes closest.

    Raises ValueError where that is off by more than 10%: a share below about 1 in 4,096, a rare message so large that
    the ring would not fit, or many messages of one byte, of which too few are distinct.
    """
    best: tuple[tuple[float, int, int], tuple[tuple[int, int], ...]] | None = None
    count = 2
    while count <= _LARGEST_RING:
        counts = _apportioned(mix, count)
        ring_bytes = sum(size * number for size, number in counts)
        if ring_bytes <= _MOST_RING_BYTES and all(number <= _distinct(size) for size, number in counts):
            off = max(_off(number / count, share) for (_, number), (_, share) in zip(counts, mix.shares, strict=True))
            rank = (max(off, _CLOSE), max(ring_bytes, _RING_BYTES), abs(count - _RING))
            best = min(best or (rank, counts), (rank, counts))
        count *= 2
    if best is None or best[0][0] > _FAR:
        size, share = min(mix.shares, key=lambda part: part[1])
        raise ValueError(
            f"the payload mix cannot be represented: a ring of 2 to {_LARGEST_RING} distinct messages and at most "
            f"{_MOST_RING_BYTES >> 20} MiB must hold every share to within {_FAR:.0%} of itself; the smallest is "
            f"{share:.4%} of {size} bytes"
        )
    return best[1]


def _apportioned(mix: PayloadMix, count: int) -> tuple[tuple[int, int], ...]:
    """``count`` dealt out by shares; what rounding down leaves over goes to the largest remainders."""
    quotas = [(size, share * count) for size, share in mix.shares]
    counts = {size: int(quota) for size, quota in quotas}
    over = count - sum(counts.values())
    for size, _ in sorted(quotas, key=lambda part: int(part[1]) - part[1])[:over]:
        counts[size] += 1
    return tuple(counts.items())


def _off(found: float, wanted: float) -> float:
    return abs(found - wanted) / wanted


def _distinct(size: int) -> int:
    """How many payloads of a size may be asked for: half of the printable ones, so that new ones are soon found."""
    return _ONE_BYTE_RING if size == 1 else min(_PRINTABLE ** min(size, 3) // 2, _LARGEST_RING)
