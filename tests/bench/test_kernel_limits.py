import resource
from pathlib import Path

import pytest

from tests.bench.samples import plan
from wsbench import kernel_limits
from wsbench.capacity import PortRange
from wsbench.errors import UsageError
from wsbench.kernel_limits import port_range, raise_open_files
from wsbench.plan import arms_named

INFINITE = resource.RLIM_INFINITY


def proc_sys(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / {"ports": "net/ipv4/ip_local_port_range", "files": "fs/nr_open"}[name]
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"), [("1024\t65535\n", PortRange(1024, 65535)), ("x", PortRange(32768, 60999))]
)
def test_the_port_range_as_the_kernel_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: PortRange
) -> None:
    monkeypatch.setattr(kernel_limits, "_PROC_SYS", proc_sys(tmp_path, ports=text))
    assert port_range() == expected


def test_a_kernel_that_does_not_say_is_taken_for_linux_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_limits, "_PROC_SYS", tmp_path)
    assert port_range() == PortRange(32768, 60999)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((4096, 4096), []),
        ((1024, 4096), [(2256, 4096)]),
        ((1024, 2000), [(2256, 2256)]),
        ((1024, INFINITE), [(2256, INFINITE)]),
        ((INFINITE, INFINITE), []),
    ],
)
def test_open_files_are_raised_as_far_as_the_plan_takes(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limit: asked.append(limit))
    raise_open_files(plan(arms=arms_named(["http1"]), connections=1000))
    assert asked == expected


def test_a_hard_limit_that_may_not_be_raised_is_told_with_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_what: int, _limit: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(kernel_limits, "_PROC_SYS", proc_sys(tmp_path, files="3000\n"))
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 2000))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(UsageError, match=r"takes 4256 open files.* of 2000 may not .*now 3000.*give 872 ") as raised:
        raise_open_files(plan(arms=arms_named(["http1"]), connections=2000))
    assert raised.value.exit_code == 2
