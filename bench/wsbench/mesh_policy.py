"""Istio's mesh policy, as far as the lab can honour it: DestinationRule and EnvoyFilter, from manifests to a value.

Pure. What Istio would do and the lab cannot is refused by name, never ignored: a figure measured under half of a policy
would be taken for one of the whole. Istio's side of it: ``pilot/pkg/networking/core/cluster_traffic_policy.go``
(connection pools, ``h2UpgradePolicy``) and ``pilot/pkg/networking/core/envoyfilter`` (patches).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wsbench.manifests import Manifest

NAMESPACE = "wsbench"
SERVICE = "websockets-server"
HOST = f"{SERVICE}.{NAMESPACE}.svc.cluster.local"
SERVICE_PORT = 8080
CONTAINER_PORT = 80
SERVER_LABELS = {"app": SERVICE}
CLIENT_LABELS = {"app": "websockets-client"}
TRUST_DOMAIN = "cluster.local"
CLIENT_SPIFFE_ID = f"spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/websockets-client"
SERVER_SPIFFE_ID = f"spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/websockets-server"
# What the lab's sidecars say they are: the newest release when this was written (docs/envoy-versions.md).
ISTIO_VERSION = "1.30.3"

_MANAGER = "envoy.filters.network.http_connection_manager"
_MANAGER_TYPE = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s|ms|us|ns))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
# What RE2, which Istio asks, and re read alike: no look-around, no classes by name, no possessive or open repetition.
_PLAIN_PATTERN = re.compile(
    r"(?:\\[.\-+d]|\((?:\?:|(?!\?))|(?<![*+?}])\+|\{(?!,)|\[(?![:\[])|[\w.^$*?)|\]},:\-])*", re.ASCII
)


class Direction(StrEnum):
    """Which sidecar: the client's is outbound, the server's inbound."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class ConnectionPool:
    """What a DestinationRule's ``connectionPool`` makes of a cluster; None: Istio's default.

    Times are Envoy's duration strings. ``h2_upgrade`` acts on the outbound cluster only.
    """

    h2_upgrade: bool = False
    use_client_protocol: bool = False
    connect_timeout: str | None = None
    idle_timeout: str | None = None
    max_connection_duration: str | None = None
    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None
    max_requests_per_connection: int | None = None
    max_concurrent_streams: int | None = None


@dataclass(frozen=True, slots=True)
class ManagerPatch:
    """What an EnvoyFilter merges into the HTTP connection manager of one sidecar; ``source`` names it in errors."""

    direction: Direction
    value: Mapping[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class MeshPolicy:
    """All that the manifests say of the hop."""

    pool: ConnectionPool = ConnectionPool()
    patches: tuple[ManagerPatch, ...] = ()

    def patched(self, manager: Mapping[str, Any], direction: Direction) -> dict[str, Any]:
        """A connection manager with the patches of this direction merged in. Raises UsageError for two that conflict.

        Istio's order is that of creation, which files do not tell: two that set one field differently are refused.
        """
        patches = [patch for patch in self.patches if patch.direction is direction]
        merged = _all_merged(manager, patches)
        if _unordered(merged) != _unordered(_all_merged(manager, patches[::-1])):
            raise UsageError(
                f"EnvoyFilters conflict: {' and '.join(patch.source for patch in patches)} set the same field, and "
                "which of them is last is not known before they are created"
            )
        return merged

    @property
    def filters(self) -> tuple[str, ...]:
        """The EnvoyFilters, as named in errors."""
        return tuple(dict.fromkeys(patch.source for patch in self.patches))

    def contrary(self) -> MeshPolicy:
        """The same with the other protocol on the hop, to see the witnesses catch it."""
        return replace(self, pool=replace(self.pool, h2_upgrade=not self.pool.h2_upgrade))


def policy_of(manifests: Sequence[Manifest]) -> MeshPolicy:
    """The policy of the lab's Service. Raises UsageError, naming object and file, for what cannot be honoured."""
    rules: list[tuple[Manifest, ConnectionPool]] = []
    patches: list[ManagerPatch] = []
    for manifest in manifests:
        if not manifest.group.endswith("istio.io"):
            continue
        if manifest.kind == "DestinationRule":
            rules.append((manifest, _rule(manifest)))
        elif manifest.kind == "EnvoyFilter":
            patches += _filter(manifest)
        elif manifest.kind != "Telemetry":
            raise UsageError(f"{manifest}: the lab honours DestinationRule and EnvoyFilter, not {manifest.kind}")
    if len(rules) > 1 and any(pool != rules[0][1] for _, pool in rules):
        raise UsageError(
            f"two DestinationRules for {HOST} conflict: {' and '.join(str(manifest) for manifest, _ in rules)}; which "
            "of them Istio takes depends on the order in which they were created"
        )
    return MeshPolicy(rules[0][1] if rules else ConnectionPool(), tuple(patches))


# -- DestinationRule


def _rule(manifest: Manifest) -> ConnectionPool:
    fields = _Fields(manifest, "spec", manifest.content.get("spec"))
    host = fields.text("host")
    if not _is_our_host(host or "", manifest):
        raise UsageError(
            f"{manifest} is for the host {host!r}: the lab has one Service, {HOST}; copy the rule to that host, or "
            "leave it out"
        )
    policy = fields.mapping("trafficPolicy")
    fields.nothing_else()
    pools = [policy.mapping("connectionPool")]
    for entry in policy.items("portLevelSettings"):
        port = entry.mapping("port")
        if port.number("number") == SERVICE_PORT:
            # Those of a port take the place of the whole, not of single fields (Istio: GetPortLevelTrafficPolicy).
            pools.append(entry.mapping("connectionPool"))
            entry.nothing_else()
        port.nothing_else()
    policy.nothing_else()
    return _pool(pools[-1])


def _pool(fields: _Fields) -> ConnectionPool:
    http, tcp = fields.mapping("http"), fields.mapping("tcp")
    upgrade = http.text("h2UpgradePolicy")
    if upgrade not in (None, "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"):
        raise UsageError(f"{http.where}.h2UpgradePolicy is {upgrade!r}: DEFAULT, DO_NOT_UPGRADE or UPGRADE")
    client_protocol = http.flag("useClientProtocol")
    idle = http.duration("idleTimeout")
    tcp_idle = tcp.duration("idleTimeout")
    pool = ConnectionPool(
        h2_upgrade=upgrade == "UPGRADE" and not client_protocol,
        use_client_protocol=client_protocol,
        connect_timeout=tcp.duration("connectTimeout"),
        idle_timeout=idle or tcp_idle,
        max_connection_duration=tcp.duration("maxConnectionDuration"),
        max_connections=tcp.number("maxConnections"),
        max_pending_requests=http.number("http1MaxPendingRequests"),
        max_requests=http.number("http2MaxRequests"),
        max_retries=http.number("maxRetries"),
        max_requests_per_connection=http.number("maxRequestsPerConnection"),
        max_concurrent_streams=http.number("maxConcurrentStreams"),
    )
    for part in (http, tcp, fields):
        part.nothing_else()
    return pool


def _is_our_host(host: str, manifest: Manifest) -> bool:
    """Whether a rule's host is the lab's Service: its full name, a wildcard of it, or a name short by its namespace."""
    metadata = manifest.content.get("metadata")
    namespace = metadata.get("namespace", NAMESPACE) if isinstance(metadata, dict) else NAMESPACE
    if host.startswith("*"):
        return HOST.endswith(host[1:])
    if "." not in host:
        return host == SERVICE and namespace == NAMESPACE
    return host in (HOST, f"{SERVICE}.{NAMESPACE}.svc", f"{SERVICE}.{NAMESPACE}")


# -- EnvoyFilter


def _filter(manifest: Manifest) -> Iterator[ManagerPatch]:
    fields = _Fields(manifest, "spec", manifest.content.get("spec"))
    selector = fields.mapping("workloadSelector")
    labels = selector.strings("labels")
    selector.nothing_else()
    selected = {
        Direction.INBOUND: labels.items() <= SERVER_LABELS.items(),
        Direction.OUTBOUND: labels.items() <= CLIENT_LABELS.items(),
    }
    if not any(selected.values()):
        raise UsageError(
            f"{manifest} selects the workload {dict(labels)}: the lab's are {SERVER_LABELS} and {CLIENT_LABELS}"
        )
    for entry in fields.items("configPatches"):
        yield from _patches(manifest, entry, selected)
    fields.nothing_else()


def _patches(manifest: Manifest, entry: _Fields, selected: Mapping[Direction, bool]) -> Iterator[ManagerPatch]:
    applies = entry.text("applyTo")
    if applies != "NETWORK_FILTER":
        raise UsageError(f"{entry.where}.applyTo is {applies!r}: the lab honours NETWORK_FILTER only")
    match = entry.mapping("match")
    context = match.text("context") or "ANY"
    proxy = match.mapping("proxy")
    for_us = _is_our_version(proxy, proxy.text("proxyVersion"))
    listener = match.mapping("listener")
    port = listener.number("portNumber")
    chain = listener.mapping("filterChain")
    wanted = chain.mapping("filter")
    name = wanted.text("name")
    for part in (proxy, wanted, chain, listener, match):
        part.nothing_else()
    if name not in (None, _MANAGER):
        raise UsageError(f"{wanted.where}.name is {name!r}: the lab's sidecars have {_MANAGER} only")
    patch = entry.mapping("patch")
    operation = patch.text("operation")
    if operation != "MERGE":
        raise UsageError(f"{patch.where}.operation is {operation!r}: the lab honours MERGE only")
    value = patch.mapping("value")
    value.text("name")
    config = value.mapping_of_anything("typed_config", "typedConfig")
    for part in (value, patch, entry):
        part.nothing_else()
    merged: dict[str, Any] = {_snake_name(key): _snake(item) for key, item in config.items()}
    found_type = merged.pop("@type", None)
    if found_type != _MANAGER_TYPE:
        raise UsageError(f"{value.where}.typed_config has the type {found_type!r}: it must be {_MANAGER_TYPE}")
    directions = {"SIDECAR_INBOUND": [Direction.INBOUND], "SIDECAR_OUTBOUND": [Direction.OUTBOUND], "GATEWAY": []}
    ports = {Direction.INBOUND: CONTAINER_PORT, Direction.OUTBOUND: SERVICE_PORT}
    for direction in directions.get(context, list(Direction)):
        if for_us and selected[direction] and port in (None, ports[direction]):
            yield ManagerPatch(direction, merged, str(manifest))


def _is_our_version(proxy: _Fields, pattern: str | None) -> bool:
    """Whether a patch is for proxies of the lab's version: found anywhere in it, as Istio's ``proxyMatch`` looks."""
    if not pattern:
        return True
    if not _PLAIN_PATTERN.fullmatch(pattern):
        raise UsageError(
            f"{proxy.where}.proxyVersion is {pattern!r}: the lab knows plain expressions only, as in '^1\\.30.*'"
        )
    try:
        return re.search(pattern, ISTIO_VERSION, re.ASCII) is not None
    except re.error as error:
        raise UsageError(f"{proxy.where}.proxyVersion is {pattern!r}, no regular expression: {error}") from None


def _all_merged(manager: Mapping[str, Any], patches: Iterable[ManagerPatch]) -> dict[str, Any]:
    merged = dict(manager)
    for patch in patches:
        merged = _merged(merged, patch.value)
    return merged


def _merged(into: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """As protobuf merges messages: scalars are replaced, messages merged, lists appended to."""
    result = dict(into)
    for key, value in patch.items():
        mine = result.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[key] = _merged(mine, value)
        elif isinstance(mine, list) and isinstance(value, list):
            result[key] = [*mine, *value]
        else:
            result[key] = value
    return result


def _unordered(value: object) -> object:
    """The message without the order of its lists."""
    if isinstance(value, dict):
        return {key: _unordered(item) for key, item in value.items()}
    return sorted(map(repr, map(_unordered, value))) if isinstance(value, list) else value


def _snake(value: object) -> object:
    """Field names as Envoy writes them; protobuf's JSON takes lowerCamelCase as well."""
    if isinstance(value, dict):
        return {_snake_name(key): _snake(item) for key, item in value.items()}
    return [_snake(item) for item in value] if isinstance(value, list) else value


def _snake_name(key: object) -> str:
    return _CAMEL.sub(lambda found: f"_{found[1].lower()}", str(key))


# -- reading


class _Fields:
    """A mapping of a manifest that is read field by field; what is left unread in the end is refused."""

    def __init__(self, manifest: Manifest, path: str, content: object) -> None:
        self._manifest = manifest
        self._path = path
        if content is not None and not isinstance(content, dict):
            raise UsageError(f"{self.where} must be a mapping, not {content!r}")
        self._left: dict[str, Any] = dict(content or {})

    @property
    def where(self) -> str:
        """The object and the path in it."""
        return f"{self._manifest}: {self._path}"

    def mapping(self, key: str) -> _Fields:
        return _Fields(self._manifest, f"{self._path}.{key}", self._left.pop(key, None))

    def mapping_of_anything(self, *keys: str) -> dict[str, Any]:
        found = [self._left.pop(key) for key in keys if key in self._left]
        if len(found) != 1 or not isinstance(found[0], dict):
            raise UsageError(f"{self.where} must have {keys[0]}, a mapping")
        return found[0]

    def items(self, key: str) -> list[_Fields]:
        content = self._left.pop(key, None) or []
        if not isinstance(content, list):
            raise UsageError(f"{self.where}.{key} must be a list, not {content!r}")
        return [_Fields(self._manifest, f"{self._path}.{key}[{place}]", item) for place, item in enumerate(content)]

    def strings(self, key: str) -> dict[str, str]:
        fields = self.mapping(key)
        return {name: fields.text(name) or "" for name in list(fields._left)}

    def text(self, key: str) -> str | None:
        value = self._left.pop(key, None)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{self.where}.{key} must be a string, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise UsageError(f"{self.where}.{key} must be true or false, not {value!r}")
        return value

    def number(self, key: str) -> int | None:
        """Istio cannot tell 0 from nothing: both are its default."""
        value = self._left.pop(key, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise UsageError(f"{self.where}.{key} must be a whole number, not {value!r}")
        return value or None

    def duration(self, key: str) -> str | None:
        """As Envoy reads it: in seconds."""
        value = self.text(key)
        if value is None:
            return None
        if not _DURATION.fullmatch(value):
            raise UsageError(f"{self.where}.{key} is {value!r}, not a time as in 30s or 1m30s")
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(value))
        return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"

    def nothing_else(self) -> None:
        """Raise UsageError where a field was not read."""
        if self._left:
            names = ", ".join(f"{self._path}.{key}" for key in self._left)
            raise UsageError(f"{self._manifest}: the lab cannot honour {names}")
