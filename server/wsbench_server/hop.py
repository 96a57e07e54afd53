"""The hop protocol in the handshake: what the server's sidecar was told, told on to the client."""

from __future__ import annotations

import re

HEADER = "x-wsbench-hop-protocol"
"""Request header that the lab's server sidecar sets from Envoy's ``%PROTOCOL%``; repeated in the 101."""

_VALUE = re.compile(r"[A-Za-z0-9./_-]{1,32}")


def repeated(value: str | None) -> dict[str, str]:
    """The response headers for a request header's value: the same again, or nothing where there is none to trust."""
    return {HEADER: value} if value is not None and _VALUE.fullmatch(value) else {}
