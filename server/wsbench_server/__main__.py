"""``wsbench-server`` and ``python -m wsbench_server``: the echo server, or one line that says what is not installed."""

import os
import signal
import sys

_OURS = "wsbench_server"
_EXIT_USAGE = 2


def main() -> int:
    """Serve as the process's own command line says; the exit code."""
    if os.getpid() == 1:
        # The first process of a container has no default action for a signal: until the server listens for it, a
        # SIGTERM would be lost, and the imports alone take a quarter of a second.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        from wsbench_server import cli
    except ModuleNotFoundError as error:
        missing = (error.name or _OURS).partition(".")[0]
        if missing == _OURS:
            raise
        sys.stderr.write(
            f"wsbench-server: error: {missing} is not installed, and the server needs it: "
            "pip install 'wsbench[server]' (or pipx install --force 'wsbench[server]')\n"
        )
        return _EXIT_USAGE
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
