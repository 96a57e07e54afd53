"""What this process weighs."""

from __future__ import annotations

import os
from pathlib import Path


def resident_kib() -> int | None:
    """Its resident memory now, KiB (proc(5), /proc/self/statm); None where the kernel does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
