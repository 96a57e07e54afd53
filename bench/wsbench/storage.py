"""The output folder: what a run leaves behind, and reading it again."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import jsonschema

from wsbench import document
from wsbench.errors import ResultError, UsageError
from wsbench.report import html, markdown
from wsbench.upgrading import upgraded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RESULT = "result.json"
_READABLE = (1, 2)


def schema(version: int = document.SCHEMA_VERSION) -> dict[str, Any]:
    """The JSON Schema of a version of result.json, as shipped in the package."""
    text = resources.files("wsbench").joinpath(f"schema/result-{version}.schema.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


class OutputFolder:
    """A folder that one run writes to; ``result`` is the name of the file that only one run may write.

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

    def write_result(self, result: document.Result) -> None:
        """result.json."""
        self.write_text(RESULT, json.dumps(result, indent=1, allow_nan=False) + "\n")

    def write_reports(self, result: document.Result) -> None:
        """report.html and report.md."""
        self.write_text("report.html", html.render(result))
        self.write_text("report.md", markdown.render(result))

    def write_logs(self, logs: Mapping[str, str]) -> None:
        """Histogram logs, by file name."""
        for name, text in logs.items():
            self.write_text(name, text)

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
    if path.is_dir():
        path = path / RESULT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no result at {path}: give a folder that 'wsbench run' wrote") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in _READABLE:
        raise UsageError(f"{path} has schema_version {version!r}; this wsbench reads {_READABLE[0]} to {_READABLE[-1]}")
    failure = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema(version)).iter_errors(content))
    if failure is not None:
        raise UsageError(f"{path} is not a wsbench result: {failure.json_path}: {failure.message[:200]}")
    return cast("document.Result", upgraded(content))
