"""The tables of a report, free of any medium."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from wsbench import proof
from wsbench.report import load, reading, verdict, wording
from wsbench.report.reading import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsbench import document

_PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99), ("max", 100.0))
_KEYS = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p99.9": "p999_us", "p99.99": "p9999_us", "max": "max_us"}
_CONNECT_PERCENTILES = ("p50", "p99", "max")
_MARKS = {
    Judgement.FASTER: "good",
    Judgement.SLOWER: "bad",
    Judgement.NO_DIFFERENCE: "plain",
    Judgement.INSUFFICIENT: "faint",
    Judgement.VOID: "faint",
}


class Mark(StrEnum):
    """How a cell is set."""

    PLAIN = "plain"
    THIN = "thin"
    GOOD = "good"
    BAD = "bad"
    FAINT = "faint"


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure or word."""

    text: str
    mark: Mark = Mark.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One line: either cells or, where there are no figures, a note over their whole width.

    ``grave`` marks a note on what must not be. ``first`` is false where the row goes on with the arm of the row before.
    """

    head: str
    cells: tuple[Cell, ...] = ()
    note: str = ""
    grave: bool = False
    first: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` begin with the head's; the first ``words`` of them after the head hold words, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    words: int = 0
    note: str = ""


class Provenance(TypedDict):
    """What of a document, of any kind, says where it comes from."""

    environment: document.Environment
    wsbench_version: str
    started_at: str
    finished_at: str


def round_trips(result: document.Result) -> Table:
    """Messages per second and the latency of every arm; in the open loop with service time and send lag.

    No rows where nothing was echoed.
    """
    open_loop = reading.open_loop(result)
    percentiles = tuple(name for name, _ in _PERCENTILES)
    rows: list[Row] = []
    for name, arm in () if reading.one_way(result) else result["arms"].items():
        absent = reading.absence(arm)
        if absent is not None:
            rows.append(Row(name, note=absent, grave=not reading.refused_as_claimed(arm)))
            continue
        kinds: list[tuple[str, document.Latency | None]] = [("service time", arm["service_time"])]
        if open_loop:
            kinds = [("response time", arm["response_time"]), *kinds, ("send lag", arm["send_lag"])]
        for place, (kind, latency) in enumerate(kinds):
            cells = [Cell(wording.rate(arm["achieved_rate"]) if place == 0 else ""), *_latency(latency, percentiles)]
            rows.append(Row(name, (Cell(kind), *cells) if open_loop else tuple(cells), first=place == 0))
    note = _thin_note(rows)
    if open_loop:
        title = "Response time, service time and send lag"
        return Table(title, ("arm", "what", "msgs/s", "count", *percentiles), tuple(rows), words=1, note=note)
    title = "Messages per second and round trip (service time)"
    return Table(title, ("arm", "msgs/s", "count", *percentiles), tuple(rows), note=note)


def connects(result: document.Result) -> Table:
    """Connect latency of every arm, and its parts."""
    rows: list[Row] = []
    for name, arm in result["arms"].items():
        if not reading.stands(arm):
            continue
        for place, (part, latency) in enumerate(_connect_parts(arm)):
            rows.append(Row(name, (Cell(part), *_latency(latency, _CONNECT_PERCENTILES)), first=place == 0))
    return Table(
        "Connect latency",
        ("arm", "part", "count", *_CONNECT_PERCENTILES),
        tuple(rows),
        words=1,
        note=" ".join(filter(None, (_connect_rates(result), _thin_note(rows)))),
    )


def _connect_rates(result: document.Result) -> str:
    known = [
        f"{name} {wording.rate(arm['connect_rate'])}"
        for name, arm in result["arms"].items()
        if reading.stands(arm) and arm["connect_rate"] is not None
    ]
    return f"Opened a second, each with its first echo: {', '.join(known)}." if known else ""


def _connect_parts(arm: document.ArmResult) -> list[tuple[str, document.Latency]]:
    cold, warm = arm["cold"], arm["warm"]
    if cold is None or warm is None:
        return [("total", arm["connect"]), ("TCP", arm["connect_tcp"]), ("upgrade", arm["connect_upgrade"])]
    return [
        ("cold: total", cold["connect"]),
        ("cold: first echo", cold["first_echo"]),
        ("warm: total", warm["connect"]),
        ("warm: TCP", warm["connect_tcp"]),
        ("warm: upgrade", warm["connect_upgrade"]),
        ("warm: first echo", warm["first_echo"]),
    ]


def losses(result: document.Result) -> Table:
    """What went wrong with the messages of every arm."""
    rows = []
    for name, arm in result["arms"].items():
        if not reading.stands(arm):
            continue
        lost = (arm["unanswered"], arm["unsent"], arm["mismatched"], arm["unrecorded"])
        errors = wording.counts(arm["errors"])
        rows.append(
            Row(
                name,
                (
                    Cell(wording.whole(arm["sent"])),
                    Cell(wording.whole(arm["received"]), Mark.PLAIN if arm["received"] else Mark.BAD),
                    *(Cell(wording.whole(number), Mark.BAD if number else Mark.PLAIN) for number in lost),
                    Cell(errors or "none", Mark.BAD if errors else Mark.PLAIN),
                ),
            )
        )
    columns = ("arm", "sent", "received", "unanswered", "unsent", "mismatched", "unrecorded", "errors")
    return Table("Messages and errors", columns, tuple(rows))


def comparisons(result: document.Result, limit: int | None = None) -> Table:
    """Every comparison with its interval and verdict, or the first ``limit`` of them."""
    shown = result["comparisons"][:limit]
    rows = []
    for place, comparison in enumerate(shown):
        before = shown[place - 1] if place else None
        judgement = reading.judge(result, comparison)
        void = judgement is Judgement.VOID
        known = not void and judgement is not Judgement.INSUFFICIENT
        rows.append(
            Row(
                f"{comparison['candidate']} against {comparison['baseline']}",
                (
                    Cell(verdict.metric(comparison["metric"])),
                    Cell(wording.change(comparison["ratio"]) if known else wording.NOTHING),
                    Cell(wording.interval(comparison["ci_low"], comparison["ci_high"]) if known else wording.NOTHING),
                    Cell(judgement, Mark(_MARKS[judgement])),
                    Cell(wording.amount(comparison["ratio"]) if known else wording.NOTHING),
                ),
                first=before is None
                or (before["baseline"], before["candidate"]) != (comparison["baseline"], comparison["candidate"]),
            )
        )
    columns = ("candidate against baseline", "metric", "change", interval_name(result), "verdict", "ratio")
    return Table(
        "Comparisons, paired by round", columns, tuple(rows), words=4, note=_comparisons_note(result, len(shown))
    )


def interval_name(result: document.Result) -> str:
    """The intervals of the comparisons: "95% interval"."""
    shares = {comparison["confidence"] for comparison in result["comparisons"]}
    return f"{wording.confidence(shares.pop())} interval" if len(shares) == 1 else "interval"


def _comparisons_note(result: document.Result, shown: int) -> str:
    every = len(result["comparisons"])
    note = "Ratio: candidate over baseline."
    if every > 1:
        note += f" Every interval is widened (Bonferroni), so that all {every} comparisons of the run hold at once."
    asked = result["plan"]["until_precision"]
    if asked is not None:
        wide = sum(precision is None or precision > asked for precision in _precisions(result))
        note += f" Asked for was every interval within {asked * 100:.4g}% of its middle: " + (
            f"{wide} of {every} stayed open." if wide else "all are."
        )
    if shown < every:
        note += f" The first {shown} of {every} are shown here; result.json and report.html have them all."
    return note


def _precisions(result: document.Result) -> list[float | None]:
    return [comparison["precision"] for comparison in result["comparisons"]]


def costs(result: document.Result) -> Table:
    """CPU per message of every process, memory per connection, connections on the hop."""
    rows = []
    for name, arm in result["arms"].items():
        if not reading.stands(arm):
            continue
        client, server = reading.sidecars(arm)
        processes: tuple[document.ProcessCost | None, ...] = (arm["driver"], client, server, arm["server"])
        known = [
            cpu for process in processes if process is not None and (cpu := process["cpu_us_per_message"]) is not None
        ]
        cells = [Cell(_cpu(process)) for process in processes]
        cells.append(Cell(wording.amount(sum(known) if known else None)))
        cells.extend(
            Cell(wording.NOTHING if process is None else wording.amount(process["rss_kib_per_connection"]))
            for process in processes
        )
        cells.append(Cell(wording.whole(verdict.hop_connections(arm))))
        rows.append(Row(name, tuple(cells)))
    columns = (
        "arm",
        "driver us",
        "client sidecar us",
        "server sidecar us",
        "server us",
        "all us",
        "driver KiB",
        "client sidecar KiB",
        "server sidecar KiB",
        "server KiB",
        "on the hop",
    )
    note = (
        f"us: CPU time per message {reading.answered(result)}. KiB: memory above idle, per connection; "
        "of few connections it is mostly what a process takes once. "
        "On the hop: its connections (TCP; QUIC where it speaks HTTP/3)."
    )
    return Table("Cost: CPU per message, memory per connection", columns, tuple(rows), note=note)


def rounds(result: document.Result) -> Table:
    """Every trial, so that drift can be seen."""
    open_loop = reading.open_loop(result)
    rows: list[Row] = []
    for name, arm in result["arms"].items():
        for place, trial in enumerate(arm["rounds"]):
            rows.append(Row(name, tuple(_trial(result, trial, stands=reading.stands(arm))), first=place == 0))
    kind = "response time" if open_loop else "service time"
    figures: tuple[str, ...] = ("msgs/s", f"{kind} p50", "p99", "connect p50", "echoes")
    if reading.one_way(result):
        figures = ("msgs/s", "MB/s", "connect p50", "acknowledged")
    columns = ("arm", "round", "position", "proof", *figures, "lost")
    return Table("Rounds", columns, tuple(rows), note="Position: the arm's place in the shuffled order of the round.")


def _trial(result: document.Result, trial: document.Round, *, stands: bool) -> Iterator[Cell]:
    """Of an arm that does not stand, only which round was proved and which not."""
    disproved = trial["proof"] == proof.Verdict.DISPROVED
    one_way = reading.one_way(result)
    yield Cell(wording.whole(trial["round"]))
    yield Cell(wording.whole(trial["position"]))
    yield Cell(trial["proof"], Mark.BAD if disproved else Mark.PLAIN)
    if disproved or not stands:
        yield from (Cell(wording.NOTHING, Mark.FAINT) for _ in range(5 if one_way else 6))
        return
    yield Cell(wording.rate(trial["achieved_rate"]))
    if one_way:
        yield Cell(wording.amount(trial["goodput_mb_per_s"]))
    else:
        yield from _latency(reading.round_trip(trial, open_loop=reading.open_loop(result)), ("p50", "p99"))[1:]
    yield _latency(trial["connect"], ("p50",))[1]
    yield Cell(wording.whole(trial["received"]))
    lost = trial["unanswered"] + trial["unsent"] + trial["mismatched"] + sum(trial["errors"].values())
    yield Cell(wording.whole(lost), Mark.BAD if lost else Mark.PLAIN)


def plan(result: document.Result) -> list[tuple[str, str]]:
    """What was asked for, in words."""
    asked = result["plan"]
    said = [
        ("arms", ", ".join(asked["arms"]) or "none"),
        ("targets", ", ".join(f"{name} = {url}" for name, url in asked["targets"].items()) or "none"),
        ("loop", load.loop(asked)),
        ("pattern", load.pattern(asked)),
        ("connections", f"{asked['connections']:,}, {load.opening(asked)}"),
        ("payload", load.payload(asked)),
        (
            "rounds",
            (
                f"{asked['rounds']:,}{_as_many(asked)} of {wording.span(asked['duration_us'])} each, "
                f"after {wording.span(asked['warmup_us'])} warm-up"
            ),
        ),
        ("driver engine", f"{asked['engine']}, {wording.counted(asked['workers'], 'process')}"),
        ("server engine", asked["server_engine"]),
        ("Envoy worker threads", f"{asked['envoy_concurrency']}"),
        ("seed of the shuffle", f"{asked['seed']}"),
    ]
    if asked["sabotage"]:
        said.append(("sabotaged on purpose", ", ".join(asked["sabotage"])))
    return said


def _as_many(asked: document.Plan) -> str:
    words = ""
    if asked["until_precision"] is not None:
        words = f" and more, until every interval is within {asked['until_precision'] * 100:.4g}%,"
    if asked["max_duration_us"] is not None:
        words += f" for {wording.span(asked['max_duration_us'])} at most,"
    return words


def setting(result: document.Result) -> str:
    """The plan in one line, and whether there are warnings to be read before the figures are believed."""
    asked = result["plan"]
    measured = max((len(arm["rounds"]) for arm in result["arms"].values()), default=0)
    return (
        f"{wording.counted(asked['connections'], 'connection')}, {load.in_brief(asked)}, "
        f"{wording.counted(measured, 'round')} of {wording.span(asked['duration_us'])}"
        + (f"; {wording.counted(len(result['warnings']), 'warning')}, see below" if result["warnings"] else "")
    )


def environment(result: Provenance) -> list[tuple[str, str]]:
    """The machine and the versions."""
    found = result["environment"]
    return [
        ("CPU", f"{found['cpu_model']}, {wording.counted(found['cpu_count'], 'core')}"),
        ("memory", f"{found['memory_mib'] / 1024:,.1f} GiB"),
        ("load average at the start", f"{found['load_average']:.2f}"),
        ("platform", found["platform"]),
        ("kernel", found["kernel"]),
        ("congestion control", found["congestion_control"] or "unknown"),
        ("Envoy", found["envoy"] or "none"),
        ("Python", found["python"]),
        ("libraries", ", ".join(f"{name} {version}" for name, version in found["libraries"].items()) or "none"),
        ("wsbench", result["wsbench_version"]),
        ("started, finished", f"{result['started_at']}, {result['finished_at']}"),
    ]


def how_to_read(result: document.Result) -> list[str]:
    """What a reader needs to know to read the figures right."""
    said = [
        (
            "A verdict is faster or slower only where the whole interval lies on one side of no change. "
            "'No difference shown' is not 'no difference': the interval says what remains possible."
        ),
        (
            "Arms are measured in shuffled rounds and compared by round: a change is the middle of the rounds' ratios "
            "(Hodges and Lehmann's estimate), so it differs a little from the quotient of the figures in the tables, "
            "which pool all rounds. The interval is of Wilcoxon's signed ranks, exact whatever the noise looks like, "
            "and widened (Bonferroni): of 100 such runs of equals, 5 at most would claim any difference at all. A t "
            "test, which has to believe in normal noise, may say a little more."
        ),
        (
            "proved: independent witnesses (a sidecar's access log, Envoys' counters, a header the server's sidecar "
            "writes into every handshake) agree with what the arm claims to speak, or with how it claims to be "
            "refused. An arm that is disproved has no figures."
        ),
        (
            "In a log line, UC, UR and upstream_reset_after_response_started beside a 101 are what every WebSocket "
            "leaves that was closed in order; DPE is a request that a sidecar took for malformed."
        ),
    ]
    if reading.open_loop(result):
        said.append(
            "Response time runs from the moment a message was due, service time from when it was sent; send lag is how "
            "late the driver itself was, and nothing smaller than it can be believed."
        )
    elif not reading.one_way(result):
        said.append(
            "Closed loop: each connection waits for its echo before it sends again, so a slow arm is also sent less. "
            "For latency at a set rate, run with --rate."
        )
    if any(arm["cold"] is not None for arm in result["arms"].values()):
        said.append(
            "Cold is the first connection of each trial, over a hop with no connection open; warm are all others. "
            "Over HTTP/2 a warm one is a further stream of a connection that is there."
        )
    if reading.one_way(result):
        said.append(
            "One-way: nothing is echoed, so there is no round trip. MB/s is what the server said it had received, in "
            "receipts read inside the window; what filled buffers on the way is not in it."
        )
    if any(arm["kind"] == "direct" for arm in result["arms"].values()):
        said.append("direct is the floor: the same exchange with nothing in between.")
    if any(arm["claim"]["hop_protocol"] == "HTTP/2" for arm in result["arms"].values()):
        said.append(
            "Packet loss is not in these figures: over HTTP/2 many WebSockets share one TCP connection, and where it "
            "loses a packet all of them wait."
        )
    return said


def limits(result: document.Result) -> list[str]:
    """What holds of every run in the lab, whatever was found."""
    lab = [arm for arm in result["arms"].values() if arm["kind"] != "target"]
    if not lab:
        return []
    cores = wording.counted(result["environment"]["cpu_count"], "core")
    said = [
        (
            f"Driver, sidecars and echo server shared the {cores} of one machine, and every hop was its loopback: no "
            "network, no loss, no second machine. What one part saves of the CPU the others can use, so a gain in rate "
            "here is for a large part a gain in CPU per message; between nodes with CPU to spare it would show as that."
        )
    ]
    if not reading.open_loop(result) and not reading.one_way(result):
        said.append(
            "Closed loop: messages per second and round trip are nearly one finding, as each connection has one "
            "message on its way. For latency at a rate that you set, run with --rate."
        )
    return said


def _latency(latency: document.Latency | None, percentiles: Sequence[str]) -> list[Cell]:
    """The count, then the percentiles asked for."""
    if latency is None:
        return [Cell(wording.NOTHING) for _ in range(len(percentiles) + 1)]
    cells = [Cell(wording.whole(latency["count"]))]
    percent = dict(_PERCENTILES)
    for name in percentiles:
        value: float | None = latency[_KEYS[name]]  # type: ignore[literal-required]
        if value is not None and wording.thin(percent[name], latency["count"]):
            cells.append(Cell(wording.THIN_MARK + wording.time(value), Mark.THIN))
        else:
            cells.append(Cell(wording.time(value)))
    return cells


def _cpu(process: document.ProcessCost | None) -> str:
    return wording.NOTHING if process is None else wording.amount(process["cpu_us_per_message"])


def _thin_note(rows: Sequence[Row]) -> str:
    return wording.THIN_NOTE if any(cell.mark is Mark.THIN for row in rows for cell in row.cells) else ""
