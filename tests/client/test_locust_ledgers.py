"""In a process of its own: Locust patches whoever imports it."""

import subprocess
import sys

SAME_AS_ONE_BY_ONE = """
from locust.env import Environment
from locust.event import Events
import numpy as np
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.locust_ledgers import MESSAGE, REQUEST_TYPE, ledger_of, log_many

histogram = LatencyHistogram()
histogram.record(np.random.default_rng(1).lognormal(18, 3, 20_000).astype(np.int64))
values, counts = histogram.recorded()
histogram.total_ns = int(np.dot(values, counts))
assert counts.sum() == histogram.count > 19_000

many, each = Environment(events=Events()), Environment(events=Events())
half = LatencyHistogram()
half.record(values[:100])
half.total_ns = int(values[:100].sum())
log_many(many, MESSAGE, histogram, 1000.5, 64)
log_many(many, MESSAGE, half, 1001.5, 64)
log_many(many, MESSAGE, LatencyHistogram(), 1002.5, 64)
for value, count in [*zip(values.tolist(), counts.tolist()), *((value, 1) for value in values[:100].tolist())]:
    for _ in range(count):
        each.stats.log_request(REQUEST_TYPE, MESSAGE, value / 1e6, 64)
for one, other in (
    (many.stats.get(MESSAGE, REQUEST_TYPE), each.stats.get(MESSAGE, REQUEST_TYPE)),
    (many.stats.total, each.stats.total),
):
    assert one.num_requests == other.num_requests
    assert one.response_times == other.response_times
    assert (one.min_response_time, one.max_response_time) == (other.min_response_time, other.max_response_time)
    assert abs(one.total_response_time / other.total_response_time - 1) < 1e-9
    assert one.total_content_length == other.total_content_length
    assert dict(one.num_reqs_per_sec) == {1000: histogram.count, 1001: 100}

assert ledger_of(many) is ledger_of(many) is not ledger_of(each)
print("the same")
"""


def test_counted_in_bulk_it_is_what_locust_counts_one_by_one() -> None:
    done = subprocess.run([sys.executable, "-c", SAME_AS_ONE_BY_ONE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr
