"""SAML 2.0 assertions (IHE XUA), verified: one assertion, signed whole by an issuer we trust, for us, now.

Sent as `Authorization: SAML` and the assertion in base64url. A bearer assertion is good for one request, soon after it was
issued: its id is noted where proofs of possession are, so that no worker takes it twice. One that confirms its subject by
holder-of-key is good as long as it says; each request then has a DPoP proof signed with the confirmed key.

What is read is what the signature covered, never the document that came: the verified bytes are parsed anew
(`signed_xml`). Before that the shape is held so narrow that no other reading is possible: the root is the assertion, there
is no second one, no second signature, no place to hide one, no comment, CDATA, instruction, entity or document type.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.wire import jws, xml, xua
from kjerne.wire.dpop import SKEW_SECONDS, Proofs, same_address, token_hash
from kjerne.wire.jws import NotGenuine
from kjerne.wire.saml_trust import SIGNATURE, Trusted, certificate

ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SAML_LIMIT_BYTES: Final = 48_000
"""An assertion in base64url; those of the national issuers are some 15,000."""
DEPTH_LIMIT: Final = 12
REMEMBERED_LIMIT: Final = 2_000
"""Assertions in envelopes that were found to hold and may come again."""
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
HOLDER_OF_KEY: Final = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"

# At DEBUG the library writes the whole of what was signed, person numbers and all; no level of ours may open that.
logging.getLogger("signxml").setLevel(logging.WARNING)

_PARTS: Final = tuple(ASSERTION + name for name in ("Subject", "Conditions", "AuthnStatement", "AttributeStatement"))
_SKEW: Final = timedelta(seconds=SKEW_SECONDS)
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{7,127}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512,
    }
)  # fmt: skip
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_BROKEN: Final = (
    SignXMLException,
    etree.LxmlError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    NotImplementedError,
)
"""What the verifier raises on bytes that are no signature, beside its own errors."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What holds: the claims, and what is noted as used: a digest and the second from which it could have been."""

    claims: Claims
    digest: bytes
    at: int


class Assertions:
    """Checks what a request presents. `audiences` are our names, `seconds` how old a bearer assertion may be."""

    def __init__(
        self,
        trusted: Trusted,
        audiences: Collection[str],
        clock: Clock,
        *,
        seconds: int = 60,
        proof_seconds: int = 10,
    ) -> None:
        self._trusted = trusted
        self._audiences = frozenset(audiences)
        self._clock = clock
        self._seconds = seconds
        self._proofs = Proofs(clock, proof_seconds)
        self._carried: dict[bytes, tuple[Claims, datetime, datetime]] = {}

    def check(self, method: str, url: str, headers: Sequence[tuple[bytes, bytes]]) -> Presented:
        """The claims of the request's assertion; `Refusal` 401 (400 where headers are doubled) otherwise.

        Whether it was used before is for the caller to ask of the table that all workers share.
        """
        found = [value for name, value in headers if name == b"authorization"]
        proofs = [value for name, value in headers if name == b"dpop"]
        if len(found) > 1 or len(proofs) > 1:
            raise refused("invalid_request", "Send exactly one Authorization header, and one DPoP at most.", status=400)
        text = found[0].partition(b" ")[2].strip()
        try:
            signed, issuer = self._verified(_decoded(text))
            issued = self._in_time(signed)
            confirmed = self._confirmed(signed, url)
            claims = xua.claims_of(signed, issuer, until=_instant(_only(signed, "Conditions"), "NotOnOrAfter"))
            if confirmed:
                proven = self._proofs.check(proofs[0] if proofs else b"", method, url, token_hash(text))
                if proven.key.thumbprint != confirmed:
                    raise NotGenuine("the proof is signed with another key than the confirmed one")
                return Presented(claims, proven.digest, proven.signed_at)
        except NotGenuine as finding:
            raise refused("invalid_token", f"The assertion does not hold: {finding}.") from None
        if self._clock.now() - issued > timedelta(seconds=self._seconds):
            raise refused(
                "invalid_token",
                f"A bearer assertion is taken for {self._seconds} seconds after it was issued.",
                "Fetch one for each request.",
            )
        name = f"saml\n{issuer}\n{claims.jti}"
        return Presented(claims, sha256(name.encode()).digest()[:16], int(issued.timestamp()))

    def carried(self, assertion: etree._Element, url: str) -> Claims:
        """The claims of a bearer assertion that a SOAP header carries; `Refusal` 401 otherwise.

        It is good for every request until it ends, at most as long as the setting says: a gateway asks for a list and then for
        documents with one (decision 79). What was found to hold is remembered by its digest, as access tokens are; its times are
        looked at each time.
        """
        raw, now = etree.tostring(assertion, with_tail=False), self._clock.now()
        name = sha256(url.encode() + b"\n" + raw).digest()
        known = self._carried.get(name)
        if known is None:
            try:
                known = self._carried[name] = self._read(raw, url)
            except NotGenuine as finding:
                raise refused("invalid_token", f"The assertion does not hold: {finding}.") from None
            if len(self._carried) > REMEMBERED_LIMIT:
                del self._carried[next(iter(self._carried))]
        claims, issued, ends = known
        if ends <= now - _SKEW:
            raise refused("invalid_token", "The assertion has expired.", "Fetch a new one.")
        if now - issued > timedelta(seconds=self._seconds):
            raise refused("invalid_token", "The assertion was issued too long ago.", "Fetch a new one.")
        return claims

    def _read(self, raw: bytes, url: str) -> tuple[Claims, datetime, datetime]:
        """The claims of a bearer assertion, when it was issued and when it ends."""
        signed, issuer = self._verified(raw)
        issued = self._in_time(signed)
        if self._confirmed(signed, url):
            raise NotGenuine("it names a key, which nothing in an envelope proves")
        ends = _ends(signed)
        return xua.claims_of(signed, issuer, until=ends), issued, ends

    def _verified(self, raw: bytes) -> tuple[etree._Element, str]:
        """The assertion as it was signed, and who signed it."""
        root = _parsed(raw)
        _hold_shape(root)
        issuer = _text(_only(root, "Issuer"))
        certificates = self._trusted.get(issuer)
        if not certificates:
            raise NotGenuine("its issuer is not one that is trusted here")
        for one in certificates:
            signed = self._signed_by(one, root)
            if signed is not None:
                if signed.tag != root.tag or signed.get("ID") != root.get("ID"):
                    raise NotGenuine("the signature is over something else")
                return signed, issuer
        raise NotGenuine("the signature is not the issuer's")

    def _signed_by(self, one: x509.Certificate, root: etree._Element) -> etree._Element | None:
        wanted = SignatureConfiguration(
            location="./",
            signature_methods=_METHODS,
            digest_algorithms=_DIGESTS,
            verification_time=self._clock.now(),
        )
        try:
            result = XMLVerifier().verify(root, x509_cert=one, id_attribute="ID", expect_config=wanted)
        except _BROKEN:
            return None
        return None if isinstance(result, list) else result.signed_xml

    def _in_time(self, signed: etree._Element) -> datetime:
        """When it was issued; `NotGenuine` where it is for others, or not for now."""
        now, conditions = self._clock.now(), _only(signed, "Conditions")
        issued = _instant(signed, "IssueInstant")
        if _instant(conditions, "NotOnOrAfter") <= now - _SKEW:
            raise refused("invalid_token", "The assertion has expired.", "Fetch a new one.")
        if max(issued, _instant(conditions, "NotBefore")) > now + _SKEW:
            raise refused("invalid_token", "The assertion is not valid yet.", "Check the clock.")
        if [child.tag for child in conditions] != [ASSERTION + "AudienceRestriction"]:
            raise NotGenuine("its conditions are not one audience and a time")
        if {_text(one) for one in conditions[0]} - self._audiences or len(conditions[0]) != 1:
            raise NotGenuine("it is for another audience, or for several")
        return issued

    def _confirmed(self, signed: etree._Element, url: str) -> str:
        """The thumbprint of the key that its holder must prove; empty for a bearer."""
        confirmation = _confirmation(signed)
        method = confirmation.get("Method")
        data = _data(confirmation)
        if data is not None:
            self._fits(data, url)
        if method == BEARER:
            return ""
        keys = [] if data is None else list(data.iter(SIGNATURE + "X509Certificate"))
        if method != HOLDER_OF_KEY or len(keys) != 1:
            raise NotGenuine("its subject is confirmed neither as bearer nor by one key")
        try:
            return _thumbprint(certificate(_text(keys[0])))
        except ValueError:
            raise NotGenuine("the confirmed key cannot be read, or is too weak") from None

    def _fits(self, data: etree._Element, url: str) -> None:
        """SAML core 2.4.1.2: what the confirmation says of time and place holds as well."""
        now = self._clock.now()
        if "NotOnOrAfter" in data.attrib and _instant(data, "NotOnOrAfter") <= now - _SKEW:
            raise refused("invalid_token", "The assertion's confirmation has expired.", "Fetch a new one.")
        if "NotBefore" in data.attrib and _instant(data, "NotBefore") > now + _SKEW:
            raise refused("invalid_token", "The assertion's confirmation is not valid yet.", "Check the clock.")
        if "Recipient" in data.attrib and not same_address(str(data.get("Recipient")), url):
            raise NotGenuine("it is made for another address")


def refused(error: str, says: str, todo: str = "", status: int = 401) -> Refusal:
    """The refusal with a challenge in the form of RFC 6750."""
    header = ("www-authenticate", f'SAML error="{error}", error_description="{says}"')
    return Refusal(status, says, where="Authorization", todo=todo, code="login", rule=error, headers=(header,))


def used_before() -> Refusal:
    """What an assertion that was used before is answered with."""
    return refused(
        "invalid_token", "The assertion, or the proof beside it, was used before.", "Fetch one for each request."
    )


def _decoded(text: bytes) -> bytes:
    if not text or len(text) > SAML_LIMIT_BYTES:
        raise NotGenuine("there is none, or it is too long")
    return jws.decoded(text)


def _parsed(raw: bytes) -> etree._Element:
    if len(raw) > SAML_LIMIT_BYTES * 3 // 4:
        raise NotGenuine("it is too long")
    # `<!` and `<?` begin comments, CDATA, document types and instructions, and nothing else that XML has.
    if b"<!" in raw or b"<?" in raw or b"\0" in raw:
        raise NotGenuine("it holds a comment, CDATA, an instruction or a document type")
    try:
        return xml.parse(raw, depth=DEPTH_LIMIT)
    except Refusal as refusal:
        raise NotGenuine("it is not XML that may pass") from refusal


def _hold_shape(root: etree._Element) -> None:
    """One assertion, signed whole by one signature that stands right in it: nothing else could be meant."""
    name = root.get("ID", "")
    if root.tag != ASSERTION + "Assertion" or root.get("Version") != "2.0" or not _ID.fullmatch(name):
        raise NotGenuine("it is not a SAML 2.0 assertion with an id")
    tags = [child.tag for child in root]
    if tags[:2] != [ASSERTION + "Issuer", SIGNATURE + "Signature"] or not {*tags[2:]} <= {*_PARTS}:
        raise NotGenuine("it holds parts that no assertion here has")
    everywhere = [element.tag for element in root.iter()]
    single = (ASSERTION + "Assertion", SIGNATURE + "Signature", SIGNATURE + "Reference", *_PARTS)
    if any(everywhere.count(tag) > 1 for tag in single) or {ASSERTION + "Advice", SIGNATURE + "Object"} & {*everywhere}:
        raise NotGenuine("it holds a second assertion, signature or statement")
    if sum(value == name for element in root.iter() for value in element.attrib.values()) != 1:
        raise NotGenuine("its id stands in it twice")
    if list(_algorithms(root[1])) != [("CanonicalizationMethod", EXCLUSIVE), ("Transform", ENVELOPED),
                                      ("Transform", EXCLUSIVE)]:  # fmt: skip
        raise NotGenuine("it is not canonicalized exclusively, or not signed as a whole")
    references = [one.get("URI") for one in root[1].iter(SIGNATURE + "Reference")]
    if references != ["#" + name]:
        raise NotGenuine("the signature is over something else")


def _algorithms(signature: etree._Element) -> Iterator[tuple[str, str]]:
    for element in signature.iter(SIGNATURE + "CanonicalizationMethod", SIGNATURE + "Transform"):
        yield etree.QName(element).localname, element.get("Algorithm", "")


def _only(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(ASSERTION + name)
    if len(found) != 1:
        raise NotGenuine(f"it has no {name}, or several")
    return found[0]


def _confirmation(signed: etree._Element) -> etree._Element:
    return _only(_only(signed, "Subject"), "SubjectConfirmation")


def _data(confirmation: etree._Element) -> etree._Element | None:
    """What is said of when, where and by which key the subject is confirmed; a NameID may stand before it (core 2.4.1.1)."""
    found = [one for one in confirmation if one.tag != ASSERTION + "NameID"]
    if len(found) > 1:
        raise NotGenuine("its subject is confirmed by several things")
    return found[0] if found else None


def _ends(signed: etree._Element) -> datetime:
    """When it ends: by its conditions or by its confirmation, whichever comes first."""
    said = (_only(signed, "Conditions"), _data(_confirmation(signed)))
    return min(_instant(one, "NotOnOrAfter") for one in said if one is not None and "NotOnOrAfter" in one.attrib)


def _text(element: etree._Element) -> str:
    """The text of an element without children."""
    if len(element):
        raise NotGenuine("an element stands where a text belongs")
    return (element.text or "").strip()


def _instant(element: etree._Element, name: str) -> datetime:
    text = element.get(name, "")
    if not _INSTANT.fullmatch(text):
        raise NotGenuine(f"{name} is missing, or no instant in UTC")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise NotGenuine(f"{name} is no instant of the calendar") from None


def _thumbprint(held: x509.Certificate) -> str:
    """RFC 7638 of a certificate's key, so that a proof with the same key as JWK can be compared."""
    key = held.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return jws.thumbprint({"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)})
    curve = cast("ec.EllipticCurvePublicKey", key)
    point, length = curve.public_numbers(), (curve.key_size + 7) // 8
    name = {256: "P-256", 384: "P-384", 521: "P-521"}[curve.key_size]
    return jws.thumbprint({"kty": "EC", "crv": name, "x": _number(point.x, length), "y": _number(point.y, length)})


def _number(number: int, length: int = 0) -> str:
    return jws.encoded(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))
