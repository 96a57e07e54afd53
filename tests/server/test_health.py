from collections.abc import Callable

import pytest

from tests.server.conftest import Running


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
