"""``wsbench`` and ``python -m wsbench``: the command line, or one line that says what is not installed for it.

The base distribution depends on nothing (docs/decisions/0001-layout.md), so a plain ``pipx install wsbench`` comes here
without a single library.
"""

import os
import signal
import sys

from wsbench import __version__
from wsbench.errors import UsageError

_OURS = "wsbench"


def main() -> int:
    """Run the process's own command line and return the exit code."""
    if sys.argv[1:] == ["--version"]:
        # Without half a second of imports, and without the libraries.
        sys.stdout.write(f"wsbench {__version__}\n")
        return 0
    if os.getpid() == 1:
        # The first process of a container: as in ``wsbench_server.__main__``.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        from wsbench import cli
    except ModuleNotFoundError as error:
        missing = (error.name or _OURS).partition(".")[0]
        if missing.startswith(_OURS):
            raise
        sys.stderr.write(
            f"wsbench: error: {missing} is not installed, and no command works without it: "
            "pip install 'wsbench[all]' (or pipx install --force 'wsbench[all]'; 'wsbench[targets]' has no Envoy)\n"
        )
        return UsageError.exit_code
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
