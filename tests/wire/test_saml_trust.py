"""Whose assertions are believed: what an operator's metadata file must hold."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from assertions import CERTIFICATE, ISSUER, METADATA, PORTALS_CERTIFICATE, PORTALS_ISSUER, held, metadata
from kjerne.wire.saml_trust import trusted


def test_every_issuer_is_found_with_its_certificate() -> None:
    assert trusted(METADATA) == {ISSUER: (CERTIFICATE,), PORTALS_ISSUER: (PORTALS_CERTIFICATE,)}


def test_one_issuer_may_stand_alone_and_have_two_keys_while_it_changes_them() -> None:
    inside = metadata((ISSUER, CERTIFICATE)).split(b"</KeyDescriptor>")[0].split(b"<KeyDescriptor", 1)
    doubled = inside[0] + (b"<KeyDescriptor" + inside[1] + b"</KeyDescriptor>") * 2
    entity = (doubled + b"</IDPSSODescriptor></EntityDescriptor>").split(b">", 1)[1]
    alone = entity.replace(b"<EntityDescriptor", b'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"', 1)
    assert trusted(alone) == {ISSUER: (CERTIFICATE, CERTIFICATE)}


def test_a_key_for_encryption_is_none_to_sign_with() -> None:
    raw = metadata((ISSUER, CERTIFICATE), (PORTALS_ISSUER, PORTALS_CERTIFICATE))
    with pytest.raises(ValueError, match="no certificate"):
        trusted(raw.replace(b'use="signing"', b'use="encryption"', 1))


def weak() -> x509.Certificate:
    generate = rsa.generate_private_key
    try:
        rsa.generate_private_key = lambda exponent, _: generate(exponent, 1024)
        return held("weak")[1]
    finally:
        rsa.generate_private_key = generate


WRONG: dict[str, bytes] = {
    "no XML": b"trust me",
    "a document type": b"<!DOCTYPE a><EntityDescriptor/>",
    "another document": b"<Assertion/>",
    "nobody": metadata(),
    "an issuer without a name": metadata(("", CERTIFICATE)),
    "an issuer twice": metadata((ISSUER, CERTIFICATE), (ISSUER, PORTALS_CERTIFICATE)),
    "a certificate that is none": METADATA.replace(b"<X509Certificate>MII", b"<X509Certificate>AAA", 1),
    "a certificate that is no base64": METADATA.replace(b"<X509Certificate>", b"<X509Certificate>*", 1),
    "a key of 1024 bits": metadata((ISSUER, weak())),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_is_refused_with(name: str) -> None:
    with pytest.raises(ValueError):
        trusted(WRONG[name])
