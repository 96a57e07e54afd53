from __future__ import annotations

import pytest

from tests.bench.check.dumps import HOST, dump
from wsbench.arms import HopProtocol
from wsbench.check.address import parse_address
from wsbench.check.config_dump import read_config_dump
from wsbench.check.findings import ORDER, Diagnosis, Need, Outcome, diagnose
from wsbench.check.observation import Answer, Failure, Observation, Step, Trouble
from wsbench.check.remedies import Remedy
from wsbench.check.sidecar_views import SidecarView

HTTP1, HTTP2 = HopProtocol.HTTP1, HopProtocol.HTTP2
ENVOY = Answer(101, "Switching Protocols", (("server", "envoy"),))
TERMINATED = Answer(
    503,
    "Service Unavailable",
    (("server", "envoy"),),
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
)


def seen(
    step: Step, over: HopProtocol | None, trouble: Trouble | None = None, answer: Answer | None = None
) -> Observation:
    failure = Failure(trouble, "as it was told", answer) if trouble else None
    return Observation(step, over, 1.0, "" if failure else "fine", failure, answer)


def all_well(*but: Observation) -> list[Observation]:
    bad = {(of.step, of.over): of for of in but}
    return [bad.get(key) or seen(*key) for key in ORDER if key[0] not in (Step.TLS, Step.IDLE)]


def diagnosed(
    observations: list[Observation], need: Need = Need.ANY, *views: SidecarView, host: str = "x"
) -> Diagnosis:
    return diagnose(parse_address(f"ws://{host}:8080/"), need, observations, views)


ONLY_HTTP1 = all_well(seen(Step.TUNNEL, HTTP2, Trouble.CLOSED), seen(Step.SETTING, HTTP2, Trouble.NOT_ANNOUNCED))
ONLY_HTTP2 = all_well(seen(Step.UPGRADE, HTTP1, Trouble.CLOSED))


@pytest.mark.parametrize(
    ("observations", "met"),
    [
        (all_well(), {Need.ANY, Need.HTTP1, Need.HTTP2, Need.BOTH}),
        (ONLY_HTTP1, {Need.ANY, Need.HTTP1}),
        (ONLY_HTTP2, {Need.ANY, Need.HTTP2}),
        ([seen(Step.TCP, None, Trouble.REFUSED)], set()),
        (all_well(seen(Step.STREAMS, HTTP2, Trouble.SOME_STREAMS)), {Need.ANY, Need.HTTP1}),
        (all_well(seen(Step.TEXT, HTTP1, Trouble.NO_ECHO)), {Need.ANY, Need.HTTP1, Need.HTTP2, Need.BOTH}),
    ],
)
def test_what_is_needed_decides(observations: list[Observation], met: set[Need]) -> None:
    assert {need for need in Need if diagnosed(observations, need).met} == met


def test_verdicts() -> None:
    assert diagnosed(all_well()).verdict == "WebSockets work over HTTP/1.1 and over HTTP/2."
    assert diagnosed(ONLY_HTTP1).verdict == "Over HTTP/1.1 WebSockets work; over HTTP/2 they do not work."
    assert diagnosed([seen(Step.TCP, None, Trouble.REFUSED)]).verdict == "WebSockets do not work here."


def test_what_was_not_tried_says_what_it_needs() -> None:
    diagnosis = diagnosed(
        [
            seen(Step.TCP, None),
            seen(Step.UPGRADE, HTTP1, Trouble.TIMEOUT),
            seen(Step.CONNECTION, HTTP2, Trouble.GARBAGE),
        ]
    )
    reasons = {(of.step, of.over): of.reason for of in diagnosis.findings if of.outcome is Outcome.NOT_TRIED}
    assert reasons[Step.CLOSE, HTTP1] == "needs upgrade"
    assert reasons[Step.SETTING, HTTP2] == "needs connection"
    assert {of.step for of in diagnosis.findings} & {Step.TLS, Step.IDLE} == set()


def test_an_envoy_that_does_not_announce_lacks_allow_connect() -> None:
    by_envoy = all_well(
        seen(Step.UPGRADE, HTTP1, None, ENVOY),
        seen(Step.SETTING, HTTP2, Trouble.NOT_ANNOUNCED),
        seen(Step.TUNNEL, HTTP2, Trouble.CLOSED),
    )
    diagnosis = diagnosed(by_envoy)
    assert diagnosis.server == "envoy"
    assert diagnosis.remedies == (Remedy.ALLOW_CONNECT,)
    # Whoever else does not announce it is told of RFC 8441.
    assert diagnosed(ONLY_HTTP1).remedies == (Remedy.RFC8441,)


def through_a_client_sidecar() -> list[Observation]:
    return [
        seen(Step.TCP, None),
        seen(Step.UPGRADE, HTTP1, Trouble.ANSWERED, TERMINATED),
        seen(Step.CONNECTION, HTTP2),
        seen(Step.SETTING, HTTP2, Trouble.NOT_ANNOUNCED),
        seen(Step.TUNNEL, HTTP2, Trouble.CLOSED),
    ]


def reason_of(diagnosis: Diagnosis, step: Step) -> str:
    return next(of.reason for of in diagnosis.findings if of.step is step)


def test_the_503_through_a_clients_sidecar() -> None:
    diagnosis = diagnosed(through_a_client_sidecar())
    assert diagnosis.remedies == (Remedy.ALLOW_CONNECT, Remedy.DO_NOT_UPGRADE)
    assert "So does a server's sidecar without allow_connect" in reason_of(diagnosis, Step.UPGRADE)
    assert "delayed close" in reason_of(diagnosis, Step.UPGRADE)
    # The client's sidecar takes no extended CONNECT either, and need not.
    assert "as by every client's sidecar" in reason_of(diagnosis, Step.SETTING)


def test_a_hop_that_is_known_makes_the_503_certain_or_another_one() -> None:
    view = SidecarView("u", "client", "1.40.0", read_config_dump(dump()))
    certain = diagnosed(through_a_client_sidecar(), Need.ANY, view, host=HOST)
    assert "The hop is HTTP/2: the server's sidecar does not allow extended CONNECT" in reason_of(certain, Step.UPGRADE)
    other = diagnosed(through_a_client_sidecar(), Need.ANY, view, host="other.demo")
    assert "the hop is HTTP/1.1" in reason_of(other, Step.UPGRADE)
    assert Remedy.UPSTREAM in other.remedies


def test_an_envoy_that_lacks_what_is_not_the_reason_is_not_blamed() -> None:
    healthy = Answer(503, "Service Unavailable", (("server", "envoy"),), "no healthy upstream")
    observations = [seen(Step.TCP, None), seen(Step.UPGRADE, HTTP1, Trouble.ANSWERED, healthy), *ONLY_HTTP1[6:]]
    view = SidecarView("u", "server", "1.40.0", read_config_dump(dump()))
    diagnosis = diagnose(parse_address("ws://x:80/"), Need.ANY, observations, (view,))
    assert any(clue.remedy is Remedy.ALLOW_CONNECT for clue in diagnosis.clues)
    assert diagnosis.culprit is None
    assert diagnosis.remedies[0] is Remedy.UPSTREAM


def test_the_envoy_that_refuses_is_the_culprit_unless_nothing_is_wrong() -> None:
    view = SidecarView("u", "server", "1.40.0", read_config_dump(dump()))
    by_envoy = [*ONLY_HTTP1, seen(Step.STREAMS, HTTP2, None, ENVOY)]
    blocked = diagnose(parse_address("ws://x:80/"), Need.ANY, by_envoy, (view,))
    assert blocked.culprit is not None
    assert "allow_connect is missing" in blocked.culprit.text
    assert diagnose(parse_address("ws://x:80/"), Need.ANY, all_well(), (view,)).culprit is None
    # Port 8080 is the client's sidecar's own: HTTP/1.1 is all that it has to take.
    sound = diagnosed(ONLY_HTTP1, Need.ANY, view)
    assert sound.culprit is None
    assert sound.verdict == "WebSockets work over HTTP/1.1, which is what applications speak to their sidecar."
