import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.bench import samples
from wsbench import document
from wsbench.errors import ResultError, UsageError
from wsbench.results import to_document
from wsbench.storage import OutputFolder, read_result


def result() -> document.Result:
    run = samples.run(
        samples.subject("http1", samples.trials("http1", 3.0)), samples.subject("http2", samples.trials("http2", 2.0))
    )
    return to_document(run)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "deep" / "down")
    folder.claim()
    folder.write_json("result.json", result())
    folder.write_text("a.hlog", "text")
    assert sorted(path.name for path in folder.path.iterdir()) == ["a.hlog", "result.json"]
    assert read_result(folder.path) == json.loads(json.dumps(result()))
    assert read_result(folder.path / "result.json") == read_result(folder.path)


def test_a_result_is_not_overwritten(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    folder.write_json("result.json", result())
    with pytest.raises(UsageError, match="already holds a result"):
        folder.claim()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to the output folder .*file/r"):
        OutputFolder(tmp_path / "file" / "r").claim()


def test_a_full_disk_leaves_the_file_before_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = OutputFolder(tmp_path)
    folder.write_json("result.json", result())
    before = (tmp_path / "result.json").read_text()
    write_text = Path.write_text

    def half(path: Path, text: str, **options: Any) -> int:
        write_text(path, text[: len(text) // 2], **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(ResultError, match=r"cannot write .*result\.json: No space left on device"):
        folder.write_json("result.json", result())
    assert (tmp_path / "result.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_abandoning_keeps_words_only(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "r")
    folder.claim()
    (folder.path / "driver.log").touch()
    folder.abandon()
    assert not folder.path.exists()
    folder.claim()
    (folder.path / "server.log").write_text("it said this")
    folder.abandon()
    assert (folder.path / "server.log").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no result at"),
        ("{", "is not JSON"),
        ("[]", "has schema_version None; this wsbench reads 1"),
        ('{"schema_version": 99}', "has schema_version 99"),
        ('{"schema_version": 1}', "is not a wsbench result"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_result(tmp_path)
