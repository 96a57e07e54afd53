from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.check.servers import checked, hanging_up, listening, of, saying, silent, trusting
from wsbench.arms import HopProtocol
from wsbench.check.dialing import Trust
from wsbench.check.findings import Diagnosis, Outcome
from wsbench.check.observation import Step
from wsbench.check.remedies import Remedy
from wsbench.errors import UsageError

OnLoop = Callable[..., Any]


def test_a_closed_port_a_strange_name_a_silent_address(on_loop: OnLoop) -> None:
    async def work() -> None:
        async with listening(hanging_up) as port:
            pass
        refused = of(await checked(f"ws://127.0.0.1:{port}/"), Step.TCP)
        assert refused.outcome is Outcome.DOES_NOT
        assert refused.reason == "connection refused: nothing listens there"
        assert refused.remedies == (Remedy.START_SERVER,)
        nameless = of(await checked("ws://no-such-host.invalid/"), Step.TCP)
        assert nameless.remedies == (Remedy.NAME,)

    on_loop(work)


def test_a_certificate_that_is_not_trusted_or_of_another_name(
    on_loop: OnLoop, certificate: tuple[Path, Path], server_tls: ssl.SSLContext
) -> None:
    async def work() -> None:
        async with listening(silent, server_tls) as port:
            unknown = of(await checked(f"wss://localhost:{port}/"), Step.TLS)
            assert unknown.reason == "the certificate is not accepted: self-signed certificate"
            assert unknown.remedies == (Remedy.CERTIFICATE,)
            mismatch = await checked(f"wss://127.0.0.1:{port}/", trust=trusting(certificate))
            assert "certificate is not valid for '127.0.0.1'" in of(mismatch, Step.TLS).reason
            assert {finding.reason for finding in mismatch.findings if finding.over} == {"needs TLS"}
            insecure = Trust(verify=False, ca=certificate[0])
            told = of(await checked(f"wss://127.0.0.1:{port}/", trust=insecure, timeout_s=0.6), Step.TLS)
            assert told.outcome is Outcome.WORKS
            assert "the certificate is not accepted (IP address mismatch" in told.reason

    on_loop(work)


def test_a_port_without_tls_asked_in_tls(on_loop: OnLoop) -> None:
    async def seen(handle: Any, timeout_s: float = 5.0) -> Diagnosis:
        async with listening(handle) as port:
            return await checked(f"wss://127.0.0.1:{port}/", timeout_s=timeout_s)

    async def work() -> None:
        plain = of(await seen(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")), Step.TLS)
        assert plain.reason.startswith("the port does not speak TLS: what came back is no TLS record")
        assert plain.remedies == (Remedy.USE_PLAIN,)
        assert of(await seen(hanging_up), Step.TLS).reason.startswith("no TLS: the peer ")
        assert of(await seen(silent, 0.2), Step.TLS).reason == "no answer within 0.2 s to the TLS handshake"

    on_loop(work)


def test_a_tls_port_asked_in_plain(on_loop: OnLoop, server_tls: ssl.SSLContext) -> None:
    async def work() -> None:
        async with listening(silent, server_tls) as port:
            diagnosis = await checked(f"ws://127.0.0.1:{port}/")
        upgrade = next(finding for finding in diagnosis.findings if finding.step is Step.UPGRADE)
        assert upgrade.reason.startswith("the port wants TLS: ")
        assert upgrade.reason.endswith("the port speaks TLSv1.3")
        assert upgrade.remedies == (Remedy.USE_TLS,)

    on_loop(work)


def test_a_server_that_wants_a_client_certificate(on_loop: OnLoop, certificate: tuple[Path, Path]) -> None:
    """TLS 1.3 tells of it only after the handshake, in answer to the first bytes."""
    mutual = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mutual.load_cert_chain(*certificate)
    mutual.load_verify_locations(certificate[0])
    mutual.verify_mode = ssl.CERT_REQUIRED

    async def work() -> None:
        async with listening(silent, mutual) as port:
            diagnosis = await checked(f"wss://localhost:{port}/", trust=trusting(certificate))
        upgrade = of(diagnosis, Step.UPGRADE, HopProtocol.HTTP1)
        # Its alert may be overtaken by the reset of a connection on which the server had not read everything.
        assert upgrade.reason in {
            "the server ended TLS: tlsv13 alert certificate required",
            "the peer reset the connection without an answer",
        }
        assert upgrade.remedies[0] is Remedy.CLIENT_CERTIFICATE

    on_loop(work)


def test_authorities_that_cannot_be_read_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--ca /no/such\.pem cannot be read as certificates"):
        Trust(ca=Path("/no/such.pem")).context()
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(UsageError, match="cannot be read as certificates"):
        Trust(ca=tmp_path / "no.pem").context()
