import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.access_log import AccessLogError, parse_line, split_lines

# From the article: Istio 1.11's server side, and what Envoy 1.40 wrote for the trap.
ARTICLE = (
    '{"duration":6030,"bytes_received":35,"start_time":"2022-03-17T06:30:28.308Z","istio_policy_status":null,'
    '"route_name":"default","user_agent":"Python/3.9 websockets/10.2","upstream_service_time":null,'
    '"request_id":"dbcb8ac4-0fb0-4acf-94ef-24b31d704489","protocol":"HTTP/1.1","response_flags":"UC",'
    '"upstream_cluster":"inbound|80||","upstream_host":"10.208.0.105:80","path":"/","method":"GET","bytes_sent":23,'
    '"authority":"websockets-server.default.svc.cluster.local:8080","response_code":101}'
)
TRAP = (
    '{"authority":null,"bytes_received":0,"bytes_sent":0,"duration":0,"method":null,"path":null,"protocol":"HTTP/2",'
    '"request_id":null,"response_code":0,"response_code_details":"http2.invalid.header.field","response_flags":"DPE"}'
)


def test_a_line_of_the_article() -> None:
    record = parse_line(ARTICLE + "\n")
    assert (record.protocol, record.response_code, record.response_flags) == ("HTTP/1.1", 101, "UC")
    assert (record.duration_ms, record.bytes_received, record.bytes_sent) == (6030, 35, 23)
    assert (record.upstream_cluster, record.upstream_host) == ("inbound|80||", "10.208.0.105:80")
    assert record.response_code_details is None
    assert record.raw == ARTICLE


def test_the_traps_line() -> None:
    record = parse_line(TRAP)
    assert (record.protocol, record.response_code, record.response_flags) == ("HTTP/2", 0, "DPE")
    assert record.response_code_details == "http2.invalid.header.field"
    assert record.method is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not JSON"),
        ('{"protocol": "HTTP/2"', "not JSON"),
        ("[1]", "not an access log line"),
        ('{"protocol":"HTTP/2"}', "not an access log line"),
        ('{"protocol":"HTTP/2","response_code":"many"}', "response_code is 'many'"),
        ('{"protocol":"HTTP/2","response_code":Infinity}', "response_code is inf, not a number"),
    ],
)
def test_other_lines_are_named(line: str, words: str) -> None:
    with pytest.raises(AccessLogError, match=words):
        parse_line(line)


def test_a_dash_is_nothing() -> None:
    assert parse_line('{"protocol":"-","response_code":null}').protocol is None


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(min_value=0, max_value=400))
def test_a_log_read_while_it_grows_gives_every_line_once(texts: list[str], cut: int) -> None:
    # As UTF-8, not escaped: a line ends at a newline alone, not at all that Unicode calls a line's end.
    lines = [json.dumps(text, ensure_ascii=False) for text in texts]
    data = "".join(line + "\n" for line in lines).encode()
    first, used = split_lines(data[:cut])  # a cut may fall within a character
    second, used_then = split_lines(data[used:])
    assert first + second == lines
    assert used + used_then == len(data)
