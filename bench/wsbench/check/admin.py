"""An Envoy's admin endpoint: what it is, its configuration, its counters."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from wsbench.check.config_dump import read_config_dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench.check.config_dump import ConfigDump

OWN_SIDECAR = "http://127.0.0.1:15000"
"""Where Istio puts a sidecar's admin endpoint, in the pod of the application."""

_MOST_BYTES = 64 << 20
# Not urlopen: it would ask http_proxy's proxy for what is beside us.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AdminError(Exception):
    """The endpoint does not answer as an Envoy does; the message says how."""


@dataclass(frozen=True, slots=True)
class EnvoyIdentity:
    """Its node id and its version, as in ``1.40.0``."""

    node: str
    version: str


def parse_admin(text: str) -> str:
    """``http://HOST:PORT``, ``HOST:PORT`` or a port alone, as a URL without a path. Raises ValueError."""
    url = text.strip().rstrip("/")
    if url.isdecimal():
        url = f"127.0.0.1:{url}"
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no admin endpoint ({error}): write http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.path or parts.query:
        raise ValueError(f"{text!r} is no admin endpoint: write http://HOST:PORT, as in {OWN_SIDECAR}")
    return url


@dataclass(frozen=True, slots=True)
class Admin:
    """One endpoint; every question has to be answered within ``timeout_s``. All raise AdminError."""

    url: str
    timeout_s: float

    async def identity(self) -> EnvoyIdentity:
        """Who answers."""
        content = await self._ask("/server_info")
        if not isinstance(content, dict) or "state" not in content or "version" not in content:
            raise AdminError(f"{self.url} answers, but not as an Envoy's admin endpoint")
        version = str(content["version"]).split("/")
        node = content.get("node")
        return EnvoyIdentity(
            str(node.get("id", "")) if isinstance(node, dict) else "", version[1] if len(version) > 1 else version[0]
        )

    async def config(self) -> ConfigDump:
        """Its configuration as it is in force."""
        listeners = await self._ask("/listeners?format=json")
        bound = {}
        for status in listeners.get("listener_statuses", ()) if isinstance(listeners, dict) else ():
            port = status.get("local_address", {}).get("socket_address", {}).get("port_value")
            if port:
                bound[str(status.get("name", ""))] = int(port)
        try:
            return read_config_dump(await self._ask("/config_dump"), bound)
        except ValueError as error:
            raise AdminError(f"{self.url}: {error}") from None

    async def counters(self) -> Mapping[str, int]:
        """All counters and gauges that have ever moved."""
        content = await self._ask("/stats?format=json&usedonly")
        if not isinstance(content, dict):
            raise AdminError(f"{self.url}/stats is no JSON object")
        return {
            str(stat["name"]): stat["value"] for stat in content.get("stats", ()) if isinstance(stat.get("value"), int)
        }

    async def _ask(self, path: str) -> Any:  # noqa: ANN401 (JSON of any shape)
        def ask() -> bytes:
            try:
                with _OPENER.open(self.url + path, timeout=self.timeout_s) as answer:
                    said: bytes = answer.read(_MOST_BYTES)
                    return said
            except HTTPError as error:
                # It is an open answer too.
                with error:
                    raise OSError(f"{error.code} {error.reason}") from None

        try:
            with anyio.fail_after(self.timeout_s):
                return json.loads(await anyio.to_thread.run_sync(ask, abandon_on_cancel=True))
        except TimeoutError:
            raise AdminError(f"{self.url} does not answer within {self.timeout_s:g} s") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise AdminError(f"{self.url} does not answer as an Envoy: {reason}") from None
        except ValueError:
            raise AdminError(f"{self.url} answers, but not as an Envoy's admin endpoint") from None
