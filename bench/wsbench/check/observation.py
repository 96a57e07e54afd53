"""What was seen of a server, step by step, before anybody makes anything of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsbench.arms import HopProtocol

_MOST_BODY = 4000
_TAG = re.compile(r"<[^>]*>")
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) (\d{3})(?: ([^\r\n]*))?\r?\n")


class Step(StrEnum):
    """What is tried; the values are the words of the report and of its JSON."""

    TCP = "TCP connect"
    TLS = "TLS"
    UPGRADE = "upgrade"
    CONNECTION = "connection"
    SETTING = "ENABLE_CONNECT_PROTOCOL"
    TUNNEL = "extended CONNECT"
    PING = "ping, pong"
    TEXT = "echo of text"
    BINARY = "echo of bytes"
    STREAMS = "several streams at once"
    IDLE = "idle"
    CLOSE = "close"


class Trouble(StrEnum):
    """How an attempt ended, where it did not end as it should."""

    NO_ADDRESS = "no address"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    NOT_TLS = "not TLS"
    TLS_ONLY = "TLS only"
    CERTIFICATE = "certificate"
    TLS_FAILED = "TLS failed"
    NO_ALPN = "no ALPN h2"
    GARBAGE = "garbage"
    HTTP1_ONLY = "HTTP/1 only"
    HTTP2_ONLY = "HTTP/2 only"
    ANSWERED = "answered"
    BAD_HANDSHAKE = "bad handshake"
    NOT_ANNOUNCED = "not announced"
    STREAM_RESET = "stream reset"
    GOAWAY = "GOAWAY"
    SOME_STREAMS = "some streams"
    NO_ECHO = "no echo"
    NO_PONG = "no pong"
    BAD_FRAME = "bad frame"
    CLOSE_CODE = "close code"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that is not the one hoped for. ``body`` is its beginning."""

    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    def header(self, name: str) -> str | None:
        """The first of this name; None where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def line(self) -> str:
        """As in ``503 Service Unavailable``."""
        return f"{self.status} {self.phrase}".strip()


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt's: what kind, in which words of the peer or the system, and the answer where there was one."""

    trouble: Trouble
    detail: str
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One step as it went. ``over`` is None where it is the same for both versions of HTTP.

    ``said`` tells what came where it went well. ``answer`` is the handshake's, good or bad: it says who answers.
    ``needs_key``: the tunnel opens only with the ``Sec-WebSocket-Key`` that RFC 8441 leaves out.
    """

    step: Step
    over: HopProtocol | None
    elapsed_s: float
    said: str = ""
    failure: Failure | None = None
    answer: Answer | None = None
    needs_key: bool = False


class BrokenError(Exception):
    """A step cannot be gone on with, for this reason."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def broken(trouble: Trouble, detail: str, answer: Answer | None = None) -> BrokenError:
    """To be raised."""
    return BrokenError(Failure(trouble, detail, answer))


def find(observations: Iterable[Observation], step: Step, over: HopProtocol | None = None) -> Observation | None:
    """The observation of a step; None where it was not tried."""
    return next((seen for seen in observations if (seen.step, seen.over) == (step, over)), None)


def answer_of_head(raw: bytes) -> Answer | None:
    """An HTTP/1.0 or HTTP/1.1 answer as far as it came; None where the bytes are no such thing."""
    match = _STATUS_LINE.match(raw)
    if match is None:
        return None
    head, _, body = raw[match.end() :].partition(b"\r\n\r\n")
    headers = []
    for line in head.split(b"\r\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    return Answer(int(match[2]), (match[3] or b"").decode("latin-1"), tuple(headers), excerpt(body))


def excerpt(data: bytes, most: int = 160) -> str:
    """The beginning of a body, on one line and without the tags of HTML."""
    text = data[:_MOST_BODY].decode("utf-8", "replace")
    if "<html" in text.lower():
        text = _TAG.sub(" ", text)
    return " ".join(text.split())[:most]


def shown(data: bytes, most: int = 48) -> str:
    """Bytes as they can be printed."""
    return repr(data[:most])[1:] + ("..." if len(data) > most else "")
