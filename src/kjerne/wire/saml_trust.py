"""Whose SAML assertions are believed: issuers and their signing certificates, from a file of SAML 2.0 metadata.

The file is the operator's and says all there is to trust. What an assertion brings of keys and certificates beside its
signature is never looked at, and no address in it is asked for anything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from kjerne.errors import Refusal
from kjerne.wire import xml

Trusted = Mapping[str, tuple[x509.Certificate, ...]]
"""Issuer (entityID) -> the certificates that its assertions may be signed with; two while it changes keys."""

METADATA: Final = "{urn:oasis:names:tc:SAML:2.0:metadata}"
SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}"
RSA_BITS: Final = (2048, 4096)
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")


def trusted(raw: bytes) -> Trusted:
    """The issuers in an EntityDescriptor or EntitiesDescriptor; `ValueError` where it is none, or a key is too weak."""
    try:
        root = xml.parse(raw)
    except Refusal as refusal:
        raise ValueError(refusal.says) from refusal
    if root.tag not in (METADATA + "EntityDescriptor", METADATA + "EntitiesDescriptor"):
        raise ValueError("it is not SAML metadata")
    entities = list(root.iter(METADATA + "EntityDescriptor"))
    found = {str(entity.get("entityID", "")): tuple(_certificates(entity)) for entity in entities}
    if not found or "" in found or not all(found.values()) or len(found) < len(entities):
        raise ValueError("an issuer has no name or no certificate to sign with, or stands there twice")
    return found


def _certificates(entity: etree._Element) -> Iterator[x509.Certificate]:
    for key in entity.iter(METADATA + "KeyDescriptor"):
        if key.get("use", "signing") == "signing":
            for found in key.iter(SIGNATURE + "X509Certificate"):
                yield certificate(found.text or "")


def certificate(text: str) -> x509.Certificate:
    """A certificate from its base64, as it stands in `ds:X509Certificate`; `ValueError` where its key is too weak."""
    found = x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
    key = found.public_key()
    strong = isinstance(key, rsa.RSAPublicKey) and RSA_BITS[0] <= key.key_size <= RSA_BITS[1]
    if not strong and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES):
        raise ValueError("a key is neither RSA of 2048 to 4096 bits nor on P-256, P-384 or P-521")
    return found
