"""The driver: from a frozen plan to a frozen recording.

One function, ``drive``. Its phases are connecting, warm-up, measuring, draining and closing; the journal decides by
timestamps which exchanges count, so the phases need not be known to anyone on the path of a message.
"""

from __future__ import annotations

import random
import resource
import ssl
import time
from collections import Counter
from typing import TYPE_CHECKING

import anyio

from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.connecting import Dialer, raise_file_limit, resolve
from wsbench_client.engine import ConnectError, Connection, Engine, Upgrade
from wsbench_client.exchange import Exchange, Paced, SelfPaced
from wsbench_client.greeting import Greeting
from wsbench_client.journal import Journal, Window
from wsbench_client.loop_lag import LoopLag
from wsbench_client.making import exchange_for
from wsbench_client.pacing import SECOND_NS, ConstantRate
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import DrivePlan, EngineName, endpoint
from wsbench_client.recording import ErrorKind, Phase, Progress, Recording
from wsbench_client.resident import resident_kib
from wsbench_client.sender import PacedSender
from wsbench_client.stretches import Stretches
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from wsbench_client.stretches import Told

_JUDGE_EVERY_S = 0.02
_JUDGE_AT_LEAST = 512
_PROGRESS_EVERY_NS = 500_000_000
_MAX_STAGGER_NS = 50_000_000
_CLOSE_TIMEOUT_S = 5.0
# Closing handshakes through two sidecars on two shared cores were seen to take 0.35 to 0.45 ms each.
_CLOSE_EACH_S = 0.001
_WATCHED = [50.0, 99.0]


async def drive(
    plan: DrivePlan,
    on_progress: Callable[[Progress], None] | None = None,
    start: Callable[[], Awaitable[int]] | None = None,
    told: Told | None = None,
) -> Recording:
    """Put the plan's load on its URL and return what was found.

    Connections that fail are counted in the recording, never raised: even a dead target gives a recording, with nothing
    opened. ``on_progress`` is called at each change of phase and about twice a second while measuring. Where the plan
    asks to ``await_start``, ``start`` is awaited once all is connected, and gives the time on ``clock_ns`` at which
    traffic begins. Cancelling the task closes every connection.

    A plan that gives a ``stretch_ns`` needs ``told``: what is recorded is handed to it, and it says when the drive is
    to end; the recording returned then has only what no stretch has.
    """
    async with anyio.create_task_group() as tasks:
        recording = await _Drive(plan, on_progress, start, told, tasks).run()
        tasks.cancel_scope.cancel()
    return recording


def _engine(name: EngineName) -> Engine:
    # Imported when chosen: a driver need not have both libraries.
    if name is EngineName.PICOWS:
        from wsbench_client.engine_picows import PicowsEngine

        return PicowsEngine()
    from wsbench_client.engine_websockets import WebsocketsEngine

    return WebsocketsEngine()


class _Drive:
    """The state of one drive."""

    def __init__(
        self,
        plan: DrivePlan,
        on_progress: Callable[[Progress], None] | None,
        start: Callable[[], Awaitable[int]] | None,
        told: Told | None,
        tasks: TaskGroup,
    ) -> None:
        self.plan = plan
        self.on_progress = on_progress
        self.start = start
        self.tasks = tasks
        self.engine = _engine(plan.engine)
        target = endpoint(plan.url)
        self.target = target
        self.tls = ssl.create_default_context() if target.secure else None
        self.ring = PayloadRing.build(plan.mix, plan.payload_kind, plan.seed)
        burst = plan.pattern.burst
        self.sender = PacedSender(ConstantRate(plan.rate / burst), burst) if plan.rate else None
        self.exchanges: list[Exchange] = []
        self.stumbled: list[SelfPaced] = []
        self.connections: list[Connection] = []
        self.loop_lag = LoopLag()
        self.cold = ConnectPhases()
        self.warm = ConnectPhases()
        self.errors: Counter[ErrorKind] = Counter()
        self.rejections: Counter[int] = Counter()
        self.details: dict[ErrorKind, str] = {}
        self.closes: Counter[int] = Counter()
        self.hop_protocols: Counter[str] = Counter()
        self.connecting_ns = 0
        self.rss_idle_kib: int | None = None
        self.rss_connected_kib: int | None = None
        self.open = 0
        self.closing = False
        self.all_closed = anyio.Event()
        self.stretches = Stretches(plan.stretch_ns, told) if plan.stretch_ns and told else None

    async def run(self) -> Recording:
        """All phases, and on every way out nothing left open."""
        try:
            self.rss_idle_kib = resident_kib()
            begin_ns = clock_ns()
            await self._connect_all()
            self.connecting_ns = clock_ns() - begin_ns
            self.rss_connected_kib = resident_kib()
            started_unix_s = time.time()
            window_ns = cpu_ns = 0
            journal = Journal(Window(0, 0), open_loop=self.plan.open_loop)
            start_ns = await self._start_ns()
            if any(exchange.alive for exchange in self.exchanges):
                started_unix_s = time.time()
                journal, cpu_ns = await self._exchange_all(start_ns)
                window_ns = self.plan.duration_ns
            await self._close_all()
        finally:
            if self.sender is not None:
                self.sender.stop()
            self.loop_lag.stop()
            await self._abort_all()
        # Echoes that came while closing were exchanged like any other.
        journal.judge()
        if self.stretches:
            self.stretches.cut(self, journal)
        return self._recording(journal, started_unix_s, window_ns, cpu_ns)

    async def _start_ns(self) -> int:
        """When traffic begins: now, or when all workers are ready."""
        if self.start is None or not self.plan.await_start:
            return clock_ns()
        self._report(Phase.READY, None)
        return await self.start()

    # -- connecting

    async def _connect_all(self) -> None:
        plan = self.plan
        raise_file_limit(plan.connections)
        timeout_s = plan.connect_timeout_ns / SECOND_NS
        self._report(Phase.CONNECTING, None)
        try:
            dialer = Dialer(await resolve(self.target, timeout_s), timeout_s, plan.source_addresses)
        except ConnectError as error:
            self._count_failure(error, plan.connections)
            return
        limiter = anyio.CapacityLimiter(plan.connect_concurrency)
        pacer = ConstantRate(plan.connect_rate) if plan.connect_rate else None
        alone = int(plan.cold_first)
        if alone:
            await limiter.acquire_on_behalf_of(0)
            await self._connect_one(0, dialer, limiter, self.cold)
            if self.errors[ErrorKind.NO_ECHO]:
                # To wait as long for each of the others would not make it an echo server.
                self.errors[ErrorKind.NO_ECHO] = plan.connections
                return
            self._report(Phase.CONNECTING, None)
        start_ns = clock_ns()
        reported_ns = start_ns
        async with anyio.create_task_group() as connecting:
            for place in range(alone, plan.connections):
                if pacer:
                    await anyio.sleep(max(0, start_ns + pacer.due_ns(place) - clock_ns()) / SECOND_NS)
                await limiter.acquire_on_behalf_of(place)
                connecting.start_soon(self._connect_one, place, dialer, limiter, self.warm)
                if clock_ns() - reported_ns > _PROGRESS_EVERY_NS:
                    reported_ns = clock_ns()
                    self._report(Phase.CONNECTING, None)

    async def _connect_one(
        self, place: int, dialer: Dialer, limiter: anyio.CapacityLimiter, phases: ConnectPhases
    ) -> None:
        exchange = exchange_for(self.plan, self.ring, place, self.stumbled.append)
        greeting = Greeting(exchange, self._on_closed)
        upgrade = Upgrade(self.plan, exchange, greeting.on_closed, self.tls, self.tasks)
        try:
            sock, begin_ns = await dialer.dial()
            tcp_ns = clock_ns()
            connection = await self.engine.upgrade(sock, upgrade)
            phases.record(begin_ns, tcp_ns, connection.upgraded_ns)
            self.hop_protocols[connection.hop_protocol] += 1
            self.connections.append(connection)
            self.open += 1
            phases.first_echo.record_one(await greeting.echoed(connection, self.plan) - connection.upgraded_ns)
        except ConnectError as error:
            self._count_failure(error)
            return
        finally:
            limiter.release_on_behalf_of(place)
        self.exchanges.append(exchange)

    def _count_failure(self, error: ConnectError, times: int = 1) -> None:
        self.errors[error.kind] += times
        self.details.setdefault(error.kind, error.detail)
        if error.status is not None:
            self.rejections[error.status] += times

    def _on_closed(self, kind: ErrorKind | None, code: int) -> None:
        """A connection is gone; ``kind`` None where its end is counted elsewhere."""
        self.closes[code] += 1
        self.open -= 1
        if kind is not None and not self.closing:
            self.errors[kind] += 1
            self.details.setdefault(kind, f"closed with {code} while in use")
        if self.closing and not self.open:
            self.all_closed.set()

    # -- exchanging

    async def _exchange_all(self, start_ns: int) -> tuple[Journal, int]:
        """Warm-up, measuring and draining. Returns the journal, and this process's CPU time in the window."""
        plan = self.plan
        window = Window(start_ns + plan.warmup_ns, start_ns + plan.warmup_ns + plan.duration_ns)
        journal = Journal(window, open_loop=plan.open_loop, interval_ns=plan.series_interval_ns)
        self.loop_lag.watch(window)
        for exchange in self.exchanges:
            exchange.begin(journal)
        # Connections opened in order are not used in order: neighbours would share the state of the handshakes.
        order = list(self.exchanges)
        random.Random(plan.seed).shuffle(order)
        if self.sender is not None:
            paced = [exchange for exchange in order if isinstance(exchange, Paced)]
            self.sender.start(paced, start_ns + plan.phase_ns, window)
        else:
            self.tasks.start_soon(self._start_closed, order, start_ns)
        self._report(Phase.WARMUP, journal)
        await self._judge_until(window.start_ns, journal, Phase.WARMUP)
        cpu_ns = time.process_time_ns()
        self._report(Phase.MEASURING, journal)
        await self._judge_until(window.end_ns, journal, Phase.MEASURING)
        self._end_early(window)
        cpu_ns = time.process_time_ns() - cpu_ns
        self._report(Phase.DRAINING, journal)
        await self._drain(journal)
        return journal, cpu_ns

    async def _start_closed(self, order: list[Exchange], start_ns: int) -> None:
        await anyio.sleep(max(0, start_ns - clock_ns()) / SECOND_NS)
        stagger_s = min(self.plan.warmup_ns // 2, _MAX_STAGGER_NS) / SECOND_NS / len(order)
        for exchange in order:
            assert isinstance(exchange, SelfPaced)
            exchange.start()
            await anyio.sleep(stagger_s)

    async def _judge_until(self, when_ns: int, journal: Journal, phase: Phase) -> None:
        reported_ns = clock_ns()
        while (left_ns := when_ns - clock_ns()) > 0 and self.open and not (self.stretches and self.stretches.over):
            await anyio.sleep(min(left_ns / SECOND_NS, _JUDGE_EVERY_S))
            journal.judge(_JUDGE_AT_LEAST)
            if self.stretches and self.stretches.due:
                self.stretches.cut(self, journal)
            self._resume_stumbled()
            if clock_ns() - reported_ns > _PROGRESS_EVERY_NS:
                reported_ns = clock_ns()
                self._report(phase, journal)

    def _end_early(self, window: Window) -> None:
        """Where the window's end was not known beforehand: it is now, so send nothing further."""
        now_ns = clock_ns()
        if self.stretches is None or now_ns >= window.end_ns:
            return
        for exchange in self.exchanges:
            if isinstance(exchange, SelfPaced):
                exchange.end(now_ns)
        if self.sender is not None:
            self.sender.end(now_ns)

    def _resume_stumbled(self) -> None:
        stumbled = list(self.stumbled)
        self.stumbled.clear()
        for exchange in stumbled:
            exchange.start()

    async def _drain(self, journal: Journal) -> None:
        sender = self.sender
        with anyio.move_on_after(self.plan.drain_timeout_ns / SECOND_NS):
            while self.open and not (
                (sender is None or sender.done.is_set())
                and all(exchange.idle for exchange in self.exchanges if exchange.alive)
            ):
                await anyio.sleep(_JUDGE_EVERY_S / 4)
                journal.judge(_JUDGE_AT_LEAST)
        if sender is not None:
            sender.stop()

    # -- closing

    async def _close_all(self) -> None:
        self.closing = True
        self._report(Phase.CLOSING, None)
        if not self.open:
            return
        for connection in self.connections:
            connection.close()
        with anyio.move_on_after(_CLOSE_TIMEOUT_S + _CLOSE_EACH_S * self.open):
            await self.all_closed.wait()

    async def _abort_all(self) -> None:
        """Drop what is still open: after a cancellation all, otherwise what did not answer a Close frame in time."""
        self.closing = True
        if not self.open:
            return
        for connection in self.connections:
            connection.abort()
        with anyio.move_on_after(_CLOSE_TIMEOUT_S + _CLOSE_EACH_S * self.open, shield=True):
            await self.all_closed.wait()

    def _report(self, phase: Phase, journal: Journal | None) -> None:
        if journal is not None:
            journal.judge()
        if self.on_progress is None:
            return
        watched = (journal.response_time or journal.service_time).percentiles_ns(_WATCHED) if journal else [None, None]
        received = journal.received if journal else 0
        self.on_progress(Progress(phase, len(self.connections), self.errors.total(), received, *watched))

    def _recording(self, journal: Journal, started_unix_s: float, window_ns: int, cpu_ns: int) -> Recording:
        unanswered = sum(exchange.unanswered() for exchange in self.exchanges)
        wrong = sum(exchange.mismatched_in_window for exchange in self.exchanges)
        return Recording(
            plan=self.plan,
            opened=len(self.connections),
            cold=self.cold,
            warm=self.warm,
            service_time=journal.service_time,
            response_time=journal.response_time,
            send_lag=journal.send_lag,
            loop_lag=self.loop_lag.histogram,
            series=journal.series.intervals(),
            started_unix_s=started_unix_s,
            window_ns=window_ns,
            echoes_in_window=journal.echoes_in_window,
            bytes_in_window=journal.bytes_in_window if self.plan.pattern.one_way else None,
            sent=journal.received + unanswered + wrong,
            received=journal.received,
            unanswered=unanswered,
            unsent=(self.sender.unsent if self.sender else 0)
            + sum(exchange.unsent for exchange in self.exchanges if isinstance(exchange, Paced)),
            mismatched=sum(exchange.mismatched for exchange in self.exchanges),
            errors=dict(self.errors),
            rejections=dict(self.rejections),
            details=dict(self.details),
            closes=dict(self.closes),
            hop_protocols=dict(self.hop_protocols),
            cpu_ns=cpu_ns,
            peak_rss_kib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            connecting_ns=self.connecting_ns,
            rss_idle_kib=self.rss_idle_kib,
            rss_connected_kib=self.rss_connected_kib,
        )
