"""Access log lines of an Envoy: JSON, or the text of Istio's and Envoy's default formats; and what a refusal means.

Pure. Response flags: Envoy's documentation, "Access log: %RESPONSE_FLAGS%"; details: "Response code details".
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.access_log import AccessLogError, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXT = re.compile(
    r'\[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>\S+)" (?P<code>\d+) (?P<flags>\S+) (?P<next>\S+)'
)
_SWITCHING_PROTOCOLS = 101
# Stream idle timeout, duration timeout, upstream's max stream duration.
_TIMED_OUT = {"SI", "DT", "UMSDR"}
_SUCCESS = range(200, 400)


@dataclass(frozen=True, slots=True)
class LogLine:
    """What matters of a line here; ``raw`` is the line."""

    protocol: str | None
    code: int | None
    flags: str | None
    details: str | None
    raw: str

    @property
    def refuses(self) -> bool:
        """Whether the request came to nothing, or its WebSocket was ended by the Envoy itself."""
        if self.code == _SWITCHING_PROTOCOLS:
            return bool(_TIMED_OUT & set((self.flags or "").split(",")))
        return self.code not in _SUCCESS

    def names_port(self, port: int) -> bool:
        """Whether an address in the line has it."""
        return re.search(rf":{port}(?!\d)", self.raw) is not None

    @property
    def in_words(self) -> str:
        """As in ``HTTP/2 0 DPE http2.invalid.header.field``."""
        return " ".join(str(part) for part in (self.protocol, self.code, self.flags, self.details) if part is not None)


def read_line(line: str) -> LogLine | None:
    """None where it is neither JSON of an access log nor text of the default formats."""
    text = line.strip()
    if text.startswith("{"):
        try:
            record = parse_line(text)
        except AccessLogError:
            return None
        return LogLine(record.protocol, record.response_code, record.response_flags, record.response_code_details, text)
    match = _TEXT.search(text)
    if match is None:
        return None
    # In Envoy's own format the flags are followed by the bytes received, in Istio's by the details.
    details = None if match["next"].isdecimal() else match["next"]
    return LogLine(_said(match["protocol"]), int(match["code"]), _said(match["flags"]), _said(details), text)


def refusals(lines: Iterable[str]) -> tuple[tuple[LogLine, int], ...]:
    """One line of every kind of refusal, and how many there are, the most frequent first."""
    counts: Counter[str] = Counter()
    firsts: dict[str, LogLine] = {}
    for text in lines:
        line = read_line(text)
        if line is not None and line.refuses:
            counts[line.in_words] += 1
            firsts.setdefault(line.in_words, line)
    return tuple((firsts[words], count) for words, count in counts.most_common())


def is_blocked_connect(line: LogLine) -> bool:
    """Whether this is the line of an Envoy that does not allow extended CONNECT.

    It takes the request for malformed before it has read it, so that the line has no path, host or user agent.
    """
    return line.protocol == "HTTP/2" and "DPE" in (line.flags or "").split(",")


def meaning(line: LogLine) -> str:
    """What the flags and details of a refusal say; empty where they say nothing that is known here."""
    if is_blocked_connect(line):
        return "this Envoy took the request for malformed: that is how extended CONNECT ends without allow_connect"
    details = line.details or ""
    for beginning, words in _DETAILS.items():
        if details.startswith(beginning):
            return words
    return next((_FLAGS[flag] for flag in (line.flags or "").split(",") if flag in _FLAGS), "")


def _said(value: str | None) -> str | None:
    return None if value in (None, "-", "") else value


_NOT_CONNECTED = "this Envoy could not connect to the other side"
_DETAILS = {
    "upgrade_failed": "this Envoy does not take WebSocket upgrades here: its upgrade_configs has no websocket",
    "rbac_access_denied": "an AuthorizationPolicy (RBAC) of this Envoy refuses",
    "upstream_reset_before_response_started{connection_termination": "this Envoy sent the request on, and the other "
    "side ended the connection: look there",
    "upstream_reset_before_response_started{remote_reset": "this Envoy sent the request on, and the other side reset "
    "the stream: look there",
    "upstream_reset_before_response_started{remote_connection_failure": _NOT_CONNECTED,
    "upstream_reset_before_response_started{local_connection_failure": _NOT_CONNECTED,
    "upstream_reset_before_response_started{connection_failure": _NOT_CONNECTED,
    "upstream_reset_before_response_started{connection_timeout": "this Envoy could not connect in time",
    "upstream_reset_before_response_started{overflow": "a circuit breaker of this Envoy is full",
    "upstream_reset_before_response_started": "this Envoy sent the request on, and it came to nothing",
    "via_upstream": "this Envoy passed the request on, and the answer is the server's own",
}
_FLAGS = {
    "DT": "this Envoy's max_connection_duration or max_stream_duration ended it",
    "DPE": "this Envoy took the request for malformed",
    "NC": "this Envoy has no such cluster",
    "NR": "this Envoy has no route for this host and path",
    "SI": "this Envoy's stream_idle_timeout ended it",
    "UAEX": "an external authorization service of this Envoy refuses",
    "UC": "the other side ended the connection: look there",
    "UF": _NOT_CONNECTED,
    "UH": "this Envoy knows no healthy host to send it to",
    "UMSDR": "this Envoy's max_stream_duration ended it",
    "UO": "a circuit breaker of this Envoy is full",
    "UPE": "the other side's answer was malformed",
    "UR": "the other side reset the stream: look there",
    "URX": "this Envoy gave up after its retries",
    "UT": "the other side did not answer in time",
}
