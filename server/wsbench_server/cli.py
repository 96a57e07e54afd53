"""The server's command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop

from wsbench_server.config import Engine, ServerConfig
from wsbench_server.counters import Counters, exposition
from wsbench_server.counting import SUBPROTOCOL
from wsbench_server.health import Health
from wsbench_server.listening import ListenError, bind, port_of, reserve
from wsbench_server.server import serve_until, told_to_end
from wsbench_server.supervisor import Supervisor, WorkerDiedError
from wsbench_server.units import parse_duration_ns, parse_size_bytes

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

PROG = "wsbench-server"
EXIT_USAGE = 2
EXIT_FAILED = 1

DESCRIPTION = (
    "A WebSocket echo server: text and binary come back unchanged, one message for one message.\n"
    f"Of a client that offers the subprotocol {SUBPROTOCOL} messages are counted instead,\n"
    "and it is told how many came."
)

EXAMPLES = f"""\
T is a time with its unit (500us, 20ms, 2s, 1m), SIZE is in bytes or has a unit (64, 16KiB, 1MiB). Where it listens is
said on standard output, as one line of JSON.

examples:
  {PROG} --port 8080                        then: python -m websockets ws://127.0.0.1:8080/
  {PROG} --host 0.0.0.0 --port 80 --health-port 8081
  {PROG} --port 0 --delay 5ms               a known service time, on a free port

exit codes: 0 ended by SIGTERM or Ctrl-C, 1 a process of --processes died, 2 usage or the port is taken
"""


class UsageError(Exception):
    """The command line cannot be followed: one line that says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve as ``argv`` says; the exit code."""
    parser = _Parser(
        prog=PROG,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except UsageError as error:
        print(f"wsbench-server: error: {error}", file=sys.stderr)
        return EXIT_USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The server's options, for this command and for ``wsbench serve``."""
    place = parser.add_argument_group("where it listens")
    place.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 in a container (default: %(default)s)"
    )
    place.add_argument(
        "--port", type=int, default=8080, metavar="PORT", help="TCP port; 0 takes a free one (default: %(default)s)"
    )
    place.add_argument(
        "--health-port", type=int, metavar="PORT", help="serve /healthz, /readyz and /metrics there (default: nowhere)"
    )
    echoing = parser.add_argument_group("how it echoes")
    echoing.add_argument(
        "--max-message-size",
        type=argument(parse_size_bytes),
        default="1MiB",
        metavar="SIZE",
        help="close with 1009 over this (default: %(default)s)",
    )
    echoing.add_argument("--compression", action="store_true", help="offer permessage-deflate (default: off)")
    echoing.add_argument(
        "--ping-interval",
        type=argument(parse_duration_ns),
        metavar="T",
        help="ping clients every T, or with picows once they were quiet for T (default: never)",
    )
    echoing.add_argument(
        "--delay",
        type=argument(parse_duration_ns),
        default="0ms",
        metavar="T",
        help="hold every echo back for T after its message was read (default: 0ms)",
    )
    echoing.add_argument(
        "--delay-jitter",
        type=argument(parse_duration_ns),
        default="0ms",
        metavar="T",
        help="hold it back for a further uniform 0 to T (default: 0ms)",
    )
    processes = parser.add_argument_group("what runs it")
    processes.add_argument(
        "--processes", type=int, default=1, metavar="N", help="echoing processes on the one port (default: %(default)s)"
    )
    processes.add_argument(
        "--engine",
        type=argument(Engine),
        default="websockets",
        metavar="websockets|picows",
        help="the library that echoes; picows costs the least CPU (default: websockets)",
    )
    processes.add_argument(
        "--grace",
        type=argument(parse_duration_ns),
        default="5s",
        metavar="T",
        help="how long connections have to answer the close with 1001 when a signal ends the server (default: 5s)",
    )


def argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` as argparse wants a type: the words of its ValueError become the error."""

    def convert(text: str) -> Any:  # noqa: ANN401
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def run(arguments: argparse.Namespace) -> int:
    """Serve as parsed; the exit code. Raises UsageError before anything is served."""
    try:
        config = ServerConfig(
            host=arguments.host,
            port=arguments.port,
            health_port=arguments.health_port,
            max_message_bytes=arguments.max_message_size,
            compression=arguments.compression,
            ping_interval_s=None if arguments.ping_interval is None else arguments.ping_interval / 1e9,
            delay_ns=arguments.delay,
            delay_jitter_ns=arguments.delay_jitter,
            processes=arguments.processes,
            engine=arguments.engine,
            grace_s=arguments.grace / 1e9,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    with contextlib.ExitStack() as bound:
        try:
            take = reserve if config.processes > 1 else bind
            listener = bound.enter_context(take(config.host, config.port))
            health_listener = None
            if config.health_port is not None:
                health_listener = bound.enter_context(bind(config.host, config.health_port))
        except ListenError as error:
            raise UsageError(str(error)) from None
        try:
            uvloop.run(_serve(config, listener, health_listener))
        except WorkerDiedError as error:
            print(f"wsbench-server: error: {error}", file=sys.stderr)
            return EXIT_FAILED
    return 0


async def _serve(config: ServerConfig, listener: socket.socket, health_listener: socket.socket | None) -> None:
    end = told_to_end()
    port = port_of(listener)

    def say_listening(pids: list[int]) -> None:
        host = f"[{config.host}]" if ":" in config.host else config.host
        health_port = None if health_listener is None else port_of(health_listener)
        ready = {"event": "listening", "url": f"ws://{host}:{port}/", "port": port, "health_port": health_port}
        print(json.dumps({**ready, "pids": pids}), flush=True)

    if config.processes == 1:
        counters = Counters()
        health = await _start_health(health_listener, lambda: counters)
        await serve_until(end, config, listener, counters, health, lambda: say_listening([os.getpid()]))
    else:
        # This process only holds the port: bound but not listening, it would be given no connections.
        supervisor = Supervisor(config, port)
        health = await _start_health(health_listener, supervisor.totals)
        await supervisor.run(end, health, say_listening)
    if health is not None:
        health.stop()


async def _start_health(listener: socket.socket | None, totals: Callable[[], Counters]) -> Health | None:
    return None if listener is None else await Health.start(listener, exposition(totals))
