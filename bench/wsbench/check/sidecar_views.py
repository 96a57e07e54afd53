"""An Envoy on the way as it shows itself, and the clues that it gives to who refuses, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsbench.check.config_dump import ConfigDump, Upstream
from wsbench.check.log_lines import is_blocked_connect, meaning, refusals
from wsbench.check.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wsbench.check.config_dump import Manager

_MOST_KINDS = 4
# Counters that tell of a refusal, by their last part (Envoy's documentation: HTTP connection manager, cluster, HTTP/2).
_TELLING = {
    "downstream_cx_protocol_error": "connections with a protocol error, refused here",
    "downstream_rq_non_relative_path": "requests with an absolute path, refused here",
    "rx_messaging_error": "malformed HTTP/2 messages received",
    "upstream_cx_protocol_error": "protocol errors of the other side",
    "upstream_cx_connect_fail": "connections to the other side that failed",
    "upstream_cx_connect_timeout": "connections to the other side that timed out",
    "upstream_rq_503": "requests sent on there that came to 503",
    "upstream_cx_none_healthy": "requests without a healthy host to send them to",
    "upstream_rq_pending_overflow": "requests refused by a circuit breaker",
    "no_route": "requests without a route",
    "no_cluster": "requests without a cluster",
}
# What the check's own extended CONNECT makes rise at a client's sidecar, which takes none.
_OF_OWN_ATTEMPT = {"downstream_cx_protocol_error", "rx_messaging_error"}


@dataclass(frozen=True, slots=True)
class SidecarView:
    """An Envoy by its admin endpoint. ``found`` is one that nobody named; ``problem`` why it could not be read."""

    url: str
    node: str = ""
    version: str = ""
    config: ConfigDump = field(default_factory=lambda: ConfigDump((), {}))
    rose: Mapping[str, int] = field(default_factory=dict)
    found: bool = False
    problem: str | None = None

    @property
    def in_words(self) -> str:
        """As in ``Envoy 1.40.0 "server-sidecar" at http://127.0.0.1:15000``."""
        if self.problem is not None:
            return self.url
        beside = ", found beside this process" if self.found else ""
        return f'Envoy {self.version} "{self.node}" at {self.url}{beside}'


@dataclass(frozen=True, slots=True)
class LogView:
    """Lines of an access log. ``fresh``: they were written during the check."""

    path: str
    lines: tuple[str, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that an Envoy told, and what follows for who wants WebSockets. ``sample`` is a line of its log."""

    source: str
    text: str
    remedy: Remedy | None = None
    sample: str | None = None


def clues_of(
    views: tuple[SidecarView, ...], logs: tuple[LogView, ...], host: str, port: int, *, client_side: bool
) -> tuple[Clue, ...]:
    """What the Envoys say of WebSockets to ``host`` and ``port``.

    ``client_side``: a client's sidecar listens there. That it refuses the check's own attempt over HTTP/2 says nothing
    of why it answers 503.
    """
    of_sidecars = (clue for view in views for clue in _of_sidecar(view, host, port, client_side=client_side))
    of_logs = (clue for log in logs for clue in _of_log(log, port if client_side else None))
    # Istio has a chain, and so a manager, for each of several matches of one port: once is enough.
    return tuple(dict.fromkeys((*of_sidecars, *of_logs)))


def is_client_side(views: tuple[SidecarView, ...], port: int) -> bool:
    """Whether the configuration of one of them says that ``port`` is an outbound listener's."""
    return any(
        port in manager.ports and manager.direction == "OUTBOUND" for view in views for manager in view.config.managers
    )


def hop_protocol(views: tuple[SidecarView, ...], host: str, port: int) -> Upstream | None:
    """What the client's sidecar speaks on the hop; None where no such sidecar was read, or it has several answers."""
    spoken = {
        view.config.clusters[name]
        for view in views
        for manager in concerned(view.config, port)
        if not manager.inbound
        for name in sent_on_to(view.config, manager, host)
    }
    return spoken.pop() if len(spoken) == 1 else None


def concerned(config: ConfigDump, port: int) -> tuple[Manager, ...]:
    """The managers that a connection to ``port`` reaches; where none says so, all that are beside a server."""
    exact = tuple(manager for manager in config.managers if port in manager.ports)
    return exact or tuple(manager for manager in config.managers if manager.inbound)


def sent_on_to(config: ConfigDump, manager: Manager, host: str) -> tuple[str, ...]:
    """The clusters that a manager sends requests for ``host`` to; those of few routes where none is named after it."""
    known = sorted(manager.clusters & set(config.clusters))
    # Istio names them outbound|PORT|SUBSET|HOST.
    named = tuple(name for name in known if f"{name.rpartition('|')[2]}.".startswith(f"{host}."))
    return named or (tuple(known) if len(known) <= _MOST_KINDS else ())


def _of_sidecar(view: SidecarView, host: str, port: int, *, client_side: bool) -> Iterator[Clue]:
    if view.problem is not None:
        yield Clue(view.in_words, view.problem)
        return
    source = view.in_words
    managers = concerned(view.config, port)
    if not managers:
        yield Clue(source, f"no HTTP connection manager of it takes what is sent to port {port}")
    for manager in managers:
        if not manager.websocket:
            yield Clue(source, f"{manager.in_words}: upgrade_configs has no websocket", Remedy.UPGRADE_CONFIGS)
        if manager.allow_connect:
            yield Clue(source, f"{manager.in_words}: http2_protocol_options.allow_connect is set")
        elif manager.inbound or not manager.direction:
            text = f"{manager.in_words}: http2_protocol_options.allow_connect is missing: it refuses extended CONNECT"
            yield Clue(source, text, Remedy.ALLOW_CONNECT)
        if not manager.inbound:
            yield from _of_clusters(source, view.config, manager, host)
    own_attempt = client_side and any(port in manager.ports for manager in managers)
    for name, rise in sorted(view.rose.items()):
        last = name.rpartition(".")[2]
        telling = None if own_attempt and last in _OF_OWN_ATTEMPT else _TELLING.get(last)
        # The same is counted once more for each listener, and for what is external to a mesh.
        if telling and not name.startswith("listener.") and ".external." not in name:
            yield Clue(source, f"counter {name} rose by {rise}: {telling}")


def _of_clusters(source: str, config: ConfigDump, manager: Manager, host: str) -> Iterator[Clue]:
    for name in sent_on_to(config, manager, host):
        spoken = config.clusters[name]
        if spoken is Upstream.HTTP2:
            text = (
                f'cluster "{name}" speaks HTTP/2: an upgrade is sent on as extended CONNECT, and the other side has to '
                "allow it"
            )
            yield Clue(source, text, Remedy.DO_NOT_UPGRADE)
        else:
            yield Clue(source, f'cluster "{name}" speaks {spoken}')


def _of_log(log: LogView, own_port: int | None) -> Iterator[Clue]:
    when = "written during the check" if log.fresh else "from before the check, no line came during it"
    found = refusals(log.lines)
    if not found:
        yield Clue(log.path, f"{len(log.lines)} lines {when}, none of a refusal")
    for line, count in found[:_MOST_KINDS]:
        blocked = is_blocked_connect(line)
        # Such a line names no host and no path: a port in it is one of the connection's own.
        if blocked and own_port is not None and line.names_port(own_port):
            yield Clue(log.path, f"{count} x {line.in_words}: the check's own attempt over HTTP/2 ({when})")
            continue
        words = meaning(line)
        text = f"{count} x {line.in_words}{f': {words}' if words else ''} ({when})"
        yield Clue(log.path, text, Remedy.ALLOW_CONNECT if blocked else None, line.raw)
