import socket
import subprocess
import sys

import pytest

from wsbench_server.cli import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "banana"], "'banana'"),
        (["--port", "70000"], "port must be from 0 to 65535, not 70000"),
        (["--delay", "banana"], "'banana' is not a time"),
        (["--max-message-size", "huge"], "'huge' is not a size"),
        (["--engine", "steam"], "'steam' is not a valid Engine"),
        (["--processes", "0"], "processes must be at least 1, not 0"),
        (["--host", "no.such.host.invalid"], "cannot listen on 'no.such.host.invalid'"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_bad_input_is_one_line_with_the_value_and_exit_2(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("wsbench-server: error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_a_port_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in capsys.readouterr().err


def test_help_names_units_and_defaults() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "wsbench_server", "--help"], capture_output=True, text=True, check=True
    )
    assert "--delay T" in said.stdout
    assert "examples:" in said.stdout


def test_a_health_port_in_use_is_named_and_the_other_port_let_go(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", "0", "--health-port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in capsys.readouterr().err
