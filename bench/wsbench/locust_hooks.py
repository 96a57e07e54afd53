"""wsbench in a process of Locust's: a worker reports all it recorded, a master or a single process writes the result.

Everything goes through Locust's own events and messages. A worker says hello with its version and is refused if that is
not the master's; its reports ride on Locust's; when the test ends the master asks for the last of them, and waits.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
from locust import events
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner, WorkerRunner

from wsbench import __version__, hlog
from wsbench.errors import UsageError
from wsbench.locust_fleet import Fleet, Report
from wsbench.storage import OutputFolder
from wsbench_client.locust_ledgers import ledger_of

if TYPE_CHECKING:
    from pathlib import Path

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner

    from wsbench.locust_output import Output
    from wsbench_client.stretch import Stretch

logger = logging.getLogger(__name__)

_HELLO, _WELCOME, _REFUSED = "wsbench_hello", "wsbench_welcome", "wsbench_refused"
_RESET, _FINISH, _LAST = "wsbench_reset", "wsbench_finish", "wsbench_last"
_KEY = "wsbench"
"""Under which a worker's report is in Locust's."""

_ANSWER_WITHIN_S = 10.0
# A driver that is told to stop waits 5 s for its echoes and 5 s for its connections to close.
_LAST_WITHIN_S = 20.0
_REPORT_EVERY_S = 3.0
_NS = 1_000_000_000


def install(output: Output | None, log_folder: Path | None) -> None:
    """Take part in whatever Locust does in this process; ``output`` for a master or single process."""

    def on_init(environment: Environment, runner: Runner, **_others: object) -> None:
        # gevent's timers count from when its loop last looked at the clock, which was before the imports: --run-time
        # would be shorter by as much.
        gevent.get_hub().loop.update_now()
        if isinstance(runner, WorkerRunner):
            _Worker(environment, runner, log_folder)
        elif isinstance(runner, MasterRunner):
            assert output is not None
            _Master(environment, runner, output)
        elif isinstance(runner, LocalRunner):
            assert output is not None
            _Single(environment, runner, output)

    events.init.add_listener(on_init)


class _Reporter:
    """Takes from the ledger of this process, and numbers what it takes."""

    def __init__(self, environment: Environment, log_folder: Path | None = None) -> None:
        self._environment = environment
        self._folder = OutputFolder(log_folder) if log_folder else None
        self._ledger = ledger_of(environment)
        self._test = 0
        self._number = 0
        self._received = 0
        self._log = ""
        self._base_s = 0.0
        self._interval_ns = _NS
        gevent.spawn(self._cut_now_and_then)

    def begin(self, test: int, interval_ns: int) -> None:
        self._ledger.forget()
        self._interval_ns = interval_ns
        self._test, self._number, self._received = test, 0, 0
        self._base_s = time.time()
        self._log = hlog.head(self._base_s)

    def report(self, name: str, *, final: bool = False) -> Report:
        runner = self._environment.runner
        assert runner is not None
        stretches = tuple(self._ledger.take())
        self._number += 1
        self._received += sum(stretch.received for stretch in stretches)
        self._keep(name, stretches)
        users = {kind: count for kind, count in runner.target_user_classes_count.items() if count}
        return Report(
            self._test, self._number, self._received, stretches, tuple(self._ledger.troubles), users, final=final
        )

    def _cut_now_and_then(self) -> None:
        """Where the master's rounds end, so that no stretch is of two."""
        while True:
            gevent.sleep(self._ledger.left_ns(self._interval_ns) / _NS)
            self._ledger.cut()

    def _keep(self, name: str, stretches: tuple[Stretch, ...]) -> None:
        """The worker's own log, that holds what it recorded whether or not its reports come through."""
        if self._folder is None:
            return
        for stretch in stretches:
            if stretch.round_trip.count:
                length_s = (stretch.end_unix_ns - stretch.begin_unix_ns) / _NS
                interval = hlog.Interval(stretch.begin_unix_ns / _NS, length_s, stretch.round_trip)
                self._log += hlog.line(name, self._base_s, interval)
        self._folder.write_text(f"{name}.own.rtt.hlog", self._log)


class _Worker:
    """The worker's side."""

    def __init__(self, environment: Environment, runner: WorkerRunner, log_folder: Path | None) -> None:
        self._environment = environment
        self._runner = runner
        self._reporter = _Reporter(environment, log_folder)
        self._active = False
        self._interval_ns = _NS
        for kind, listener in (
            (_WELCOME, self._on_welcome),
            (_REFUSED, self._on_refused),
            (_RESET, self._on_reset),
            (_FINISH, self._on_finish),
        ):
            runner.register_message(kind, listener)
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.report_to_master.add_listener(self._on_report)
        environment.events.quitting.add_listener(self._on_quitting)
        self._unanswered = gevent.spawn_later(_ANSWER_WITHIN_S, self._give_up)
        runner.send_message(_HELLO, {"version": __version__})

    def _on_welcome(self, **_others: object) -> None:
        self._unanswered.kill(block=False)

    def _on_refused(self, msg: Message, **_others: object) -> None:
        self._refuse(msg.data["version"])

    def _refuse(self, master: str | None) -> None:
        if master is None:
            self._give_up()
        else:
            self._fail(f"this worker has wsbench {__version__}, its master {master}: install the same on both")

    def _give_up(self) -> None:
        self._fail(
            f"the Locust master at {self._runner.master_host}:{self._runner.master_port} does not answer to wsbench: "
            "start it with 'wsbench locust --master'"
        )

    def _fail(self, words: str) -> None:
        sys.stderr.write(f"wsbench: error: {words}\n")
        self._environment.process_exit_code = UsageError.exit_code
        # Ends as upon SIGTERM: Locust tells its master that this worker is gone.
        self._runner.greenlet.kill(block=False)

    def _on_test_start(self, **_others: object) -> None:
        options = vars(self._environment.parsed_options)
        master = options.get("wsbench_version")
        if master != __version__:
            self._refuse(master)
            return
        self._active = True
        self._interval_ns = options["interval"]
        self._reporter.begin(options["wsbench_test"], self._interval_ns)

    def _on_reset(self, msg: Message, **_others: object) -> None:
        self._reporter.begin(msg.data["test"], self._interval_ns)

    def _on_report(self, data: dict[str, Any], **_others: object) -> None:
        if self._active:
            data[_KEY] = self._reporter.report(self._runner.client_id).to_json()

    def _on_finish(self, **_others: object) -> None:
        self._send_last()

    def _on_quitting(self, **_others: object) -> None:
        self._send_last()

    def _send_last(self) -> None:
        """Stop the users, if nobody has, and tell all that is left."""
        if not self._active:
            return
        self._runner.stop()
        self._active = False
        self._runner.send_message(_LAST, self._reporter.report(self._runner.client_id, final=True).to_json())


class _Master:
    """The master's side."""

    def __init__(self, environment: Environment, runner: MasterRunner, output: Output) -> None:
        self._environment = environment
        self._runner = runner
        self._output = output
        self._versions: dict[str, str] = {}
        self._test = 0
        self._fleet: Fleet | None = None
        runner.register_message(_HELLO, self._on_hello)
        runner.register_message(_LAST, self._on_last)
        vars(environment.parsed_options)["wsbench_version"] = __version__
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.worker_report.add_listener(self._on_report)
        environment.events.spawning_complete.add_listener(self._on_spawned)
        environment.events.test_stop.add_listener(self._on_test_stop)

    def _on_hello(self, msg: Message, **_others: object) -> None:
        version = msg.data["version"]
        if version != __version__:
            logger.error(
                "wsbench: worker %s is refused: it has wsbench %s, this master %s", msg.node_id, version, __version__
            )
            self._runner.send_message(_REFUSED, {"version": __version__}, msg.node_id)
            # Not one to wait for, and not one whose leaving would end the test.
            client = self._runner.clients.pop(msg.node_id, None)
            dispatcher = self._runner._users_dispatcher
            if client is not None and dispatcher is not None:
                dispatcher.remove_worker(client)
            return
        self._versions[msg.node_id] = version
        self._runner.send_message(_WELCOME, None, msg.node_id)
        if self._fleet is not None:
            self._fleet.join(msg.node_id, time.time_ns())

    def _on_test_start(self, **_others: object) -> None:
        self._begin()
        self._output.begin()

    def _begin(self) -> None:
        self._test += 1
        vars(self._environment.parsed_options)["wsbench_test"] = self._test
        now_ns = time.time_ns()
        self._fleet = Fleet(self._test, self._output.interval_ns, now_ns)
        for name in self._runner.clients:
            if name in self._versions:
                self._fleet.join(name, now_ns)

    def _on_spawned(self, **_others: object) -> None:
        """With --reset-stats the test begins here, for Locust and so for us."""
        if self._environment.reset_stats and self._fleet is not None:
            self._begin()
            self._runner.send_message(_RESET, {"test": self._test})

    def _on_report(self, client_id: str, data: dict[str, Any], **_others: object) -> None:
        if _KEY in data:
            self._hear(client_id, data[_KEY])

    def _on_last(self, msg: Message, **_others: object) -> None:
        self._hear(msg.node_id, msg.data)

    def _hear(self, name: str, data: dict[str, Any]) -> None:
        if self._fleet is not None:
            self._fleet.hear(name, Report.from_json(data), time.time_ns())

    def _on_test_stop(self, **_others: object) -> None:
        fleet, ended_ns = self._fleet, time.time_ns()
        if fleet is None:
            return
        strangers = [name for name in self._runner.clients if name not in self._versions]
        for name, member in fleet.members.items():
            if not member.final:
                self._runner.send_message(_FINISH, None, name)
        limit_s = time.monotonic() + _LAST_WITHIN_S + self._environment.stop_timeout
        while time.monotonic() < limit_s and any(self._awaited(name) for name in fleet.members):
            gevent.sleep(0.02)
        self._fleet = None
        code = self._output.write(self._environment, fleet, fleet.missing(ended_ns, strangers))
        _exit_with(self._environment, code)

    def _awaited(self, name: str) -> bool:
        """Whether this worker may still have something to tell."""
        assert self._fleet is not None
        if self._fleet.members[name].final:
            return False
        client = self._runner.clients.get(name)
        return client is None or client.state != STATE_MISSING


class _Single:
    """A single process: worker and master in one."""

    def __init__(self, environment: Environment, runner: LocalRunner, output: Output) -> None:
        self._environment = environment
        self._runner = runner
        self._output = output
        self._reporter = _Reporter(environment)
        self._test = 0
        self._fleet: Fleet | None = None
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.spawning_complete.add_listener(self._on_spawned)
        environment.events.test_stop.add_listener(self._on_test_stop)
        gevent.spawn(self._hear_now_and_then)

    def _on_test_start(self, **_others: object) -> None:
        self._begin()
        self._output.begin()

    def _begin(self) -> None:
        self._test += 1
        self._reporter.begin(self._test, self._output.interval_ns)
        self._fleet = Fleet(self._test, self._output.interval_ns, time.time_ns())
        self._fleet.join("local", time.time_ns())

    def _on_spawned(self, **_others: object) -> None:
        if self._environment.reset_stats and self._fleet is not None:
            self._begin()

    def _hear(self, *, final: bool = False) -> None:
        if self._fleet is not None:
            report = self._reporter.report("local", final=final)
            self._fleet.hear("local", report, time.time_ns())

    def _hear_now_and_then(self) -> None:
        while True:
            gevent.sleep(_REPORT_EVERY_S)
            self._hear()

    def _on_test_stop(self, **_others: object) -> None:
        fleet = self._fleet
        if fleet is None:
            return
        ended_ns = time.time_ns()
        self._hear(final=True)
        self._fleet = None
        _exit_with(self._environment, self._output.write(self._environment, fleet, fleet.missing(ended_ns)))


def _exit_with(environment: Environment, code: int | None) -> None:
    """Locust's exit code stays what it is where nothing is wrong with the result."""
    if code is not None and environment.process_exit_code is None:
        environment.process_exit_code = code
