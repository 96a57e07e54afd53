"""The real ``locust`` command with wsbench in it: ``python -m wsbench.locust_main``, which ``wsbench locust`` becomes.

Locust comes first of all: it has gevent patch what everything after it imports.
"""

from __future__ import annotations

# isort: off
import locust.main
from locust import argument_parser, events

# isort: on
import atexit
import shlex
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsbench import locust_hooks
from wsbench.commands.experiments import new_folder
from wsbench.errors import UsageError
from wsbench.locust_output import Output
from wsbench.storage import OutputFolder
from wsbench_client import DrivePlan, PayloadKind
from wsbench_client.locust_options import add_user_options
from wsbench_server.cli import argument
from wsbench_server.units import parse_duration_ns

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from locust.argument_parser import LocustArgumentParser

_DEFAULT_USER = "EchoUser"
_NO_LOCUSTFILE = "locustfile.py"
_LOCUSTS = "locust"
"""What the names of Locust's own files begin with."""

_PATIENCE_S = 60.0
_TRY_EVERY_S = 0.2
_NS = 1_000_000_000


def add_options(parser: LocustArgumentParser) -> None:
    """The few options of our own. Values are plain: Locust sends the master's to its workers."""
    group = parser.add_argument_group("wsbench: the result")
    group.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="result.json, logs, reports, Locust's CSV and HTML; of a worker only the log of what it recorded itself "
        "(default: results/locust-<time>; of a worker: nothing)",
    )
    group.add_argument(
        "--format",
        choices=("text", "line"),
        default="text",
        help="line prints the result's content too, as one line of JSON on standard output (default: text)",
    )
    group.add_argument(
        "--interval",
        type=argument(_interval_ns),
        default="5s",
        metavar="T",
        help="each so long interval of the clock is a round of the result (default: 5s)",
    )
    group.add_argument(
        "--master-max-wait",
        type=float,
        default=_PATIENCE_S,
        metavar="SECONDS",
        help="how long a worker waits for its master's port to open (default: 60)",
    )
    # Locust's own defaults: wait for ever.
    parser.set_defaults(expect_workers_max_wait=round(_PATIENCE_S))


def main(words: Sequence[str]) -> None:
    """Run Locust, which ends the process. Raises UsageError for what it would notice too late, or never."""
    events.init_command_line_parser.add_listener(add_options)
    sys.argv = ["wsbench locust", *words]
    options, _ = argument_parser.get_parser().parse_known_args(words)
    sys.argv = ["wsbench locust", *_completed(words, options)]
    if options.worker:
        _await_master(options.master_host, options.master_port, options.master_max_wait)
        if options.output:
            OutputFolder(Path(options.output), "").claim()
        locust_hooks.install(None, Path(options.output) if options.output else None)
    elif not _only_says_something(options):
        path = Path(options.output) if options.output else new_folder("locust-")
        _check(options, of_ours=options.locustfile == _NO_LOCUSTFILE)
        OutputFolder(path).claim()
        sys.argv += _in_folder(options, path)
        command = shlex.join(["python", "-m", "wsbench", "locust", *words])
        output = Output(path, options.interval, command, say_line=options.format == "line")
        locust_hooks.install(output, None)
        atexit.register(_abandon, output)
    locust.main.main()


def _completed(words: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Our locustfile, and of its users the plain one, where nothing else is asked for."""
    if options.locustfile != _NO_LOCUSTFILE:
        return list(words)
    found = find_spec("wsbench_client.locustfile")
    assert found is not None
    assert found.origin is not None
    # A worker has all users, for its master says which.
    chosen = options.user_classes or options.worker or options.class_picker
    return ["--locustfile", found.origin, *words, *([] if chosen else [_DEFAULT_USER])]


def _in_folder(options: argparse.Namespace, path: Path) -> list[str]:
    """Locust's own files go there too, unless they are asked for elsewhere."""
    csv = [] if options.csv_prefix else ["--csv", str(path / _LOCUSTS)]
    html = [] if options.html_file else ["--html", str(path / f"{_LOCUSTS}.html")]
    return [*csv, *html]


def _only_says_something(options: argparse.Namespace) -> bool:
    return bool(options.list_commands or options.show_task_ratio or options.show_task_ratio_json)


def _check(options: argparse.Namespace, *, of_ours: bool) -> None:
    """Raise UsageError for a load that cannot be driven; what the web UI or another locustfile may say is theirs."""
    if not options.host and (not of_ours or not options.headless):
        return
    if not options.host:
        raise UsageError("no --host: say where the WebSocket server is, as in --host ws://127.0.0.1:8080/")
    load: dict[str, Any] = {}
    if of_ours:
        load = {
            "connections": options.driver_connections,
            "payload_bytes": options.payload,
            "payload_kind": PayloadKind(options.payload_kind),
            "rate": options.user_rate,
        }
    try:
        DrivePlan(options.host, **load)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _await_master(host: str, port: int, patience_s: float) -> None:
    """Wait for the port to open: Locust itself says nothing for half a minute, and gives up after five."""
    until_s = time.monotonic() + patience_s
    while True:
        try:
            with socket.create_connection((host, port), timeout=max(_TRY_EVERY_S, until_s - time.monotonic())):
                return
        except OSError as error:
            if time.monotonic() + _TRY_EVERY_S > until_s:
                raise UsageError(
                    f"no Locust master at {host}:{port} within {patience_s:g} s ({error.strerror or error}): start it "
                    "with 'wsbench locust --master', or say where it is with --master-host and --master-port"
                ) from None
        time.sleep(_TRY_EVERY_S)


def _abandon(output: Output) -> None:
    """Where no test was begun, what Locust has written of it says nothing."""
    path = output.folder.path
    if output.tests or not path.is_dir():
        return
    for file in (*path.glob(f"{_LOCUSTS}_*.csv"), *path.glob(f"{_LOCUSTS}.html")):
        file.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def _interval_ns(text: str) -> int:
    value = parse_duration_ns(text)
    if value < _NS // 10:
        raise ValueError(f"{text!r} is too short an interval: 100ms is the least")
    return value


if __name__ == "__main__":
    # What the options module adds, it adds where it is imported; named, so that nobody takes the import away.
    assert callable(add_user_options)
    try:
        main(sys.argv[1:])
    except UsageError as error:
        sys.stderr.write(f"wsbench: error: {error}\n")
        raise SystemExit(error.exit_code) from None
