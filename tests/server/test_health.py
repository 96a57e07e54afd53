import socket
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import Running
from wsbench_server.health import Health


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/healthz", 200, "ok"),
        ("/readyz", 200, "ready"),
        ("/readyz?verbose", 200, "ready"),
        ("/metrics", 200, "wsbench_connections_total 0.0"),
        ("/", 404, "/healthz"),
    ],
)
def test_answers(serve: Callable[..., Running], path: str, status: int, words: str) -> None:
    found, body = serve().ask(path)
    assert found == status
    assert words in body


def test_a_silent_client_of_the_health_port_does_not_keep_the_server(serve: Callable[..., Running]) -> None:
    running = serve()
    with socket.create_connection(("127.0.0.1", running.health_port), timeout=10):
        assert running.ask("/healthz")[0] == 200
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 3


def test_nothing_is_ready_before_it_listens() -> None:
    assert not Health(lambda: b"").ready
