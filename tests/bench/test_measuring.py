"""What a trial's outcome is called; how one is made is in the lab's and the commands' tests."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import samples
from wsbench.arms import ARMS
from wsbench.measuring import Contender, Trials, failure_of, failure_words
from wsbench.progress import Silence
from wsbench_client import DrivePlan, ErrorKind, Pattern, Recording


def contender(name: str) -> Contender:
    return Contender(name, "sidecar", "made up", "ws://127.0.0.1:1/", ARMS[name].claim, None)


def test_a_subject_has_its_own_trials_only() -> None:
    trials = (*samples.trials("http1", 1.0, 2), *samples.trials("http2", 1.0, 3))
    subject = contender("http2").subject(trials, "it died")
    assert {trial.name for trial in subject.trials} == {"http2"}
    assert (len(subject.trials), subject.failure, subject.claim["hop_protocol"]) == (3, "it died", "HTTP/2")


def test_the_drivers_idle_size_is_that_before_its_first_drive() -> None:
    trials = Trials(SimpleNamespace(), None, Silence())  # type: ignore[arg-type]
    grown = [
        trials._driver_growth(samples.recording(rss_idle_kib=idle, rss_connected_kib=connected))
        for idle, connected in [(40_000, 44_000), (43_000, 45_000), (44_000, None)]
    ]
    assert grown == [4000 * 1024, 5000 * 1024, None]


@pytest.mark.parametrize(("name", "claimed"), [("http2", False), ("http2-blocked", True), ("direct", False)])
def test_who_claims_to_be_refused(name: str, claimed: bool) -> None:
    assert contender(name).refusal_claimed is claimed


def test_errors_in_words() -> None:
    assert failure_words(samples.recording()) == ""
    lost = samples.recording(errors={ErrorKind.LOST: 2, ErrorKind.NO_ECHO: 1}, details={ErrorKind.LOST: "reset"})
    assert failure_words(lost) == "2 x connection_lost (reset); 1 x no_echo (no words)"


ONE_WAY = DrivePlan("ws://127.0.0.1:1/", connections=4, pattern=Pattern.parse("one-way"))


@pytest.mark.parametrize(
    ("name", "recording", "failure"),
    [
        ("http1", samples.recording(), None),
        # Some lost, some carried: that is a figure, not a failure.
        ("http1", samples.recording(errors={ErrorKind.LOST: 2}), None),
        ("http1", samples.refused_recording(), "no connection could be opened: 4 x rejected (no words)"),
        ("http1", samples.recording(received=0, unanswered=9), "no echo came back: 9 unanswered"),
        ("http1", samples.recording(received=0, unanswered=9, plan=ONE_WAY), "nothing was acknowledged: 9 unanswered"),
        ("http2-blocked", samples.refused_recording(), None),
        ("http2-blocked", samples.recording(), "nothing was refused: every upgrade succeeded"),
        (None, samples.recording(received=0, errors={ErrorKind.LOST: 1}), "no echo came back: 1 x connection_lost"),
    ],
)
def test_what_is_a_failure_is_what_the_arm_does_not_claim(
    name: str | None, recording: Recording, failure: str | None
) -> None:
    found: Any = failure_of(ARMS[name].claim if name else None, recording)
    assert found is None if failure is None else found.startswith(failure)
