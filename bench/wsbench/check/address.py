"""Where the WebSocket server is said to be."""

from __future__ import annotations

from dataclasses import dataclass

from websockets.uri import WebSocketURI, parse_uri

from wsbench_client.plan import endpoint

_PLAIN = {"http://": "ws://", "https://": "wss://"}


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart. ``url`` is as it was given; ``authority`` and ``resource`` are as HTTP wants them."""

    url: str
    uri: WebSocketURI

    @property
    def host(self) -> str:
        """A name or an IP address, without brackets."""
        return self.uri.host

    @property
    def port(self) -> int:
        """From 1."""
        return self.uri.port

    @property
    def tls(self) -> bool:
        """Whether the URL asks for it."""
        return self.uri.secure

    @property
    def authority(self) -> str:
        """As in ``Host`` and ``:authority``: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def resource(self) -> str:
        """Path and query."""
        return self.uri.resource_name

    @property
    def other_scheme(self) -> str:
        """The same URL with TLS instead of without it, or the other way round."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ws' if self.tls else 'wss'}://{host}:{self.port}{self.resource}"


def parse_address(text: str) -> Address:
    """A ``ws://``, ``wss://``, ``http://`` or ``https://`` URL. Raises ValueError with the text in it."""
    url = text.strip()
    for scheme, ours in _PLAIN.items():
        if url.lower().startswith(scheme):
            url = ours + url[len(scheme) :]
    endpoint(url)
    try:
        return Address(text.strip(), parse_uri(url))
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"not a WebSocket URL: {text!r} ({error})") from None
