"""``python -m wsbench``."""

from wsbench.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
