from wsbench.arms import ARMS, HopProtocol, Sidecars, Transport
from wsbench.manifests import read_manifests, shipped
from wsbench.mesh_policy import Direction, policy_of


def test_what_each_arm_claims_follows_from_its_overlay() -> None:
    decided = [arm for arm in ARMS.values() if arm.overlay is not None]
    assert decided
    for arm in decided:
        assert arm.overlay is not None
        policy = policy_of(read_manifests(shipped(arm.overlay)))
        assert (arm.claim.hop_protocol is HopProtocol.HTTP2) is policy.pool.h2_upgrade
        manager = policy.patched({}, Direction.INBOUND)
        accepts = manager.get("http2_protocol_options", {}).get("allow_connect", False)
        assert arm.claim.refused_status == (503 if policy.pool.h2_upgrade and not accepts else None)


def test_only_what_no_manifest_can_ask_for_has_no_overlay() -> None:
    assert {name for name, arm in ARMS.items() if arm.overlay is None} == {"direct", "hbone", "http3"}


def test_there_is_a_hop_where_there_is_a_sidecar() -> None:
    for arm in ARMS.values():
        assert arm.has_sidecars is (arm.claim.hop_protocol is not None)
        assert arm.has_sidecars is (arm.claim.sidecars.at_client or arm.claim.sidecars.at_server)
    assert (Sidecars.CLIENT_ONLY.at_client, Sidecars.CLIENT_ONLY.at_server) == (True, False)
    assert (Sidecars.SERVER_ONLY.at_client, Sidecars.SERVER_ONLY.at_server) == (False, True)


def test_only_a_plain_connect_opens_with_200_and_is_told_by_no_header() -> None:
    for arm in ARMS.values():
        hbone = arm.claim.transport is Transport.HBONE
        assert arm.claim.opened_status == (200 if hbone else 101)
        assert arm.claim.told_in_handshake is (arm.claim.sidecars.at_server and not hbone)
