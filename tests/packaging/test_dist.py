"""The sdist and the wheel: what is in them, and whether they work where nothing else is installed."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.metadata import Metadata

from tests.packaging.conftest import PROJECT, ROOT, environment, tracked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Installed

SOURCES = ("bench/wsbench", "client/wsbench_client", "server/wsbench_server")


def test_the_sdist_holds_all_that_git_does(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - held == set()


def test_the_wheel_holds_every_file_of_the_packages_and_the_manifests(wheel: Path) -> None:
    wanted = {name.partition("/")[2] for name in tracked(*SOURCES)} | {f"wsbench/{name}" for name in tracked("k8s")}
    assert {"wsbench/py.typed", "wsbench_client/py.typed", "wsbench_server/py.typed"} <= wanted
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_the_metadata_is_whole(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        text = archive.read(f"{folder}/METADATA")
        assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = Metadata.from_email(text, validate=True)
    assert str(metadata.version) == PROJECT["version"]
    assert metadata.license_expression == "Apache-2.0"
    assert set(metadata.provides_extra or ()) == set(PROJECT["optional-dependencies"])
    assert email.message_from_bytes(text)["Description-Content-Type"] == "text/markdown"


@pytest.mark.parametrize("command", ["wsbench", "wsbench-server"])
def test_without_its_libraries_a_command_says_what_to_install(bare: Installed, command: str) -> None:
    done = bare.run(command, "--help")
    assert done.returncode == 2
    assert "is not installed" in done.stderr
    assert "pip install 'wsbench[" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_needs_no_library(bare: Installed) -> None:
    assert bare.run("wsbench", "--version").stdout == f"wsbench {PROJECT['version']}\n"


def test_what_is_installed_fits_together(whole: Installed) -> None:
    done = whole.run("python", "-m", "pip", "check")
    assert done.returncode == 0, done.stdout


def test_the_installed_server_echoes(whole: Installed) -> None:
    argv = [str(whole.folder / "bin" / "wsbench"), "serve", "--port", "0"]
    with subprocess.Popen(argv, cwd=whole.folder, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            code = (
                "import sys; from websockets.sync.client import connect\n"
                "with connect(sys.argv[1]) as socket: socket.send('hello'); print(socket.recv(timeout=10))"
            )
            assert whole.run("python", "-c", code, url).stdout == "hello\n"
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0


def test_the_installed_lab_proves_its_arms(whole: Installed) -> None:
    """Needs the wheel's manifests, schemas and templates."""
    words = ["run", "--arms", "http1,http2", "-c", "2", "--rounds", "1", "-d", "200ms", "--warmup", "0ms"]
    done = whole.run("wsbench", *words, "-o", "result", "--format", "json", "--no-progress")
    assert done.returncode == 0, done.stderr
    arms = json.loads(done.stdout)["arms"]
    assert {name: arm["proof"]["verdict"] for name, arm in arms.items()} == {"http1": "proved", "http2": "proved"}
    assert (whole.folder / "result" / "report.html").stat().st_size > 0


def test_mypy_sees_the_types_of_what_is_installed(whole: Installed, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import wsbench.plan, wsbench_client, wsbench_server.config\n"
        "wsbench_client.DrivePlan(url=5)\n"
        "wsbench.plan.RunPlan(arms=5)\n"
        "wsbench_server.config.ServerConfig(port='x')\n"
    )
    argv = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", os.devnull]
    done = subprocess.run(
        [*argv, "--python-executable", str(whole.python), str(program)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    for line, of in ((2, "DrivePlan"), (3, "RunPlan"), (4, "ServerConfig")):
        assert f'program.py:{line}: error: Argument "' in done.stdout, done.stdout
        assert f'to "{of}" has incompatible type' in done.stdout
    assert "py.typed" not in done.stdout
