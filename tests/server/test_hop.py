import pytest

from wsbench_server.hop import HEADER, repeated


@pytest.mark.parametrize("value", ["HTTP/1.1", "HTTP/2", "HTTP/3"])
def test_what_envoy_says_is_repeated(value: str) -> None:
    assert repeated(value) == {HEADER: value}


@pytest.mark.parametrize("value", [None, "", "a b", "x\r\nSet-Cookie: y", "é", "x" * 33])
def test_anything_else_is_not(value: str | None) -> None:
    assert repeated(value) == {}
