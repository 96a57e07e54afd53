"""Results of earlier versions, read as if they were of this one: null in all that was not known then."""

from __future__ import annotations

from typing import Any

_FIGURES: dict[str, Any] = {
    "first_echo": None,
    "cold": None,
    "warm": None,
    "connect_rate": None,
    "loop_lag": None,
    "goodput_mb_per_s": None,
    "machine": None,
    "bound_by": None,
}
# What every run of version 1 was, as it could be nothing else.
_PLAN: dict[str, Any] = {
    "until_precision": None,
    "max_duration_us": None,
    "workers": 1,
    "payload_mix": None,
    "pattern": "echo",
    "ramp_us": None,
}


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """A valid document of version 1 as one of version 2; one of version 2 as it is."""
    if content["schema_version"] != 1:
        return content
    plan = {**content["plan"], **_PLAN}
    return {
        **content,
        "schema_version": 2,
        "ended_by": None,
        "too_busy": None,
        "plan": plan,
        "arms": {name: _arm(arm) for name, arm in content["arms"].items()},
        "comparisons": [{**comparison, "precision": _precision(comparison)} for comparison in content["comparisons"]],
    }


def _arm(arm: dict[str, Any]) -> dict[str, Any]:
    rounds = [{**_figures(figures), "series": None} for figures in arm["rounds"]]
    # Version 1 had no other kind of hop.
    hop = {"direct": ("plaintext", "none"), "sidecar": ("plaintext", "both")}.get(arm["kind"], (None, None))
    claim = {**arm["claim"], "transport": hop[0], "sidecars": hop[1]}
    return {**_figures(arm), "claim": claim, "rounds": rounds}


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    rate = figures["achieved_rate"]
    sidecars = figures["sidecars"]
    return {
        **figures,
        **_FIGURES,
        "driver": _cost(figures["driver"], rate),
        "server": _cost(figures["server"], rate),
        "sidecars": sidecars and {end: _cost(cost, rate) for end, cost in sidecars.items()},
    }


def _cost(cost: dict[str, Any] | None, rate: float | None) -> dict[str, Any] | None:
    """Cores follow from what version 1 says: CPU a message, times messages a second."""
    if cost is None:
        return None
    per_message = cost["cpu_us_per_message"]
    cores = None if per_message is None or rate is None else per_message * rate / 1e6
    # Only a sidecar's memory was known then.
    return {"rss_kib_per_connection": None, **cost, "cpu_cores": cores}


def _precision(comparison: dict[str, Any]) -> float | None:
    low, high = comparison["ci_low"], comparison["ci_high"]
    return None if not low or not high else (high / low) ** 0.5 - 1
