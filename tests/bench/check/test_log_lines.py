import json

import pytest

from wsbench.check.log_lines import is_blocked_connect, meaning, read_line, refusals

BLOCKED = {
    "protocol": "HTTP/2",
    "response_code": 0,
    "response_flags": "DPE",
    "response_code_details": "http2.invalid.header.field",
    "downstream_local_address": "10.1.0.7:80",
}
# As in Istio's default format (meshConfig.accessLogEncoding: TEXT), and as in Envoy's own.
ISTIO = (
    '[2026-11-24T15:02:48.416Z] "GET /ws HTTP/1.1" 503 UC '
    'upstream_reset_before_response_started{connection_termination} - "-" 0 95 1002 - "-" "wsbench-check/0.1.0" '
    '"efc246a6" "echo:8080" "10.1.0.7:80" outbound|8080||echo - - - default'
)
ISTIO_BLOCKED = (
    '[2026-11-24T15:02:48.417Z] "- - HTTP/2" 0 DPE http2.invalid.header.field - "-" 0 0 0 - "-" "-" "-" "-" "-" - - '
    "10.1.0.7:80 10.1.0.6:44816 - -"
)
ENVOY = '[2026-11-24T15:02:48.416Z] "GET / HTTP/1.1" 404 NR 0 0 0 - "-" "curl" "e" "echo" "-"'


def test_json_and_both_texts_are_read() -> None:
    blocked, told, text_blocked, plain = (
        read_line(line) for line in (json.dumps(BLOCKED), ISTIO, ISTIO_BLOCKED, ENVOY)
    )
    assert blocked is not None
    assert told is not None
    assert text_blocked is not None
    assert plain is not None
    assert blocked.in_words == text_blocked.in_words == "HTTP/2 0 DPE http2.invalid.header.field"
    assert is_blocked_connect(blocked)
    assert is_blocked_connect(text_blocked)
    assert not is_blocked_connect(told)
    assert told.details == "upstream_reset_before_response_started{connection_termination}"
    assert plain.in_words == "HTTP/1.1 404 NR"
    assert blocked.names_port(80)
    assert text_blocked.names_port(80)
    assert not blocked.names_port(8)


@pytest.mark.parametrize("line", ["", "{", "{}", "[info] started", '{"protocol": 1}'])
def test_what_is_no_line_of_a_log_is_passed_over(line: str) -> None:
    assert read_line(line) is None
    assert refusals([line]) == ()


@pytest.mark.parametrize(
    ("flags", "details", "words"),
    [
        ("-", "upgrade_failed", "upgrade_configs has no websocket"),
        ("-", "rbac_access_denied_matched_policy[none]", "AuthorizationPolicy"),
        ("UC", "upstream_reset_before_response_started{connection_termination}", "the other side ended the connection"),
        ("UH", "no_healthy_upstream", "no healthy host"),
        ("NR", "route_not_found", "no route"),
        ("UF,URX", "-", "could not connect"),
        ("UF", "upstream_reset_before_response_started{remote_connection_failure|x}", "could not connect"),
        ("SI", "stream_idle_timeout", "stream_idle_timeout ended it"),
        ("ZZ", "-", ""),
    ],
)
def test_what_flags_and_details_mean(flags: str, details: str, words: str) -> None:
    line = read_line(f'[t] "GET / HTTP/1.1" 503 {flags} {details} - "-" 0')
    assert line is not None
    assert words in meaning(line)
    assert bool(words) == bool(meaning(line))


def test_refusals_are_counted_by_kind_and_websockets_are_none() -> None:
    switched = {"protocol": "HTTP/2", "response_code": 101, "response_flags": "-"}
    idle = json.dumps({**switched, "response_flags": "SI"})
    assert [line.code for line, _ in refusals([json.dumps(switched), idle])] == [101]
    found = refusals(
        [json.dumps(switched), ISTIO, json.dumps(BLOCKED), json.dumps(BLOCKED), ENVOY.replace("404", "200")]
    )
    assert [(line.code, count) for line, count in found] == [(0, 2), (503, 1)]
