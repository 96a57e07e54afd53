"""Bound sockets, and the words for when they cannot be had."""

from __future__ import annotations

import socket

BACKLOG = 4096
"""How many connections may wait to be accepted: a driver may open thousands at once."""


class ListenError(Exception):
    """An address cannot be listened on: which, and why."""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound socket, for an engine to listen on.

    ``shared`` lets several processes accept on the same port (SO_REUSEPORT, socket(7)). Raises ListenError.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host!r}: {error}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that holds a port for processes which ``bind`` it ``shared``.

    SO_REUSEPORT alone would let a second server join the first one's port and take half of its connections, silently.
    Raises ListenError where anybody listens already.
    """
    with bind(host, port) as alone:
        free = port_of(alone)
    return bind(host, free, shared=True)


def port_of(listener: socket.socket) -> int:
    """The port a socket is bound to."""
    return int(listener.getsockname()[1])
