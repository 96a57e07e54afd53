"""TCP and TLS: a stream of bytes to the server, or the reason why there is none."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from wsbench.check.observation import BrokenError, Trouble, broken
from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from wsbench.check.address import Address


_CHUNK = 65536
# What OpenSSL calls a peer whose first bytes are no TLS record.
_NO_RECORD = {
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "UNSUPPORTED_PROTOCOL",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are accepted: the system's authorities, those of ``ca``, or (not ``verify``) anybody's."""

    verify: bool = True
    ca: Path | None = None

    def context(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """For a client that offers these protocols. Raises UsageError where ``ca`` cannot be read."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"--ca {self.ca} cannot be read as certificates in PEM: {error.strerror or error}"
            ) from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Channel:
    """A stream of bytes whose troubles are ``BrokenError``."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.first = b""
        """The first bytes that came: they tell what a peer speaks that was not understood."""

    async def send(self, data: bytes) -> None:
        """Send all of it. A peer that is gone is told of by the next ``receive``, after what it said before it went."""
        with contextlib.suppress(anyio.BrokenResourceError):
            await self._stream.send(data)

    async def receive(self) -> bytes:
        """The next bytes; none at the end of the stream."""
        try:
            data = await self._stream.receive(_CHUNK)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, OSError) as error:
            raise _closed(error) from None
        if len(self.first) < _CHUNK:
            self.first += data[:_CHUNK]
        return data

    @property
    def peer(self) -> str:
        """The address that was reached, as in ``127.0.0.1 port 8080``."""
        told = self._stream.extra
        address = told(SocketAttribute.remote_address)
        return f"{address[0]} port {address[1]}"

    @property
    def tls(self) -> tuple[str, str | None] | None:
        """The version and the protocol chosen by ALPN; None without TLS."""
        if not isinstance(self._stream, TLSStream):
            return None
        told = self._stream.extra
        return told(TLSAttribute.tls_version), told(TLSAttribute.alpn_protocol)

    async def secure(self, host: str, context: ssl.SSLContext) -> Channel:
        """The same with TLS. Raises BrokenError."""
        try:
            return Channel(
                await TLSStream.wrap(self._stream, hostname=host, ssl_context=context, standard_compatible=False)
            )
        except ssl.SSLCertVerificationError as error:
            raise broken(Trouble.CERTIFICATE, error.verify_message) from None
        except ssl.SSLError as error:
            raise _tls_failed(error) from None
        except anyio.EndOfStream:
            raise broken(Trouble.CLOSED, "the peer ended the connection during the TLS handshake") from None
        except (anyio.BrokenResourceError, OSError) as error:
            # anyio tells of a failed handshake as a broken stream; OpenSSL's reason is its cause.
            if isinstance(error.__cause__, ssl.SSLError):
                raise _tls_failed(error.__cause__) from None
            raise _closed(error, "during the TLS handshake") from None


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens channels to one address."""

    address: Address
    trust: Trust

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[Channel]:
        """TCP alone. Raises BrokenError."""
        try:
            stream = await anyio.connect_tcp(self.address.host, self.address.port)
        except OSError as error:
            raise _not_connected(error) from None
        try:
            yield Channel(stream)
        finally:
            await anyio.aclose_forcefully(stream)

    @asynccontextmanager
    async def channel(self, *alpn: str, trust: Trust | None = None) -> AsyncIterator[Channel]:
        """As the URL asks for: with TLS, offering ``alpn``, or without. Raises BrokenError."""
        async with self.plain() as channel:
            if not self.address.tls:
                yield channel
                return
            yield await channel.secure(self.address.host, (trust or self.trust).context(alpn))

    async def tls_version(self) -> str | None:
        """What version of TLS the port speaks to whoever asks; None where it speaks none."""
        try:
            async with self.plain() as channel:
                secured = await channel.secure(self.address.host, Trust(verify=False).context())
                return secured.tls[0] if secured.tls else None
        except BrokenError:
            return None


def _not_connected(error: OSError) -> BrokenError:
    """anyio's error has the system's own as its cause: one, or a group of one for each address tried."""
    cause: BaseException | None = error.__cause__
    if isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, OSError):
        error = cause
    if isinstance(error, socket.gaierror):
        return broken(Trouble.NO_ADDRESS, error.strerror or str(error))
    kind = Trouble.REFUSED if error.errno == errno.ECONNREFUSED else Trouble.UNREACHABLE
    return broken(kind, (error.strerror or str(error)).lower())


def _closed(error: Exception, when: str = "") -> BrokenError:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, ssl.SSLError):
        return broken(Trouble.TLS_FAILED, _reason(cause))
    how = "reset the connection" if isinstance(cause, ConnectionResetError) else "ended the connection"
    return broken(Trouble.CLOSED, f"the peer {how} {when}".rstrip())


def _tls_failed(error: ssl.SSLError) -> BrokenError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return broken(Trouble.CERTIFICATE, error.verify_message)
    if error.reason in _NO_RECORD:
        return broken(Trouble.NOT_TLS, f"what came back is no TLS record ({_reason(error)})")
    return broken(Trouble.TLS_FAILED, _reason(error))


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
