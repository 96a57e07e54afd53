"""The health port: liveness, readiness, metrics.

``websockets`` has an HTTP parser and a hook that answers before any upgrade: enough for three GETs.
"""

from __future__ import annotations

import http
import logging
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=1.0.0; charset=utf-8"


class Health:
    """``/healthz`` 200 while the process lives, ``/readyz`` 200 while it is ``ready`` and 503 else, ``/metrics``."""

    def __init__(self, metrics: Callable[[], bytes]) -> None:
        self.ready = False
        self._metrics = metrics
        self._server: Server | None = None

    @classmethod
    async def start(cls, listener: socket.socket, metrics: Callable[[], bytes]) -> Self:
        """Serve on a bound socket."""
        health = cls(metrics)
        logger = logging.getLogger("wsbench_server.health")
        logger.setLevel(logging.CRITICAL)
        health._server = await serve(
            _no_websocket, sock=listener, process_request=health._answer, logger=logger, server_header=None
        )
        return health

    def stop(self) -> None:
        """Serve no more. Answers are written at once: a connection still open has asked nothing, and is not awaited."""
        if self._server is not None:
            self._server.close()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response:
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return _response(http.HTTPStatus.OK, b"ok\n")
        if path == "/readyz":
            if self.ready:
                return _response(http.HTTPStatus.OK, b"ready\n")
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")
        if path == "/metrics":
            return _response(http.HTTPStatus.OK, self._metrics(), _METRICS)
        return _response(http.HTTPStatus.NOT_FOUND, b"here are /healthz, /readyz and /metrics\n")


def _response(status: http.HTTPStatus, body: bytes, content_type: str = _TEXT) -> Response:
    headers = Headers(
        {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"},
    )
    return Response(status, status.phrase, headers, body)


async def _no_websocket(_connection: ServerConnection) -> None:
    raise AssertionError("every request was answered before an upgrade")
