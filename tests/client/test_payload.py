from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.mix import PayloadMix
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import PayloadKind

kinds = st.sampled_from(PayloadKind)


@given(st.integers(1, 2000), kinds, st.integers())
def test_all_of_a_size_and_all_different(size: int, kind: PayloadKind, seed: int) -> None:
    messages = PayloadRing.build(PayloadMix.of(size), kind, seed).messages
    assert len(set(messages)) == len(messages) == (256 if size > 1 else 32)
    assert {len(message) for message in messages} == {size}


@given(st.integers(1, 130), kinds, st.integers())
def test_none_is_a_close_frames(size: int, kind: PayloadKind, seed: int) -> None:
    for message in PayloadRing.build(PayloadMix.of(size), kind, seed).messages:
        # Close codes are 1000 to 4999 (RFC 6455 section 7.4.2): the first byte is 3 to 19; a Close frame may be empty.
        assert message
        assert not 3 <= message[0] <= 19


@given(st.integers(1, 130), st.integers())
def test_text_is_printable(size: int, seed: int) -> None:
    for message in PayloadRing.build(PayloadMix.of(size), PayloadKind.TEXT, seed).messages:
        assert message.decode("ascii").isprintable()


@pytest.mark.parametrize(
    ("size", "count"),
    [(1, 32), (2, 256), (64, 256), (2**14, 256), (2**15, 128), (2**20, 4), (2**24, 2), (2**26, 2)],
)
def test_a_ring_is_about_4_mib_at_most_and_a_power_of_two(size: int, count: int) -> None:
    ring = PayloadRing.build(PayloadMix.of(size), PayloadKind.BINARY, 0)
    assert len(ring.messages) == count == ring.mask + 1
    assert len(set(ring.messages)) == count


def test_the_seed_decides() -> None:
    rings = [PayloadRing.build(PayloadMix.of(64), PayloadKind.BINARY, seed) for seed in (1, 1, 2)]
    assert rings[0] == rings[1] != rings[2]


MIX = PayloadMix(((1, 0.125), (64, 0.5), (1000, 0.375)))


@given(kinds, st.integers())
def test_a_mix_is_in_proportion_shuffled_and_all_different(kind: PayloadKind, seed: int) -> None:
    messages = PayloadRing.build(MIX, kind, seed).messages
    assert Counter(map(len, messages)) == {1: 32, 64: 128, 1000: 96}
    assert len(set(messages)) == 256
    # Were the sizes in a row, a connection would send one of them for long.
    assert max(len(list(run)) for _, run in groupby(map(len, messages))) < 40


def test_the_seed_decides_the_order_of_the_sizes() -> None:
    orders = [
        [len(message) for message in PayloadRing.build(MIX, PayloadKind.BINARY, seed).messages] for seed in (1, 2)
    ]
    assert orders[0] != orders[1]


@given(st.integers(0, 255), st.integers(0, 1000))
def test_the_bytes_of_messages_in_a_row(place: int, count: int) -> None:
    ring = PayloadRing.build(MIX, PayloadKind.BINARY, 0)
    assert ring.bytes_from(place, count) == sum(len(ring.messages[(place + k) & ring.mask]) for k in range(count))
