import pytest

from wsbench.check.address import parse_address


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "authority", "resource"),
    [
        ("ws://echo:8080/ws?x=1", "echo", 8080, False, "echo:8080", "/ws?x=1"),
        ("http://echo", "echo", 80, False, "echo", "/"),
        ("HTTPS://echo/", "echo", 443, True, "echo", "/"),
        ("wss://[::1]:8443/a", "::1", 8443, True, "[::1]:8443", "/a"),
        (" ws://127.0.0.1:1/ ", "127.0.0.1", 1, False, "127.0.0.1:1", "/"),
    ],
)
def test_what_a_url_says(text: str, host: str, port: int, tls: bool, authority: str, resource: str) -> None:
    address = parse_address(text)
    assert (address.host, address.port, address.tls) == (host, port, tls)
    assert (address.authority, address.resource) == (authority, resource)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("ws://echo:8080/ws", "wss://echo:8080/ws"),
        ("https://echo/", "ws://echo:443/"),
        ("ws://[::1]/", "wss://[::1]:80/"),
    ],
)
def test_the_other_scheme_keeps_the_port(text: str, other: str) -> None:
    assert parse_address(text).other_scheme == other


@pytest.mark.parametrize(
    "text", ["", "echo:8080", "ftp://echo/", "ws://", "ws://echo:0/", "ws://echo:x/", "ws://me:word@echo/", "ws://a/#b"]
)
def test_what_is_no_websocket_url_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not a WebSocket URL"):
        parse_address(text)
