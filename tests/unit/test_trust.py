"""Whom connections trust."""

import ssl

from turnpike.trust import tls_context


def test_certificates_are_read_once_and_names_are_checked() -> None:
    context = tls_context()
    assert tls_context() is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.get_ca_certs() or context.cert_store_stats()["x509_ca"] > 20
