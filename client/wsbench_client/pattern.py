"""The pattern of a conversation: who says what to whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

MAX_BURST = 10_000


class PatternKind(StrEnum):
    """Who says what to whom. ``ECHO``: one message, one echo; ``ONE_WAY``: the server only counts."""

    ECHO = "echo"
    BURST = "burst"
    ONE_WAY = "one-way"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The pattern of a conversation, written ``echo``, ``burst:N`` or ``one-way``.

    ``burst`` is how many messages are sent at once: 1 but for a burst. Raises ValueError for a burst out of range.
    """

    kind: PatternKind = PatternKind.ECHO
    burst: int = 1

    def __post_init__(self) -> None:
        if self.kind is PatternKind.BURST:
            if not 2 <= self.burst <= MAX_BURST:
                raise ValueError(f"a burst must be of 2 to {MAX_BURST} messages, not {self.burst}")
        elif self.burst != 1:
            raise ValueError(f"{self.kind} sends one message at a time, not {self.burst}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.burst}" if self.kind is PatternKind.BURST else self.kind.value

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of ``str``; ``burst N`` is read too. Raises ValueError with the text in it."""
        words = text.replace(":", " ").split()
        if words and words[0] == PatternKind.BURST and len(words) == 2 and words[1].isdecimal():
            return cls(PatternKind.BURST, int(words[1]))
        if text in (PatternKind.ECHO, PatternKind.ONE_WAY):
            return cls(PatternKind(text))
        raise ValueError(f"{text!r} is no pattern: write echo, burst:N (as in burst:16) or one-way")

    @property
    def one_way(self) -> bool:
        """Whether nothing is echoed."""
        return self.kind is PatternKind.ONE_WAY


ECHO = Pattern()
"""One message, one echo."""
