"""From a URL to a connected TCP socket: the first part of connect latency."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench_client.engine import ConnectError
from wsbench_client.recording import ErrorKind

if TYPE_CHECKING:
    from wsbench_client.plan import Endpoint

_LOCAL_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_SPARE_FILES = 64


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved endpoint: what ``socket()`` and ``connect()`` take."""

    family: socket.AddressFamily
    sockaddr: tuple[object, ...]


async def resolve(target: Endpoint) -> Address:
    """Look the host's name up, once: its time is no part of connect latency. Raises ConnectError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectError(ErrorKind.NAME_LOOKUP, f"{target.host}: {error}") from error
    family, _, _, _, sockaddr = found[0]
    return Address(socket.AddressFamily(family), sockaddr)


async def connect_tcp(address: Address, timeout_s: float) -> socket.socket:
    """A connected, non-blocking socket with Nagle's algorithm off. Raises ConnectError."""
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.wait_for(loop.sock_connect(sock, address.sockaddr), timeout_s)
    except BaseException as error:
        if sock is not None:
            sock.close()
        if isinstance(error, OSError):
            raise _error_of(error, timeout_s) from error
        raise
    return sock


def _error_of(error: OSError, timeout_s: float) -> ConnectError:
    if isinstance(error, TimeoutError):
        return ConnectError(ErrorKind.CONNECT_TIMEOUT, f"no TCP connection within {timeout_s:g} s")
    if isinstance(error, ConnectionRefusedError):
        return ConnectError(ErrorKind.REFUSED, "connection refused: nothing listens there")
    if error.errno in _LOCAL_LIMITS:
        return ConnectError(ErrorKind.LIMIT, f"this machine's limit: {error.strerror}")
    return ConnectError(ErrorKind.UNREACHABLE, error.strerror or str(error))


def raise_file_limit(connections: int) -> None:
    """Raise the soft limit of open files as far as is needed and allowed.

    Where it is not enough the connections beyond it fail as ``local_limit``, each counted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
