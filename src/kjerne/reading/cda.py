"""CDA R2 (HL7 Clinical Document Architecture, Release 2, `urn:hl7-org:v3` ClinicalDocument), level 1 to 3.

The narrative of a section is what its author answers for and is shown first (CDA R2, 4.3.5); what is coded beside it is folded
below it, and stands open where there is no narrative. The header is told whole: whom it is about and who wrote it first.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from kjerne.reading import cda_values
from kjerne.reading.markup import Reader
from kjerne.reading.room import Room, name, text_of
from kjerne.reading.view import LEAD, Block, Code, Field, Fields, Folded, Key, Note, Paragraph, Section, Span
from kjerne.reading.walk import Walk

NAMESPACE: Final = "urn:hl7-org:v3"
ROOT: Final = f"{{{NAMESPACE}}}ClinicalDocument"
_INLINE: Final = frozenset(
    "entry component assignedAuthor assignedPerson assignedEntity assignedCustodian representedCustodianOrganization "
    "patientRole patient participantRole playingEntity associatedEntity associatedPerson manufacturedProduct "
    "manufacturedMaterial manufacturedLabeledDrug relatedEntity intendedRecipient serviceEvent "
    "encompassingEncounter parentDocument guardianPerson playingDevice relatedSubject".split()
)  # fmt: skip
"""Elements that only hold others together: what is in them belongs to what they stand in."""
_PASSED: Final = frozenset({"templateId", "typeId", "realmCode", "contextConductionInd", "seperatableInd"})
_MOODS: Final = frozenset({"", "EVN", "DEF"})
_RELATIONS: Final = frozenset({"CAUS", "MFST", "RSON", "GEVL", "SPRT", "SAS", "XCRPT"})
_INVERSES: Final = _RELATIONS | {"SUBJ"}
_OWN: Final = ("value", "unit", "currency", "extension", "root")
_REPLACES: Final = frozenset({"RPLC", "APND", "XFRM"})
_OF_SECTION: Final = frozenset({"title", "text", "component", "entry", "code"})
_NAME: Final = Key("cda.name")
_BASE64: Final = "B64"
REPEATS_LIMIT: Final = 20
"""Pictures that are shown once more, all together: the page holds each of them as often as it is shown."""


class Read:
    """One document, part by part."""

    def __init__(self, root: etree._Element, room: Room) -> None:
        self._root = root
        self._room = room
        self._walk = Walk(
            room, "cda", cda_values.valued, _INLINE, _PASSED, blocked=self._file, told=_told_of_group,
        )  # fmt: skip
        self._media: dict[str, etree._Element] = {}
        self._shown: dict[etree._Element, tuple[Block, ...]] = {}
        self._repeats_left = REPEATS_LIMIT
        for one in root.iter(f"{{{NAMESPACE}}}observationMedia", f"{{{NAMESPACE}}}regionOfInterest"):
            self._media.setdefault(one.get("ID", ""), one)

    def title(self) -> str:
        found = self._first("title")
        if found is not None and (text := text_of(found)):
            return text
        code = self._first("code")
        row = cda_values.valued(code) if code is not None else None
        return row.text if row and not isinstance(row.text, Key) else ""

    def date(self) -> str:
        found = self._first("effectiveTime")
        return cda_values.time(found.get("value", "")) if found is not None else ""

    def lead(self) -> tuple[Field, ...]:
        """Who wrote it and who keeps it, by name."""
        found = list[Field]()
        for part, path in (
            ("author", "{*}assignedAuthor/{*}assignedPerson/{*}name"),
            ("custodian", "{*}assignedCustodian/{*}representedCustodianOrganization/{*}name"),
        ):
            for one in self._root.iterfind(f"{{*}}{part}/{path}"):
                row = cda_values.valued(one)
                if row and row.text and not isinstance(row.text, Key):
                    found.append(row._replace(path=(Key(f"cda.{part}"),), codes=()))
        return tuple(dict.fromkeys(found))[:LEAD]

    def about(self) -> tuple[Block, ...]:
        """Everybody whom it says that it is about, each by name first."""
        found = [block for one in self._root.iterfind("{*}recordTarget") for block in self._walk.of(one)]
        return tuple(
            Fields(tuple(sorted(one.rows, key=lambda row: row.path != (_NAME,)))) if isinstance(one, Fields) else one
            for one in found
        )

    def notes(self) -> tuple[Note, ...]:
        """How it stands to other documents."""
        how = [one.get("typeCode", "") for one in self._root.iterfind("{*}relatedDocument")]
        return tuple(Note(f"note.relates-{one}") for one in dict.fromkeys(how) if one in _REPLACES)

    def rest(self) -> tuple[Block, ...]:
        """The header, but for whom it is about and its title."""
        passed = {"recordTarget", "title", "component"}
        header = [one for one in self._root if name(one) not in passed]
        return (Folded(Key("page.about-document"), self._walk.each(header)),)

    def body(self) -> tuple[Block, ...]:
        found = list[Block]()
        for one in self._root.iterfind("{*}component/{*}nonXMLBody/{*}text"):
            found += self._file(one) or _plain(one)
        for body in self._root.iterfind("{*}component/{*}structuredBody"):
            for one in body.iterfind("{*}component/{*}section"):
                found.append(self._section(one))
        return tuple(found) or (Note("note.no-body"),)

    def _first(self, tag: str) -> etree._Element | None:
        return self._root.find(f"{{{NAMESPACE}}}{tag}")

    def _section(self, section: etree._Element) -> Section:
        parts = {kind: [one for one in section if name(one) == kind] for kind in _OF_SECTION}
        code = next((_code(one) for one in parts["code"]), None)
        title = (
            " ".join(text_of(one) for one in parts["title"]) or (code.display if code else "") or Key("page.untitled")
        )
        told = tuple(block for one in parts["text"] for block in Reader(self._room, self.media).read(one))
        within = [self._section(one) for part in parts["component"] for one in part if name(one) == "section"]
        coded = self._walk.each(parts["entry"])
        aside = self._walk.each(
            [one for one in section if name(one) not in _OF_SECTION or (name(one) == "code" and len(one))]
        )
        if coded and (told or within):
            coded = (Folded(Key("page.coded"), coded),)
        if aside:
            aside = (Folded(Key("page.about-section"), aside),)
        if not (told or within or coded):
            told = (Note("note.empty-section"),)
        return Section(title, (*told, *coded, *within, *aside), code)

    def media(self, id_: str) -> tuple[Block, ...]:
        """The picture of an `observationMedia`, or of the one that a region is of; nothing for an ID that is not there."""
        element = self._media.get(id_)
        if element is None:
            return ()
        found = (
            [element] if name(element) == "observationMedia" else list(element.iter(f"{{{NAMESPACE}}}observationMedia"))
        )
        return tuple(block for one in found for block in self._medium(one))

    def _medium(self, one: etree._Element) -> tuple[Block, ...]:
        if one in self._shown:
            self._repeats_left -= 1
            return self._shown[one] if self._repeats_left >= 0 else (Note("note.picture-unshown"),)
        made = tuple(block for value in one.iterfind("{*}value") for block in self._file(value) or _plain(value))
        self._shown[one] = made
        return made

    def _file(self, element: etree._Element) -> tuple[Block, ...] | None:
        """What an element holds that is no text: by how it says it is written, or by its media type."""
        kind = element.get("mediaType", "")
        is_file = element.get("representation") == _BASE64 or (kind and not kind.lower().startswith("text/"))
        if not is_file or name(element) not in ("text", "value"):
            return None
        reference = element.find("{*}reference")
        if reference is not None and not (element.text or "").strip():
            return (Note("note.elsewhere", (("address", reference.get("value", "")[:200]),)),)
        return self._room.file(element, kind)


def _plain(element: etree._Element) -> tuple[Block, ...]:
    text = "".join(str(one) for one in element.itertext()).strip("\n")
    return (Paragraph((Span(text),), typed=True),) if text.strip() else (Note("note.no-body"),)


def _code(element: etree._Element) -> Code | None:
    if not element.get("code"):
        return None
    return Code(element.get("codeSystem", ""), element.get("code", ""), element.get("displayName", ""))


def _told_of_group(element: etree._Element) -> tuple[Field, ...]:
    """What the attributes of an act say that turns its meaning: that it did not happen, is but planned, or is not known."""
    found = list[Field]()
    if cda_values.is_coded(element):
        found.append(cda_values.coded(element)._replace(path=(Key("cda.code"),)))
    if own := " ".join(filter(None, (element.get(one) for one in _OWN))):
        found.append(Field((), own))
    found += cda_values.turned(element)
    if element.get("moodCode", "") not in _MOODS:
        found.append(Field((Key("cda.moodCode"),), Key(f"mood.{element.get('moodCode')}")))
    if name(element) == "entryRelationship":
        found += _relation(element)
    if (why := element.get("nullFlavor")) and not cda_values.says_more(element):
        found.append(Field((Key("cda.nullFlavor"),), Key(f"null.{why}")))
    return tuple(found)


def _relation(element: etree._Element) -> tuple[Field, ...]:
    """How what stands in it is related to what it stands under; `inversionInd` turns that round (CDA R2, 4.3.8.4)."""
    kind, inverted = element.get("typeCode", ""), cda_values.flag(element, "inversionInd")
    if inverted == Key("cda.true") and kind in _INVERSES:
        return (Field((Key("cda.typeCode"),), Key(f"inverse.{kind}")),)
    told = (Field((Key("cda.typeCode"),), Key(f"relation.{kind}")),) if kind in _RELATIONS else ()
    return (*told, *((Field((Key("cda.inversionInd"),), inverted),) if inverted else ()))
