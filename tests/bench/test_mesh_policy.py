from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.errors import UsageError
from wsbench.manifests import Manifest
from wsbench.mesh_policy import HOST, ConnectionPool, Direction, ManagerPatch, MeshPolicy, policy_of

MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def rule(policy: Any = None, *, name: str = "rule", namespace: str | None = None, **spec: Any) -> Manifest:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    content = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": metadata,
        "spec": {"host": HOST, **({"trafficPolicy": policy} if policy is not None else {}), **spec},
    }
    return Manifest(content, "file.yaml")


def http(**fields: Any) -> dict[str, Any]:
    return {"connectionPool": {"http": fields}}


def patch(value: Any = None, **changes: Any) -> dict[str, Any]:
    found = {
        "applyTo": "NETWORK_FILTER",
        "match": {
            "context": "SIDECAR_INBOUND",
            "listener": {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}},
        },
        "patch": {"operation": "MERGE", "value": {"typed_config": {"@type": MANAGER, **(value or {})}}},
    }
    return {**found, **changes}


def envoy_filter(*patches: Any, name: str = "filter", labels: Any = None, **spec: Any) -> Manifest:
    selector = {"labels": {"app": "websockets-server"} if labels is None else labels}
    content = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name},
        "spec": {"workloadSelector": selector, "configPatches": list(patches), **spec},
    }
    return Manifest(content, "file.yaml")


CONNECT = {"http2_protocol_options": {"allow_connect": True}}


# -- DestinationRule


@pytest.mark.parametrize(
    ("policy", "pool"),
    [
        (None, ConnectionPool()),
        (http(h2UpgradePolicy="UPGRADE"), ConnectionPool(h2_upgrade=True)),
        (http(h2UpgradePolicy="DO_NOT_UPGRADE"), ConnectionPool()),
        (http(h2UpgradePolicy="DEFAULT"), ConnectionPool()),
        # As Istio: the client's own protocol wins over the upgrade.
        (http(h2UpgradePolicy="UPGRADE", useClientProtocol=True), ConnectionPool(use_client_protocol=True)),
        (
            http(http1MaxPendingRequests=1, http2MaxRequests=2, maxRetries=3, maxRequestsPerConnection=4),
            ConnectionPool(max_pending_requests=1, max_requests=2, max_retries=3, max_requests_per_connection=4),
        ),
        (http(maxConcurrentStreams=5, maxRetries=0), ConnectionPool(max_concurrent_streams=5)),
        (
            {"connectionPool": {"tcp": {"maxConnections": 9, "connectTimeout": "30ms", "idleTimeout": "1h"}}},
            ConnectionPool(max_connections=9, connect_timeout="0.03s", idle_timeout="3600s"),
        ),
        (
            {
                "connectionPool": {
                    "http": {"idleTimeout": "1m30s"},
                    "tcp": {"idleTimeout": "1h", "maxConnectionDuration": "2s"},
                }
            },
            ConnectionPool(idle_timeout="90s", max_connection_duration="2s"),
        ),
        # Those of the port take the place of the whole; those of another port do not matter.
        (
            {
                **http(h2UpgradePolicy="UPGRADE"),
                "portLevelSettings": [{"port": {"number": 8080}, **http(maxRetries=7)}],
            },
            ConnectionPool(max_retries=7),
        ),
    ],
)
def test_a_connection_pool_is_read(policy: Any, pool: ConnectionPool) -> None:
    assert policy_of([rule(policy)]).pool == pool


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        (HOST, None),
        ("websockets-server", None),
        ("websockets-server", "wsbench"),
        ("websockets-server.wsbench", "elsewhere"),
        ("websockets-server.wsbench.svc", None),
        ("*.wsbench.svc.cluster.local", None),
        ("*.local", None),
        ("*", None),
    ],
)
def test_a_rule_for_the_labs_service(host: str, namespace: str | None) -> None:
    assert policy_of([rule(http(h2UpgradePolicy="UPGRADE"), namespace=namespace, host=host)]).pool.h2_upgrade


@pytest.mark.parametrize(
    ("host", "namespace"),
    [("other", None), ("websockets-server", "elsewhere"), (f"x{HOST}", None), ("*.example.com", None), ("", None)],
)
def test_a_rule_for_another_host_is_refused(host: str, namespace: str | None) -> None:
    with pytest.raises(UsageError, match=r"DestinationRule 'rule' in file.yaml is for the host"):
        policy_of([rule(host=host, namespace=namespace)])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (rule(http(h2UpgradePolicy="UPGRAD")), "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy is 'UPGRAD'"),
        (rule(http(h2UpgradePolicy=True)), "must be a string, not True"),
        (rule(http(h2Upgrade="UPGRADE")), "the lab cannot honour spec.trafficPolicy.connectionPool.http.h2Upgrade"),
        (rule(http(maxRetries="5")), "must be a whole number, not '5'"),
        (rule(http(maxRetries=-1)), "must be a whole number, not -1"),
        (rule(http(useClientProtocol="yes")), "must be true or false"),
        (rule(http(idleTimeout="soon")), "is 'soon', not a time"),
        (rule({"outlierDetection": {}}), "the lab cannot honour spec.trafficPolicy.outlierDetection"),
        (rule({"loadBalancer": {"simple": "RANDOM"}}), "the lab cannot honour spec.trafficPolicy.loadBalancer"),
        (rule(subsets=[]), "the lab cannot honour spec.subsets"),
        (rule({"connectionPool": []}), "must be a mapping, not \\[\\]"),
        (rule({"portLevelSettings": {}}), None),
        (rule({"portLevelSettings": "x"}), "must be a list, not 'x'"),
    ],
)
def test_what_cannot_be_honoured_is_named(found: Manifest, words: str | None) -> None:
    if words is None:
        policy_of([found])
        return
    with pytest.raises(UsageError, match=words):
        policy_of([found])


def test_two_rules_that_differ_conflict_and_two_that_agree_do_not() -> None:
    upgrade = rule(http(h2UpgradePolicy="UPGRADE"))
    assert policy_of([upgrade, rule(http(h2UpgradePolicy="UPGRADE"), name="same")]).pool.h2_upgrade
    with pytest.raises(UsageError, match=r"two DestinationRules for .* conflict: .*'rule'.* and .*'other'"):
        policy_of([upgrade, rule(http(h2UpgradePolicy="DO_NOT_UPGRADE"), name="other")])


# -- EnvoyFilter


@pytest.mark.parametrize(
    ("context", "labels", "port", "directions"),
    [
        ("SIDECAR_INBOUND", None, None, {Direction.INBOUND}),
        ("SIDECAR_INBOUND", None, 80, {Direction.INBOUND}),
        ("SIDECAR_INBOUND", None, 8080, set()),
        ("SIDECAR_OUTBOUND", None, None, set()),
        ("SIDECAR_OUTBOUND", {"app": "websockets-client"}, 8080, {Direction.OUTBOUND}),
        ("SIDECAR_OUTBOUND", {}, None, {Direction.OUTBOUND}),
        ("ANY", {}, None, {Direction.OUTBOUND, Direction.INBOUND}),
        (None, {}, None, {Direction.OUTBOUND, Direction.INBOUND}),
        ("GATEWAY", {}, None, set()),
    ],
)
def test_which_sidecar_a_patch_is_for(
    context: str | None, labels: Any, port: int | None, directions: set[Direction]
) -> None:
    match: dict[str, Any] = {"listener": {"portNumber": port} if port else {}}
    if context:
        match["context"] = context
    policy = policy_of([envoy_filter(patch(CONNECT, match=match), labels=labels)])
    for direction in Direction:
        assert policy.patched({"a": 1}, direction) == ({"a": 1, **CONNECT} if direction in directions else {"a": 1})


@pytest.mark.parametrize(
    ("pattern", "applies"),
    [
        # The article's, and what Istio's own examples have.
        (r"^1\.*.*", True),
        (r"^1\.30.*", True),
        (r"^1\.30\.\d+$", True),
        (r"^1\.(29|30|31)(?:\.|$)", True),
        (r"1.[23][0-9]", True),
        ("", True),
        # Found anywhere, as Go's MatchString finds.
        ("30", True),
        (r"^1\.12.*", False),
        (r"^1\.30$", False),
        (r"^0", False),
    ],
)
def test_a_patch_is_for_proxies_of_a_version(pattern: str, applies: bool) -> None:
    match = {"context": "SIDECAR_INBOUND", "proxy": {"proxyVersion": pattern}}
    policy = policy_of([envoy_filter(patch(CONNECT, match=match))])
    assert policy.patched({}, Direction.INBOUND) == (CONNECT if applies else {})


@pytest.mark.parametrize(
    "pattern",
    # Python's re takes all of these: RE2 refuses the first six, and reads the last three otherwise.
    [r"1(?=\.)", r"1(?!2)", r"(?<=1)\.", r"(1)\.\1", "1++", "(?>1)", r"^1\.30.{,3}$", "[[:digit:]]", r"\Z"],
)
def test_a_version_that_the_two_regular_expressions_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"match.proxy.proxyVersion is .*: the lab knows plain expressions only"):
        policy_of([envoy_filter(patch(CONNECT, match={"proxy": {"proxyVersion": pattern}}))])


@pytest.mark.parametrize("pattern", ["^1.(30", "**", "[1"])
def test_a_version_that_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"match.proxy.proxyVersion is .*, no regular expression: "):
        policy_of([envoy_filter(patch(CONNECT, match={"proxy": {"proxyVersion": pattern}}))])


def test_camel_case_is_protobufs_json_too() -> None:
    policy = policy_of([envoy_filter(patch({"http2ProtocolOptions": {"allowConnect": True}}))])
    assert policy.patched({"http2_protocol_options": {"x": 1}}, Direction.INBOUND) == {
        "http2_protocol_options": {"x": 1, "allow_connect": True}
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (envoy_filter(patch(applyTo="HTTP_FILTER")), "configPatches\\[0\\].applyTo is 'HTTP_FILTER'"),
        (envoy_filter(patch(applyTo=None)), "applyTo is None"),
        (envoy_filter(patch(patch={"operation": "INSERT_BEFORE"})), "operation is 'INSERT_BEFORE': .* MERGE only"),
        (
            envoy_filter(patch(match={"proxy": {"proxyVersion": "^1", "metadata": {"CLUSTER_ID": "x"}}})),
            "the lab cannot honour spec.configPatches\\[0\\].match.proxy.metadata",
        ),
        (envoy_filter(patch(match={"proxy": {"proxyVersion": 1}})), "match.proxy.proxyVersion must be a string, not 1"),
        (
            envoy_filter(
                patch(match={"listener": {"filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}}})
            ),
            "'envoy.filters.network.tcp_proxy': the lab's sidecars have envoy.filters.network.http_connection_manager",
        ),
        (envoy_filter(patch({"@type": "type.googleapis.com/x.Lua"})), "has the type 'type.googleapis.com/x.Lua'"),
        (envoy_filter(patch(patch={"operation": "MERGE", "value": {}})), "must have typed_config, a mapping"),
        (envoy_filter(patch(), labels={"app": "other"}), "selects the workload {'app': 'other'}: the lab's are"),
        (envoy_filter(patch(), priority=5), "the lab cannot honour spec.priority"),
        (
            Manifest({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}, "file.yaml"),
            "the lab honours DestinationRule and EnvoyFilter, not VirtualService",
        ),
        (
            Manifest({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"}, "file.yaml"),
            "not PeerAuthentication",
        ),
    ],
)
def test_a_patch_that_cannot_be_honoured_is_named(found: Manifest, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        policy_of([found])


def test_what_is_no_mesh_policy_does_not_matter() -> None:
    telemetry = Manifest({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry"}, "file.yaml")
    pod = Manifest({"apiVersion": "v1", "kind": "Pod"}, "file.yaml")
    assert policy_of([telemetry, pod]) == MeshPolicy()


def test_two_filters_that_set_one_field_differently_conflict() -> None:
    refusing = envoy_filter(patch({"http2_protocol_options": {"allow_connect": False}}), name="other")
    policy = policy_of([envoy_filter(patch(CONNECT)), refusing])
    with pytest.raises(UsageError, match=r"EnvoyFilters conflict: .*'filter'.* and .*'other'"):
        policy.patched({}, Direction.INBOUND)
    agreeing = policy_of([envoy_filter(patch(CONNECT)), envoy_filter(patch(CONNECT), name="other")])
    assert agreeing.patched({}, Direction.INBOUND) == CONNECT


def test_lists_are_appended_to_in_any_order() -> None:
    one, other = {"upgrade_configs": [{"upgrade_type": "a"}]}, {"upgrade_configs": [{"upgrade_type": "b"}]}
    policy = policy_of([envoy_filter(patch(one)), envoy_filter(patch(other))])
    merged = policy.patched({"upgrade_configs": [{"upgrade_type": "websocket"}]}, Direction.INBOUND)
    assert [config["upgrade_type"] for config in merged["upgrade_configs"]] == ["websocket", "a", "b"]


def test_the_contrary_policy_has_the_other_protocol_and_the_same_patches() -> None:
    policy = policy_of([rule(http(h2UpgradePolicy="UPGRADE")), envoy_filter(patch(CONNECT))])
    assert not policy.contrary().pool.h2_upgrade
    assert policy.contrary().patches == policy.patches
    assert policy.contrary().contrary() == policy


messages: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
managers = st.dictionaries(st.sampled_from("abc"), messages, max_size=3)


@given(managers, managers)
def test_what_a_patch_says_is_there_and_nothing_is_changed_in_place(
    manager: dict[str, Any], value: dict[str, Any]
) -> None:
    before = repr(manager)
    merged = MeshPolicy(patches=(ManagerPatch(Direction.INBOUND, value, "x"),)).patched(manager, Direction.INBOUND)
    assert repr(manager) == before
    assert set(merged) == set(manager) | set(value)
    for key, item in value.items():
        if not isinstance(item, dict | list):
            assert merged[key] is item
