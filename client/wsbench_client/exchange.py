"""The disciplines of a connection: when its next message leaves, and what its echo must be.

An exchange knows no socket and no library: an engine gives it a ``send`` and hands it what was read. These few lines
run once a message and are written for that: no allocation that can be avoided, every timestamp read once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from wsbench_client.journal import Window
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench_client.journal import Journal
    from wsbench_client.payload import PayloadRing

_NO_WINDOW = Window(0, 0)


class Exchange(ABC):
    """One connection's conversation; it may send once ``begin`` has been called.

    ``send`` (set by the engine) takes a payload and does not wait. ``alive`` says whether it may be called (the engine
    clears it). ``mismatched`` counts messages that were not what was awaited, ``mismatched_in_window`` those of them
    that stand for the echo of a measured message: never more than there were measured messages. ``paused`` says that
    the transport's buffer is full.
    """

    __slots__ = (
        "_at",
        "_greeting",
        "_mask",
        "_messages",
        "_note_read",
        "_note_sent",
        "_window",
        "alive",
        "mismatched",
        "mismatched_in_window",
        "paused",
        "send",
    )

    def __init__(self, ring: PayloadRing, place: int) -> None:
        self.send: Callable[[bytes], None] = _not_yet
        self.alive = True
        self.paused = False
        self.mismatched = 0
        self.mismatched_in_window = 0
        self._messages = ring.messages
        self._mask = ring.mask
        self._at = place & ring.mask
        self._note_sent: Callable[[int], None] = _not_yet
        self._note_read: Callable[[int], None] = _not_yet
        self._window = _NO_WINDOW
        self._greeting = False

    def greet(self, greeted: Callable[[int], None]) -> None:
        """Send a first message before traffic begins; it counts nowhere.

        ``greeted`` is called with the time its echo was read. Other messages before it, as some servers' words of
        welcome, are mismatches and no more.
        """
        self._greeting = True
        self._note_sent = _ignore
        self._note_read = greeted
        self._send_greeting()

    def begin(self, journal: Journal) -> None:
        """Traffic begins: what is exchanged from now on is noted in ``journal``."""
        self._greeting = False
        self._note_sent = journal.note_sent
        self._note_read = journal.note_read
        self._window = journal.window

    @abstractmethod
    def _send_greeting(self) -> None:
        """Send one message, its echo (one-way: its receipt) awaited."""

    @abstractmethod
    def receive(self, now_ns: int, payload: bytes) -> bool:
        """An echo was read at ``now_ns``. False, and nothing done, where it is not the one awaited."""

    @abstractmethod
    def receive_wrong(self) -> None:
        """What was read is not what was sent: a mismatch, in the place of the echo awaited if there is one."""

    @abstractmethod
    def unanswered(self) -> int:
        """Messages of the window that have left and have not been answered."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether no echo is awaited."""

    def pause_writing(self) -> None:
        """The transport's buffer is full. Echoes are bounded by what may be outstanding, and need not heed it."""
        self.paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self.paused = False

    def _not_the_greeting(self) -> bool:
        if self._greeting:
            self.mismatched += 1
        return self._greeting

    def _count_mismatch(self, begun_ns: int) -> None:
        self.mismatched += 1
        if begun_ns in self._window:
            self.mismatched_in_window += 1


class SelfPaced(Exchange):
    """The closed loop: the next message leaves when an answer is read, until the window's end.

    After a mismatch the exchange is handed to ``stumbled`` and sends nothing until it is started again: answering every
    wrong message with another would make an avalanche of a server that says everything twice.
    """

    __slots__ = ("_stop_ns", "_stumbled")

    def __init__(self, ring: PayloadRing, place: int, stumbled: Callable[[SelfPaced], None]) -> None:
        super().__init__(ring, place)
        self._stumbled = stumbled
        self._stop_ns = 0

    def begin(self, journal: Journal) -> None:
        super().begin(journal)
        self._stop_ns = journal.window.end_ns

    def end(self, now_ns: int) -> None:
        """Send nothing from now on: the window's end has come sooner than it was set."""
        self._stop_ns = min(self._stop_ns, now_ns)

    @abstractmethod
    def start(self) -> None:
        """Send what is sent first, or first after a mismatch, unless the window is over."""


class ClosedLoop(SelfPaced):
    """One message, its echo, the next message."""

    __slots__ = ("_awaited", "_sent_ns")

    def __init__(self, ring: PayloadRing, place: int, stumbled: Callable[[SelfPaced], None]) -> None:
        super().__init__(ring, place, stumbled)
        self._sent_ns = 0
        self._awaited = False

    def _send_greeting(self) -> None:
        self._awaited = True
        self._sent_ns = clock_ns()
        self.send(self._messages[self._at])

    def start(self) -> None:
        now_ns = clock_ns()
        if self.alive and now_ns < self._stop_ns:
            self._awaited = True
            self._sent_ns = now_ns
            self.send(self._messages[self._at])

    def receive(self, now_ns: int, payload: bytes) -> bool:
        at = self._at
        if payload != self._messages[at] or not self._awaited:
            return False
        self._note_sent(self._sent_ns)
        self._note_read(now_ns)
        self._at = at = (at + 1) & self._mask
        if now_ns < self._stop_ns:
            # The read of one echo is the send of the next message: one look at the clock serves both.
            self._sent_ns = now_ns
            self.send(self._messages[at])
        else:
            self._awaited = False
        return True

    def receive_wrong(self) -> None:
        if self._not_the_greeting():
            return
        if not self._awaited:
            self.mismatched += 1
            return
        self._count_mismatch(self._sent_ns)
        self._awaited = False
        self._at = (self._at + 1) & self._mask
        self._stumbled(self)

    def unanswered(self) -> int:
        return int(self._awaited and self._sent_ns in self._window)

    @property
    def idle(self) -> bool:
        return not self._awaited


class ClosedBursts(SelfPaced):
    """A burst of messages at once, all their echoes, the next burst. Service time is each message's own."""

    __slots__ = ("_answered", "_burst", "_sent_ns", "_wrong")

    def __init__(self, ring: PayloadRing, place: int, stumbled: Callable[[SelfPaced], None], burst: int) -> None:
        super().__init__(ring, place, stumbled)
        self._burst = burst
        self._sent_ns: list[int] = []
        self._answered = 0
        self._wrong = False

    def _send_greeting(self) -> None:
        self._answered = 0
        self._sent_ns = [clock_ns()]
        self.send(self._messages[self._at])

    def start(self) -> None:
        if self.alive and clock_ns() < self._stop_ns:
            self._send_burst()

    def _send_burst(self) -> None:
        send, messages, at, mask = self.send, self._messages, self._at, self._mask
        self._answered = 0
        self._wrong = False
        # A burst begun is sent whole: what of it leaves after the window's end is not measured.
        self._sent_ns = sent_ns = []
        for place in range(at, at + self._burst):
            sent_ns.append(clock_ns())
            send(messages[place & mask])

    def receive(self, now_ns: int, payload: bytes) -> bool:
        answered = self._answered
        if answered == len(self._sent_ns) or payload != self._messages[(self._at + answered) & self._mask]:
            return False
        self._note_sent(self._sent_ns[answered])
        self._note_read(now_ns)
        self._answer_taken(now_ns)
        return True

    def receive_wrong(self) -> None:
        if self._not_the_greeting():
            return
        if self.idle:
            self.mismatched += 1
            return
        self._count_mismatch(self._sent_ns[self._answered])
        self._wrong = True
        self._answer_taken(clock_ns())

    def _answer_taken(self, now_ns: int) -> None:
        self._answered += 1
        if self._answered < self._burst:
            return
        self._at = (self._at + self._burst) & self._mask
        if self._wrong:
            self._stumbled(self)
        elif now_ns < self._stop_ns and self.alive:
            self._send_burst()

    def unanswered(self) -> int:
        return sum(sent_ns in self._window for sent_ns in self._sent_ns[self._answered :])

    @property
    def idle(self) -> bool:
        return self._answered == len(self._sent_ns)


class Paced(Exchange):
    """The open loop: messages leave when they are due. ``unsent`` counts those due in the window that did not."""

    __slots__ = ("_note_due", "unsent")

    def __init__(self, ring: PayloadRing, place: int) -> None:
        super().__init__(ring, place)
        self.unsent = 0
        self._note_due: Callable[[int], None] = _not_yet

    def begin(self, journal: Journal) -> None:
        super().begin(journal)
        self._note_due = journal.note_due

    @abstractmethod
    def send_due(self, due_ns: int) -> None:
        """Send what was due at ``due_ns``."""

    def give_up(self, due_ns: int) -> None:
        """The message due at ``due_ns`` will not be sent."""
        if due_ns in self._window:
            self.unsent += 1


class OpenLoop(Paced):
    """Messages leave when they are due, whether or not those before were answered.

    ``limit`` bounds the messages outstanding, so that a server that never answers cannot make the driver's memory grow
    without end; what is due beyond it is counted in ``unsent``.
    """

    __slots__ = ("_limit", "_outstanding")

    def __init__(self, ring: PayloadRing, place: int, limit: int) -> None:
        super().__init__(ring, place)
        self._limit = limit
        self._outstanding: deque[tuple[int, int, bytes]] = deque()

    def _send_greeting(self) -> None:
        self._note_due = _ignore
        payload = self._messages[self._at]
        self._outstanding.append((0, 0, payload))
        self.send(payload)

    def send_due(self, due_ns: int) -> None:
        if not self.alive or len(self._outstanding) >= self._limit:
            self.give_up(due_ns)
            return
        self._at = at = (self._at + 1) & self._mask
        payload = self._messages[at]
        self._outstanding.append((due_ns, clock_ns(), payload))
        self.send(payload)

    def receive(self, now_ns: int, payload: bytes) -> bool:
        if not self._outstanding or payload != self._outstanding[0][2]:
            return False
        due_ns, sent_ns, _ = self._outstanding.popleft()
        self._note_due(due_ns)
        self._note_sent(sent_ns)
        self._note_read(now_ns)
        return True

    def receive_wrong(self) -> None:
        if self._not_the_greeting():
            return
        if self._outstanding:
            self._count_mismatch(self._outstanding.popleft()[0])
        else:
            self.mismatched += 1

    def unanswered(self) -> int:
        return sum(due_ns in self._window for due_ns, _, _ in self._outstanding)

    @property
    def idle(self) -> bool:
        return not self._outstanding


class OpenBursts(OpenLoop):
    """Bursts leave when they are due, all messages of one due at the same moment."""

    __slots__ = ("_burst",)

    def __init__(self, ring: PayloadRing, place: int, limit: int, burst: int) -> None:
        super().__init__(ring, place, limit)
        self._burst = burst

    def send_due(self, due_ns: int) -> None:
        for _ in range(self._burst):
            super().send_due(due_ns)


def _not_yet(_what: object) -> None:
    raise RuntimeError("an exchange was used before its connection was open and traffic had begun")


def _ignore(_when_ns: int) -> None:
    pass
