"""Peer: the ``websockets`` library, recording nothing, in a bare loop: on uvloop, or on asyncio's own where asked."""

import asyncio
import os
import sys

import uvloop
from websockets.asyncio.client import connect

PAYLOAD = b"x" * int(os.environ["PAYLOAD_BYTES"])


async def converse() -> None:
    async with connect(os.environ["URL"], compression=None, ping_interval=None) as websocket:
        while True:
            await websocket.send(PAYLOAD)
            await websocket.recv()


async def main() -> None:
    await asyncio.gather(*(converse() for _ in range(int(os.environ["CONNECTIONS"]))))


(asyncio.run if "asyncio" in sys.argv else uvloop.run)(main())
