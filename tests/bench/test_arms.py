import pytest

from wsbench.arms import ARMS, HopProtocol, sabotaged


def test_what_each_arm_claims_follows_from_its_hop() -> None:
    for arm in ARMS.values():
        if arm.hop is None:
            assert arm.claim.hop_protocol is None
        else:
            assert (arm.claim.hop_protocol is HopProtocol.HTTP2) is arm.hop.h2_upgrade
            refused = arm.hop.h2_upgrade and not arm.hop.allow_connect
            assert arm.claim.refused_status == (503 if refused else None)


@pytest.mark.parametrize("name", ["http1", "http2", "http2-blocked"])
def test_sabotage_contradicts_the_claim_and_nothing_else(name: str) -> None:
    arm = ARMS[name]
    contrary = sabotaged(arm)
    assert arm.hop is not None
    assert contrary.hop is not None
    assert contrary.hop.h2_upgrade is not arm.hop.h2_upgrade
    assert contrary.hop.allow_connect is arm.hop.allow_connect
    assert contrary.claim == arm.claim
    assert contrary.name == arm.name
