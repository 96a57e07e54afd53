"""The plan of a run: what is compared, under what load, how often. Frozen: made once from the command line's words."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsbench.arms import ARMS, MTLS_SUFFIX, Arm, HopProtocol, Transport, way_of
from wsbench.comparing import compared_metrics, compared_pairs, rounds_for
from wsbench.errors import UsageError
from wsbench.statistics import RESOLUTION
from wsbench_client import DrivePlan, EngineName, Pattern, PayloadKind, PayloadMix
from wsbench_client.pattern import ECHO
from wsbench_client.plan import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_ARMS = ("direct", "http1", "http2", "http2-blocked")
CLAIMS: Mapping[str, HopProtocol] = MappingProxyType({"http1": HopProtocol.HTTP1, "http2": HopProtocol.HTTP2})
"""What a target may claim that its hop speaks, in the arms' words."""

AUTO_SIDECAR, NO_SIDECAR = "auto", "none"
PROMETHEUS_PATH = "/stats/prometheus"
# How long each may take without holding up those after it.
_CONNECTS_WITHIN_S = 0.25
# A name is also a file's name and a tag in a histogram log.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL of the user's own. ``claim`` is what its hop is said to speak; None where nothing is claimed."""

    name: str
    url: str
    claim: HopProtocol | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run. Times are nanoseconds, rates per second; None for a rate is "as fast as it goes" (see ``DrivePlan``).

    ``until_precision`` (0.05 for "within 5%") adds rounds beyond ``rounds`` until every interval shown is as narrow;
    ``max_duration_ns`` begins no further round after that time. ``workers`` processes drive the load together.
    ``payload_bytes`` is the mean where there is a ``payload_mix``. ``ramp_ns`` spreads the opening of the connections
    evenly over that time. ``manifests`` are the user's own instead of the overlays of these arms; ``sabotage`` names
    arms whose hop is configured contrary to their claim. ``sidecar`` says where the driver's own sidecar, which
    witnesses what targets claim, is looked for: AUTO_SIDECAR, NO_SIDECAR or its URL.

    Raises UsageError, with the value in it, for what cannot be run.
    """

    arms: tuple[Arm, ...]
    targets: tuple[Target, ...]
    connections: int
    duration_ns: int
    warmup_ns: int
    rounds: int
    payload_bytes: int
    payload_kind: PayloadKind
    rate: float | None
    connect_rate: float | None
    engine: EngineName
    server_engine: EngineName
    envoy_path: Path | None
    envoy_concurrency: int
    seed: int
    sabotage: tuple[str, ...] = ()
    manifests: tuple[tuple[str, Path], ...] = ()
    until_precision: float | None = None
    max_duration_ns: int | None = None
    workers: int = 1
    payload_mix: PayloadMix | None = None
    pattern: Pattern = ECHO
    ramp_ns: int | None = None
    sidecar: str = AUTO_SIDECAR

    def __post_init__(self) -> None:
        if not self.names:
            raise UsageError("nothing to measure: give --arms, --target, or both")
        for name in self.names:
            if self.names.count(name) > 1:
                raise UsageError(f"{name!r} is named twice: arms and targets need names of their own")
        by_policy = _made_by_policy(self.arms)
        for name in self.sabotage:
            if name not in by_policy:
                raise UsageError(f"cannot sabotage {name!r}: it is not an arm of this run whose hop manifests decide")
        given = [name for name, _ in self.manifests]
        if len(set(given)) < len(given):
            raise UsageError(f"--manifests: give those of an arm once, as a folder ({', '.join(given)})")
        if self.rounds < 1:
            raise UsageError(f"--rounds must be at least 1, not {self.rounds}")
        if self.envoy_concurrency < 1:
            raise UsageError(f"--envoy-concurrency must be at least 1, not {self.envoy_concurrency}")
        if self.until_precision is not None:
            self._check_precision(self.until_precision)
        if self.ramp_ns is not None and self.connect_rate is not None:
            raise UsageError("--ramp and --connect-rate both set how fast connections are opened: give one of them")
        try:
            self.drive_plan("ws://localhost/", 1)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not 1 <= self.workers <= self.connections:
            raise UsageError(f"--workers must be from 1 to --connections ({self.connections}), not {self.workers}")

    def _check_precision(self, precision: float) -> None:
        if not RESOLUTION < precision < 1:
            raise UsageError(f"--until-precision must be above {RESOLUTION:.1%} and below 100%, not {precision:.4%}")
        if not self.comparisons:
            raise UsageError("--until-precision needs two arms or targets to compare")
        if self.max_duration_ns is None:
            raise UsageError("--until-precision needs --max-duration: noise may never let it end")

    @property
    def names(self) -> tuple[str, ...]:
        """Everything measured in a round: the arms, then the targets."""
        return tuple(arm.name for arm in self.arms) + tuple(target.name for target in self.targets)

    @property
    def mix(self) -> PayloadMix:
        """The sizes of the messages; a single one is a mix too."""
        return self.payload_mix or PayloadMix.of(self.payload_bytes)

    @property
    def open_loop(self) -> bool:
        """Whether messages are due at a set rate."""
        return self.rate is not None

    @property
    def comparisons(self) -> int:
        """How many comparisons the report will show if every arm is measured."""
        kinds = {
            arm.name: "sidecar" if arm.has_sidecars else "direct" for arm in self.arms if not arm.claim.refused_status
        }
        kinds |= {target.name: "target" for target in self.targets}
        return len(compared_pairs(kinds)) * len(self._metrics)

    @property
    def _metrics(self) -> tuple[str, ...]:
        return compared_metrics(open_loop=self.open_loop, one_way=self.pattern.one_way)

    @property
    def rounds_needed(self) -> int:
        """The least number of rounds with which these comparisons can show anything at all."""
        return rounds_for(max(self.comparisons, 1), by_precision=self.until_precision is not None)

    def order(self, round_number: int) -> tuple[str, ...]:
        """The shuffled order of round ``round_number`` (from 1): the same for the same seed."""
        names = list(self.names)
        random.Random(f"{self.seed}/{round_number}").shuffle(names)
        return tuple(names)

    def drive_plan(self, url: str, round_number: int, *, refusal_claimed: bool = False) -> DrivePlan:
        """The load of one trial.

        At a set rate connections are opened when they are due, as many side by side as that takes: to wait for those
        before would make the rate another one. Where a refusal is claimed all are tried at once: Envoy takes a second
        over each refusal (its delayed close), and no latency is reported that trying them together could spoil.
        """
        connect_rate = self.connections * 1e9 / self.ramp_ns if self.ramp_ns else self.connect_rate
        plan = DrivePlan(
            url=url,
            connections=self.connections,
            duration_ns=self.duration_ns,
            warmup_ns=self.warmup_ns,
            payload_bytes=self.payload_bytes,
            payload_kind=self.payload_kind,
            rate=self.rate,
            connect_rate=connect_rate,
            engine=self.engine,
            seed=self.seed + round_number,
            payload_mix=self.payload_mix,
            pattern=self.pattern,
        )
        if connect_rate is not None:
            side_by_side = math.ceil(connect_rate * _CONNECTS_WITHIN_S)
            plan = replace(plan, connect_concurrency=max(side_by_side, plan.connect_concurrency))
        return replace(plan, connect_concurrency=self.connections, cold_first=False) if refusal_claimed else plan


def arms_named(names: Sequence[str], *, mtls: bool = False) -> tuple[Arm, ...]:
    """The arms of these names, in this order; with ``mtls`` under mTLS, where there is one so. Raises UsageError."""
    arms = []
    for name in names:
        if name not in ARMS:
            raise UsageError(f"unknown arm {name!r}: choose from {', '.join(ARMS)}")
        under_mtls = ARMS.get(f"{name}{MTLS_SUFFIX}") if mtls else None
        arms.append(under_mtls or ARMS[name])
    if mtls and not any(arm.claim.transport is Transport.MTLS for arm in arms):
        raise UsageError(f"--mtls: none of these arms has a hop to put under mTLS: {', '.join(names)}")
    return tuple(arms)


def on_versions(arms: Sequence[Arm], versions: Sequence[str]) -> tuple[Arm, ...]:
    """Every arm with sidecars once for each version of Envoy, named after it where there are several."""
    if not versions:
        return tuple(arms)
    if not any(arm.has_sidecars for arm in arms):
        raise UsageError(f"--envoy-version {','.join(versions)}: no arm of this run has a sidecar")
    several = len(versions) > 1
    found = [arm for arm in arms if not arm.has_sidecars]
    found += [arm.on(version, named=several) for version in versions for arm in arms if arm.has_sidecars]
    return tuple(found)


def parse_manifests(text: str, arms: Sequence[Arm]) -> tuple[str, Path]:
    """``ARM=PATH``, or a path alone where there is one arm that manifests decide. Raises UsageError."""
    by_policy = _made_by_policy(arms)
    name, separator, path = text.partition("=")
    if separator and name in ARMS:
        if name not in by_policy:
            raise UsageError(f"--manifests {text}: {name!r} is not an arm of this run whose hop manifests decide")
        return name, Path(path)
    if len(by_policy) != 1:
        raise UsageError(f"--manifests {text} must name its arm, as in http2={text}: this run has {by_policy}")
    return by_policy[0], Path(text)


def _made_by_policy(arms: Sequence[Arm]) -> list[str]:
    """By name, whatever the version of their sidecars."""
    return list(dict.fromkeys(way_of(arm.name) for arm in arms if arm.overlay is not None))


def parse_target(text: str) -> Target:
    """``NAME=URL``, or a URL alone, which is then named ``target``. Raises UsageError."""
    name, separator, url = text.partition("=")
    if not separator or "://" in name:
        name, url = "target", text
    if not _NAME.fullmatch(name):
        raise UsageError(f"bad target name {name!r} in {text!r}: letters, digits, '.', '_' and '-', 64 at most")
    if name in ARMS:
        raise UsageError(f"target {name!r} has the name of an arm: give it another")
    try:
        endpoint(url)
    except ValueError as error:
        raise UsageError(f"target {name!r}: {error}") from None
    return Target(name, url)


def with_claims(targets: Sequence[Target], texts: Iterable[str]) -> tuple[Target, ...]:
    """The targets with what these texts claim for them: ``NAME=http2``, or ``http2`` alone for a single target.

    Raises UsageError.
    """
    claims: dict[str, HopProtocol] = {}
    names = [target.name for target in targets]
    for text in texts:
        name, _, word = text.rpartition("=")
        if word not in CLAIMS:
            raise UsageError(f"--claim {text}: {word!r} is nothing a hop may claim: choose from {', '.join(CLAIMS)}")
        if not name and len(names) == 1:
            name = names[0]
        if name not in names:
            known = f"one of the targets ({', '.join(names)})" if names else "a target, and there is none: see --target"
            raise UsageError(f"--claim {text} must name {known}, as in NAME={word}")
        if name in claims:
            raise UsageError(f"--claim {text}: {name!r} has made its claim already")
        claims[name] = CLAIMS[word]
    for target in targets:
        if target.name in claims and endpoint(target.url).secure:
            raise UsageError(f"--claim: {target.name!r} is {target.url}: no sidecar sees into TLS of the driver's own")
    return tuple(replace(target, claim=claims.get(target.name)) for target in targets)


def parse_sidecar(text: str) -> str:
    """``auto``, ``none``, or the URL of an Envoy's admin or Prometheus port. Raises ValueError with the text in it."""
    if text in (AUTO_SIDECAR, NO_SIDECAR):
        return text
    wanted = f"{AUTO_SIDECAR}, {NO_SIDECAR}, http://HOST:PORT of an Envoy's admin, or that with {PROMETHEUS_PATH}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        usable = None
    if not usable or parts.query or parts.fragment or parts.path.rstrip("/") not in ("", PROMETHEUS_PATH):
        raise ValueError(f"{text!r} is no sidecar: give {wanted}")
    return text
