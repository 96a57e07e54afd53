"""What is sent: a ring of distinct payloads, so that an old, repeated or swapped echo differs from the one awaited."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench_client.plan import PayloadKind

if TYPE_CHECKING:
    from typing import Self

_RING = 256
_ONE_BYTE_RING = 32  # there are 64 payloads of one printable byte
_RING_BYTES = 4 * 1024 * 1024
_PRINTABLE = (string.ascii_letters + string.digits + "-_").encode()
_TO_PRINTABLE = bytes(_PRINTABLE[byte % len(_PRINTABLE)] for byte in range(256))
_HIGH_BIT = 0x80


@dataclass(frozen=True, slots=True)
class PayloadRing:
    """``messages``: payloads of equal size, a power of two of them, all different.

    A connection walks round the ring, each from its own place. No payload can be taken for a Close frame's (RFC 6455
    section 5.5.1): the first byte of a binary one has its high bit set, that of a text one is printable, while a close
    code's first byte is 3 to 19.
    """

    messages: tuple[bytes, ...]
    kind: PayloadKind

    @property
    def mask(self) -> int:
        """Turns a running index into a place in the ring."""
        return len(self.messages) - 1

    @classmethod
    def build(cls, size: int, kind: PayloadKind, seed: int) -> Self:
        """A ring for payloads of ``size`` bytes, at most about 4 MiB in all (two payloads at least)."""
        count = _RING if size > 1 else _ONE_BYTE_RING
        while count > 2 and count * size > _RING_BYTES:
            count //= 2
        rng = random.Random(seed)
        messages: list[bytes] = []
        seen: set[bytes] = set()
        for _place in range(count):
            while (body := _body(rng, size, kind)) in seen:
                pass
            seen.add(body)
            messages.append(body)
        return cls(tuple(messages), kind)


def _body(rng: random.Random, size: int, kind: PayloadKind) -> bytes:
    raw = rng.randbytes(size)
    if kind is PayloadKind.TEXT:
        return raw.translate(_TO_PRINTABLE)
    return bytes([raw[0] | _HIGH_BIT]) + raw[1:]
