"""A known service time: echoes held back for a set while.

libuv's timers, and so uvloop's, count whole milliseconds, which would falsify a 5 ms delay by up to a fifth. A Linux
timerfd (timerfd_create(2)) watched as a file descriptor has no such grain. The driver has its own few lines of this:
the two packages import nothing of each other.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import itertools
import os
import random
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TFD_TIMER_ABSTIME = 1
_NANO = 1_000_000_000


class _ITimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class DelayLine:
    """Calls things back ``delay_ns`` plus a uniform 0 to ``jitter_ns`` later, to some tens of microseconds.

    Messages of one connection keep their order, whatever the jitter: ``due_after`` takes the time before.
    """

    def __init__(self, delay_ns: int, jitter_ns: int) -> None:
        self._delay_ns = delay_ns
        self._jitter_ns = jitter_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        # Of equal due times the earlier given goes first.
        self._serial = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._fd: int | None = None
        self._handle: asyncio.TimerHandle | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create: " + os.strerror(ctypes.get_errno()))
            self._fd = fd
            self._loop.add_reader(fd, self._on_expired, fd)

    def due_after(self, read_ns: int, previous_ns: int) -> int:
        """When the echo of a message read at ``read_ns`` is due, never before the connection's ``previous_ns``."""
        jitter_ns = random.randrange(self._jitter_ns + 1) if self._jitter_ns else 0
        return max(read_ns + self._delay_ns + jitter_ns, previous_ns)

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call back at ``due_ns`` of ``time.monotonic_ns``."""
        heapq.heappush(self._heap, (due_ns, next(self._serial), callback))
        if self._heap[0][0] == due_ns:
            self._arm()

    def close(self) -> None:
        """Forget what is held back."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _arm(self) -> None:
        due_ns = self._heap[0][0]
        if self._fd is None:
            if self._handle is not None:
                self._handle.cancel()
            self._handle = self._loop.call_later(max(0, due_ns - time.monotonic_ns()) / _NANO, self._release)
            return
        seconds, rest = divmod(max(due_ns, 1), _NANO)
        spec = _ITimerSpec(0, 0, seconds, rest)
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

    def _on_expired(self, fd: int) -> None:
        try:
            os.read(fd, 8)
        except BlockingIOError:
            return  # armed anew between expiry and this call
        self._release()

    def _release(self) -> None:
        try:
            while self._heap and self._heap[0][0] <= time.monotonic_ns():
                heapq.heappop(self._heap)[2]()
        finally:
            # Also after a callback that raised: nobody else would arm the timer for what is still held back.
            if self._heap:
                self._arm()
