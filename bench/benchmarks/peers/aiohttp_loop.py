"""Peer: aiohttp's client, recording nothing, in a bare loop: on uvloop, or on asyncio's own where asked."""

import asyncio
import os
import sys

import aiohttp
import uvloop

PAYLOAD = b"x" * int(os.environ["PAYLOAD_BYTES"])


async def converse(session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(os.environ["URL"]) as websocket:
        while True:
            await websocket.send_bytes(PAYLOAD)
            await websocket.receive()


async def main() -> None:
    connections = int(os.environ["CONNECTIONS"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*(converse(session) for _ in range(connections)))


(asyncio.run if "asyncio" in sys.argv else uvloop.run)(main())
