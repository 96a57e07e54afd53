"""The load that was asked for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.report import wording
from wsbench_client import Pattern, PatternKind

if TYPE_CHECKING:
    from wsbench import document


def loop(asked: document.Plan) -> str:
    """When messages leave."""
    if asked["rate"] is not None:
        return f"open, {wording.rate(asked['rate'])} messages per second over all connections"
    if _pattern(asked).one_way:
        return "closed (as fast as the server takes messages)"
    return "closed (the next message waits for the echo)"


def pattern(asked: document.Plan) -> str:
    """Who says what to whom."""
    found = _pattern(asked)
    if found.kind is PatternKind.BURST:
        return f"bursts of {wording.counted(found.burst, 'message')}, each answered by as many echoes"
    return "one-way: the server counts and echoes nothing" if found.one_way else "one message, one echo"


def opening(asked: document.Plan) -> str:
    """How fast connections are opened."""
    if asked["ramp_us"] is not None:
        return f"opened evenly over {wording.span(asked['ramp_us'])}"
    if asked["connect_rate"] is not None:
        return f"opened {wording.rate(asked['connect_rate'])} per second"
    return "opened as fast as it goes"


def payload(asked: document.Plan) -> str:
    """How large messages are."""
    mix = asked["payload_mix"]
    if mix is None:
        return f"{asked['payload_bytes']:,} bytes, {asked['payload_kind']}"
    sizes = ", ".join(f"{part['share'] * 100:.3g}% of {part['bytes']:,} bytes" for part in mix)
    return f"{sizes} ({asked['payload_bytes']:,} bytes on average), {asked['payload_kind']}"


def in_brief(asked: document.Plan) -> str:
    """Messages, loop and pattern in a few words."""
    average = "" if asked["payload_mix"] is None else f" (a mix of {len(asked['payload_mix'])} sizes, on average)"
    when = "closed loop" if asked["rate"] is None else f"open loop at {wording.rate(asked['rate'])} messages/s"
    found = _pattern(asked)
    how = {PatternKind.ECHO: "", PatternKind.BURST: f", bursts of {found.burst:,}", PatternKind.ONE_WAY: ", one-way"}
    return f"{asked['payload_bytes']:,}-byte messages{average}, {when}{how[found.kind]}"


def _pattern(asked: document.Plan) -> Pattern:
    return Pattern.parse(asked["pattern"])
