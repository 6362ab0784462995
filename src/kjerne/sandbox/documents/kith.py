"""Letters as KITH's messages, Epikrise and Henvisning (both 2012-02-15).

No schema of these two was at hand: they have the elements that Svarrapport has too, and others that their readers know.
"""

from __future__ import annotations

import uuid
from typing import Final

from kjerne.sandbox.documents.paper import LABEL, Letter, Part
from kjerne.svarrapport import NUMBER_KIND, PROFESSION, Code, Unit

_BASE: Final = "http://www.kith.no/xmlstds/"
_SPACE: Final = uuid.UUID("6d1a2c0e-1d0b-5c1e-9c55-3b0a6a1e95aa")


def epikrise(letter: Letter) -> bytes:
    """A discharge letter."""
    kind = ("INN", "Innleggelse") if letter.begun != letter.ended else ("POL", "Poliklinisk kontakt")
    stay = (
        f"<Event>{_coded('Type', *kind)}{_time('StartDateTime', letter.begun.isoformat())}"
        f"{_time('EndDateTime', letter.ended.isoformat())}</Event>"
    )
    told = "".join((
        _coded("ServType", "N", "Ny"), _time("IssueDate", letter.written.isoformat()), _coded("Status", "F", "Endelig"),
        f"<ServProvId>{_id(letter)}</ServProvId>", stay, _patient(letter),
        f"<ServProvider><HCP>{_unit(letter.unit)}</HCP></ServProvider>",
        f"<Requester><HCP>{_unit(letter.to)}</HCP></Requester>" if letter.to else "",
        f"<RelServProv>{_coded('Relation', 'ALE', 'Ansvarlig lege')}<HCP>{_author(letter)}</HCP></RelServProv>",
    ))  # fmt: skip
    return _message(letter, "epikrise", "EPI", "Epikrise", "v1.2 2012-02-15", f"<ServReport>{told}</ServReport>")


def henvisning(letter: Letter) -> bytes:
    """A referral; its first part is why."""
    why, *_ = letter.parts
    reason = (
        f"<ReasonAsText>{_coded('Heading', 'PROB', 'Aktuell problemstilling')}"
        f"<TextResultValue>{_x(why.text)}</TextResultValue></ReasonAsText>"
    )
    told = "".join((
        _coded("ServType", "N", "Ny"), _time("IssueDate", letter.written.isoformat()),
        f"<ServProvId>{_id(letter)}</ServProvId>",
        _coded("Priority", "2", "Vanlig"), reason, _patient(letter, letter.parts[1:]),
        f"<ServProvider><HCP>{_unit(letter.to)}</HCP></ServProvider>" if letter.to else "",
        f"<Requester><HCP>{_unit(letter.unit)}</HCP></Requester>",
        f"<RelServProv>{_coded('Relation', 'HENV', 'Henvisende lege')}<HCP>{_author(letter)}</HCP></RelServProv>",
    ))  # fmt: skip
    return _message(letter, "henvisning", "HEN", "Henvisning", "v2.0 2012-02-15", f"<ServReport>{told}</ServReport>")


def _message(letter: Letter, standard: str, value: str, name: str, version: str, told: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Message xmlns="{_BASE}{standard}/2012-02-15">{_coded("Type", value, name)}<MIGversion>{version}</MIGversion>'
        f"{_time('GenDate', letter.written.isoformat())}<MsgId>{_id(letter)}</MsgId>{told}</Message>\n"
    ).encode()


def _patient(letter: Letter, parts: tuple[Part, ...] | None = None) -> str:
    one, number = letter.person, letter.number
    sex = {"male": ("1", "Mann"), "female": ("2", "Kvinne")}[one.sex]
    told = letter.parts if parts is None else parts
    return "".join((
        "<Patient>", _coded("Sex", *sex), f'<DateOfBirth V="{one.birth_date.isoformat()}"/>',
        f"<Name>{_x(f'{one.family}, {one.given}')}</Name><OffId>{number.value}</OffId>",
        _coded("TypeOffId", number.kind, NUMBER_KIND[number.kind]),
        *map(_diagnosis, letter.diagnoses), *map(_item, told), _item(Part("Merknad", LABEL)), "</Patient>",
    ))  # fmt: skip


def _diagnosis(code: Code) -> str:
    return f'<Diagnosis><Concept V="{code.value}" S="{code.system}" DN="{_x(code.name)}"/></Diagnosis>'


def _item(part: Part) -> str:
    """A part as an item of information; a table becomes lines, since the standard has text alone."""
    lines = [part.text] if part.text else []
    lines += [
        f"{name}: {value}{f' (ref. {beside[0]})' if beside and beside[0] else ''}"
        for name, value, *beside in part.rows[1:]
    ]
    text = "\n".join(lines)
    return (
        f"<InfItem>{_coded('Type', 'TEKST', _x(part.heading))}<Observation><Description>{_x(text)}</Description></Observation>"
        "</InfItem>"
    )


def _author(letter: Letter) -> str:
    one = letter.author
    if one is None:
        return _unit(letter.unit)
    kind = one.authorizations[0]
    return (
        f"<HCProf>{_coded('Type', kind, PROFESSION[kind])}<Name>{_x(one.name)}</Name><Id>{one.hpr}</Id>"
        f"{_coded('TypeId', 'HPR', 'HPR-nummer')}</HCProf>"
    )


def _unit(unit: Unit) -> str:
    her = _coded("TypeId", "HER", "HER-id")
    department = (
        f"<Dept><Name>{_x(unit.department)}</Name><Id>{unit.department_her}</Id>{her}</Dept>" if unit.department else ""
    )
    return f"<Inst><Name>{_x(unit.name)}</Name><Id>{unit.her}</Id>{her}{department}</Inst>"


def _id(letter: Letter) -> str:
    return str(uuid.uuid5(_SPACE, f"{letter.title} {letter.person.key} {letter.written.isoformat()}"))


def _coded(tag: str, value: str, name: str) -> str:
    return f'<{tag} V="{value}" DN="{name}"/>'


def _time(tag: str, at: str) -> str:
    return f'<{tag} V="{at}"/>'


def _x(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
