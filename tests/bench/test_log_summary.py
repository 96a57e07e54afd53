from hypothesis import given
from hypothesis import strategies as st

from wsbench.access_log import AccessRecord, parse_line
from wsbench.log_summary import LineKind, LogSummary


def record(protocol: str, code: int, flags: str = "UC", tls: str | None = None) -> AccessRecord:
    version = f'"{tls}"' if tls else "null"
    return parse_line(
        f'{{"protocol":"{protocol}","response_code":{code},"response_flags":"{flags}",'
        f'"downstream_tls_version":{version}}}'
    )


@given(st.lists(st.tuples(st.sampled_from(["HTTP/2", "HTTP/1.1"]), st.sampled_from([101, 503]))), st.integers(0, 40))
def test_lines_counted_in_parts_are_counted_as_a_whole(kinds: list[tuple[str, int]], cut: int) -> None:
    records = [record(protocol, code) for protocol, code in kinds]
    summary = LogSummary.of(records[:cut]).plus(records[cut:])
    assert summary == LogSummary.of(records)
    assert summary.count == len(records)
    assert summary.answered(101) == [code for _, code in kinds].count(101)
    assert len(summary.samples) <= 4


def test_kinds_are_told_in_words() -> None:
    summary = LogSummary.of(
        [record("HTTP/2", 101, tls="TLSv1.3")] * 2 + [record("HTTP/2", 0, "DPE")] + [record("-", 200, "UC")]
    )
    assert summary.in_words == "1 x HTTP/2 0 DPE, 2 x HTTP/2 101 TLSv1.3, 1 x no protocol 200"
    assert LogSummary().in_words == "no line"


def test_the_first_line_of_a_wanted_kind_is_the_sample_and_values_are_counted_over_kinds() -> None:
    summary = LogSummary.of([record("HTTP/1.1", 101), record("HTTP/2", 101), record("HTTP/2", 503), record("-", 503)])

    def refused(kind: LineKind) -> bool:
        return kind.response_code == 503

    sample = summary.sample(refused)
    assert sample is not None
    assert sample.protocol == "HTTP/2"
    assert summary.sample(lambda kind: kind.response_code == 404) is None
    assert summary.counted(lambda kind: kind.protocol) == {"HTTP/1.1": 1, "HTTP/2": 2, "": 1}
