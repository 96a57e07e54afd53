"""The sdist and the wheel that ``make dist`` built, and empty environments to install them into.

``WSBENCH_DIST`` names their folder; without it these tests are skipped: they take a minute for each Python.
``WSBENCH_PYTHONS`` names the interpreters, separated by spaces; those that are not here are skipped in words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Installed:
    """An environment of its own with the wheel in it, and nothing of this one's."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def pip_install(self, *words: str) -> None:
        argv = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
        subprocess.run(argv, check=True, timeout=600)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A script of this environment, run outside of the checkout, with no module path of ours."""
        argv = [str(self.folder / "bin" / words[0]), *words[1:]]
        return subprocess.run(
            argv, cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
        )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def tracked(*places: str) -> set[str]:
    """Files that git knows or would, by their paths from the root."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *places]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name}


@pytest.fixture(scope="session")
def dist() -> Path:
    if "WSBENCH_DIST" not in os.environ:
        pytest.skip("make dist builds what this looks at")
    return Path(os.environ["WSBENCH_DIST"]).resolve()


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    (found,) = dist.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session", params=os.environ.get("WSBENCH_PYTHONS", sys.executable).split())
def empty(request: pytest.FixtureRequest) -> Iterator[Installed]:
    """Nothing but pip, on each Python. Gone when its tests are: with everything in it it has half a gigabyte."""
    name = str(request.param)
    with tempfile.TemporaryDirectory(prefix="wsbench-empty-") as folder:
        try:
            subprocess.run([name, "-m", "venv", folder], check=True, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"{name}: {error.strerror}")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{name} makes no environment: {error.stderr.strip() or error.stdout.strip()}")
        yield Installed(Path(folder))


@pytest.fixture(scope="session")
def bare(wheel: Path, empty: Installed) -> Installed:
    """The wheel alone, as ``pip install wsbench`` has it."""
    empty.pip_install("--no-index", str(wheel))
    return empty


@pytest.fixture(scope="session")
def whole(bare: Installed, wheel: Path) -> Installed:
    """The wheel with everything, as the documents say."""
    bare.pip_install(f"{wheel}[all]")
    return bare
