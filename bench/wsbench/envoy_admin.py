"""An Envoy's admin endpoint over plain HTTP: asked without any proxy between, and known by what it says of itself."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

OWN_ADMIN_URL = "http://127.0.0.1:15000"
"""Where Istio puts it in every pod (istio.io, ops/deployment/application-requirements), for loopback only."""

_VERSION = re.compile(r"[0-9a-f]+/(?P<version>[^/]+)/.+")
_LIMIT_BYTES = 64 << 20


class UnreadableError(OSError):
    """There is no answer, or none of an Envoy; the message says which."""


@dataclass(frozen=True, slots=True)
class EnvoyIdentity:
    """Its node id (empty where it has none) and its version, as in ``1.40.0``."""

    node: str
    version: str


async def get(url: str, within_s: float) -> str:
    """The body of a GET. Raises UnreadableError, after ``within_s`` at the latest.

    No proxy of the environment is asked: what is beside us is not its matter.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=within_s)
    opened: list[socket.socket] = []

    def ask() -> str:
        connection.connect()
        opened.append(connection.sock)
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = connection.getresponse()
        body = answer.read(_LIMIT_BYTES + 1)
        if answer.status != 200:
            raise UnreadableError(f"HTTP {answer.status}")
        if len(body) > _LIMIT_BYTES:
            raise UnreadableError(f"more than {_LIMIT_BYTES >> 20} MiB")
        return body.decode(errors="replace")

    try:
        with anyio.fail_after(within_s):
            return await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
    except TimeoutError:
        raise UnreadableError(f"no answer within {within_s:g} s") from None
    except ConnectionRefusedError:
        raise UnreadableError("connection refused") from None
    except HTTPException as error:
        raise UnreadableError(f"no HTTP: {type(error).__name__}") from None
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    finally:
        for one in opened:
            # Ends the thread where it still reads from somebody who tells a byte at a time.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        connection.close()


def identity_in(server_info: str) -> EnvoyIdentity | None:
    """Who answered ``/server_info``; None where the text is no such thing."""
    try:
        info = json.loads(server_info)
    except ValueError:
        return None
    version = info.get("version") if isinstance(info, dict) and "state" in info else None
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        return None
    node = info.get("node")
    return EnvoyIdentity(str(node.get("id", "")) if isinstance(node, dict) else "", match["version"])
