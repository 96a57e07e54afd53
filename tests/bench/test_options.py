import argparse
import os

import pytest

from wsbench.arms import HopProtocol
from wsbench.commands.run import add_options
from wsbench.errors import UsageError
from wsbench.options import plan_of
from wsbench.plan import DEFAULT_ARMS
from wsbench_client import EngineName


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_the_defaults_are_the_contracts() -> None:
    plan = plan_of(parsed())
    assert [arm.name for arm in plan.arms] == list(DEFAULT_ARMS)
    assert (plan.connections, plan.rounds, plan.payload_bytes, plan.envoy_concurrency) == (64, 10, 64, 1)
    assert (plan.duration_ns, plan.warmup_ns) == (2_000_000_000, 500_000_000)
    assert (plan.rate, plan.connect_rate) == (None, None)
    assert (plan.engine, plan.server_engine) == (EngineName.PICOWS, EngineName.WEBSOCKETS)


def test_every_option_arrives() -> None:
    plan = plan_of(
        parsed(
            *[
                "--arms",
                "http1,http2",
                "--target",
                "a=ws://h/",
                "-c",
                "5",
                "-d",
                "1m",
                "--warmup",
                "0ms",
                "--rounds",
                "7",
                "-p",
                "1KiB",
                "--payload-kind",
                "text",
            ],
            *[
                "-R",
                "100.5",
                "--connect-rate",
                "50",
                "--engine",
                "websockets",
                "--server-engine",
                "picows",
                "--envoy-concurrency",
                "2",
            ],
            *["--seed", "9", "--sabotage", "http2"],
        )
    )
    assert plan.names == ("http1", "http2", "a")
    assert (plan.connections, plan.duration_ns, plan.warmup_ns, plan.rounds) == (5, 60_000_000_000, 0, 7)
    assert (plan.payload_bytes, plan.payload_kind, plan.rate, plan.connect_rate) == (1024, "text", 100.5, 50.0)
    assert (plan.engine, plan.server_engine, plan.envoy_concurrency, plan.seed) == ("websockets", "picows", 2, 9)
    assert plan.sabotage == ("http2",)


def test_a_target_without_arms_is_measured_alone() -> None:
    assert plan_of(parsed("--target", "a=ws://h/")).names == ("a",)
    assert plan_of(parsed("--target", "a=ws://h/", "--arms", "direct")).names == ("direct", "a")


def test_claims_arrive_at_their_targets_and_the_sidecar_is_looked_for() -> None:
    plan = plan_of(parsed("--target", "a=ws://h/", "--target", "b=ws://h/", "--claim", "b=http2"))
    assert [target.claim for target in plan.targets] == [None, HopProtocol.HTTP2]
    assert plan.sidecar == "auto"
    words = ["--target", "ws://h/", "--claim", "http1", "--sidecar", "http://127.0.0.1:9901"]
    assert plan_of(parsed(*words)).sidecar == "http://127.0.0.1:9901"


def test_a_sidecar_without_a_claim_has_nothing_to_witness() -> None:
    with pytest.raises(UsageError, match="--sidecar none has nothing to witness: no target makes a --claim"):
        plan_of(parsed("--target", "ws://h/", "--sidecar", "none"))


def test_a_seed_that_is_not_given_is_drawn() -> None:
    assert len({plan_of(parsed()).seed for _ in range(5)}) > 1


@pytest.mark.parametrize("words", [["-c", "0"], ["--seed", "-1"], ["-d", "0ms"]])
def test_numbers_out_of_range_end_the_parser(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)


def test_rounds_are_as_many_as_the_comparisons_need_unless_said() -> None:
    urls = [word for name in "abcdefg" for word in ("--target", f"{name}=ws://h/")]
    assert plan_of(parsed(*urls)).comparisons == 84
    assert plan_of(parsed(*urls)).rounds == 12
    assert plan_of(parsed(*urls, "--rounds", "3")).rounds == 3


def test_precision_has_an_end_of_its_own() -> None:
    plan = plan_of(parsed("--until-precision", "5%"))
    assert (plan.until_precision, plan.max_duration_ns) == (0.05, 30 * 60 * 10**9)
    assert plan_of(parsed("--until-precision", "5", "--max-duration", "1m")).max_duration_ns == 60 * 10**9


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("3", 3), ("auto", max(1, (os.cpu_count() or 1) // 2))])
def test_workers(text: str, expected: int) -> None:
    assert plan_of(parsed("--workers", text)).workers == expected
