"""docs/article.md on real Envoys: the article's manifests in our own words, one lab, a test a claim."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from wsbench.access_log import AccessRecord, parse_line
from wsbench.arms import ARMS
from wsbench.envoy import EnvoyBinary
from wsbench.lab import Lab, LabPlan, LabTarget, open_lab
from wsbench.manifests import read_manifests
from wsbench.mesh import Mesh
from wsbench.mesh_policy import MeshPolicy, policy_of

pytestmark = pytest.mark.lab

# As the article has them: the old API version, a host without its namespace, a filter for every 1.x proxy.
RULE = """
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {{name: echo}}
spec:
  host: websockets-server
  trafficPolicy: {{connectionPool: {{http: {{h2UpgradePolicy: {policy}}}}}}}
"""
FILTER = r"""
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: echo-accepts-connect}
spec:
  workloadSelector: {labels: {app: websockets-server}}
  configPatches:
    - applyTo: NETWORK_FILTER
      match:
        context: SIDECAR_INBOUND
        proxy: {proxyVersion: '^1\.*.*'}
        listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}
      patch:
        operation: MERGE
        value:
          typed_config:
            "@type": type.googleapis.com/MANAGER
            http2_protocol_options: {allow_connect: true}
""".replace("MANAGER", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")
MANIFESTS = {
    "http1": {"rule.yaml": RULE.format(policy="DO_NOT_UPGRADE")},
    "http2": {"rule.yaml": RULE.format(policy="UPGRADE"), "filter.yaml": FILTER},
    "http2-blocked": {"rule.yaml": RULE.format(policy="UPGRADE")},
}
WORDS = ("hello", "world")
MANY = tuple(f"message {number}" for number in range(100))
HOPS = ("http1", "http2")
# Of a frame with up to 125 bytes: two, and four more for the mask of what a client sends (RFC 6455, 5.2).
HEADER_BYTES, MASKED_HEADER_BYTES = 2, 6
CLOSE_CODE_BYTES = 2
DELAYED_CLOSE_MS = 1000


@dataclass(frozen=True)
class Lines:
    """The lines of one WebSocket, or of one refused upgrade: the client sidecar's and the server sidecar's."""

    client: AccessRecord
    server: AccessRecord


@dataclass(frozen=True)
class Seen:
    """What the lab left: lines by arm and by who ended the WebSocket, and how many were there of one still open."""

    ended: dict[tuple[str, str], Lines]
    while_open: dict[str, int]
    refused: Lines
    answer: tuple[int, str]
    server_configs: dict[str, str]
    surplus: dict[str, int]


@pytest.fixture(scope="module")
def seen(envoy: EnvoyBinary, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    output = tmp_path_factory.mktemp("article")
    plan = LabPlan(
        tuple(ARMS[name] for name in MANIFESTS), output, Mesh({None: envoy}, policies(output)), 1, "websockets", 64
    )

    async def work() -> Seen:
        async with open_lab(plan) as lab:
            return await look(lab, output)

    return anyio.run(work, backend="asyncio", backend_options={"loop_factory": uvloop.new_event_loop})


def policies(folder: Path) -> dict[str, MeshPolicy]:
    found = {}
    for name, files in MANIFESTS.items():
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_text(content)
        found[name] = policy_of(read_manifests(folder / name))
    return found


async def look(lab: Lab, output: Path) -> Seen:
    logs = {name: Logs(lab.targets[name]) for name in MANIFESTS}
    ended: dict[tuple[str, str], Lines] = {}
    while_open: dict[str, int] = {}

    async def sessions(name: str) -> None:
        # The first to open is the last to end: a line that is there when the second's is was not written at its end.
        first, second = [await echoed(lab.targets[name].url, WORDS) for _ in range(2)]
        second.transport.abort()
        ended[name, "vanished"] = await logs[name].next()
        while_open[name] = logs[name].surplus()
        await first.close()
        ended[name, "client"] = await logs[name].next()

    async with anyio.create_task_group() as group:
        for name in HOPS:
            group.start_soon(sessions, name)
        with pytest.raises(InvalidStatus) as refusal:
            await connect(lab.targets["http2-blocked"].url)
    answer = refusal.value.response
    refused = await logs["http2-blocked"].next()

    async def goodbye(name: str, socket: ClientConnection) -> None:
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()
        ended[name, "server"] = await logs[name].next()

    async with anyio.create_task_group() as group:
        for name in HOPS:
            group.start_soon(goodbye, name, await echoed(lab.targets[name].url, MANY))
        lab.server.child.process.send_signal(signal.SIGTERM)

    configs = {name: (output / "envoy" / name / "server.json").read_text() for name in MANIFESTS}
    surplus = {name: log.surplus() for name, log in logs.items()}
    return Seen(ended, while_open, refused, (answer.status_code, answer.body.decode()), configs, surplus)


async def echoed(url: str, words: Sequence[str]) -> ClientConnection:
    socket = await connect(url, compression=None)
    for word in words:
        await socket.send(word)
        assert await socket.recv() == word
    return socket


class Logs:
    """Both access logs of an arm, read one WebSocket after the other."""

    def __init__(self, target: LabTarget) -> None:
        assert target.client is not None
        assert target.server is not None
        self._paths = (target.client.access_log, target.server.access_log)
        self._taken = 0

    async def next(self) -> Lines:
        """The next line of each log; ten seconds at most."""
        with anyio.fail_after(10):
            while True:
                client, server = self._lines()
                if min(len(client), len(server)) > self._taken:
                    break
                await anyio.sleep(0.01)
        self._taken += 1
        return Lines(parse_line(client[self._taken - 1]), parse_line(server[self._taken - 1]))

    def surplus(self) -> int:
        """Lines in either log that belong to no WebSocket which has ended."""
        return max(len(lines) for lines in self._lines()) - self._taken

    def _lines(self) -> list[list[str]]:
        # Up to the last line end: the log is being written.
        return [path.read_text().rpartition("\n")[0].splitlines() if path.exists() else [] for path in self._paths]


@pytest.mark.parametrize("name", HOPS)
def test_one_line_for_a_websocket_however_many_messages(seen: Seen, name: str) -> None:
    few, many = seen.ended[name, "client"], seen.ended[name, "server"]
    assert few.client.request_id != many.client.request_id
    for lines in (few, many):
        assert lines.client.request_id == lines.server.request_id is not None
    assert seen.surplus[name] == 0


@pytest.mark.parametrize("name", HOPS)
def test_the_line_is_written_when_the_websocket_ends(seen: Seen, name: str) -> None:
    first, second = seen.ended[name, "client"], seen.ended[name, "vanished"]
    assert seen.while_open[name] == 0
    for one, other in ((first.client, second.client), (first.server, second.server)):
        assert one.start_time is not None
        assert other.start_time is not None
        assert one.start_time <= other.start_time


@pytest.mark.parametrize("end", ["client", "vanished", "server"])
@pytest.mark.parametrize(("name", "hop"), [("http1", "HTTP/1.1"), ("http2", "HTTP/2")])
def test_the_client_always_speaks_http1_to_its_sidecar_and_both_sides_say_101(
    seen: Seen, name: str, hop: str, end: str
) -> None:
    lines = seen.ended[name, end]
    assert (lines.client.protocol, lines.server.protocol) == ("HTTP/1.1", hop)
    assert (lines.client.response_code, lines.server.response_code) == (101, 101)
    assert (lines.client.method, lines.server.method) == ("GET", "GET")


UPSTREAM_ENDED = "upstream_reset_after_response_started{connection_termination}"
STREAM_RESET = "upstream_reset_after_response_started{remote_error_with_CONNECT_request}"
CLIENT_ENDED = "downstream_remote_disconnect"


@pytest.mark.parametrize(
    ("name", "end", "client", "server"),
    [
        # The article's flags: whoever says goodbye first, the server closes the TCP connection (RFC 6455, 7.1.1).
        ("http1", "client", ("UC", UPSTREAM_ENDED), ("UC", UPSTREAM_ENDED)),
        ("http1", "server", ("UC", UPSTREAM_ENDED), ("UC", UPSTREAM_ENDED)),
        ("http2", "client", ("UR", STREAM_RESET), ("UC", UPSTREAM_ENDED)),
        ("http2", "server", ("UR", STREAM_RESET), ("UC", UPSTREAM_ENDED)),
        # Not in the article: a client that hangs up without a goodbye.
        ("http1", "vanished", ("DC", CLIENT_ENDED), ("DC", CLIENT_ENDED)),
        ("http2", "vanished", ("DC", CLIENT_ENDED), ("DR", "http2.remote_reset")),
    ],
)
def test_the_response_flags_say_which_side_ended_first(
    seen: Seen, name: str, end: str, client: tuple[str, str], server: tuple[str, str]
) -> None:
    lines = seen.ended[name, end]
    assert (lines.client.response_flags, lines.client.response_code_details) == client
    assert (lines.server.response_flags, lines.server.response_code_details) == server


@pytest.mark.parametrize(("end", "words"), [("client", WORDS), ("server", MANY)])
@pytest.mark.parametrize("name", HOPS)
def test_the_bytes_are_those_of_websocket_frames(seen: Seen, name: str, end: str, words: Sequence[str]) -> None:
    payload = sum(map(len, words)) + CLOSE_CODE_BYTES
    frames = len(words) + 1
    for line in (seen.ended[name, end].client, seen.ended[name, end].server):
        assert line.bytes_received == payload + frames * MASKED_HEADER_BYTES
        assert line.bytes_sent == payload + frames * HEADER_BYTES


def test_over_http1_the_client_sidecar_s_line_is_a_second_late(seen: Seen) -> None:
    """Envoy's ``delayed_close_timeout``: the server's sidecar keeps the hop's connection, which ends a stream alone."""
    late = {}
    for name in HOPS:
        lines = seen.ended[name, "client"]
        assert lines.client.duration_ms is not None
        assert lines.server.duration_ms is not None
        late[name] = lines.client.duration_ms - lines.server.duration_ms
    assert late["http1"] >= 0.9 * DELAYED_CLOSE_MS
    assert late["http2"] < 0.9 * DELAYED_CLOSE_MS


def test_without_allow_connect_the_upgrade_is_503_and_the_server_sidecar_names_the_header(seen: Seen) -> None:
    status, words = seen.answer
    assert status == 503
    assert words.endswith("reset before headers. reset reason: connection termination")
    client, server = seen.refused.client, seen.refused.server
    assert (client.protocol, client.response_code, client.response_flags) == ("HTTP/1.1", 503, "UC")
    assert client.response_code_details == "upstream_reset_before_response_started{connection_termination}"
    assert (server.protocol, server.response_code, server.response_flags) == ("HTTP/2", 0, "DPE")
    assert server.response_code_details == "http2.invalid.header.field"
    # Refused before there was a request: nothing of it is in the line, nor an id to find the client's by.
    assert (server.method, server.path, server.request_id) == (None, None, None)


def test_do_not_upgrade_needs_no_filter(seen: Seen) -> None:
    assert seen.ended["http1", "client"].server.response_code == 101
    allowed = {name: "allow_connect" in config for name, config in seen.server_configs.items()}
    assert allowed == {"http1": False, "http2": True, "http2-blocked": False}
    assert json.loads(seen.server_configs["http1"])
