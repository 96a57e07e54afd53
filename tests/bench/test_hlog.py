import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from wsbench.hlog import Interval, render
from wsbench_client.histogram import HIGHEST_NS, LatencyHistogram

PERCENTILES = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0]

READ_WITH_JS = """
const hdr = require("hdr-histogram-js");
const fs = require("fs");
const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[2], "utf8"));
const total = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: 3600e9,
  numberOfSignificantValueDigits: 3 });
const tags = new Set();
let interval;
while ((interval = reader.nextIntervalHistogram()) !== null) { tags.add(interval.tag); total.add(interval); }
console.log(JSON.stringify({ count: total.totalCount, tags: [...tags],
  values: JSON.parse(process.argv[3]).map((p) => total.getValueAtPercentile(p)) }));
"""


def intervals(rounds: int = 4, values: int = 20_000) -> list[Interval]:
    rng = np.random.default_rng(3)
    found = []
    for number in range(rounds):
        histogram = LatencyHistogram()
        histogram.record(rng.lognormal(13 + number / 10, 1, values).astype(np.int64))
        found.append(Interval(1_790_000_000.25 + 10 * number, 2.0, histogram))
    return found


def pooled(found: list[Interval]) -> LatencyHistogram:
    total = LatencyHistogram()
    for interval in found:
        total.add(interval.histogram)
    return total


def test_hdrh_reads_the_log_back_to_the_same_percentiles(tmp_path: Path) -> None:
    found = intervals()
    path = tmp_path / "a.hlog"
    path.write_text(render("http2", found))
    total = HdrHistogram(1, HIGHEST_NS, 3)
    reader = HistogramLogReader(str(path), total)
    tags, starts = [], []
    with reader.input_file:
        while interval := reader.get_next_interval_histogram():
            tags.append(interval.get_tag())
            starts.append(interval.get_start_time_stamp())
            total.add(interval)
    assert tags == ["http2"] * 4
    assert starts == pytest.approx([1_790_000_000_250 + 10_000 * number for number in range(4)])
    assert [total.get_value_at_percentile(p) for p in PERCENTILES] == pooled(found).percentiles_ns(PERCENTILES)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on the PATH")
def test_hdr_histogram_js_reads_the_log_back_to_the_same_percentiles(tmp_path: Path) -> None:
    installed = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, "hdr-histogram-js@3.0.0"],
        check=False,
        capture_output=True,
        timeout=120,
    )
    if installed.returncode:
        pytest.skip(f"hdr-histogram-js could not be installed: {installed.stderr.decode()[:200]}")
    # Whole ranks, where all implementations agree; and ranks between two samples, where hdrh takes the nearer one and
    # hdr-histogram-js the upper one: there JavaScript must find the upper sample of the same counts.
    for values in (20_000, 19_997):
        found = intervals(values=values)
        read = read_with_js(tmp_path, found)
        assert read["count"] == 4 * values
        assert read["tags"] == ["http2"]
        assert read["values"] == [value_at_upper_rank(pooled(found), percentile) for percentile in PERCENTILES]
        if values == 20_000:
            assert read["values"] == pooled(found).percentiles_ns(PERCENTILES)


def value_at_upper_rank(histogram: LatencyHistogram, percentile: float) -> int | None:
    rank = math.ceil(round(percentile * histogram.count / 100, 6))
    (value,) = histogram.percentiles_ns([100 * rank / histogram.count])
    return value


def read_with_js(tmp_path: Path, found: list[Interval]) -> dict[str, Any]:
    log, script = tmp_path / "a.hlog", tmp_path / "read.js"
    log.write_text(render("http2", found))
    script.write_text(READ_WITH_JS)
    said = subprocess.run(
        ["node", script, log, json.dumps(PERCENTILES)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    read: dict[str, Any] = json.loads(said)
    return read


def test_the_header_says_what_the_log_is() -> None:
    text = render("direct", intervals(1, 10))
    lines = text.splitlines()
    assert "#[Histogram log format version 1.3]" in lines
    assert '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"' in lines
    assert lines[-1].startswith("Tag=direct,0.000,2.000,")


def test_no_round_is_a_log_without_lines() -> None:
    assert render("direct", []).count("Tag=") == 0
