"""The steps in their order: what can be tried is tried, the two versions of HTTP side by side."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from wsbench import __version__
from wsbench.arms import HopProtocol
from wsbench.check import http1
from wsbench.check.dialing import Dialer
from wsbench.check.http2 import Http2Connection
from wsbench.check.observation import BrokenError, Observation, Step, Trouble, broken
from wsbench.check.websocket_steps import Opened, StepLimits, timed, try_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wsbench.check.address import Address
    from wsbench.check.dialing import Trust
    from wsbench.check.observation import Failure

USER_AGENT = f"wsbench-check/{__version__}"
STREAMS = 4
_HTTP1_ALPN = "http/1.1"
_HTTP2_ALPN = "h2"
_REFUSED = {Trouble.ANSWERED, Trouble.STREAM_RESET}
_HUNG_UP = {Trouble.CLOSED, Trouble.GARBAGE, Trouble.TLS_ONLY}


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """What is to be tried, whose certificates are trusted, and how long a step may take."""

    address: Address
    trust: Trust
    limits: StepLimits


async def probe(plan: CheckPlan) -> tuple[Observation, ...]:
    """Try every step and return what was seen. Nothing is raised for a server that is bad, dead or silent."""
    dialer = Dialer(plan.address, plan.trust)
    seen = [await timed(Step.TCP, None, plan.limits.timeout_s, lambda: _connect(dialer))]
    if seen[-1].failure is None and plan.address.tls:
        seen.append(await timed(Step.TLS, None, plan.limits.timeout_s, lambda: _handshake(dialer)))
    if seen[-1].failure is not None:
        return tuple(seen)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_over_http1, plan, dialer, seen)
        tasks.start_soon(_over_http2, plan, dialer, seen)
    if not plan.address.tls:
        seen = [await _asked_in_tls(of, plan, dialer) for of in seen]
    return tuple(seen)


# -- TCP and TLS


async def _connect(dialer: Dialer) -> str:
    async with dialer.plain() as channel:
        return channel.peer


async def _handshake(dialer: Dialer) -> str:
    """Verified even where it need not be, so that --insecure still says what is wrong with the certificate."""
    try:
        return await _handshake_with(dialer, replace(dialer.trust, verify=True))
    except BrokenError as error:
        if error.failure.trouble is not Trouble.CERTIFICATE or dialer.trust.verify:
            raise
        said = await _handshake_with(dialer, dialer.trust)
        return f"{said}; the certificate is not accepted ({error.failure.detail}), --insecure goes on"


async def _handshake_with(dialer: Dialer, trust: Trust) -> str:
    async with dialer.channel(_HTTP2_ALPN, _HTTP1_ALPN, trust=trust) as channel:
        assert channel.tls is not None
        version, alpn = channel.tls
        return f"{version}, ALPN chose {alpn or 'nothing'}"


async def _asked_in_tls(seen: Observation, plan: CheckPlan, dialer: Dialer) -> Observation:
    """A port that hangs up on plain HTTP may be one for TLS: ask it."""
    if seen.step is not Step.UPGRADE or seen.failure is None or seen.failure.trouble not in _HUNG_UP:
        return seen
    version = None
    with anyio.move_on_after(plan.limits.timeout_s):
        version = await dialer.tls_version()
    if version is None:
        return seen
    failure = replace(
        seen.failure, trouble=Trouble.TLS_ONLY, detail=f"{seen.failure.detail}; asked in TLS, the port speaks {version}"
    )
    return replace(seen, failure=failure)


# -- HTTP/1.1


async def _over_http1(plan: CheckPlan, dialer: Dialer, seen: list[Observation]) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        async with dialer.channel(_HTTP1_ALPN) as channel:
            session, answer = await http1.upgrade(channel, plan.address, USER_AGENT)
            yield Opened(session, answer, "101")

    seen += await try_websocket(Step.UPGRADE, HopProtocol.HTTP1, opened, plan.limits)


# -- HTTP/2


async def _over_http2(plan: CheckPlan, dialer: Dialer, seen: list[Observation]) -> None:
    over, timeout_s = HopProtocol.HTTP2, plan.limits.timeout_s
    way = _Http2Way(plan, dialer)
    connection = await timed(Step.CONNECTION, over, timeout_s, way.connect)
    seen.append(connection)
    if connection.failure is not None:
        return
    seen.append(await timed(Step.SETTING, over, timeout_s, way.setting))
    # A server that does not announce it is asked all the same, as an Envoy would: how it refuses tells who it is.
    seen += await try_websocket(Step.TUNNEL, over, way.opened, plan.limits)
    if way.works:
        seen.append(await timed(Step.STREAMS, over, timeout_s, way.streams))


class _Http2Way:
    """What is known so far of the server's HTTP/2."""

    def __init__(self, plan: CheckPlan, dialer: Dialer) -> None:
        self._plan = plan
        self._dialer = dialer
        self._announced = False
        self._refused_without_key: Failure | None = None
        self.works = False

    async def connect(self) -> str:
        """HTTP/2 at all: the first SETTINGS."""
        async with self._connection() as connection:
            self._announced = connection.announces_connect_protocol
            limit = connection.max_concurrent_streams
            how = "ALPN h2" if self._plan.address.tls else "prior knowledge"
            return f"{how}; {'no limit on' if limit is None else f'at most {limit}'} streams at once"

    async def setting(self) -> str:
        """Whether extended CONNECT is announced."""
        if not self._announced:
            raise broken(Trouble.NOT_ANNOUNCED, "the server's SETTINGS do not announce it")
        return "announced"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Opened]:
        """A WebSocket on a stream: without a key, as RFC 8441 section 5 has it, or with one where only that helps."""
        if self._refused_without_key is None:
            try:
                async with self._connection() as connection:
                    session, answer = await (await connection.ask(key=False)).opened()
                    self.works = True
                    yield Opened(session, answer, "200")
                    return
            except BrokenError as error:
                if self.works or error.failure.trouble not in _REFUSED:
                    raise
                self._refused_without_key = error.failure
        async with self._connection() as connection:
            try:
                session, answer = await (await connection.ask(key=True)).opened()
            except BrokenError:
                # The answer to the request as the RFC has it is the one to explain.
                raise BrokenError(self._refused_without_key) from None
            self.works = True
            said = f"200, but only with a Sec-WebSocket-Key (without one: {self._refused_without_key.detail})"
            yield Opened(session, answer, said, needs_key=True)

    async def streams(self) -> str:
        """Several at once on one connection: all have to open, and to answer a ping."""
        async with self._connection() as connection:
            most = min(STREAMS, connection.max_concurrent_streams or STREAMS)
            asked = [await connection.ask(key=self._refused_without_key is not None) for _ in range(most)]
            open_ones, refused = [], []
            for number, stream in enumerate(asked, 1):
                try:
                    open_ones.append((await stream.opened())[0])
                except BrokenError as error:
                    refused.append((number, error.failure))
            for session in open_ones:
                await session.ping()
            if refused:
                number, failure = refused[0]
                detail = f"{len(open_ones)} of {most} opened; stream {number}: {failure.detail}"
                raise broken(Trouble.SOME_STREAMS, detail, failure.answer)
            return f"{most} of {most} on one connection"

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Http2Connection]:
        async with self._dialer.channel(_HTTP2_ALPN) as channel:
            if channel.tls is not None and channel.tls[1] != _HTTP2_ALPN:
                raise broken(Trouble.NO_ALPN, "h2 was offered, the server's ALPN did not choose it")
            yield await Http2Connection.open(channel, self._plan.address, USER_AGENT)
