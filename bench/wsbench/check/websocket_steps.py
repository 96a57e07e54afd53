"""One WebSocket from its opening to its close, step by step, whatever it goes over."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from wsbench.check.observation import BrokenError, Failure, Observation, Step, Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from wsbench.arms import HopProtocol
    from wsbench.check.observation import Answer
    from wsbench.check.session import Session


@dataclass(frozen=True, slots=True)
class Opened:
    """A WebSocket, the answer to its handshake, and what to say of it.

    ``needs_key``: it was refused without the ``Sec-WebSocket-Key`` that RFC 8441 leaves out.
    """

    session: Session
    answer: Answer
    said: str
    needs_key: bool = False


@dataclass(frozen=True, slots=True)
class StepLimits:
    """How long a step may take, and how long a WebSocket is to survive without a message (None: not tried)."""

    timeout_s: float
    idle_s: float | None = None


async def timed(
    step: Step, over: HopProtocol | None, timeout_s: float, work: Callable[[], Awaitable[str]]
) -> Observation:
    """The observation of ``work``, which returns what came or raises BrokenError."""
    began = time.monotonic()
    failure, said = None, ""
    try:
        with anyio.fail_after(timeout_s):
            said = await work()
    except BrokenError as error:
        failure = error.failure
    except TimeoutError:
        failure = Failure(Trouble.TIMEOUT, f"no answer within {timeout_s:g} s")
    return Observation(step, over, time.monotonic() - began, said, failure, failure.answer if failure else None)


async def try_websocket(
    opening: Step,
    over: HopProtocol,
    opener: Callable[[], AbstractAsyncContextManager[Opened]],
    limits: StepLimits,
) -> list[Observation]:
    """Open one, ping, echo, close it; idle on another one. What depends on a step that failed is left out."""
    async with AsyncExitStack() as stack:
        opened, session = await _open(stack, opening, over, opener, limits)
        if session is None:
            return [opened]
        seen = [opened, await timed(Step.PING, over, limits.timeout_s, session.ping)]
        for step, work in ((Step.TEXT, session.echo_text), (Step.BINARY, session.echo_bytes)):
            if not session.ended:
                seen.append(_if_no_echo(await timed(step, over, limits.timeout_s, work), session))
            if seen[-1].failure is not None:
                break
        if not session.ended:
            seen.append(await timed(Step.CLOSE, over, limits.timeout_s, session.close))
    if session.ended_by_peer:
        seen += await _on_another(Step.CLOSE, opening, over, opener, limits)
    if limits.idle_s is not None:
        seen += await _on_another(Step.IDLE, opening, over, opener, limits)
    return seen


async def _open(
    stack: AsyncExitStack,
    opening: Step,
    over: HopProtocol,
    opener: Callable[[], AbstractAsyncContextManager[Opened]],
    limits: StepLimits,
) -> tuple[Observation, Session | None]:
    made: list[Opened] = []

    async def enter() -> str:
        made.append(await stack.enter_async_context(opener()))
        return made[0].said

    seen = await timed(opening, over, limits.timeout_s, enter)
    if not made:
        return seen, None
    return replace(seen, answer=made[0].answer, needs_key=made[0].needs_key), made[0].session


async def _on_another(
    step: Step,
    opening: Step,
    over: HopProtocol,
    opener: Callable[[], AbstractAsyncContextManager[Opened]],
    limits: StepLimits,
) -> list[Observation]:
    """On a WebSocket of its own; nothing where none opens any more."""
    async with AsyncExitStack() as stack:
        _, session = await _open(stack, opening, over, opener, limits)
        if session is None:
            return []
        if step is Step.CLOSE:
            return [await timed(step, over, limits.timeout_s, session.close)]
        assert limits.idle_s is not None
        idle_s, timeout_s = limits.idle_s, limits.timeout_s
        return [await timed(step, over, idle_s + 2 * timeout_s, lambda: session.idle(idle_s, timeout_s))]


def _if_no_echo(seen: Observation, session: Session) -> Observation:
    """A server that answers otherwise, or not at all, or ends a WebSocket for words it does not know, may be sound."""
    failure = seen.failure
    if failure is None or not (failure.trouble is Trouble.TIMEOUT or session.closed_by_peer):
        return seen
    came = session.unasked
    detail = f"{failure.detail.replace('no answer', 'no echo')}{f'; what came: {came}' if came else ''}"
    return replace(seen, failure=replace(failure, trouble=Trouble.NO_ECHO, detail=detail))
