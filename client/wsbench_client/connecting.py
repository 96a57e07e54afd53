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
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from wsbench_client.plan import Endpoint

_LOCAL_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_SPARE_FILES = 64


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved endpoint: what ``socket()`` and ``connect()`` take."""

    family: socket.AddressFamily
    sockaddr: tuple[object, ...]


async def resolve(target: Endpoint, timeout_s: float) -> tuple[Address, ...]:
    """Look the host's name up, once: its time is no part of connect latency. Raises ConnectError."""
    loop = asyncio.get_running_loop()
    try:
        lookup = loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        found = await asyncio.wait_for(lookup, timeout_s)
    except TimeoutError as error:
        raise ConnectError(ErrorKind.NAME_LOOKUP, f"{target.host}: no answer within {timeout_s:g} s") from error
    except (OSError, UnicodeError) as error:
        raise ConnectError(ErrorKind.NAME_LOOKUP, f"{target.host}: {error}") from error
    return tuple(Address(socket.AddressFamily(family), sockaddr) for family, _, _, _, sockaddr in found)


class Dialer:
    """Connects to the first of a host's addresses that answers, and stays with it.

    A name often has two addresses (localhost: ::1, then 127.0.0.1) of which a server listens on one. Once one has
    answered, every later connection goes there, and its failures are failures.
    """

    def __init__(self, addresses: tuple[Address, ...], timeout_s: float) -> None:
        self._addresses = addresses
        self._timeout_s = timeout_s

    async def dial(self) -> tuple[socket.socket, int]:
        """A connected socket, and when the attempt that made it began on ``clock_ns``.

        Raises ConnectError, that of the last address tried.
        """
        failure: ConnectError | None = None
        for address in self._addresses:
            begin_ns = clock_ns()
            try:
                sock = await connect_tcp(address, self._timeout_s)
            except ConnectError as error:
                failure = error
                continue
            self._addresses = (address,)
            return sock, begin_ns
        assert failure is not None, "getaddrinfo gives one address at least"
        raise failure


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
            raise connect_error(error, timeout_s) from error
        raise
    return sock


def connect_error(error: OSError, timeout_s: float) -> ConnectError:
    """What an error of the system means for a connection that was being made, or waited for so long."""
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
