"""Peer: Locust with ``websocket-client``, as its users write it; it records every round trip."""

import os
import time

import websocket
from locust import User, task

PAYLOAD = b"x" * int(os.environ["PAYLOAD_BYTES"])


class EchoUser(User):
    """One WebSocket, one message after the other."""

    def on_start(self) -> None:
        self.websocket = websocket.create_connection(os.environ["URL"])

    @task
    def round_trip(self) -> None:
        begin = time.perf_counter()
        self.websocket.send_binary(PAYLOAD)
        echo = self.websocket.recv()
        self.environment.events.request.fire(
            request_type="WS",
            name="echo",
            response_time=(time.perf_counter() - begin) * 1000,
            response_length=len(echo),
            exception=None,
            context={},
        )
