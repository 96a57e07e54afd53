import json

from tests.bench.check.dumps import HOST, dump
from tests.bench.check.test_log_lines import BLOCKED, ISTIO
from wsbench.check.config_dump import Upstream, read_config_dump
from wsbench.check.remedies import Remedy
from wsbench.check.sidecar_views import Clue, LogView, SidecarView, clues_of, hop_protocol, is_client_side

VIEW = SidecarView("http://127.0.0.1:15000", "sidecar~10.1.0.7", "1.36.2", read_config_dump(dump()))


def texts(*clues: Clue) -> str:
    return "\n".join(clue.text for clue in clues)


def test_a_servers_sidecar_without_allow_connect_is_named_with_its_listener_once() -> None:
    clues = clues_of((VIEW,), (), "10.1.0.7", 80, client_side=False)
    (clue,) = (clue for clue in clues if clue.remedy is Remedy.ALLOW_CONNECT)
    assert clue.source == 'Envoy 1.36.2 "sidecar~10.1.0.7" at http://127.0.0.1:15000'
    assert clue.text.startswith('listener "virtualInbound" (inbound), connection manager "inbound_0.0.0.0_80": ')
    allowed = SidecarView("u", config=read_config_dump(dump(allow_connect=True)))
    assert "allow_connect is set" in texts(*clues_of((allowed,), (), "10.1.0.7", 80, client_side=False))


def test_a_service_port_that_no_listener_has_is_looked_for_beside_the_server() -> None:
    clues = clues_of((VIEW,), (), "echo", 8443, client_side=False)
    assert Remedy.ALLOW_CONNECT in {clue.remedy for clue in clues}


def test_a_clients_sidecar_says_what_the_hop_of_this_host_is() -> None:
    for host in (HOST, "echo", "echo.demo"):
        clues = clues_of((VIEW,), (), host, 8080, client_side=True)
        assert f'cluster "outbound|8080||{HOST}" speaks HTTP/2' in texts(*clues)
        assert "other.demo" not in texts(*clues)
        assert hop_protocol((VIEW,), host, 8080) is Upstream.HTTP2
    # An address names no host: both are said, and neither is taken for the hop.
    assert hop_protocol((VIEW,), "10.96.0.1", 8080) is None
    assert is_client_side((VIEW,), 8080)
    assert not is_client_side((VIEW,), 80)


def test_counters_that_rose_and_tell_something() -> None:
    rose = {
        "http.inbound_0.0.0.0_80.downstream_cx_protocol_error": 2,
        "http.inbound_0.0.0.0_80.downstream_rq_total": 2,
        "listener.x.http.y.no_route": 1,
    }
    view = SidecarView("u", config=read_config_dump(dump()), rose=rose)
    said = texts(*clues_of((view,), (), "x", 80, client_side=False))
    assert "downstream_cx_protocol_error rose by 2: connections with a protocol error, refused here" in said
    assert "downstream_rq_total" not in said
    assert "no_route" not in said
    # At a client's sidecar it is the check's own attempt that makes it rise.
    assert "protocol_error" not in texts(*clues_of((view,), (), "x", 8080, client_side=True))


def test_an_envoy_that_could_not_be_read_says_so() -> None:
    assert clues_of((SidecarView("u", problem="u does not answer"),), (), "x", 80, client_side=False) == (
        Clue("u", "u does not answer"),
    )


def test_lines_of_logs() -> None:
    log = LogView("server.log", (json.dumps(BLOCKED), ISTIO), fresh=True)
    blocked, refused = clues_of((), (log,), "x", 80, client_side=False)
    assert blocked.remedy is Remedy.ALLOW_CONNECT
    assert blocked.sample == json.dumps(BLOCKED)
    assert "(written during the check)" in blocked.text
    assert "look there" in refused.text
    assert refused.remedy is None
    # The line of the connection to a client's sidecar is the check's own; one of another port is not.
    own, _ = clues_of((), (log,), "x", 80, client_side=True)
    assert "the check's own attempt" in own.text
    assert own.remedy is None
    other, _ = clues_of((), (log,), "x", 8080, client_side=True)
    assert other.remedy is Remedy.ALLOW_CONNECT
    (none,) = clues_of((), (LogView("l", (), fresh=False),), "x", 80, client_side=False)
    assert none.text == "0 lines from before the check, no line came during it, none of a refusal"
