from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.mix import MAX_PAYLOAD_BYTES, PayloadMix, counts_of

KIB, MIB = 1024, 1024 * 1024
mixes = st.lists(
    st.tuples(st.integers(1, 100_000), st.floats(0.01, 100)), min_size=1, max_size=6, unique_by=lambda part: part[0]
).map(lambda parts: PayloadMix(tuple(parts)))


@given(mixes)
def test_shares_are_the_weights_normalised(mix: PayloadMix) -> None:
    shares = dict(mix.shares)
    assert math.fsum(shares.values()) == pytest.approx(1)
    (size, weight), (other, heavier) = min(mix.parts), max(mix.parts)
    assert shares[size] * heavier == pytest.approx(shares[other] * weight)


def test_mean_and_largest() -> None:
    mix = PayloadMix(((64, 9), (16 * KIB, 1)))
    assert mix.mean_bytes == pytest.approx(0.9 * 64 + 0.1 * 16 * KIB)
    assert mix.largest_bytes == 16 * KIB


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((), "needs one size at least"),
        (((0, 1),), "must be from 1 to 67108864, not 0"),
        (((MAX_PAYLOAD_BYTES + 1, 1),), f"not {MAX_PAYLOAD_BYTES + 1}"),
        (((64, 1), (64, 2)), "names 64 bytes twice"),
        (((64, 0),), "the weight of 64 bytes must be above 0, not 0"),
        (((64, -0.5),), "not -0.5"),
        (((64, math.nan),), "not nan"),
        (((64, math.inf),), "not inf"),
    ],
)
def test_what_is_no_mix_is_refused(parts: tuple[tuple[int, float], ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PayloadMix(parts)


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        (((64, 1.0),), {64: 256}),
        (((1, 1.0),), {1: 32}),
        (((64, 3), (65, 1)), {64: 192, 65: 64}),
        # 256 would have 26 for 25.6, which is 1.6% off.
        (((64, 0.9), (16 * KIB, 0.1)), {64: 461, 16 * KIB: 51}),
        # Only 32 messages of one byte are taken to be distinct.
        (((1, 1), (64, 1)), {1: 32, 64: 32}),
        (((64, 1), (16 * MIB, 1)), {64: 1, 16 * MIB: 1}),
        (((64, 999), (MIB, 1)), {64: 1023, MIB: 1}),
    ],
)
def test_the_ring_of_a_mix(parts: tuple[tuple[int, float], ...], counts: dict[int, int]) -> None:
    assert dict(counts_of(PayloadMix(parts))) == counts


@given(mixes)
def test_every_ring_keeps_its_promises(mix: PayloadMix) -> None:
    smallest = min(share for _, share in mix.shares)
    counts = {}
    with suppress(ValueError):
        counts = dict(counts_of(mix))
    if not counts:
        # Ten messages of a size are within 10% of its share whatever the rounding: the largest ring that there may be,
        # by memory and by how many short messages are distinct, must be too small for ten of the rarest.
        largest = 4096
        while sum(size * (share * largest + 1) for size, share in mix.shares) > 128 * MIB or any(
            share * largest + 1 > {1: 32, 2: 2048}.get(size, 4097) for size, share in mix.shares
        ):
            largest //= 2
        assert smallest * largest < 10
        return
    total = sum(counts.values())
    assert total & (total - 1) == 0
    assert total <= 4096
    assert sum(size * count for size, count in counts.items()) <= 128 * MIB
    assert all(abs(counts[size] / total - share) <= 0.1 * share for size, share in mix.shares)


@pytest.mark.parametrize(
    ("parts", "smallest"),
    [(((64, 9999), (65, 1)), "0.0100% of 65 bytes"), (((64, 99), (64 * MIB, 1)), "1.0000% of 67108864 bytes")],
)
def test_what_no_ring_can_hold_is_refused(parts: tuple[tuple[int, float], ...], smallest: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be represented.*{smallest}"):
        counts_of(PayloadMix(parts))
