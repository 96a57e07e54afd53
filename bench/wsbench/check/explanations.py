"""Why a step failed and what would mend it, from what was seen. Pure; every rule stands here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol
from wsbench.check.config_dump import Upstream
from wsbench.check.observation import Step, Trouble, find
from wsbench.check.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench.check.observation import Answer, Failure, Observation

_FORBIDDEN, _NOT_FOUND, _UNAVAILABLE = 403, 404, 503
# Envoy closes a connection that it refuses a second after it has stopped reading (delayed_close_timeout).
_DELAYED_CLOSE_S = 0.9
_DEAD = {Trouble.TIMEOUT, Trouble.CLOSED, Trouble.TLS_ONLY, Trouble.GARBAGE}
_UPSTREAM_ERROR = "upstream connect error or disconnect/reset before headers"
# What Envoy's body says where the other side was reached, and ended the exchange.
_ENDED_BY_OTHER_SIDE = ("connection termination", "remote reset", "protocol error", "remote refused stream reset")


@dataclass(frozen=True, slots=True)
class Explanation:
    """In words, and the remedies of which one will do."""

    reason: str
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else was seen: all observations, and of the client's sidecar what it speaks on the hop, if that is known.

    ``outbound``: its configuration says that it is a client's sidecar that was asked.
    """

    observations: Sequence[Observation]
    hop: Upstream | None = None
    outbound: bool = False

    @property
    def server(self) -> str | None:
        """Who answers, in the words of the ``server`` header."""
        answers = (seen.answer for seen in self.observations if seen.answer is not None)
        return next((name for name in (answer.header("server") for answer in answers) if name), None)

    @property
    def envoy(self) -> bool:
        """Whether an Envoy answers."""
        return any(seen.answer is not None and _by_envoy(seen.answer) for seen in self.observations)

    @property
    def client_side(self) -> bool:
        """Whether the Envoy that answers is a client's sidecar: as it says, or as its 503 tells."""
        upgrade = find(self.observations, Step.UPGRADE, HopProtocol.HTTP1)
        answer = upgrade.answer if upgrade is not None else None
        return self.outbound or (answer is not None and answer.status == _UNAVAILABLE and _other_side_ended(answer))

    @property
    def announced(self) -> bool:
        """Whether the server announces that it takes extended CONNECT."""
        setting = find(self.observations, Step.SETTING, HopProtocol.HTTP2)
        return setting is not None and setting.failure is None


def explain(seen: Observation, around: Surroundings) -> Explanation:
    """Why ``seen``, which failed, failed."""
    assert seen.failure is not None
    if seen.step is Step.TCP:
        return _tcp(seen.failure)
    if seen.step is Step.TLS:
        return _tls(seen.failure)
    if seen.step is Step.SETTING:
        return _setting(seen.failure, around)
    if seen.step is Step.CONNECTION:
        return _connection(seen.failure, around)
    if seen.step in (Step.UPGRADE, Step.TUNNEL, Step.STREAMS):
        return _handshake(seen, around)
    return _exchange(seen.step, seen.failure)


def _tcp(failure: Failure) -> Explanation:
    remedy = {Trouble.REFUSED: Remedy.START_SERVER, Trouble.NO_ADDRESS: Remedy.NAME}.get(
        failure.trouble, Remedy.NETWORK
    )
    words = {
        Trouble.REFUSED: "connection refused: nothing listens there",
        Trouble.TIMEOUT: f"{failure.detail} to the attempt to connect",
    }
    return Explanation(words.get(failure.trouble, failure.detail), (remedy,))


def _tls(failure: Failure) -> Explanation:
    if failure.trouble is Trouble.NOT_TLS:
        return Explanation(f"the port does not speak TLS: {failure.detail}", (Remedy.USE_PLAIN,))
    if failure.trouble is Trouble.CERTIFICATE:
        return Explanation(f"the certificate is not accepted: {failure.detail}", (Remedy.CERTIFICATE,))
    if failure.trouble is Trouble.TIMEOUT:
        return Explanation(f"{failure.detail} to the TLS handshake", (Remedy.USE_PLAIN, Remedy.HUNG_SERVER))
    return Explanation(f"no TLS: {failure.detail}", (Remedy.USE_PLAIN, Remedy.CLIENT_CERTIFICATE))


def _setting(failure: Failure, around: Surroundings) -> Explanation:
    if around.client_side:
        return Explanation("not announced, as by every client's sidecar: applications speak HTTP/1.1 to it")
    if around.envoy:
        return Explanation(
            "not announced (RFC 8441): this Envoy's connection manager lacks http2_protocol_options.allow_connect",
            (Remedy.ALLOW_CONNECT,),
        )
    tunnel = find(around.observations, Step.TUNNEL, HopProtocol.HTTP2)
    opens = tunnel is not None and tunnel.failure is None
    so = ", so that clients that keep to it do not try, though it would open" if opens else ""
    return Explanation(f"{failure.detail} (RFC 8441 section 3){so}", (Remedy.RFC8441,))


def _connection(failure: Failure, around: Surroundings) -> Explanation:
    reason = f"no HTTP/2: {failure.detail}"
    if failure.trouble is Trouble.TIMEOUT:
        reason = f"{failure.detail} to the HTTP/2 preface"
    if failure.trouble is Trouble.TLS_FAILED:
        return Explanation(f"the server ended TLS: {failure.detail}", (Remedy.CLIENT_CERTIFICATE,))
    upgrade = find(around.observations, Step.UPGRADE, HopProtocol.HTTP1)
    # Who is dead or speaks TLS has more to mend than HTTP/2.
    dead = upgrade is not None and upgrade.failure is not None and upgrade.failure.trouble in _DEAD
    return Explanation(reason, () if dead else (Remedy.HTTP2,))


def _handshake(seen: Observation, around: Surroundings) -> Explanation:
    failure, tunnel = seen.failure, seen.step is not Step.UPGRADE
    assert failure is not None
    if failure.trouble is Trouble.SOME_STREAMS:
        return Explanation(failure.detail, (Remedy.STREAMS,))
    if failure.answer is not None and failure.trouble is not Trouble.BAD_HANDSHAKE:
        return _answered(failure, failure.answer, seen, around)
    if failure.trouble is Trouble.TIMEOUT:
        return Explanation(f"TCP is accepted, but {failure.detail}", (Remedy.HUNG_SERVER,))
    if failure.trouble is Trouble.TLS_FAILED:
        return Explanation(f"the server ended TLS: {failure.detail}", (Remedy.CLIENT_CERTIFICATE,))
    if failure.trouble is Trouble.TLS_ONLY:
        return Explanation(f"the port wants TLS: {failure.detail}", (Remedy.USE_TLS,))
    speaks_http2 = find(around.observations, Step.CONNECTION, HopProtocol.HTTP2)
    if not tunnel and (
        failure.trouble is Trouble.HTTP2_ONLY
        or (failure.trouble is Trouble.CLOSED and speaks_http2 is not None and speaks_http2.failure is None)
    ):
        return Explanation(f"{failure.detail}: the port takes HTTP/2 alone", (Remedy.HTTP1,))
    if failure.trouble is Trouble.BAD_HANDSHAKE:
        return Explanation(f"{failure.detail}: whoever answered does not speak WebSocket", (Remedy.NOT_WEBSOCKET,))
    if tunnel and not around.announced:
        how = f"{failure.detail}; it had not announced that it takes extended CONNECT"
        if around.client_side:
            return Explanation(how)
        if around.envoy:
            late = ", a second later" if seen.elapsed_s >= _DELAYED_CLOSE_S else ""
            how = f"{failure.detail}{late}: so does an Envoy without allow_connect (its log: DPE)"
        return Explanation(how, (Remedy.ALLOW_CONNECT,) if around.envoy else (Remedy.RFC8441,))
    if failure.trouble is Trouble.CLOSED and find(around.observations, Step.TLS) is not None:
        return Explanation(failure.detail, (Remedy.CLIENT_CERTIFICATE, Remedy.NOT_WEBSOCKET))
    return Explanation(failure.detail, (Remedy.NOT_WEBSOCKET,))


def _answered(failure: Failure, answer: Answer, seen: Observation, around: Surroundings) -> Explanation:
    """An HTTP answer that is no handshake."""
    who = f" from {around.server}" if around.server else ""
    said = f"{failure.detail}{who}{f': {answer.body!r}' if answer.body else ''}"
    if _by_envoy(answer) and answer.status == _UNAVAILABLE:
        return _envoy_503(said, answer, seen, around)
    body = answer.body.lower()
    status = answer.status
    if "https port" in body or "ssl-enabled server port" in body:
        return Explanation(f"the port wants TLS: {said}", (Remedy.USE_TLS,))
    location = answer.header("location")
    if 300 <= status < 400 and location:
        return Explanation(f"{failure.detail}{who} to {location}", (Remedy.FOLLOW,))
    if status in {401, 407}:
        return Explanation(
            f"{said} (asks for {answer.header('www-authenticate') or 'credentials'})", (Remedy.CREDENTIALS,)
        )
    if seen.step is Step.TUNNEL and not around.announced:
        # What was asked of it is nothing that it knows.
        return Explanation(f"{said}; it had not announced that it takes extended CONNECT", (Remedy.RFC8441,))
    if status == _FORBIDDEN and _by_envoy(answer) and not answer.body:
        return Explanation(f"{said}: upgrade_configs has no websocket?", (Remedy.UPGRADE_CONFIGS, Remedy.POLICY))
    if status == _FORBIDDEN:
        return Explanation(said, (Remedy.POLICY, Remedy.NOT_WEBSOCKET))
    if status == _NOT_FOUND:
        return Explanation(said, (Remedy.PATH,))
    if status in {400, 426} and ("upgrade" in body or "connection header" in body or status == 426):
        return Explanation(f"{said}: the upgrade did not arrive there", (Remedy.PROXY_HEADERS, Remedy.NOT_WEBSOCKET))
    if status == 505:
        return Explanation(f"{said}: a proxy on the way asked it in HTTP/1.0", (Remedy.PROXY_HEADERS,))
    if status in {502, 503, 504}:
        return Explanation(said, (Remedy.UPSTREAM,))
    if status < 300:
        return Explanation(f"{said}: an answer of plain HTTP", (Remedy.PROXY_HEADERS, Remedy.NOT_WEBSOCKET))
    return Explanation(said, (Remedy.NOT_WEBSOCKET,))


def _envoy_503(said: str, answer: Answer, seen: Observation, around: Surroundings) -> Explanation:
    """The reset reasons are Envoy's (source/common/http/utility.cc, ``resetReasonToString``)."""
    body = answer.body.lower()
    if "no healthy upstream" in body:
        return Explanation(f"{said}: it knows no healthy host behind it (log flag UH)", (Remedy.UPSTREAM,))
    if "overflow" in body:
        return Explanation(f"{said}: a circuit breaker (log flag UO)", (Remedy.CIRCUIT_BREAKER,))
    if _other_side_ended(answer):
        reason = "this Envoy sent the upgrade on, and the other side ended it before an answer"
        if around.hop not in (None, Upstream.HTTP2):
            return Explanation(f"{said}: {reason}; the hop is {around.hop}", (Remedy.UPSTREAM,))
        late = " The second that it took is that Envoy's delayed close." if seen.elapsed_s >= _DELAYED_CLOSE_S else ""
        if around.hop is None:
            trap = "So does a server's sidecar without allow_connect, where h2UpgradePolicy makes the hop HTTP/2"
        else:
            trap = "The hop is HTTP/2: the server's sidecar does not allow extended CONNECT"
        return Explanation(f"{said}: {reason}. {trap}.{late}", (Remedy.ALLOW_CONNECT, Remedy.DO_NOT_UPGRADE))
    if _UPSTREAM_ERROR in body or "connect error" in body:
        return Explanation(f"{said}: this Envoy could not connect to what is behind it", (Remedy.UPSTREAM,))
    return Explanation(said, (Remedy.UPSTREAM,))


def _exchange(step: Step, failure: Failure) -> Explanation:
    if failure.trouble is Trouble.NO_ECHO:
        return Explanation(f"{failure.detail}; a server that echoes nothing is not broken")
    if step is Step.PING:
        return Explanation(f"{failure.detail}: every WebSocket has to answer a ping", (Remedy.FRAMES,))
    if step is Step.IDLE:
        return Explanation(failure.detail, (Remedy.IDLE,))
    return Explanation(failure.detail, (Remedy.FRAMES,))


def _other_side_ended(answer: Answer) -> bool:
    body = answer.body.lower()
    return _UPSTREAM_ERROR in body and any(words in body for words in _ENDED_BY_OTHER_SIDE)


def _by_envoy(answer: Answer) -> bool:
    """Istio's sidecars say ``istio-envoy``; other headers of Envoy's begin with ``x-envoy-``."""
    named = "envoy" in (answer.header("server") or "").lower()
    return named or any(name.lower().startswith("x-envoy-") for name, _ in answer.headers)
