"""Trials, runs and recordings made up for the tests of what is pure."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from wsbench import document
from wsbench.arms import ARMS, way_of
from wsbench.envoy import EnvoyBinary
from wsbench.identities import Identities, Identity
from wsbench.manifests import read_manifests, shipped
from wsbench.mesh import Mesh
from wsbench.mesh_policy import MeshPolicy, policy_of
from wsbench.plan import RunPlan, Target, arms_named
from wsbench.proof import Proof, Verdict
from wsbench.results import Run, Subject
from wsbench.trial import ProcessUse, Trial
from wsbench_client import DrivePlan, EngineName, ErrorKind, PayloadKind, Recording
from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.series import Interval

_FILES = (Path(f"/somewhere/{name}") for name in ("chain.pem", "own.key", "root-cert.pem"))
IDENTITIES = Identities(*2 * (Identity(*_FILES),))
PROVED = Proof(Verdict.PROVED, "as claimed", ())
DISPROVED = Proof(Verdict.DISPROVED, "not as claimed", ())


def policy(overlay: str) -> MeshPolicy:
    """That of one of the project's overlays."""
    return policy_of(read_manifests(shipped(overlay)))


def mesh(envoy: EnvoyBinary) -> Mesh:
    """With the policies of all arms."""
    return Mesh({None: envoy}, {arm.name: policy(arm.overlay) for arm in ARMS.values() if arm.overlay})


def plan(**changes: Any) -> RunPlan:
    settings: dict[str, Any] = {
        "arms": arms_named(["direct", "http1", "http2"]),
        "targets": (),
        "connections": 4,
        "duration_ns": 10**9,
        "warmup_ns": 10**8,
        "rounds": 8,
        "payload_bytes": 64,
        "payload_kind": PayloadKind.BINARY,
        "rate": None,
        "connect_rate": None,
        "engine": EngineName.PICOWS,
        "server_engine": EngineName.WEBSOCKETS,
        "envoy_path": None,
        "envoy_concurrency": 1,
        "seed": 5,
    }
    return RunPlan(**{**settings, **changes})


def histogram(values_ns: Any) -> LatencyHistogram:
    made = LatencyHistogram()
    made.record(np.asarray(values_ns, dtype=np.int64))
    return made


def phases(rng: np.random.Generator, connections: int, scale: float) -> ConnectPhases:
    return ConnectPhases(
        connect=histogram(rng.uniform(1e6, 2e6, connections) * scale),
        connect_tcp=histogram(rng.uniform(1e5, 2e5, connections)),
        connect_upgrade=histogram(rng.uniform(1e6, 2e6, connections) * scale),
        first_echo=histogram(rng.uniform(1e5, 2e5, connections) * scale),
    )


def recording(scale: float = 1.0, *, seed: int = 1, open_loop: bool = False, **changes: Any) -> Recording:
    rng = np.random.default_rng(seed)
    service = histogram(rng.lognormal(13, 0.3, 1000) * scale)
    fields: dict[str, Any] = {
        "plan": DrivePlan("ws://127.0.0.1:1/", connections=4, rate=1000.0 if open_loop else None),
        "opened": 4,
        "cold": phases(rng, 1, 3 * scale),
        "warm": phases(rng, 3, scale),
        "service_time": service,
        "response_time": histogram(rng.lognormal(13.1, 0.3, 1000) * scale) if open_loop else None,
        "send_lag": histogram(rng.uniform(1e3, 1e4, 1000)) if open_loop else None,
        "loop_lag": histogram(rng.uniform(1e3, 1e5, 100)),
        "series": (Interval(0, 10**9, round(1000 / scale), service.encode()),),
        "started_unix_s": 1_790_000_000.0,
        "window_ns": 10**9,
        "echoes_in_window": round(1000 / scale),
        "sent": 1000,
        "received": 1000,
        "unanswered": 0,
        "unsent": 0,
        "mismatched": 0,
        "errors": {},
        "rejections": {},
        "details": {},
        "closes": {1000: 4},
        "hop_protocols": {"": 4},
        "cpu_ns": 10_000_000,
        "peak_rss_kib": 40_000,
        "connecting_ns": 2_000_000,
        "rss_idle_kib": 30_000,
        "rss_connected_kib": 30_048,
    }
    return Recording(**{**fields, **changes})


def refused_recording() -> Recording:
    nothing = LatencyHistogram()
    return recording(
        opened=0,
        cold=ConnectPhases(),
        warm=ConnectPhases(),
        loop_lag=nothing,
        series=(),
        service_time=nothing,
        window_ns=0,
        echoes_in_window=0,
        sent=0,
        received=0,
        errors={ErrorKind.REJECTED: 4},
        rejections={503: 4},
        closes={},
        hop_protocols={},
        cpu_ns=0,
    )


def seed_of(name: str, number: int) -> int:
    """Every arm has noise of its own."""
    return zlib.crc32(f"{name}/{number}".encode())


def trials(
    name: str, scale: float, rounds: int = 8, *, open_loop: bool = False, proof: Proof = PROVED
) -> tuple[Trial, ...]:
    arm = ARMS.get(way_of(name))
    sidecar = arm is not None and arm.has_sidecars
    use = ProcessUse(20_000_000, 400_000, 4) if sidecar else None
    return tuple(
        Trial(
            name=name,
            round=number,
            position=1,
            recording=recording(scale, seed=seed_of(name, number), open_loop=open_loop),
            proof=proof,
            server=ProcessUse(15_000_000, 100_000),
            driver_growth_bytes=48 * 1024,
            client_sidecar=use,
            server_sidecar=use,
        )
        for number in range(1, rounds + 1)
    )


def subject(name: str, found: tuple[Trial, ...], failure: str | None = None) -> Subject:
    arm = ARMS.get(way_of(name))
    return Subject(
        name=name,
        kind="target" if arm is None else "sidecar" if arm.has_sidecars else "direct",
        summary="made up",
        url="ws://127.0.0.1:1/",
        claim=document.Claim(
            hop_protocol=arm.claim.hop_protocol if arm else None,
            refused_status=arm.claim.refused_status if arm else None,
            transport=arm.claim.transport if arm else None,
            sidecars=arm.claim.sidecars if arm else None,
        ),
        trials=found,
        failure=failure,
    )


def run(*subjects: Subject, of: RunPlan | None = None, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "plan": of or plan(targets=(Target("mine", "ws://127.0.0.1:1/"),)),
        "subjects": subjects,
        "environment": document.Environment(
            platform="Linux",
            kernel="6",
            cpu_model="made up",
            cpu_count=2,
            memory_mib=1024,
            python="3.11",
            libraries={},
            envoy="1.40.0",
            load_average=0.0,
            congestion_control=None,
        ),
        "wsbench_version": "0.0.0",
        "command": "wsbench run",
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:01:00+00:00",
    }
    return Run(**{**fields, **changes})
