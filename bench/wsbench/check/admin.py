"""An Envoy's admin endpoint: what it is, its configuration, its counters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wsbench.check.config_dump import read_config_dump
from wsbench.envoy_admin import OWN_ADMIN_URL, UnreadableError, get, identity_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsbench.check.config_dump import ConfigDump
    from wsbench.envoy_admin import EnvoyIdentity


class AdminError(Exception):
    """The endpoint does not answer as an Envoy does; the message says how."""


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
    if parts.scheme != "http" or not parts.hostname or not port or parts.path or parts.query:
        raise ValueError(f"{text!r} is no admin endpoint: write http://HOST:PORT, as in {OWN_ADMIN_URL}")
    return url


@dataclass(frozen=True, slots=True)
class Admin:
    """One endpoint; every question has to be answered within ``timeout_s``. All raise AdminError."""

    url: str
    timeout_s: float

    async def identity(self) -> EnvoyIdentity:
        """Who answers."""
        identity = identity_in(await self._get("/server_info"))
        if identity is None:
            raise AdminError(f"{self.url} answers, but not as an Envoy's admin endpoint")
        return identity

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
        try:
            return json.loads(await self._get(path))
        except ValueError:
            raise AdminError(f"{self.url} answers, but not as an Envoy's admin endpoint") from None

    async def _get(self, path: str) -> str:
        try:
            return await get(self.url + path, self.timeout_s)
        except UnreadableError as error:
            raise AdminError(f"{self.url} does not answer as an Envoy: {error}") from None
