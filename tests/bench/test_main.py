"""The commands where their libraries are missing: one line that says what to install."""

import subprocess
import sys

import pytest

# A module that is None in sys.modules is one that is not found.
WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from {}.__main__ import main; sys.exit(main())"


def run_without(missing: str, package: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package), missing, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "missing", "extra"),
    [
        ("wsbench", "rich", "wsbench[all]"),
        ("wsbench", "numpy", "wsbench[all]"),
        ("wsbench_server", "uvloop", "wsbench[server]"),
    ],
)
def test_a_missing_library_is_named_with_what_to_install(package: str, missing: str, extra: str) -> None:
    done = run_without(missing, package, "--help")
    assert done.returncode == 2
    assert f"error: {missing} is not installed" in done.stderr
    assert f"pip install '{extra}'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("package", "missing"), [("wsbench", "wsbench.options"), ("wsbench_server", "wsbench_server.config")]
)
def test_a_missing_module_of_ours_is_no_missing_library(package: str, missing: str) -> None:
    assert "Traceback" in run_without(missing, package, "--help").stderr


def test_the_version_needs_no_library() -> None:
    done = run_without("rich", "wsbench", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("wsbench ")
