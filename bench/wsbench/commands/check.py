"""``wsbench check``: what of WebSockets works at a URL, and for the rest why not and what to do."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from wsbench.check.address import parse_address
from wsbench.check.admin import parse_admin
from wsbench.check.dialing import Trust
from wsbench.check.examining import examine
from wsbench.check.findings import Need
from wsbench.check.probing import CheckPlan
from wsbench.check.remedies import ADVICE
from wsbench.check.report import document, print_diagnosis
from wsbench.check.sidecars import Sidecars
from wsbench.check.websocket_steps import StepLimits
from wsbench.errors import ResultError
from wsbench.exit_codes import EXIT_FAILED, EXIT_OK
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.manifests import shipped
from wsbench.options import duration
from wsbench.report.terminal import WIDTH
from wsbench_server.cli import argument

if TYPE_CHECKING:
    import argparse

    from wsbench.check.findings import Diagnosis

_NANOSECONDS = 1_000_000_000

EXAMPLES = """\
examples:
  wsbench check ws://echo.example.svc:8080/ws
  wsbench check ws://10.1.2.3:8080/ --need http2           exit 3 unless WebSockets work over HTTP/2
  wsbench check wss://echo.example/ws --ca ca.pem --idle 90s
  wsbench check ws://127.0.0.1:8080/ --admin 15000 --access-log sidecar.log
    where these two come from:   kubectl port-forward POD 15000 &
                                 kubectl logs -f POD -c istio-proxy > sidecar.log &

what is tried: TCP, TLS; over HTTP/1.1 the upgrade; over HTTP/2 (prior knowledge for ws://, ALPN h2 for wss://) whether
  it is spoken, whether SETTINGS_ENABLE_CONNECT_PROTOCOL is announced, extended CONNECT (RFC 8441), several streams at
  once; over both ping and pong, echo of text and bytes, close, and with --idle whether silence is survived. No
  credentials are sent, and a server that does not echo is not held to be broken.

exit codes: 0 what --need names works, 2 usage, 3 it does not (any, the default: neither HTTP/1.1 nor HTTP/2 does, or
  the server is dead), 130 interrupted (143 by SIGTERM)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("url", type=argument(parse_address), metavar="URL", help="ws://, wss://, http:// or https://")
    parser.add_argument(
        "--need",
        type=argument(_need),
        default="any",
        metavar="any|http1|http2|both",
        help="what has to work for exit code 0 (default: any)",
    )
    parser.add_argument("--timeout", type=duration, default="5s", metavar="T", help="of each step (default: 5s)")
    parser.add_argument(
        "--idle", type=duration, metavar="T", help="also try whether a WebSocket survives this long without a message"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="what to print (default: text)")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--ca", type=Path, metavar="FILE", help="trust these authorities (PEM) instead of the system's")
    tls.add_argument("-k", "--insecure", action="store_true", help="go on with a certificate that is not accepted")
    envoy = parser.add_argument_group("Envoys on the way, to be read as well")
    envoy.add_argument(
        "--admin",
        type=argument(parse_admin),
        action="append",
        default=[],
        metavar="URL",
        help="an Envoy's admin endpoint; may be given several times (default: one on 127.0.0.1:15000, if it answers)",
    )
    envoy.add_argument(
        "--access-log",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an Envoy's access log, JSON or text; may be given several times",
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Try, explain, print."""
    trust = Trust(verify=not arguments.insecure, ca=arguments.ca)
    # A file that is no certificate is bad input, not a finding.
    trust.context()
    limits = StepLimits(
        arguments.timeout / _NANOSECONDS, None if arguments.idle is None else arguments.idle / _NANOSECONDS
    )
    sidecars = Sidecars(arguments.admin, arguments.access_log, limits.timeout_s)
    found: list[Diagnosis] = []

    async def check() -> None:
        found.append(await examine(CheckPlan(arguments.url, trust, limits), arguments.need, sidecars))

    ending = run_interruptible(check)
    if isinstance(ending, signal.Signals):
        return exit_code_of(ending)
    if ending is not None:
        raise ending
    _show(found[0], arguments.format)
    return EXIT_OK if found[0].met else EXIT_FAILED


def _show(diagnosis: Diagnosis, output_format: str) -> None:
    manifests = {
        remedy: _manifest(ADVICE[remedy].overlay or "", ADVICE[remedy].manifest or "")
        for remedy in diagnosis.remedies
        if ADVICE[remedy].manifest
    }
    if output_format == "json":
        print(json.dumps(document(diagnosis, manifests), indent=1))
        return
    console = Console()
    print_diagnosis(diagnosis, manifests, console if console.is_terminal else Console(width=WIDTH))


def _manifest(overlay: str, name: str) -> tuple[str, str]:
    path = shipped(overlay) / name
    try:
        return str(path), path.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultError(f"the manifest {path}, which this remedy needs, cannot be read: {error.strerror}") from None


def _need(text: str) -> Need:
    try:
        return Need(text)
    except ValueError:
        raise ValueError(f"{text!r} is none of {', '.join(Need)}") from None
