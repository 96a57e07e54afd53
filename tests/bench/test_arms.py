from wsbench.arms import ARMS, HopProtocol
from wsbench.manifests import read_manifests, shipped
from wsbench.mesh_policy import Direction, policy_of


def test_what_each_arm_claims_follows_from_its_overlay() -> None:
    for arm in ARMS.values():
        if arm.overlay is None:
            assert arm.claim.hop_protocol is None
            continue
        policy = policy_of(read_manifests(shipped(arm.overlay)))
        assert (arm.claim.hop_protocol is HopProtocol.HTTP2) is policy.pool.h2_upgrade
        manager = policy.patched({}, Direction.INBOUND)
        accepts = manager.get("http2_protocol_options", {}).get("allow_connect", False)
        assert arm.claim.refused_status == (503 if policy.pool.h2_upgrade and not accepts else None)
