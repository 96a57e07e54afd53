"""The kernel's limits of this machine: read, and raised where that is allowed."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

from wsbench.capacity import PortRange, check_ports, files_needed, files_words
from wsbench.errors import UsageError

if TYPE_CHECKING:
    from wsbench.plan import RunPlan

_PROC_SYS = Path("/proc/sys")
# Linux' own defaults, for a kernel that does not say (ip(7), proc(5)).
_PORTS = (32_768, 60_999)
_NR_OPEN = 1_048_576


def port_range() -> PortRange:
    """The local ports that the kernel gives to connections."""
    first, last = _numbers("net/ipv4/ip_local_port_range", _PORTS)
    return PortRange(first, last)


def make_room(plan: RunPlan) -> None:
    """See that the machine allows the plan's connections, and raise what has to be and may be raised.

    Raises UsageError where it does not.
    """
    check_ports(plan, port_range())
    raise_open_files(plan)


def raise_open_files(plan: RunPlan) -> None:
    """Let this process, and all that it starts from now on, open as many files as the plan takes.

    Raises UsageError where that is not allowed.
    """
    needed = files_needed(plan)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = hard if hard == resource.RLIM_INFINITY else max(hard, needed)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, wanted))
    except (ValueError, OSError):
        (ceiling,) = _numbers("fs/nr_open", (_NR_OPEN,))
        raise UsageError(files_words(plan, hard, ceiling)) from None


def _numbers(name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in (_PROC_SYS / name).read_text().split())
    except (OSError, ValueError):
        return otherwise
    return found if len(found) == len(otherwise) else otherwise
