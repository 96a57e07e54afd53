"""A real server in a process of its own, as its users run it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@contextmanager
def upgraded(port: int) -> Iterator[socket.socket]:
    """A socket after the handshake, for bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(HANDSHAKE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += plain.recv(1)
        assert b" 101 " in answer
        yield plain


def read_to_end(plain: socket.socket) -> bytes:
    read = b""
    while more := plain.recv(4096):
        read += more
    return read


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    url: str
    port: int
    health_port: int
    pids: list[int]

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of a GET on the health port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> int:
        """A counter or gauge, as Prometheus would read it."""
        _, body = self.ask("/metrics")
        return next(int(float(line.split()[1])) for line in body.splitlines() if line.startswith(f"wsbench_{name} "))

    def wait_for(self, name: str, value: int) -> None:
        """Until a metric has this value: a count follows what is counted by a moment."""
        deadline = time.monotonic() + 10
        while (found := self.metric(name)) != value:
            assert time.monotonic() < deadline, f"{name} is {found}, not {value}"

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def start(*options: str) -> Running:
            argv = [sys.executable, "-m", "wsbench_server", "--port", "0", "--health-port", "0", *options]
            process = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            ready: dict[str, Any] = json.loads(process.stdout.readline())
            assert ready.pop("event") == "listening"
            return Running(process, **ready)

        yield start
