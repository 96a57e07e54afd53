"""Asking an admin endpoint. How whoever is no Envoy answers is in test_pod_sidecar, a real one's in test_envoy."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from wsbench.envoy_admin import EnvoyIdentity, UnreadableError, get, identity_in

INFO = {"version": "5f5b0b/1.40.0/Clean/RELEASE/BoringSSL", "state": "LIVE", "node": {"id": "sidecar~10.0.0.1"}}


@pytest.mark.parametrize(
    ("info", "identity"),
    [
        (INFO, EnvoyIdentity("sidecar~10.0.0.1", "1.40.0")),
        ({**INFO, "node": {}}, EnvoyIdentity("", "1.40.0")),
        ({key: value for key, value in INFO.items() if key != "node"}, EnvoyIdentity("", "1.40.0")),
        ({**INFO, "version": "1.40.0"}, None),
        ({**INFO, "version": 140}, None),
        ({"version": INFO["version"]}, None),
        ([INFO], None),
    ],
)
def test_an_envoy_is_known_by_what_it_says_of_itself(info: Any, identity: EnvoyIdentity | None) -> None:
    assert identity_in(json.dumps(info)) == identity


def test_what_is_no_json_is_no_envoy() -> None:
    assert identity_in("<html>") is None


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_words: object) -> None:
        pass


def test_path_and_query_are_asked_for_and_no_proxy_of_the_environment(
    on_loop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert on_loop(lambda: get(f"{url}/stats?format=json", 5)) == "/stats?format=json"
            assert on_loop(lambda: get(f"{url}/server_info", 5)) == "/server_info"
        finally:
            server.shutdown()
            thread.join()


def test_nobody_there_is_told_in_words(on_loop: Callable[..., Any]) -> None:
    with pytest.raises(UnreadableError, match="connection refused"):
        on_loop(lambda: get("http://127.0.0.1:9/server_info", 5))
