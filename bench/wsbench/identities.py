"""Certificates of the lab's workloads, as Istio issues them: one authority, one SPIFFE identity a service account.

They are worth nothing outside of the lab: the authority's key is never written, the workloads' keys go with the lab
(those of rendered configurations stay), and all of it ends after a day.
"""

from __future__ import annotations

import datetime
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wsbench.mesh_policy import CLIENT_SPIFFE_ID, HOST, SERVER_SPIFFE_ID, TRUST_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEY_BITS = 2048
"""Of RSA, what istio-agent asks for unless told otherwise (pkg/security, ``WORKLOAD_RSA_KEY_SIZE``)."""

_LIFETIME = datetime.timedelta(days=1)
_CLOCKS_APART = datetime.timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Identity:
    """A workload's certificate, its key and the authority it trusts, as PEM files."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Identities:
    """Both ends of the hop."""

    client: Identity
    server: Identity


def issue(folder: Path) -> Identities:
    """Certificates and keys in ``folder``, which is made. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = _Authority(folder / "root-cert.pem")
    return Identities(
        authority.issue("client", CLIENT_SPIFFE_ID),
        # QUIC's verifier in Envoy wants the name in the SNI as well (source/common/quic/envoy_quic_proof_verifier.cc).
        authority.issue("server", SERVER_SPIFFE_ID, HOST),
    )


@contextmanager
def issued(folder: Path) -> Iterator[Identities]:
    """Certificates in ``folder``, which is made; the keys are taken away in the end. Raises OSError."""
    identities = issue(folder)
    try:
        yield identities
    finally:
        for identity in (identities.client, identities.server):
            identity.key.unlink(missing_ok=True)


class _Authority:
    """Signs certificates; its own is at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = _new_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, TRUST_DOMAIN)])
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, stem: str, spiffe_id: str, *hosts: str) -> Identity:
        """A certificate and its key beside the authority's own."""
        key = _new_key()
        names = [x509.UniformResourceIdentifier(spiffe_id), *map(x509.DNSName, hosts)]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            # An empty subject, and so a critical name (RFC 5280, 4.2.1.6; SPIFFE X.509-SVID, 2 and 4.1).
            _builder(x509.Name([]), self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        folder = self._path.parent
        identity = Identity(folder / f"{stem}.pem", folder / f"{stem}.key", self._path)
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.touch(mode=0o600)
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return identity


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + _LIFETIME)
    )
