"""GitHub's workflow, as far as it can be held without GitHub: it is YAML, and runs what .ci/run runs."""

import os
import re
from typing import Any

import pytest
import yaml

from tests.packaging.conftest import PROJECT, ROOT


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return content


def test_it_runs_what_ci_runs_and_nothing_else(workflow: dict[Any, Any]) -> None:
    steps = workflow["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_it_runs_for_every_change(workflow: dict[Any, Any]) -> None:
    # YAML 1.1 reads the key "on" as a boolean; GitHub does not.
    assert set(workflow[True]) == {"push", "pull_request"}


def test_actions_are_of_one_major_version(workflow: dict[Any, Any]) -> None:
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used)


def test_every_python_that_is_promised_is_tried(workflow: dict[Any, Any]) -> None:
    tried = workflow["jobs"]["check"]["strategy"]["matrix"]["python"]
    promised = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert tried == promised
    assert PROJECT["requires-python"] == f">={tried[0]}"
