"""``wsbench lab``: the lab without a measurement, to be used by hand."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wsbench.errors import WsbenchError
from wsbench.exit_codes import EXIT_OK
from wsbench.interruption import exit_code_of, run_interruptible
from wsbench.lab import open_lab
from wsbench.lab_guide import guide_of, text_of
from wsbench.mesh import mesh_of
from wsbench.narration import narrated
from wsbench.options import add_arms, add_lab_parts, add_sabotage, plan_of
from wsbench.plan import DEFAULT_ARMS
from wsbench.rendering import UNKNOWN_PORT, render
from wsbench.stage import lab_plan
from wsbench.storage import LAB, OutputFolder
from wsbench_client import EngineName, PayloadKind, PayloadMix
from wsbench_client.pattern import ECHO

if TYPE_CHECKING:
    from wsbench.lab_guide import LabGuide
    from wsbench.rendering import Rendered

EXAMPLES = """\
examples:
  wsbench lab up                                    direct, http1, http2 and http2-blocked until Ctrl-C
  wsbench lab up --arms http2,hbone --mtls          an arm under mTLS and one of ambient's
  wsbench lab up --arms http2 --manifests mine/     the hop that your own DestinationRule and EnvoyFilter make
  wsbench lab up --arms http1,http2 --format json   one line on standard output once it is up, for a script
  wsbench lab render --arms http1,http2 -o rendered
                                                    what Envoy would be given, and nothing started

exit codes: 0 ended by Ctrl-C or SIGTERM (up), or written (render), 2 usage, 3 a part did not start, or died
"""

_UP_EXAMPLES = """\
examples:
  wsbench lab up --arms http1,http2,http2-blocked -o lab/article
  wsbench lab up --arms http2 --envoy-version 1.36.2,1.40.0
  wsbench lab up --arms http2 --sabotage http2      the filter's contrary: see the 503 or the HTTP/1.1

exit codes: 0 ended by Ctrl-C or SIGTERM, 2 usage, 3 a part did not start, or died
"""

_RENDER_EXAMPLES = f"""\
examples:
  wsbench lab render --arms http1,http2 -o rendered
  diff rendered/http1/client.json rendered/http2/client.json
  envoy --mode validate -c rendered/http2/server.json

Every configuration listens on port 0, which lets the kernel choose, and sends on to port {UNKNOWN_PORT}, which
stands for one that nobody knows yet: the echo server's in server.json, the server sidecar's in client.json.
Fill it in to run one.

exit codes: 0 written and accepted by Envoy, 2 usage, 3 Envoy rejects one, or it cannot be written
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's own commands."""
    commands = parser.add_subparsers(required=True, metavar="up|render")
    up = commands.add_parser(
        "up",
        help="start it and leave it up until Ctrl-C",
        description="Start the echo server and the sidecars of these arms, say where everything is and what to type, "
        "and leave them up until Ctrl-C or SIGTERM. Says so where a part dies meanwhile.",
        epilog=_UP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_plan(up, _up)
    up.add_argument("-o", "--output", type=Path, metavar="DIR", help="(default: lab/<time>)")
    up.add_argument("-v", "--verbose", action="store_true", help="every process started, and Envoy's own words")
    rendering = commands.add_parser(
        "render",
        help="write the Envoy configurations only",
        description="Write the configurations of the sidecars of these arms, have Envoy validate them, start nothing.",
        epilog=_RENDER_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_plan(rendering, _render)
    rendering.add_argument("-o", "--output", type=Path, metavar="DIR", required=True, help="where to")


def _add_plan(parser: argparse.ArgumentParser, action: object) -> None:
    add_arms(parser.add_argument_group("which arms"), ", ".join(DEFAULT_ARMS))
    parts = parser.add_argument_group("the parts")
    add_lab_parts(parts)
    add_sabotage(parts)
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json is one line on standard output (default: text)"
    )
    # A lab has no load: what a plan of one says of it is never looked at.
    parser.set_defaults(
        action=action, target=[], claim=[], sidecar=None, connections=1, duration=1, warmup=0, rounds=1, rate=None,
        payload=PayloadMix.of(1), payload_kind=PayloadKind.BINARY, connect_rate=None, engine=EngineName.WEBSOCKETS,
        seed=0, until_precision=None, max_duration=None, workers=1, pattern=ECHO, ramp=None,
    )  # fmt: skip


def run(arguments: argparse.Namespace, _words: list[str]) -> int:
    """Do what was asked; the exit code."""
    code: int = arguments.action(arguments)
    return code


def _up(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments)
    mesh = mesh_of(plan)
    folder = OutputFolder(arguments.output or Path("lab") / datetime.now().strftime("%Y-%m-%dT%H-%M-%S"), LAB)
    folder.claim()
    unread: BrokenPipeError | None = None

    async def stay() -> None:
        nonlocal unread
        async with open_lab(lab_plan(plan, folder.path, mesh)) as lab:
            guide = guide_of(lab, folder.path, os.getpid(), mesh.versions if mesh else None)
            folder.write_json(LAB, guide)
            try:
                _tell(guide, arguments.format)
            except BrokenPipeError as error:
                unread = error
                return
            raise await lab.first_to_end()

    try:
        with narrated(_aside, wanted=arguments.verbose):
            ending = run_interruptible(stay)
    finally:
        # It says what runs: now nothing does.
        folder.remove(LAB)
    if unread is not None:
        raise unread
    if isinstance(ending, WsbenchError):
        folder.abandon()
        raise ending
    if arguments.format == "text":
        print(f"\nThe lab has ended. Its configurations and logs stay in {folder.path}")
    return EXIT_OK


def _tell(guide: LabGuide, output_format: str) -> None:
    print(text_of(guide) if output_format == "text" else json.dumps(guide), flush=True)


def _aside(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _render(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments)
    mesh = mesh_of(plan)
    folder = OutputFolder(arguments.output.resolve(), LAB)
    folder.claim()
    found: list[Rendered] = []

    async def work() -> None:
        found.extend(await render(plan.arms, mesh, folder.path))

    ending = run_interruptible(work)
    if isinstance(ending, WsbenchError):
        folder.abandon()
        raise ending
    if ending is not None:
        return exit_code_of(ending)
    if arguments.format == "json":
        rendered = [{"arm": one.arm, "side": one.side, "path": str(one.path), "envoy": one.version} for one in found]
        print(json.dumps(rendered))
        return EXIT_OK
    for one in found:
        print(f"{one.path}   accepted by Envoy {one.version}")
    if any(arm.claim.encrypted for arm in plan.arms):
        certificates = folder.path / "certificates"
        print(f"{certificates}   certificates and bare keys, good for a day: remove the folder when done")
    return EXIT_OK
