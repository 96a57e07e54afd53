"""Envoy's JSON access log, as records.

One line is written for each WebSocket, when it closes, however many messages it carried: Envoy takes an upgraded
connection for a stream of bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


class AccessLogError(ValueError):
    """A line that is not one of our access log: which, and why."""


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One line. ``raw`` is the line itself; what Envoy had nothing to say of is None. Times are milliseconds."""

    protocol: str | None
    response_code: int | None
    response_flags: str | None
    response_code_details: str | None
    connection_termination_details: str | None
    upstream_transport_failure_reason: str | None
    upstream_cluster: str | None
    upstream_host: str | None
    upstream_protocol: str | None
    downstream_tls_version: str | None
    downstream_peer_uri_san: str | None
    method: str | None
    path: str | None
    authority: str | None
    request_id: str | None
    start_time: str | None
    duration_ms: int | None
    bytes_received: int | None
    bytes_sent: int | None
    raw: str


def parse_line(line: str) -> AccessRecord:
    """The record of one line. Raises AccessLogError."""
    try:
        content = json.loads(line)
    except ValueError as error:
        raise AccessLogError(f"not JSON: {line[:120]!r} ({error})") from None
    if not isinstance(content, dict) or "protocol" not in content or "response_code" not in content:
        raise AccessLogError(f"not an access log line: {line[:120]!r}")
    return AccessRecord(
        protocol=_text(content, "protocol"),
        response_code=_number(content, "response_code"),
        response_flags=_text(content, "response_flags"),
        response_code_details=_text(content, "response_code_details"),
        connection_termination_details=_text(content, "connection_termination_details"),
        upstream_transport_failure_reason=_text(content, "upstream_transport_failure_reason"),
        upstream_cluster=_text(content, "upstream_cluster"),
        upstream_host=_text(content, "upstream_host"),
        upstream_protocol=_text(content, "upstream_protocol"),
        downstream_tls_version=_text(content, "downstream_tls_version"),
        downstream_peer_uri_san=_text(content, "downstream_peer_uri_san"),
        method=_text(content, "method"),
        path=_text(content, "path"),
        authority=_text(content, "authority"),
        request_id=_text(content, "request_id"),
        start_time=_text(content, "start_time"),
        duration_ms=_number(content, "duration"),
        bytes_received=_number(content, "bytes_received"),
        bytes_sent=_number(content, "bytes_sent"),
        raw=line.rstrip("\n"),
    )


def split_lines(data: bytes) -> tuple[list[str], int]:
    """The whole lines of a log that is still being written, and how many bytes they are; a part of a line waits."""
    end = data.rfind(b"\n") + 1
    # Not splitlines(), which also ends a line at what a JSON string may hold (U+2028, U+0085).
    return data[:end].decode("utf-8", "replace").split("\n")[:-1], end


def _text(content: dict[str, Any], key: str) -> str | None:
    value = content.get(key)
    # Envoy writes "-" where a text format operator has nothing to say.
    return None if value in (None, "-", "") else str(value)


def _number(content: dict[str, Any], key: str) -> int | None:
    value = content.get(key)
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise AccessLogError(f"{key} is {value!r}, not a number") from None
