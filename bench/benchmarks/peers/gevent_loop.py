"""Peer: a WebSocket library in a bare loop under gevent, as a Locust user would call it: ``gevent_loop.py LIBRARY``."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402

URL, PAYLOAD = os.environ["URL"], b"x" * int(os.environ["PAYLOAD_BYTES"])


def websocket_client() -> None:
    import websocket

    connection = websocket.create_connection(URL, timeout=10, enable_multithread=False)
    while True:
        connection.send_binary(PAYLOAD)
        connection.recv()


def websockets_sync() -> None:
    from websockets.sync.client import connect

    with connect(URL, compression=None, ping_interval=None) as connection:
        while True:
            connection.send(PAYLOAD)
            connection.recv(timeout=10)


LIBRARIES = {"websocket-client": websocket_client, "websockets.sync": websockets_sync}

gevent.joinall([gevent.spawn(LIBRARIES[sys.argv[1]]) for _ in range(int(os.environ["CONNECTIONS"]))], raise_error=True)
