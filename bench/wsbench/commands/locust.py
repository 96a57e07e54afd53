"""``wsbench locust``: a thin front to the real ``locust`` command, which takes all the words that come after it."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "locust"
HELP = "drive the load with Locust, alone or distributed"


def run(words: Sequence[str]) -> NoReturn:
    """Become Locust, which parses the words. Raises UsageError where it is not installed.

    Not imported but executed: gevent has to patch what this process has imported already.
    """
    if importlib.util.find_spec(NAME) is None:
        raise UsageError("no Locust: pip install 'wsbench[targets,locust]'")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "wsbench.locust_main", *words])  # noqa: S606
