"""What a Locust master or single process leaves behind: one folder for each test, as ``wsbench run`` would."""

from __future__ import annotations

import logging
import time
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import locust

from wsbench import __version__, environment
from wsbench.arms import Outcome
from wsbench.commands.experiments import print_json
from wsbench.errors import WsbenchError
from wsbench.exit_codes import EXIT_FAILED
from wsbench.locust_document import About, Asked, locust_document, logs
from wsbench.report import html, markdown
from wsbench.results import EndedBy
from wsbench.storage import RESULT, OutputFolder
from wsbench_client import PayloadKind
from wsbench_client.locust_driver import DriverUser
from wsbench_client.locust_ledgers import MESSAGE, REQUEST_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from locust.env import Environment

    from wsbench.locust_fleet import Fleet

logger = logging.getLogger(__name__)

_LIBRARIES = ("locust", "gevent", "websocket-client")
_SHORT_BY_S = 1.0


class Output:
    """Where the results of one process's tests go: the first to ``path``, the next of the web UI to ``path``-2, ...

    ``tests`` counts those begun.
    """

    def __init__(self, path: Path, interval_ns: int, command: str, *, say_line: bool = False) -> None:
        self.interval_ns = interval_ns
        self.tests = 0
        self._path = path
        self._command = command
        self._say_line = say_line
        self._started_at = ""
        self._begun_s = 0.0
        self._environment = environment.capture(None)

    @property
    def folder(self) -> OutputFolder:
        """That of the test that runs."""
        return OutputFolder(self._path if self.tests < 2 else self._path.with_name(f"{self._path.name}-{self.tests}"))

    def begin(self) -> None:
        """A test begins."""
        self.tests += 1
        self._started_at = environment.now()
        self._begun_s = time.monotonic()
        self._environment = environment.capture(None)
        self._environment["libraries"] |= {name: metadata.version(name) for name in _LIBRARIES}

    def write(self, of: Environment, fleet: Fleet, missing: list[str]) -> int | None:
        """Write result, logs and reports; the exit code where something is wrong with them."""
        asked, lasted_s = _asked(of), time.monotonic() - self._begun_s
        limit_s = asked.run_time_s
        to_the_end = limit_s is not None and lasted_s > limit_s - min(_SHORT_BY_S, limit_s / 10)
        if limit_s is not None and not to_the_end:
            missing = [*missing, f"stopped after {lasted_s:.1f} s of {limit_s:g} s"]
        about = About(
            environment=self._environment,
            wsbench_version=__version__,
            locust_version=locust.__version__,
            command=self._command,
            started_at=self._started_at,
            finished_at=environment.now(),
            incomplete_reason="; ".join(missing) or None,
            ended_by=EndedBy.MAX_DURATION if to_the_end else EndedBy.SIGNAL,
        )
        for words in missing:
            logger.warning("wsbench: incomplete: %s", words)
        folder = self.folder
        try:
            if self.tests > 1:
                folder.claim()
            result = locust_document(asked, fleet, about)
            folder.write_json(RESULT, result)
            for name, log in logs(fleet).items():
                folder.write_text(name, log)
            folder.write_text("report.html", html.render(result))
            folder.write_text("report.md", markdown.render(result))
        except (ValueError, WsbenchError) as error:
            logger.error("wsbench: error: %s", error)  # noqa: TRY400
            return EXIT_FAILED
        if self._say_line:
            print_json(result, "line")
        logger.info("wsbench: report: %s   result: %s", folder.path / "report.html", folder.path / RESULT)
        failed = any(arm["outcome"] == Outcome.FAILED for arm in result["arms"].values())
        return EXIT_FAILED if missing or failed else None


def _asked(of: Environment) -> Asked:
    """What Locust was asked for, in this process's options and users."""
    options: dict[str, Any] = vars(of.parsed_options)
    runner = of.runner
    assert runner is not None
    drivers = [kind for kind in of.user_classes if issubclass(kind, DriverUser)]
    found = find_spec("wsbench_client.locustfile")
    ours = found is not None and of.parsed_locustfiles == [found.origin]
    if not ours:
        # Our options say nothing of another locustfile. Its messages are as large as they were on average.
        average = of.stats.get(MESSAGE, REQUEST_TYPE).avg_content_length
        options = {**options, "payload": max(round(average), 1), "payload_kind": PayloadKind.BINARY, "user_rate": None}
        for kind in drivers:
            options |= {"user_rate": kind.rate, "driver_connections": kind.connections}
    users = {kind: count for kind, count in runner.target_user_classes_count.items() if count}
    return Asked(
        url=of.host or next((kind.host for kind in of.user_classes if kind.host), ""),
        users=users,
        spawn_rate=options.get("spawn_rate"),
        run_time_s=options.get("run_time"),
        payload_bytes=options["payload"],
        payload_kind=PayloadKind(options["payload_kind"]),
        user_rate=options["user_rate"],
        drivers=sum(users.get(kind.__name__, 0) for kind in drivers),
        driver_connections=options["driver_connections"],
    )
