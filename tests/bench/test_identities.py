import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from wsbench.identities import issue, issued
from wsbench.mesh_policy import CLIENT_SPIFFE_ID, HOST, SERVER_SPIFFE_ID


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(of: x509.Certificate) -> x509.SubjectAlternativeName:
    return of.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_each_workload_has_its_spiffe_id_from_the_one_authority(tmp_path: Path) -> None:
    with issued(tmp_path / "certificates") as identities:
        authority = certificate(identities.client.authority)
        assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        for identity, spiffe_id in ((identities.client, CLIENT_SPIFFE_ID), (identities.server, SERVER_SPIFFE_ID)):
            found = certificate(identity.certificate)
            found.verify_directly_issued_by(authority)
            assert names(found).get_values_for_type(x509.UniformResourceIdentifier) == [spiffe_id]
            key = load_pem_private_key(identity.key.read_bytes(), None)
            assert key.public_key() == found.public_key()
            assert (found.not_valid_after_utc - found.not_valid_before_utc).days <= 2
        # Only QUIC asks for a host name, and only of the server.
        assert names(certificate(identities.server.certificate)).get_values_for_type(x509.DNSName) == [HOST]
        assert names(certificate(identities.client.certificate)).get_values_for_type(x509.DNSName) == []


def test_keys_are_for_the_owner_alone_and_go_with_the_lab(tmp_path: Path) -> None:
    with issued(tmp_path) as identities:
        keys = [identities.client.key, identities.server.key]
        assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600, 0o600]
        assert identities.client.certificate.read_bytes() != identities.server.certificate.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["client.pem", "root-cert.pem", "server.pem"]


def test_keys_of_certificates_issued_for_good_stay(tmp_path: Path) -> None:
    identities = issue(tmp_path)
    assert identities.server.key.exists()
    assert stat.S_IMODE(identities.client.key.stat().st_mode) == 0o600
