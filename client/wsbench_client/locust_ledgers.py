"""Where the Locust users of a process find its ledger, and how their figures get into Locust's own statistics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

import gevent
from locust.exception import StopUser
from locust.stats import StatsEntry, bucket_response_time

from wsbench_client.ledger import Ledger

if TYPE_CHECKING:
    from locust.env import Environment

    from wsbench_client.histogram import LatencyHistogram

REQUEST_TYPE = "WS"
TCP_CONNECT, UPGRADE, MESSAGE = "tcp connect", "upgrade", "message"
"""The entries of Locust's statistics, under the type REQUEST_TYPE."""

_LEDGERS: WeakKeyDictionary[Environment, Ledger] = WeakKeyDictionary()
_NS_PER_MS = 1_000_000
# What a command ends with that was asked for what cannot be done.
_USAGE = 2
logger = logging.getLogger(__name__)


def ledger_of(environment: Environment) -> Ledger:
    """The ledger of all users of this environment: one in each process of Locust's."""
    found = _LEDGERS.get(environment)
    if found is None:
        found = _LEDGERS[environment] = Ledger()
    return found


def refuse(environment: Environment, words: str) -> NoReturn:
    """End the test that a user cannot take part in, and the user. Raises StopUser."""
    logger.error("wsbench: error: %s", words)
    environment.process_exit_code = _USAGE
    runner, options = environment.runner, environment.parsed_options
    if runner is not None:
        # Not from here: a user that waits for all users to end waits for itself.
        gevent.spawn(runner.quit if options is None or options.headless else runner.stop)
    raise StopUser


def log_many(environment: Environment, name: str, histogram: LatencyHistogram, unix_s: float, length: int) -> None:
    """Count latencies that no request event was fired for into Locust's statistics, as of one second.

    They are rounded as Locust rounds them; ``length`` is the size of each response in bytes.
    """
    count = histogram.count
    if not count:
        return
    stats = environment.stats
    entry = StatsEntry(stats, name, REQUEST_TYPE)
    values_ns, counts = histogram.recorded()
    entry.start_time = entry.last_request_timestamp = unix_s
    entry.num_requests = count
    # Locust says int, and adds up what request events bring: milliseconds with a fraction.
    times: dict[str, Any] = {
        "total_response_time": histogram.total_ns / _NS_PER_MS,
        "min_response_time": int(values_ns[0]) / _NS_PER_MS,
        "max_response_time": int(values_ns[-1]) / _NS_PER_MS,
    }
    vars(entry).update(times)
    entry.total_content_length = count * length
    entry.num_reqs_per_sec[int(unix_s)] = count
    for value_ns, number in zip(values_ns.tolist(), counts.tolist(), strict=True):
        entry.response_times[bucket_response_time(value_ns / _NS_PER_MS)] += number
    stats.entries[(name, REQUEST_TYPE)].extend(entry)
    stats.total.extend(entry)
