import pytest

from wsbench.check.admin import parse_admin


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("15000", "http://127.0.0.1:15000"),
        ("localhost:15000", "http://localhost:15000"),
        ("http://10.0.0.1:15000/", "http://10.0.0.1:15000"),
    ],
)
def test_how_an_endpoint_may_be_written(text: str, url: str) -> None:
    assert parse_admin(text) == url


@pytest.mark.parametrize("text", ["", "host", "ftp://x:1", "http://x:1/stats", "http://x:y", "http://x"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="is no admin endpoint"):
        parse_admin(text)
