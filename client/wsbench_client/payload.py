"""What is sent: a ring of distinct payloads, so that an old, repeated or swapped echo differs from the one awaited."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from wsbench_client.mix import counts_of
from wsbench_client.plan import PayloadKind

if TYPE_CHECKING:
    from typing import Self

    from wsbench_client.mix import PayloadMix

_PRINTABLE = (string.ascii_letters + string.digits + "-_").encode()
_TO_PRINTABLE = bytes(_PRINTABLE[byte % len(_PRINTABLE)] for byte in range(256))
_HIGH_BIT = 0x80


@dataclass(frozen=True, slots=True)
class PayloadRing:
    """``messages``: payloads in the mix's proportions, shuffled, a power of two of them, all different.

    ``bytes_before`` has for each place the bytes of all messages before it, and at its end those of all.

    A connection walks round the ring, each from its own place. No payload can be taken for a Close frame's (RFC 6455
    section 5.5.1): the first byte of a binary one has its high bit set, that of a text one is printable, while a close
    code's first byte is 3 to 19.
    """

    messages: tuple[bytes, ...]
    kind: PayloadKind
    bytes_before: tuple[int, ...]

    @property
    def mask(self) -> int:
        """Turns a running index into a place in the ring."""
        return len(self.messages) - 1

    @classmethod
    def build(cls, mix: PayloadMix, kind: PayloadKind, seed: int) -> Self:
        """The ring that ``counts_of`` reckons for the mix; raises ValueError as it does."""
        rng = random.Random(seed)
        sizes = [size for size, count in counts_of(mix) for _ in range(count)]
        if len(mix.parts) > 1:
            rng.shuffle(sizes)
        messages: list[bytes] = []
        seen: set[bytes] = set()
        for size in sizes:
            while (body := _body(rng, size, kind)) in seen:
                pass
            seen.add(body)
            messages.append(body)
        return cls(tuple(messages), kind, (0, *accumulate(sizes)))

    def bytes_from(self, place: int, count: int) -> int:
        """The bytes of ``count`` messages one after the other, the first of them at ``place`` of the ring."""
        laps, rest = divmod(place + count, len(self.messages))
        return laps * self.bytes_before[-1] + self.bytes_before[rest] - self.bytes_before[place]


def _body(rng: random.Random, size: int, kind: PayloadKind) -> bytes:
    raw = rng.randbytes(size)
    if kind is PayloadKind.TEXT:
        return raw.translate(_TO_PRINTABLE)
    return bytes([raw[0] | _HIGH_BIT]) + raw[1:]
