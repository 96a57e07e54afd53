"""What an Envoy's ``/config_dump`` says of WebSockets: who takes an upgrade or extended CONNECT, and who sends it on.

Pure. Fields are those of Envoy's API v3 (``HttpConnectionManager.http2_protocol_options``, ``.upgrade_configs``;
``HttpProtocolOptions`` of a cluster), as the admin endpoint prints them: what is not set is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MANAGER = "HttpConnectionManager"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Upstream(StrEnum):
    """What a cluster speaks to its hosts."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    HTTP3 = "HTTP/3"
    DOWNSTREAM = "what the client speaks"
    AUTO = "what ALPN chooses"


@dataclass(frozen=True, slots=True)
class Manager:
    """One HTTP connection manager of a listener. ``ports`` are those it can be reached at; ``clusters`` its routes'."""

    listener: str
    direction: str
    stat_prefix: str
    ports: frozenset[int]
    allow_connect: bool
    websocket: bool
    clusters: frozenset[str]

    @property
    def inbound(self) -> bool:
        """Whether it is beside the server."""
        return self.direction == "INBOUND"

    @property
    def in_words(self) -> str:
        """As in ``listener "virtualInbound" (inbound), connection manager "inbound_0.0.0.0_80"``."""
        direction = f" ({self.direction.lower()})" if self.direction else ""
        return f'listener "{self.listener}"{direction}, connection manager "{self.stat_prefix}"'


@dataclass(frozen=True, slots=True)
class ConfigDump:
    """All connection managers, and what each cluster speaks."""

    managers: tuple[Manager, ...]
    clusters: Mapping[str, Upstream]


def read_config_dump(content: object, bound: Mapping[str, int] | None = None) -> ConfigDump:
    """The dump as the admin endpoint gives it; ``bound`` tells the ports that listeners really have, by their names.

    Raises ValueError where it is no config dump.
    """
    configs = content.get("configs") if isinstance(content, dict) else None
    if not isinstance(configs, list):
        raise ValueError("no Envoy config dump: it has no list 'configs'")  # noqa: TRY004 (what a file holds)
    try:
        routes = {name: _clusters_of(config) for name, config in _routes(configs)}
        managers = [manager for listener in _listeners(configs) for manager in _managers(listener, routes, bound or {})]
        clusters = {str(cluster["name"]): _speaks(cluster) for cluster in _clusters(configs)}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a config dump as Envoy writes it ({type(error).__name__}: {error})") from None
    return ConfigDump(tuple(managers), clusters)


def _of_type(configs: list[Any], name: str) -> Iterator[dict[str, Any]]:
    return (config for config in configs if str(config.get("@type", "")).endswith(name))


def _listeners(configs: list[Any]) -> Iterator[dict[str, Any]]:
    for dump in _of_type(configs, ".ListenersConfigDump"):
        for entry in dump.get("static_listeners", ()):
            yield entry["listener"]
        for entry in dump.get("dynamic_listeners", ()):
            if "active_state" in entry:
                yield entry["active_state"]["listener"]


def _clusters(configs: list[Any]) -> Iterator[dict[str, Any]]:
    for dump in _of_type(configs, ".ClustersConfigDump"):
        for kind in ("static_clusters", "dynamic_active_clusters"):
            for entry in dump.get(kind, ()):
                yield entry["cluster"]


def _routes(configs: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for dump in _of_type(configs, ".RoutesConfigDump"):
        for kind in ("static_route_configs", "dynamic_route_configs"):
            for entry in dump.get(kind, ()):
                yield str(entry["route_config"].get("name", "")), entry["route_config"]


def _managers(
    listener: dict[str, Any], routes: Mapping[str, frozenset[str]], bound: Mapping[str, int]
) -> Iterator[Manager]:
    name = str(listener.get("name", ""))
    own = listener.get("address", {}).get("socket_address", {}).get("port_value")
    chains = [*listener.get("filter_chains", ())]
    if "default_filter_chain" in listener:
        chains.append(listener["default_filter_chain"])
    for chain in chains:
        port = chain.get("filter_chain_match", {}).get("destination_port")
        ports = {port} if port else {own, bound.get(name)}
        for used in chain.get("filters", ()):
            config = used.get("typed_config", {})
            if not str(config.get("@type", "")).endswith(_MANAGER):
                continue
            inline = config.get("route_config")
            named = config.get("rds", {}).get("route_config_name", "")
            clusters = _clusters_of(inline) if inline else routes.get(str(named), frozenset())
            yield Manager(
                listener=name,
                direction=str(listener.get("traffic_direction", "")),
                stat_prefix=str(config.get("stat_prefix", "")),
                ports=frozenset(int(port) for port in ports if port),
                allow_connect=bool(config.get("http2_protocol_options", {}).get("allow_connect", False)),
                websocket=_upgrades(config) or any(_upgrades(route) for route in _actions(inline or {})),
                clusters=clusters,
            )


def _upgrades(config: dict[str, Any]) -> bool:
    return any(
        str(upgrade.get("upgrade_type", "")).lower() == "websocket" and upgrade.get("enabled", True)
        for upgrade in config.get("upgrade_configs", ())
    )


def _actions(route_config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for host in route_config.get("virtual_hosts", ()):
        for route in host.get("routes", ()):
            if "route" in route:
                yield route["route"]


def _clusters_of(route_config: dict[str, Any]) -> frozenset[str]:
    names = set()
    for action in _actions(route_config):
        if "cluster" in action:
            names.add(str(action["cluster"]))
        names |= {str(part["name"]) for part in action.get("weighted_clusters", {}).get("clusters", ())}
    return frozenset(names)


def _speaks(cluster: dict[str, Any]) -> Upstream:
    options = cluster.get("typed_extension_protocol_options", {}).get(_OPTIONS, {})
    if "use_downstream_protocol_config" in options:
        return Upstream.DOWNSTREAM
    if "auto_config" in options:
        return Upstream.AUTO
    explicit = options.get("explicit_http_config", {})
    if "http3_protocol_options" in explicit:
        return Upstream.HTTP3
    if "http2_protocol_options" in explicit or "http2_protocol_options" in cluster:
        return Upstream.HTTP2
    return Upstream.HTTP1
