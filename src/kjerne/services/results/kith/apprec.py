"""Applikasjonskvittering: the receipt that every message gets, AppRec 1.0 (2004-11-21) and 1.1 (2012-02-15).

Receivers of these messages must answer with one (Forskrift om IKT-standarder § 5 b). A receipt says accepted, or
rejected with coded reasons (8221) and the place of the error; it never repeats what the message said about a
patient.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from uuid import UUID, uuid5
from xml.sax.saxutils import escape

from kjerne.errors import Fault, Refusal
from kjerne.services.results.kith.model import Actor, Code, Identifier, Message
from kjerne.services.results.kith.nodes import Element, code, codes, first, name_of, parts, refuse, text, value
from kjerne.services.results.kith.read_actors import actor
from kjerne.services.results.kith.times import stamp
from kjerne.xml_door import parsed

Version = Literal["1.0", "1.1"]

NAMESPACE: Final[dict[Version, str]] = {
    "1.0": "http://www.kith.no/xmlstds/apprec/2004-11-21",
    "1.1": "http://www.kith.no/xmlstds/apprec/2012-02-15",
}
MIG_VERSION: Final[dict[Version, str]] = {"1.0": "1.0 2004-11-21", "1.1": "v1.1 2012-02-15"}
ERROR_TABLE: Final = "2.16.578.1.12.4.1.1.8221"
STATUS: Final = {"1": "OK", "2": "Avvist", "3": "OK, feil i delmelding"}
"""8222. A message is taken whole or refused whole; 3 says that it is in, and that something in it had no effect."""

ERRORS: Final = {
    "E10": "Ugyldig meldingsidentifikator",
    "E20": "Lege finnes ikke",
    "E21": "Mottaker finnes ikke",
    "E30": "Pasientens fødselsnummer mangler",
    "E31": "Pasientens fødselsnummer er feil",
    "E32": "Pasientens navn mangler",
    "E35": "Pasienten finnes ikke i mottakersystemet",
    "S01": "Feil på signatur",
    "S02": "Ugyldig sertifikat",
    "S03": "Tilbaketrukket sertifikat",
    "S99": "Annen feil på signatur eller sertifikat",
    "T01": "Ikke XML / ikke 'well formed' / uleselig",
    "T02": "XML validerer ikke",
    "T10": "Støtter ikke meldingsformatet",
    "T99": "Annen feil på format",
    "X99": "Annen feil",
}
"""8221, the codes with their names."""

KIND_NAME: Final = {
    "HER": "HER-id",
    "ENH": "Organisasjonsnummeret i Enhetsregister",
    "RSH": "RESH-id",
    "HPR": "HPR-nummer",
    "AKO": "Apotekenes konsesjonsnummer",
    "LAV": "Lokal identifikator for avdelinger",
    "LIN": "Lokal identifikator for institusjoner",
    "LOK": "Lokal identifikator uten nærmere angivelse",
    "LOP": "Lokal identifikator for helsepersonell",
}
_BY_STATUS: Final = {400: "T01", 413: "T99", 415: "T10", 422: "X99"}
_DETAIL_LENGTH: Final = 400
_HEAD_BYTES: Final = 20_000
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no XML document holds, our receipt no more than theirs."""
_ASIDE: Final = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
"""What is no element: comments and instructions, and text that is written as it is meant."""
_REFERENCE: Final = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ID: Final = re.compile(r"<(?:[\w.-]{1,20}:)?MsgId>([^<>]{1,200})</")
_TYPE: Final = re.compile(r"<(?:[\w.-]{1,20}:)?Type\s[^<>]{0,100}?\bV=[\"']([\w.-]{1,40})[\"']")
_GENERATED: Final = re.compile(r"<(?:[\w.-]{1,20}:)?GenDate(?:\s+V=[\"']|>)([0-9T:.Z+-]{4,40})")


US: Final = Actor(organisation="kjerne")
"""Who writes the receipts, where neither the message nor the caller of `build` says better."""

_DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"
_IN_ATTRIBUTE: Final = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"}
_ID_SPACE: Final = UUID("5f0a1f52-6f0c-5a57-9d3e-6f2b7c1c9a41")


class Heard(NamedTuple):
    """What could be made out of a message: enough to tell its sender which one was refused."""

    id: str = ""
    type: Code = Code()
    generated: str = ""
    version: str = "1.4"
    sender: Actor = Actor()
    envelope_id: str = ""
    addressed: Actor = Actor()


class Receipt(NamedTuple):
    """A receipt as read. `status` is of 8222; `sender` wrote it; `about` is the message it answers."""

    version: Version
    id: str
    generated: str
    sender: Actor
    receiver: Actor
    status: str
    faults: tuple[Fault, ...]
    about: Heard


def version_for(message_version: str, asked: str = "") -> Version:
    """The version the sender uses: the one asked for, else the one of the same year as its Svarrapport."""
    if asked in NAMESPACE:
        return "1.0" if asked == "1.0" else "1.1"
    return "1.0" if message_version == "1.3" else "1.1"


def faults_of(refusal: Refusal) -> tuple[Fault, ...]:
    """The faults of a refusal, each with a code of 8221; never empty."""
    default = _BY_STATUS.get(refusal.status, "X99")
    faults = refusal.faults or (Fault(refusal.says, refusal.where),)
    found = []
    for fault in faults:
        words = fault.says
        if refusal.todo and refusal.todo not in words:
            words = f"{words.rstrip('.')}. {refusal.todo}"
        found.append(Fault(words, fault.where, fault.code if fault.code in ERRORS else default))
    return tuple(found)


_WIDE: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""How a document in UTF-16 begins, with a byte order mark or without."""


def heard(raw: bytes) -> Heard:
    """What `raw` tells of itself, found without parsing: it was refused, so nothing in it is trusted further."""
    encoding = next((name for begins, name in _WIDE.items() if raw.startswith(begins)), "utf-8")
    head = _ASIDE.sub(_as_text, _UNWRITABLE.sub("\ufffd", raw[:_HEAD_BYTES].decode(encoding, "replace")))
    ids = [_REFERENCE.sub(_meant, one).strip() for one in _ID.findall(head)]
    type_code = _TYPE.search(head)
    generated = _GENERATED.search(head)
    made = stamp(generated[1]) if generated else None
    return Heard(
        id=ids[-1] if ids else "",
        type=Code(type_code[1]) if type_code else Code(),
        generated=made.text if made else "",
        version="1.3" if "labsvar/2008-12-01" in head else "1.4",
        envelope_id=ids[0] if len(ids) > 1 else "",
    )


def _as_text(aside: re.Match[str]) -> str:
    """What stands between CDATA marks, as text is written elsewhere."""
    return (aside[1] or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _meant(reference: re.Match[str]) -> str:
    """The sign that is meant; one that no document holds is left as it is written."""
    number, hexadecimal, name = reference.groups()
    if name:
        return _NAMED[name]
    code = int(number) if number else int(hexadecimal, 16)
    sign = chr(code) if code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else ""
    return sign if sign and not _UNWRITABLE.match(sign) else reference[0]


def build(
    about: Message | Heard, faults: Sequence[Fault], at: datetime, *, us: Actor = US, asked: str = "",
    idle: Sequence[Fault] = (),
) -> bytes:  # fmt: skip
    """The receipt for a message as an XML document: accepted without `faults`, rejected with them. `idle`: what was accepted and
    had no effect.

    The same message and time give the same receipt. It names the envelope's id and time where there is an envelope, since
    that is what the sender waits for, and comes from whom that was sent to, else from `us`. `at` is aware; `asked` is a version
    the sender has asked for.
    """
    version = version_for(about.version, asked)
    original, made = about.envelope_id or about.id, about.generated
    if isinstance(about, Message) and about.envelope_id:
        known = stamp(about.envelope_generated)
        made = known.text if known else ""
    status = "2" if faults else "3" if idle else "1"
    inside = (
        _coded("MsgType", "APPREC", "Applikasjonskvittering"),
        _put("MIGversion", MIG_VERSION[version]),
        _put("GenDate", at.isoformat(timespec="seconds")),
        _put("Id", str(uuid5(_ID_SPACE, f"{original}|{at.isoformat()}|{len(faults)}"))),
        _holder("Sender", _party(_addressed(about.addressed) or us)),
        _holder("Receiver", _party(about.sender)),
        _coded("Status", status, STATUS[status]),
        *map(_error, faults or idle),
        _holder(
            "OriginalMsgId",
            _coded("MsgType", about.type.code or "UKJENT", about.type.name),
            _put("IssueDate", made or at.isoformat(timespec="seconds")),
            _put("Id", original or "UKJENT"),
        ),
    )
    return f'{_DECLARATION}<AppRec xmlns="{NAMESPACE[version]}">{"".join(inside)}</AppRec>'.encode()


def us_as(number: str) -> Actor:
    """Who writes the receipts, with an organisation number where the installation has one."""
    return Actor(organisation=US.organisation, organisation_ids=(Identifier(number, "ENH"),)) if number else US


def _addressed(who: Actor) -> Actor | None:
    """The organisation and department that a message was sent to; no person there has written its receipt."""
    if not who.organisation and not who.organisation_ids:
        return None
    return Actor(
        organisation=who.organisation,
        organisation_ids=who.organisation_ids,
        department=who.department,
        department_ids=who.department_ids,
    )


def _error(fault: Fault) -> str:
    code_ = fault.code if fault.code in ERRORS else "X99"
    words = f"{fault.says} ({fault.where})" if fault.where else fault.says
    return _coded("Error", code_, ERRORS[code_], S=ERROR_TABLE, OT=words[:_DETAIL_LENGTH])


def idle(receipt: bytes) -> tuple[Fault, ...]:
    """What a receipt that `build` made says had no effect (`build`'s own `idle`, its place in the words); empty where nothing."""
    here = parts(parsed(receipt))
    if value(here, "Status") != "3":
        return ()
    return tuple(Fault(error.original or error.name, "", error.code) for error in codes(here, "Error"))


def parse(root: Element) -> Receipt:
    """A receipt under `root` (from `wire.xml`); `Refusal` 422 where it is none."""
    namespace = str(root.tag).rpartition("}")[0].lstrip("{")
    version = next((v for v, known in NAMESPACE.items() if known == namespace), None)
    if version is None or name_of(root) != "AppRec":
        refuse("This is no AppRec 1.0 or 1.1.", root, receipt="T10")
    here = parts(root)
    status = value(here, "Status")
    if status not in STATUS:
        refuse("Status is missing or none of 1, 2, 3 (8222).", root, "Status")
    about = first(here, "OriginalMsgId")
    if about is None:
        refuse("The receipt does not say which message it is about.", root, "OriginalMsgId")
    inside = parts(about)
    return Receipt(
        version=version,
        id=text(here, "Id"),
        generated=text(here, "GenDate"),
        sender=actor(first(here, "Sender")),
        receiver=actor(first(here, "Receiver")),
        status=status,
        faults=tuple(Fault(error.original or error.name, "", error.code) for error in codes(here, "Error")),
        about=Heard(text(inside, "Id"), code(inside, "MsgType"), text(inside, "IssueDate")),
    )


@lru_cache(maxsize=256)
def _party(who: Actor) -> str:
    """HCP with Inst, its department and the person there; HCProf for a person without institution. Kept: a sender comes
    again with each message."""
    if not who.organisation and not who.organisation_ids and who.person:
        return _holder("HCP", _holder("HCProf", _named(who.person, who.person_ids)))
    inside = [_named(who.organisation or "Ukjent", who.organisation_ids)]
    if who.department or who.department_ids:
        inside.append(_holder("Dept", _named(who.department, who.department_ids)))
    if who.person:
        inside.append(_holder("HCPerson", _named(who.person, who.person_ids)))
    inside += map(_additional, who.organisation_ids[1:])
    return _holder("HCP", _holder("Inst", *inside))


def _named(name: str, identifiers: tuple[Identifier, ...]) -> str:
    words = _put("Name", name) if name else ""
    if not identifiers:
        return words
    kind = identifiers[0].kind
    return words + _put("Id", identifiers[0].value) + _coded("TypeId", kind, KIND_NAME.get(kind, ""))


def _additional(identifier: Identifier) -> str:
    kind = _coded("Type", identifier.kind, KIND_NAME.get(identifier.kind, ""))
    return _holder("AdditionalId", _put("Id", identifier.value), kind)


# Written as text: each message is answered with one of these forty elements, and a tree of them costs five times as much.
def _holder(name: str, *inside: str) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"


def _put(name: str, words: str) -> str:
    return f"<{name}>{escape(_printable(words))}</{name}>"


def _coded(name: str, code_: str, words: str, **more: str) -> str:
    """A code (V) with its name (DN), and more attributes; one without content is left out, but for the code."""
    said = "".join(f' {one}="{_attribute(text)}"' for one, text in (("DN", words), *more.items()) if text)
    return f'<{name} V="{_attribute(code_)}"{said}/>'


def _attribute(words: str) -> str:
    return escape(_printable(words), _IN_ATTRIBUTE)


def _printable(words: str) -> str:
    """Without the control signs that XML cannot hold."""
    if words.isprintable():
        return words
    return "".join(sign for sign in words if sign.isprintable() or sign in "\n\t")
