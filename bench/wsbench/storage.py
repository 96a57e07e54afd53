"""The output folder: what a run leaves behind, and reading it again."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import jsonschema

from wsbench import document, saturation_document
from wsbench.errors import ResultError, UsageError
from wsbench.upgrading import upgraded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RESULT = "result.json"
SATURATION = "saturation.json"
LAB = "lab.json"
"""Where everything is of a lab that is up; gone when it is not."""

_READABLE = (1, 2)


def schema(version: int = document.SCHEMA_VERSION, kind: str = "result") -> dict[str, Any]:
    """The JSON Schema of a version of result.json, or of a document of another kind, as shipped in the package."""
    text = resources.files("wsbench").joinpath(f"schema/{kind}-{version}.schema.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


class OutputFolder:
    """A folder that one experiment writes to; ``result`` is the name of the file that only one may write.

    ``claim`` raises UsageError where the folder cannot be written or already holds a result; the writers raise
    ResultError. A file is there whole or not at all.
    """

    def __init__(self, path: Path, result: str = RESULT) -> None:
        self.path = path
        self._result = result

    def claim(self) -> None:
        """Make the folder and see that it can be written to, before anything is measured."""
        if (self.path / self._result).exists():
            raise UsageError(f"{self.path} already holds a result: give another folder with --output, or remove it")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".wsbench-probe"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise UsageError(f"cannot write to the output folder {self.path}: {error.strerror}") from None

    def abandon(self) -> None:
        """Nothing was measured: take away what says nothing. Logs with words in them stay."""
        for path in self.path.glob("*.log"):
            if path.stat().st_size == 0:
                path.unlink()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def remove(self, name: str) -> None:
        """A file of the folder, if it is there."""
        with suppress(OSError):
            (self.path / name).unlink()

    def write_json(self, name: str, content: Mapping[str, object]) -> None:
        """A document."""
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """A file of the folder."""
        path = self.path / name
        partial = self.path / f".{name}.partial"
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ResultError(f"cannot write {path}: {error.strerror}") from None


def read_result(path: Path) -> document.Result:
    """The result in a folder (or a result file itself). Raises UsageError where there is none that can be read."""
    path, content = _read(path, RESULT, "run")
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in _READABLE:
        raise UsageError(f"{path} has schema_version {version!r}; this wsbench reads {_READABLE[0]} to {_READABLE[-1]}")
    _check(path, content, schema(version))
    return cast("document.Result", upgraded(content))


def holds_saturation(path: Path) -> bool:
    """Whether this is the folder, or the file, of a search, not of a run."""
    return (path / SATURATION).exists() if path.is_dir() else path.name == SATURATION


def read_saturation(path: Path) -> saturation_document.Saturation:
    """What a search found, in a folder (or the file itself). Raises UsageError where there is none to be read."""
    path, content = _read(path, SATURATION, "saturate")
    _check(path, content, schema(saturation_document.SCHEMA_VERSION, saturation_document.KIND))
    return cast("saturation_document.Saturation", content)


def _read(path: Path, name: str, command: str) -> tuple[Path, Any]:
    """The file and the JSON in it."""
    if path.is_dir():
        path = path / name
    try:
        return path, json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no result at {path}: give a folder that 'wsbench {command}' wrote") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None


def _check(path: Path, content: object, described: dict[str, Any]) -> None:
    failure = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(described).iter_errors(content))
    if failure is not None:
        raise UsageError(f"{path} is not a wsbench result: {failure.json_path}: {failure.message[:200]}")
