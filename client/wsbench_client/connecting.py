"""From a URL to a connected TCP socket: the first part of connect latency."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import sys
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from wsbench_client.engine import ConnectError
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsbench_client.plan import Endpoint

_LOCAL_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_SPARE_FILES = 64
# ip(7), since Linux 4.2: the port is chosen by connect(), which knows where to, not by bind(), which does not.
_IP_BIND_ADDRESS_NO_PORT = 24


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
    answered, every later connection goes there, and its failures are failures. ``sources`` are the IP addresses to
    connect from, in turn.
    """

    def __init__(self, addresses: tuple[Address, ...], timeout_s: float, sources: tuple[str, ...] = ()) -> None:
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._sources: Iterator[str | None] = cycle(sources or (None,))

    async def dial(self) -> tuple[socket.socket, int]:
        """A connected socket, and when the attempt that made it began on ``clock_ns``.

        Raises ConnectError, that of the last address tried.
        """
        failure: ConnectError | None = None
        source = next(self._sources)
        for address in self._addresses:
            begin_ns = clock_ns()
            try:
                sock = await connect_tcp(address, self._timeout_s, source)
            except ConnectError as error:
                failure = error
                continue
            self._addresses = (address,)
            return sock, begin_ns
        assert failure is not None, "getaddrinfo gives one address at least"
        raise failure


async def connect_tcp(address: Address, timeout_s: float, source: str | None = None) -> socket.socket:
    """A connected, non-blocking socket with Nagle's algorithm off, from ``source`` if that is given.

    Raises ConnectError.
    """
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            if sys.platform == "linux":
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
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
    """Raise the limit of open files as far as is needed and allowed; to root the kernel allows more than the hard one.

    Where it is not enough the connections beyond it fail as ``local_limit``, each counted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
