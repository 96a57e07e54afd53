from typing import Any

import pytest

from tests.bench.samples import plan
from wsbench.capacity import PortRange, check_ports, files_needed, files_words, sources
from wsbench.errors import UsageError
from wsbench.plan import Target, arms_named

LINUX = PortRange(32768, 60999)
TO_ELSEWHERE = {"arms": (), "targets": (Target("far", "ws://192.0.2.1:80/"),)}
TO_LOOPBACK = {"arms": (), "targets": (Target("near", "ws://127.0.0.1:80/"),)}


@pytest.mark.parametrize(
    ("arms", "files"),
    [
        (["direct"], 20_256),
        (["http2"], 20_256),
        (["http2+mtls", "hbone", "http3"], 20_256),
        (["http1"], 40_256),
        (["direct", "http2", "http1"], 40_256),
        (["serveronly"], 40_256),
    ],
)
def test_a_sidecar_has_two_files_a_connection_where_the_hop_is_not_shared(arms: list[str], files: int) -> None:
    assert files_needed(plan(arms=arms_named(arms), connections=20_000)) == files


@pytest.mark.parametrize(
    ("arms", "hard", "ceiling", "said"),
    [
        (["http1"], 20_000, 1_048_576, ["40256 open files in a sidecar", "20000 may not", "-Hn 40256", "give 9872 "]),
        (["http2"], 20_000, 1_048_576, ["20256 open files in one process", "nofile=20256:20256", "give 19744 "]),
        (["http1"], 20_000, 30_000, ["sysctl -w fs.nr_open=40256, now 30000", "give 9872 connections at most"]),
    ],
)
def test_too_few_files_in_words(arms: list[str], hard: int, ceiling: int, said: list[str]) -> None:
    asked = plan(arms=arms_named(arms), connections=20_000)
    words = files_words(asked, hard, ceiling)
    assert words.startswith("--connections 20000 takes ")
    assert all(part in words for part in said), words


def test_what_is_given_as_the_most_is_allowed() -> None:
    assert files_needed(plan(arms=arms_named(["http1"]), connections=9872)) == 20_000
    assert files_needed(plan(arms=arms_named(["http1"]), connections=9873)) > 20_000


def test_nothing_is_given_as_the_most_where_not_even_one_is_allowed() -> None:
    assert "at most" not in files_words(plan(arms=arms_named(["http1"]), connections=100), 200, 1_048_576)


@pytest.mark.parametrize(
    ("changes", "connections", "said"),
    [
        ({"arms": arms_named(["http2"])}, 27_232, None),
        ({"arms": arms_named(["http2"])}, 27_233, r"a sidecar connects .*has 28232 local ports .*= 32768 60999"),
        ({"arms": arms_named(["http1"])}, 500_000, r"--connections 500000: .* or give 27232 connections at most"),
        ({"arms": arms_named(["direct"])}, 500_000, None),
        (TO_LOOPBACK, 500_000, None),
        (TO_ELSEWHERE, 27_232, None),
        (TO_ELSEWHERE, 27_233, r"the driver connects to target 'far' from one address"),
    ],
)
def test_ports_that_run_out_are_told_before_anything_is_measured(
    changes: dict[str, Any], connections: int, said: str | None
) -> None:
    asked = plan(**changes, connections=connections)
    if said is None:
        check_ports(asked, LINUX)
        return
    with pytest.raises(UsageError, match=said):
        check_ports(asked, LINUX)


@pytest.mark.parametrize(
    ("host", "connections", "expected"),
    [
        ("127.0.0.1", 64, ()),
        ("127.0.0.1", 14_116, ()),
        ("127.0.0.1", 14_117, ("127.0.0.1", "127.0.0.2")),
        ("127.0.0.1", 20_000, ("127.0.0.1", "127.0.0.2")),
        ("127.9.9.9", 30_000, ("127.0.0.1", "127.0.0.2", "127.0.0.3")),
        # Which of its addresses will answer is not known yet, and ::1 is one.
        ("localhost", 20_000, ()),
        ("::1", 20_000, ()),
        ("192.0.2.1", 20_000, ()),
    ],
)
def test_loopback_is_connected_to_from_as_many_addresses_as_it_takes(
    host: str, connections: int, expected: tuple[str, ...]
) -> None:
    assert sources(host, connections, LINUX) == expected


@pytest.mark.parametrize("connections", [14_117, 50_000, 1_000_000])
def test_no_source_has_more_than_half_of_its_ports(connections: int) -> None:
    found = sources("127.0.0.1", connections, LINUX)
    assert len(set(found)) == len(found)
    assert connections / len(found) <= len(LINUX) / 2
