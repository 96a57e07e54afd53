"""``python -m wsbench_server``."""

from wsbench_server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
