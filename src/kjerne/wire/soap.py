"""SOAP 1.2 with WS-Addressing 1.0, as IHE uses it (ITI TF-2 appendix V): one request, one action, one body, one fault.

An envelope goes through the same door as all XML (`wire.xml`). What a sender marks `mustUnderstand` and is not known here
is refused, as the standard asks. Answers go back on the same connection: a `ReplyTo` that names another address is refused
with the fault that WS-Addressing has for it. A fault's text never repeats what the message held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.wire import xml

TYPE: Final = "application/soap+xml"
ENVELOPE: Final = "{http://www.w3.org/2003/05/soap-envelope}"
ADDRESSING: Final = "{http://www.w3.org/2005/08/addressing}"
SECURITY: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"
ANONYMOUS: Final = "http://www.w3.org/2005/08/addressing/anonymous"
FAULT_ACTION: Final = "http://www.w3.org/2005/08/addressing/fault"
DEPTH: Final = 60
"""A submission with an assertion is some twenty deep."""
HEADERS_LIMIT: Final = 40
FAULT: Final = "It answered with a SOAP fault."

_SOAP_11: Final = "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
_ONCE: Final = tuple(ADDRESSING + name for name in ("Action", "MessageID", "To", "ReplyTo", "FaultTo", "From"))
_UNDERSTOOD: Final = frozenset({*_ONCE, ADDRESSING + "RelatesTo", SECURITY + "Security"})
_OURS: Final = frozenset({"", ENVELOPE[1:-1] + "/role/next", ENVELOPE[1:-1] + "/role/ultimateReceiver"})
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,200}")
_SECURED: Final = b'<wsse:Security env:mustUnderstand="true">', b"</wsse:Security>"
_PREFIXES: Final[Any] = {"env": ENVELOPE[1:-1], "wsa": ADDRESSING[1:-1], "wsse": SECURITY[1:-1]}


class Failed(Exception):
    """What is answered with a SOAP fault.

    `code` is Sender, Receiver, MustUnderstand or VersionMismatch; `subcode` a name in Clark notation that says it closer;
    `status` goes with it over HTTP (SOAP 1.2 part 2, table 20); `names` are header blocks that were not understood.
    """

    def __init__(
        self,
        code: str,
        says: str,
        *,
        subcode: str = "",
        status: int = 0,
        names: tuple[str, ...] = (),
        relates: str = "",
    ) -> None:
        super().__init__(says)
        self.code = code
        self.says = says
        self.subcode = subcode
        self.status = status or (400 if code == "Sender" else 500)
        self.names = names
        self.relates = relates


@dataclass(frozen=True, slots=True)
class Message:
    """A request that holds: `body` is the one element in its body, `assertion` the one in its Security header, if any."""

    action: str
    message_id: str
    to: str
    body: etree._Element
    assertion: etree._Element | None


def opened(raw: bytes, *, action: str = "", limit_bytes: int = xml.LIMIT_BYTES) -> Message:
    """The request in an envelope; `Failed` where it is none, or cannot be answered. `action` is what HTTP said beside it."""
    try:
        root = xml.parse(raw, depth=DEPTH, limit_bytes=limit_bytes)
    except Refusal as refusal:
        raise Failed("Sender", refusal.says, status=refusal.status) from refusal
    header, body = _shape(root)
    blocks = list(header) if header is not None else []
    relates = _relates(blocks)
    try:
        return _message(blocks, body, action, relates)
    except Failed as failed:
        failed.relates = relates
        raise


def _message(blocks: list[etree._Element], body: etree._Element, action: str, message_id: str) -> Message:
    if unknown := tuple(str(one.tag) for one in blocks if _must(one) and one.tag not in _UNDERSTOOD):
        raise Failed("MustUnderstand", "A header block that must be understood is not known here.", names=unknown)
    said = {tag: _only(blocks, tag) for tag in _ONCE}
    named = _text(said[ADDRESSING + "Action"])
    if not named:
        raise _addressing("MessageAddressingHeaderRequired", "The message has no wsa:Action.")
    if not message_id:
        raise _addressing("MessageAddressingHeaderRequired", "The message has no wsa:MessageID that is an address.")
    if action and action != named:
        raise _addressing("ActionMismatch", "The action in Content-Type is another than wsa:Action.")
    for tag in ("ReplyTo", "FaultTo"):
        block = said[ADDRESSING + tag]
        if block is not None and _text(block.find(ADDRESSING + "Address")) != ANONYMOUS:
            raise _addressing("OnlyAnonymousAddressSupported", f"wsa:{tag} may only be the anonymous address.")
    if len(body) != 1:
        raise Failed("Sender", "The body holds no element, or several.")
    return Message(named, message_id, _text(said[ADDRESSING + "To"]), body[0], _assertion(blocks))


def answered(raw: bytes, *, relates: str, limit_bytes: int = xml.LIMIT_BYTES) -> etree._Element:
    """The element in the body of an answer to our message `relates`; `Failed` where it is a fault, of that fault's code and
    subcode, cannot be read, or answers another message. What a fault says in words is not repeated."""
    try:
        root = xml.parse(raw, depth=DEPTH, limit_bytes=limit_bytes)
    except Refusal as refusal:
        raise Failed("Sender", refusal.says, status=refusal.status) from refusal
    header, body = _shape(root)
    blocks = list(header) if header is not None else []
    if unknown := tuple(str(one.tag) for one in blocks if _must(one) and one.tag not in _UNDERSTOOD):
        raise Failed("MustUnderstand", "A header block that must be understood is not known here.", names=unknown)
    to = [_text(one) for one in blocks if one.tag == ADDRESSING + "RelatesTo"]
    if any(one != relates for one in to):
        raise Failed("Sender", "The answer is to another message.")
    if len(body) != 1:
        raise Failed("Sender", "The body holds no element, or several.")
    if not to and body[0].tag != ENVELOPE + "Fault":
        # WS-Addressing 1.0, 3.4. A fault may come of a message that was not read so far.
        raise Failed("Sender", "The answer does not say to which message it is.")
    if body[0].tag == ENVELOPE + "Fault":
        raise _fault_of(body[0])
    return body[0]


def _fault_of(told: etree._Element) -> Failed:
    """A fault that was answered: its code, and its subcode in Clark notation where that can be resolved."""
    value, inner = (_text(told.find(f"{ENVELOPE}Code/{ENVELOPE}{path}Value")) for path in ("", f"Subcode/{ENVELOPE}"))
    code, (prefix, _, name) = value.rpartition(":")[2], inner.rpartition(":")
    namespace = told.nsmap.get(prefix or None, "")
    known = code if code in ("Sender", "Receiver", "MustUnderstand", "VersionMismatch") else "Receiver"
    return Failed(known, FAULT, subcode=f"{{{namespace}}}{name}" if namespace and name else "")


def enveloped(
    action: str, body: etree._Element, *, message_id: str, to: str = "", relates: str = "",
    assertion: bytes = b"",
) -> bytes:  # fmt: skip
    """An envelope around `body`: an answer where it relates to a message, else a request to an address, with the `assertion` of
    whoever sends it, which goes in byte for byte: an element that is moved gets other prefixes, and its signature breaks."""
    root = etree.Element(ENVELOPE + "Envelope", nsmap=_PREFIXES)
    header = etree.SubElement(root, ENVELOPE + "Header")
    _block(header, "Action", action).set(ENVELOPE + "mustUnderstand", "true")
    _block(header, "MessageID", message_id)
    if to:
        _block(header, "To", to).set(ENVELOPE + "mustUnderstand", "true")
    if relates:
        _block(header, "RelatesTo", relates)
    if assertion:
        reply = etree.SubElement(header, ADDRESSING + "ReplyTo")
        etree.SubElement(reply, ADDRESSING + "Address").text = ANONYMOUS
    etree.SubElement(root, ENVELOPE + "Body").append(body)
    raw = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    if not assertion:
        return raw
    # No text holds an end tag, so the first is the header's own.
    head, end, rest = raw.partition(b"</env:Header>")
    return b"".join((head, _SECURED[0], assertion, _SECURED[1], end, rest))


def fault(failed: Failed, *, message_id: str) -> bytes:
    """The envelope that tells a fault (SOAP 1.2 part 1, 5.4)."""
    body = etree.Element(ENVELOPE + "Fault", nsmap=_PREFIXES)
    code = etree.SubElement(body, ENVELOPE + "Code")
    etree.SubElement(code, ENVELOPE + "Value").text = f"env:{failed.code}"
    if failed.subcode:
        sub = etree.SubElement(code, ENVELOPE + "Subcode")
        etree.SubElement(sub, ENVELOPE + "Value").text = _prefixed(failed.subcode, _PREFIXES)
    reason = etree.SubElement(body, ENVELOPE + "Reason")
    told = etree.SubElement(reason, ENVELOPE + "Text")
    told.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    told.text = failed.says
    raw = enveloped(FAULT_ACTION, body, message_id=message_id, relates=failed.relates)
    return _with_notices(raw, failed) if failed.code in ("MustUnderstand", "VersionMismatch") else raw


def unsupported(relates: str) -> Failed:
    """What an action is answered with that is none of the address asked."""
    failed = _addressing("ActionNotSupported", "The action is not one of this address.")
    failed.relates = relates
    return failed


def unauthenticated(says: str, *, subcode: str = "FailedAuthentication") -> Failed:
    """What a missing or broken assertion is answered with (WS-Security 1.1, 12)."""
    return Failed("Sender", says, subcode=SECURITY + subcode)


def _shape(root: etree._Element) -> tuple[etree._Element | None, etree._Element]:
    if root.tag == _SOAP_11:
        raise Failed("VersionMismatch", "The envelope is SOAP 1.1; SOAP 1.2 is spoken here.")
    if root.tag != ENVELOPE + "Envelope":
        raise Failed("VersionMismatch", "The message is not a SOAP 1.2 envelope.")
    tags = [str(child.tag) for child in root]
    if tags not in ([ENVELOPE + "Body"], [ENVELOPE + "Header", ENVELOPE + "Body"]):
        raise Failed("Sender", "An envelope has one header at most, and one body behind it.")
    if len(tags) == 2 and len(root[0]) > HEADERS_LIMIT:
        raise Failed("Sender", f"The message has more than {HEADERS_LIMIT} header blocks.")
    return (root[0] if len(tags) == 2 else None), root[-1]


def _relates(blocks: list[etree._Element]) -> str:
    """The message's id, so that a fault about the rest can name it; empty where it has none that may be repeated."""
    found = [one for one in blocks if one.tag == ADDRESSING + "MessageID"]
    text = _text(found[0]) if len(found) == 1 else ""
    return text if _ID.fullmatch(text) else ""


def _must(block: etree._Element) -> bool:
    role = block.get(ENVELOPE + "role", "")
    return block.get(ENVELOPE + "mustUnderstand", "") in ("1", "true") and role in _OURS


def _only(blocks: list[etree._Element], tag: str) -> etree._Element | None:
    found = [one for one in blocks if one.tag == tag]
    if len(found) > 1:
        raise _addressing("InvalidAddressingHeader", f"wsa:{etree.QName(tag).localname} stands in the message twice.")
    return found[0] if found else None


def _assertion(blocks: list[etree._Element]) -> etree._Element | None:
    found = [one for block in blocks if block.tag == SECURITY + "Security" for one in block if one.tag == ASSERTION]
    if len(found) > 1:
        raise unauthenticated("The message holds several assertions.", subcode="InvalidSecurity")
    return found[0] if found else None


def _text(element: etree._Element | None) -> str:
    return "" if element is None or len(element) else (element.text or "").strip()


def _addressing(name: str, says: str) -> Failed:
    return Failed("Sender", says, subcode=ADDRESSING + name)


def _block(header: etree._Element, name: str, text: str) -> etree._Element:
    made = etree.SubElement(header, ADDRESSING + name)
    made.text = text
    return made


def _with_notices(raw: bytes, failed: Failed) -> bytes:
    """With the header blocks that say what was not understood, or which version is (SOAP 1.2 part 1, 5.4.7 and 5.4.8)."""
    root = xml.parse(raw)
    if failed.code == "VersionMismatch":
        upgrade = etree.SubElement(root[0], ENVELOPE + "Upgrade")
        etree.SubElement(upgrade, ENVELOPE + "SupportedEnvelope").set("qname", "env:Envelope")
    for name in failed.names:
        prefixes: Any = {"n": etree.QName(name).namespace} if name.startswith("{") else {}
        one = etree.SubElement(root[0], ENVELOPE + "NotUnderstood", nsmap=prefixes)
        one.set("qname", _prefixed(name, one.nsmap))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _prefixed(name: str, prefixes: Mapping[str | None, str]) -> str:
    """A name in Clark notation as text, by a prefix that is declared where it will stand."""
    wanted = etree.QName(name)
    found = [prefix for prefix, namespace in prefixes.items() if prefix and namespace == wanted.namespace]
    return f"{found[0]}:{wanted.localname}" if found else wanted.localname
