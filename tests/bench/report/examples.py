"""Realistic results for every case that a report must be able to tell, each valid by the JSON Schema."""

from __future__ import annotations

import json
import math
import random
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from wsbench.storage import read_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wsbench import document

HOSTILE = "<script>alert(1)</script>|"
LONG = "production-eu-west-through-the-gateway"
CONFIDENCE = 0.95
_PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9, "p9999_us": 99.99}
_SPOKEN = {"http1": "HTTP/1.1", "http2": "HTTP/2", "http2-blocked": "HTTP/2"}


def validate(result: document.Result) -> document.Result:
    """The result, which is valid by the schema."""
    text = resources.files("wsbench").joinpath("schema/result-2.schema.json").read_text("utf-8")
    jsonschema.validate(json.loads(json.dumps(result)), json.loads(text))
    return result


def nothing() -> document.Latency:
    return {
        "count": 0,
        "mean_us": None,
        "p50_us": None,
        "p90_us": None,
        "p99_us": None,
        "p999_us": None,
        "p9999_us": None,
        "max_us": None,
    }


def quantile(median_us: float, percentile: float, tail: float = 0.35) -> float:
    """A latency with a heavy tail: each nine adds its part."""
    if percentile <= 0:
        return median_us * 0.55
    nines = -math.log10(1 - percentile / 100)
    return round(median_us * (0.55 + 0.45 * math.sqrt(nines / 0.30103)) * (1 + tail * max(0.0, nines - 1) ** 2), 3)


def latency(median_us: float, count: int, tail: float = 0.35) -> document.Latency:
    if not count:
        return nothing()
    last = 100 * (1 - 1 / max(count, 2))
    values = {name: quantile(median_us, min(percentile, last), tail) for name, percentile in _PERCENTILES.items()}
    return {"count": count, "mean_us": median_us * 1.08, **values, "max_us": quantile(median_us, last, tail) * 1.1}  # type: ignore[typeddict-item]


def curve(median_us: float, count: int, tail: float = 0.35) -> list[tuple[float, float]]:
    if not count:
        return []
    points = [(0.0, quantile(median_us, 0, tail))]
    for step in range(1, 51):
        beyond = 10 ** (-step / 10)
        if beyond * count < 1:
            break
        percentile = 100 * (1 - beyond)
        points.append((round(percentile, 5), quantile(median_us, percentile, tail)))
    return [*points, (100.0, points[-1][1] * 1.1)]


def figures(
    median_us: float,
    received: int,
    *,
    connections: int = 64,
    rate: float | None = None,
    sidecars: bool = True,
    hop: int | None = None,
    window_us: float = 2e6,
    lab: bool = True,
) -> dict[str, Any]:
    shrink = (2.6 if hop != 1 else 2.4) if sidecars else 1.0
    echo = latency(median_us, received)
    cost: dict[str, Any] | None = None
    if sidecars:
        cost = {
            "client": {
                "cpu_us_per_message": 18.4,
                "cpu_cores": 0.55,
                "rss_kib_per_connection": 47.9,
                "hop_connections": hop,
            },
            "server": {
                "cpu_us_per_message": 16.9,
                "cpu_cores": 0.51,
                "rss_kib_per_connection": 45.2,
                "hop_connections": hop,
            },
        }
    return {
        "connect": latency(410.0 * shrink, connections),
        "connect_tcp": latency(65.0, connections),
        "connect_upgrade": latency(345.0 * shrink, connections),
        "first_echo": latency(180.0 * shrink, connections),
        "cold": phases(900.0 * shrink, max(connections // 64, 1)),
        "warm": phases(410.0 * shrink, connections),
        "connect_rate": 1_850.0 / shrink,
        "service_time": echo,
        "response_time": None if rate is None else latency(median_us * 1.15, received, 0.6),
        "send_lag": None if rate is None else latency(7.2, received),
        "loop_lag": latency(31.0, 200),
        "achieved_rate": received / window_us * 1e6,
        "goodput_mb_per_s": None,
        "sent": received,
        "received": received,
        "unanswered": 0,
        "unsent": 0,
        "mismatched": 0,
        "unrecorded": 0,
        "errors": {},
        "closes": {"1000": connections},
        "driver": cpu(14.2, kib_per_connection=10.4),
        "server": cpu(21.7, kib_per_connection=14.1) if lab else None,
        "sidecars": cost,
        "machine": {"busy_cores": 1.6, "others_cores": 0.05 if lab else None, "steal_cores": 0.01},
        "bound_by": [],
    }


def cpu(us_per_message: float | None, kib_per_connection: float | None = None) -> dict[str, float | None]:
    """What 30,000 messages a second make of it."""
    return {
        "cpu_us_per_message": us_per_message,
        "cpu_cores": None if us_per_message is None else us_per_message * 0.03,
        "rss_kib_per_connection": kib_per_connection,
    }


def phases(connect_us: float, connections: int) -> dict[str, Any]:
    return {
        "connect": latency(connect_us, connections),
        "connect_tcp": latency(65.0, connections),
        "connect_upgrade": latency(connect_us - 65.0, connections),
        "first_echo": latency(connect_us / 2, connections),
    }


def log_line(protocol: str) -> str:
    return json.dumps(
        {
            "start_time": "2026-08-22T06:30:28.308Z",
            "method": "GET",
            "path": "/",
            "protocol": protocol,
            "response_code": 101,
            "response_flags": "UC",
            "response_code_details": "upgrade",
            "authority": "websockets-server.default.svc.cluster.local:8080",
            "upstream_cluster": "inbound|80||",
            "user_agent": "wsbench <0.1.0> & co",
            "bytes_sent": 163_840,
            "bytes_received": 168_192,
            "duration": 2511,
        }
    )


def proof(protocol: str, websockets: int, verdict: str = "proved", spoke: str | None = None) -> dict[str, Any]:
    spoke = spoke or protocol
    says = "supports" if spoke == protocol else "contradicts"
    return {
        "verdict": verdict,
        "summary": f"{websockets} WebSockets over {spoke}, by all three witnesses",
        "witnesses": [
            {
                "witness": name,
                "says": spoke,
                "websockets": websockets,
                "verdict": says,
                "detail": detail,
                "sample": log_line(spoke) if name == "server_access_log" else None,
            }
            for name, detail in (
                ("server_access_log", f"{websockets} lines, all 101"),
                ("envoy_counters", f"downstream_cx_upgrades_total rose by {websockets}"),
                ("handshake_header", f"x-wsbench-hop: {spoke} in {websockets} handshakes"),
            )
        ],
    }


def floor(websockets: int) -> dict[str, Any]:
    """The proof of ``direct``: the echo server saw no sidecar's header."""
    return {
        "verdict": "proved",
        "summary": "no sidecar was seen",
        "witnesses": [
            {
                "witness": "handshake_header",
                "says": None,
                "websockets": websockets,
                "verdict": "supports",
                "detail": f"no header in {websockets} handshakes",
                "sample": None,
            }
        ],
    }


def unproved(why: str = "there is no hop to prove") -> dict[str, Any]:
    return {"verdict": "unproved", "summary": why, "witnesses": []}


def claim(protocol: str | None, status: int | None = None, kind: str = "sidecar") -> dict[str, Any]:
    transport, sidecars = {"sidecar": ("plaintext", "both"), "direct": ("plaintext", "none")}.get(kind, (None, None))
    return {"hop_protocol": protocol, "refused_status": status, "transport": transport, "sidecars": sidecars}


def arm(
    name: str,
    median_us: float = 2000.0,
    *,
    kind: str = "sidecar",
    rounds: int = 10,
    per_round: int = 60_000,
    rate: float | None = None,
    hop: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """A measured arm; its rounds drift about the median."""
    luck = random.Random(f"{name}{seed}")
    sidecars = kind == "sidecar"
    protocol = _SPOKEN.get(name)
    share: dict[str, Any] = {"rate": rate, "sidecars": sidecars, "hop": hop, "lab": kind != "target"}
    trials = []
    for number in range(1, rounds + 1):
        drift = 1 + luck.gauss(0, 0.03)
        trials.append(
            {
                **figures(median_us * drift, int(per_round / drift), **share),
                "round": number,
                "position": luck.randrange(1, 5),
                "proof": "proved" if protocol else "unproved",
                "warmup_us": 500_000.0,
                "window_us": 2_000_000.0,
                "series": [second(median_us * drift, half) for half in range(2)],
            }
        )
    count = sum(trial["received"] for trial in trials)
    pooled = figures(median_us, count, connections=64 * rounds, window_us=2e6 * max(rounds, 1), **share)
    return {
        **pooled,
        "kind": kind,
        "summary": f"the {name} arm",
        "url": "ws://127.0.0.1:40001/",
        "claim": claim(protocol, kind=kind),
        "proof": proof(protocol, 64 * rounds) if protocol else floor(64 * rounds) if kind == "direct" else unproved(),
        "outcome": "measured",
        "failure": None,
        "refusal": None,
        "curves": {
            "service_time": curve(median_us, count),
            "response_time": None if rate is None else curve(median_us * 1.15, count, 0.6),
            "connect": curve(410.0 * ((2.6 if hop != 1 else 2.4) if sidecars else 1.0), 64 * rounds),
        },
        "rounds": trials,
    }


def second(median_us: float, number: int) -> dict[str, Any]:
    return {
        "start_us": number * 1e6,
        "width_us": 1e6,
        "received": 30_000,
        "p50_us": median_us,
        "p99_us": median_us * 3,
        "max_us": median_us * 9,
    }


def blank(name: str, *, kind: str = "sidecar") -> dict[str, Any]:
    """An arm with null wherever the schema allows one."""
    found = arm(name, kind=kind, rounds=0, per_round=0)
    for key in ("connect", "connect_tcp", "connect_upgrade", "service_time"):
        found[key] = nothing()
    return {
        **found,
        "achieved_rate": None,
        "goodput_mb_per_s": None,
        "first_echo": None,
        "cold": None,
        "warm": None,
        "loop_lag": None,
        "driver": cpu(None),
        "server": None,
        "sidecars": None,
        "machine": None,
        "bound_by": None,
        "curves": {"service_time": [], "response_time": None, "connect": []},
    }


def blocked() -> dict[str, Any]:
    """The article's trap."""
    return {
        **blank("http2-blocked"),
        "claim": claim("HTTP/2", 503),
        "outcome": "refused",
        "errors": {"refused": 640},
        "proof": {
            **proof("HTTP/2", 640),
            "summary": "640 upgrades over HTTP/2, all refused with 503",
        },
        "refusal": {
            "status": 503,
            "count": 640,
            "reason": "the server sidecar reset the stream (flags DPE): its connection manager does not allow_connect",
            "remedy": "apply the EnvoyFilter with allow_connect: true, or set h2UpgradePolicy: DO_NOT_UPGRADE",
        },
    }


def comparison(
    metric: str, baseline: str, candidate: str, interval: tuple[float, float, float] | None, rounds: int = 10
) -> document.Comparison:
    lower_is_better = metric not in {"achieved_rate", "goodput_mb_per_s"}
    verdict = "insufficient data"
    low, ratio, high = interval or (None, None, None)
    if low is not None and high is not None:
        verdict = "faster" if (high < 1) == lower_is_better else "slower"
        if low <= 1 <= high:
            verdict = "no difference shown"
    return {
        "metric": metric,
        "baseline": baseline,
        "candidate": candidate,
        "lower_is_better": lower_is_better,
        "rounds": rounds,
        "ratio": ratio,
        "ci_low": low,
        "ci_high": high,
        "confidence": CONFIDENCE,
        "precision": None if not low or not high else math.sqrt(high / low) - 1,
        "verdict": verdict,
    }


def compared(
    baseline: str,
    candidate: str,
    *,
    rate: tuple[float, float, float] | None = (1.24, 1.31, 1.38),
    p50: tuple[float, float, float] | None = (0.72, 0.76, 0.81),
    p99: tuple[float, float, float] | None = (0.97, 1.02, 1.07),
    connect: tuple[float, float, float] | None = (0.84, 0.93, 1.03),
    open_loop: bool = False,
    rounds: int = 10,
) -> list[document.Comparison]:
    what = "response_time" if open_loop else "service_time"
    found = [
        comparison(f"{what}.p50_us", baseline, candidate, p50, rounds),
        comparison(f"{what}.p99_us", baseline, candidate, p99, rounds),
        comparison("connect.p50_us", baseline, candidate, connect, rounds),
    ]
    return found if open_loop else [comparison("achieved_rate", baseline, candidate, rate, rounds), *found]


def result(
    arms: dict[str, dict[str, Any]],
    comparisons: Iterable[document.Comparison] = (),
    *,
    rate: float | None = None,
    targets: dict[str, str] | None = None,
    rounds: int = 10,
    **changed: Any,
) -> document.Result:
    targets = targets or {}
    whole: dict[str, Any] = {
        "schema_version": 2,
        "wsbench_version": "0.1.0",
        "complete": True,
        "incomplete_reason": None,
        "ended_by": "rounds",
        "too_busy": None,
        "started_at": "2026-08-22T10:00:00+00:00",
        "finished_at": "2026-08-22T10:03:11+00:00",
        "command": "python -m wsbench run --arms direct,http1,http2,http2-blocked -c 64 --rounds 10 --seed 7",
        "environment": {
            "platform": "Linux x86_64",
            "kernel": "6.1.0-34-amd64",
            "cpu_model": "AMD EPYC 7B13",
            "cpu_count": 2,
            "memory_mib": 7957,
            "python": "3.12.4",
            "libraries": {"picows": "2.3.1", "uvloop": "0.22.1", "websockets": "15.0.1"},
            "envoy": "1.40.0",
            "load_average": 0.42,
            "congestion_control": "cubic",
        },
        "plan": {
            "arms": [name for name in arms if name not in targets],
            "targets": targets,
            "connections": 64,
            "duration_us": 2_000_000.0,
            "warmup_us": 500_000.0,
            "rounds": rounds,
            "until_precision": None,
            "max_duration_us": None,
            "workers": 1,
            "payload_bytes": 64,
            "payload_mix": None,
            "payload_kind": "binary",
            "pattern": "echo",
            "rate": rate,
            "connect_rate": None,
            "ramp_us": None,
            "engine": "picows",
            "server_engine": "websockets",
            "envoy_concurrency": 1,
            "sabotage": [],
            "seed": 7,
        },
        "arms": arms,
        "comparisons": list(comparisons),
        "warnings": [],
    }
    return validate({**whole, **changed})  # type: ignore[typeddict-item]


def _four(rate: float | None = None) -> dict[str, dict[str, Any]]:
    return {
        "direct": arm("direct", 900.0, kind="direct", per_round=140_000, rate=rate),
        "http1": arm("http1", 2760.0, per_round=46_200, hop=64, rate=rate),
        "http2": arm("http2", 2090.0, per_round=60_600, hop=1, rate=rate),
        "http2-blocked": blocked(),
    }


def _against_the_floor(*, open_loop: bool = False) -> list[document.Comparison]:
    slow: dict[str, Any] = {"p50": (2.9, 3.07, 3.2), "p99": (3.1, 3.4, 3.8), "connect": (2.4, 2.6, 2.8)}
    return [
        *compared("direct", "http1", rate=(0.31, 0.33, 0.35), open_loop=open_loop, **slow),
        *compared("direct", "http2", rate=(0.4, 0.43, 0.46), open_loop=open_loop, **slow),
    ]


def closed_loop() -> document.Result:
    comparisons = [*compared("http1", "http2"), *_against_the_floor()]
    warnings = ["direct: client-bound, the driver used 96% of one core"]
    return result(_four(), comparisons, warnings=warnings)


def open_loop() -> document.Result:
    comparisons = [
        *compared("http1", "http2", p99=(1.05, 1.3, 1.62), open_loop=True),
        *_against_the_floor(open_loop=True),
    ]
    return result(_four(20_000.0), comparisons, rate=20_000.0)


def one_way() -> document.Result:
    """The server counts: no round trip, goodput instead."""
    arms = _four()
    for name, found in arms.items():
        for part in (found, *found["rounds"]):
            part["service_time"] = nothing()
            if name != "http2-blocked":
                part["goodput_mb_per_s"] = part["achieved_rate"] * 1696 / 1e6
            if part.get("series"):
                part["series"] = [{**one, "p50_us": None, "p99_us": None, "max_us": None} for one in part["series"]]
        found["curves"]["service_time"] = []
    comparisons = [
        comparison("goodput_mb_per_s", "http1", "http2", (1.2, 1.3, 1.4)),
        comparison("connect.p50_us", "http1", "http2", (0.9, 1.0, 1.1)),
    ]
    made = result(arms, comparisons)
    mix = [{"bytes": 64, "share": 0.9}, {"bytes": 16384, "share": 0.1}]
    asked = {"pattern": "one-way", "payload_bytes": 1696, "payload_mix": mix, "ramp_us": 3_000_000.0}
    return validate({**made, "plan": {**made["plan"], **asked}})  # type: ignore[typeddict-item]


def disproved() -> document.Result:
    arms = _four()
    arms["http2"]["proof"] = proof("HTTP/2", 640, "disproved", spoke="HTTP/1.1")
    # An edited or foreign file may still hold comparisons with it: they are void.
    comparisons = [*compared("http1", "http2"), *_against_the_floor()]
    return result(arms, comparisons, warnings=["sabotaged on purpose (--sabotage): http2"])


def incomplete() -> document.Result:
    arms = {
        "direct": arm("direct", 900.0, kind="direct", rounds=1),
        "http1": arm("http1", rounds=1, hop=64),
        "http2": arm("http2", 1600.0, rounds=1, hop=1),
    }
    comparisons = compared("http1", "http2", rate=None, p50=None, p99=None, connect=None, rounds=1)
    return result(arms, comparisons, complete=False, incomplete_reason="interrupted by SIGINT in round 2 of 10")


def failed() -> document.Result:
    arms = _four()
    arms["http2"] = {
        **blank("http2"),
        "outcome": "failed",
        "failure": "round 3: the client sidecar died with exit code 139",
        "proof": unproved("no trial was finished"),
    }
    return result(arms, compared("direct", "http1", rate=(0.31, 0.33, 0.35)))


def lone_target() -> document.Result:
    arms = {"shop": arm("shop", 240.0, kind="target", rounds=3)}
    return result(arms, targets={"shop": "wss://shop.example/ws?token=a&b=<c>"}, rounds=3)


def zero_received() -> document.Result:
    arms = {"http1": arm("http1", hop=64), "http2": blank("http2")}
    arms["http2"].update(
        sent=640, unanswered=640, errors={"echo_timeout": 640}, proof=unproved("no WebSocket was seen"), sidecars=None
    )
    return result(arms, compared("http1", "http2", rate=None, p50=None, p99=None, connect=None, rounds=0))


def twelve() -> document.Result:
    arms: dict[str, dict[str, Any]] = {"direct": arm("direct", 900.0, kind="direct")}
    arms |= {
        "http1": arm("http1", hop=64),
        "http2": arm("http2", 1500.0, hop=1),
        LONG: arm(LONG, 90_000.0, kind="target"),
    }
    arms |= {f"region-{number}": arm(f"region-{number}", 700.0 * 1.5**number, kind="target") for number in range(8)}
    comparisons = compared("http1", "http2")
    names = list(arms)
    for place, candidate in enumerate(names[3:], 3):
        for baseline in names[:place]:
            comparisons += compared(
                baseline, candidate, p50=(1.2, 1.5, 1.9), rate=(0.4, 0.6, 0.9), p99=(8.0, 11.0, 15.0)
            )
    targets = {name: f"wss://{name}.example/ws" for name in names[3:]}
    return result(arms, comparisons, targets=targets)


def hostile() -> document.Result:
    """Names and texts that try to be markup, in every medium, in every field that is free text."""
    bad = f"{HOSTILE}`[red]x[/red]`@everyone\x1b[31m\u202e*_#"
    arms = {
        HOSTILE: arm(HOSTILE, kind="target"),
        bad: arm(bad, 1500.0, kind="target"),
        "sidecar": {**arm("http2", hop=1), "claim": claim(bad)},
        "refused": {
            **blocked(),
            "refusal": {"status": 503, "count": 1, "reason": bad, "remedy": bad},
            "errors": {bad: 3},
        },
        "failed": {**blank("http1"), "outcome": "failed", "failure": bad},
    }
    for found in arms.values():
        found.update(summary=bad, url=f"ws://x/?{bad}", errors={bad: 2})
        found["proof"] = {
            "verdict": found["proof"]["verdict"],
            "summary": bad,
            "witnesses": [
                {
                    "witness": "server_access_log",
                    "says": bad,
                    "websockets": 1,
                    "verdict": "silent",
                    "detail": bad,
                    "sample": f"```\n{bad}\n</pre>",
                }
            ],
        }
    made = result(
        arms,
        [*compared(HOSTILE, bad), comparison(bad, HOSTILE, bad, (0.5, 0.6, 0.7))],
        targets={HOSTILE: bad, bad: bad},
        complete=False,
        incomplete_reason=bad,
        command=f"```\n{bad}",
        warnings=[bad],
        wsbench_version=bad,
        started_at=bad,
        finished_at=bad,
    )
    environment: Any = made["environment"]
    for key in ("platform", "kernel", "cpu_model", "python", "envoy", "congestion_control"):
        environment[key] = bad
    environment["libraries"] = {bad: bad}
    return validate(made)


def nulls() -> document.Result:
    """Null everywhere the schema allows it, in a run that calls itself whole."""
    arms = {name: blank(name) for name in ("http1", "http2")}
    arms["direct"] = blank("direct", kind="direct")
    arms["refused"] = {**blank("refused"), "outcome": "refused"}
    arms["failed"] = {**blank("failed"), "outcome": "failed"}
    half = arm("half", rounds=2)
    half["sidecars"] = {side: {**cpu(None), "hop_connections": None} for side in ("client", "server")}
    half["server"] = cpu(None)
    for trial in half["rounds"]:
        trial.update(achieved_rate=None, server=None, sidecars=None, service_time=nothing(), connect=nothing())
        trial.update(series=None, machine=None, bound_by=None)
    arms["half"] = half
    for found in arms.values():
        for witness in found["proof"]["witnesses"]:
            witness.update(says=None, sample=None)
    found_comparisons = compared("http1", "http2", rate=None, p50=None, p99=None, connect=None)
    made = result(arms, found_comparisons, complete=False, ended_by=None)
    made["environment"]["envoy"] = None
    made["environment"]["congestion_control"] = None
    return validate(made)


def version_1() -> document.Result:
    """A result that version 0.1.0's first schema described, as it is read now; from a real run."""
    return read_result(Path(__file__).parents[1] / "data" / "result-version-1.json")


def no_arms() -> document.Result:
    return result({}, complete=False, incomplete_reason="interrupted before the first round")


# Reports leave a result as it is (a test says so): each is made once.
EXAMPLES: dict[str, Callable[[], document.Result]] = {
    function.__name__: cache(function)
    for function in (
        closed_loop,
        open_loop,
        one_way,
        disproved,
        incomplete,
        failed,
        lone_target,
        zero_received,
        twelve,
        hostile,
        nulls,
        version_1,
        no_arms,
    )
}
