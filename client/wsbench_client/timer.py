"""A wake-up with microsecond resolution inside an asyncio loop.

libuv's timers, and so uvloop's ``call_later``, count whole milliseconds: a message due between two of them would be
sent up to a millisecond late. A Linux timerfd (timerfd_create(2)) watched as a file descriptor has no such grain.
``os.timerfd_create`` exists from Python 3.13; the two C functions are called directly so that 3.11 works the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_NANO = 1_000_000_000

clock_ns = time.monotonic_ns
"""The clock of everything measured: CLOCK_MONOTONIC, nanoseconds, the same for every process of the machine."""


class _ITimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timer:
    """Calls ``callback`` at a set time of ``clock_ns``; one time at a time, set again as often as needed.

    Falls back to the loop's own timers where there is no timerfd (not Linux). Raises OSError if the kernel refuses one.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._fd: int | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._spec = _ITimerSpec(0, 0, 0, 0)
            fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _FLAGS)
            if fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create: " + os.strerror(ctypes.get_errno()))
            self._fd = fd
            self._loop.add_reader(fd, self._on_expired, fd)

    def call_at(self, when_ns: int) -> None:
        """Call back at ``when_ns`` of ``clock_ns``, at once if that has passed; replaces a time set before."""
        if self._fd is None:
            self._cancel_handle()
            self._handle = self._loop.call_later(max(0, when_ns - clock_ns()) / _NANO, self._callback)
            return
        # An absolute time of zero would disarm the timer.
        when_ns = max(when_ns, 1)
        self._spec.value_s, self._spec.value_ns = divmod(when_ns, _NANO)
        if self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime: " + os.strerror(ctypes.get_errno()))

    def close(self) -> None:
        """Give the descriptor back; no callback comes after this."""
        self._cancel_handle()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _cancel_handle(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _on_expired(self, fd: int) -> None:
        try:
            os.read(fd, 8)
        except BlockingIOError:
            return  # set anew between expiry and this call
        self._callback()
