"""Messages by KITH's standards: epikrise, henvisning, rekvisisjon, svarrapport, pleie og omsorg, bare or in a message head.

The namespaces that NHN's own client has a stylesheet for differ in what they hold and not in how they hold it: values stand in
attributes (V, DN, S, OT, U), and an element's name says what it is. So one table of names reads them all, and what has no name
in it is shown by its own. A laboratory's results become a table.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from kjerne.reading import kith_codes
from kjerne.reading.markup import Reader
from kjerne.reading.room import Room, name, text_of
from kjerne.reading.view import (
    LEAD,
    Block,
    Cell,
    Code,
    Field,
    Fields,
    Folded,
    Group,
    Key,
    Note,
    Paragraph,
    Section,
    Span,
    Table,
)
from kjerne.reading.walk import Walk

NAMESPACES: Final = ("http://www.kith.no/xmlstds/", "http://ehelse.no/xmlstds/")
HEAD: Final = "MsgHead"
_XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_INLINE: Final = frozenset(
    {"HCP", "TextResult", "Content", "Message", "Document", "ServReport", "ServRprt", "Patient", "StructuredInfo"}
)
"""Elements that only hold others together."""
_OUTER: Final = frozenset({"Document", "RefDoc", "Content", "Message", "ServReport", "ServRprt", "MsgInfo"})
_ABOUT: Final = frozenset(
    "Name FamilyName MiddleName GivenName OffId TypeOffId Ident AdditionalId DateOfBirth DateOfDeath Sex Address TeleCom "
    "Nationality Language NativeLanguage NeedTranslator MaritalStatus Occupation EthnicBelonging TypePatient".split()
)  # fmt: skip
"""What of a patient is who she is; the rest of the element is what is told of her."""
_ABOUT_MESSAGE: Final = frozenset(
    "Type MIGversion GenDate MsgId MsgInfo ProcessingStatus Ack Sender Receiver OtherReceiver ServProvider Requester CopyDest "
    "ServProvId DocumentConnection".split()
)  # fmt: skip
_TYPE_OF: Final = {"TypeId": ("Id",), "TypeOffId": ("OffId",)}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d\S{0,20})?", re.ASCII)
_COLUMNS: Final = (
    ("Investigation", frozenset({"Investigation"})),
    ("result", frozenset({"NumResult", "TextResult", "DateResult", "Interval"})),
    ("RefInterval", frozenset({"RefInterval"})),
    ("DevResultInd", frozenset({"DevResultInd"})),
    ("InvDate", frozenset({"InvDate"})),
)
"""What stands in a row of its own of a result; all else stands in the last column."""
_STATUS: Final = ("ServType", frozenset({"ServType", "StatusInvestigation"}))
"""A column where some result of the table is no new and final one: what is taken back must not lie folded."""
_PLAIN: Final = frozenset(
    "Id NumResult TextResultValue TextCode DateResultValue Descr DevResultInd InvDate ServType StatusInvestigation".split()
)
_ITEM: Final = "ResultItem"
_RESULTS: Final = frozenset({_ITEM, "AnalysedSubject", "DiagComment"})
"""Elements whose kind of service is their own and not the message's."""


def is_message(root: etree._Element) -> bool:
    """Whether an element is a message of these standards."""
    return isinstance(root.tag, str) and root.tag[1:].startswith(NAMESPACES)


class Read:
    """One message, part by part."""

    def __init__(self, root: etree._Element, room: Room) -> None:
        self._root = root
        self._room = room
        self._walk = Walk(room, "kith", self._valued, _INLINE, blocked=self._blocked, told=_told)
        self._patients = [one for one in root.iter("{*}Patient") if not _within(one, frozenset({"Patient"}))]
        self._about = [[part for part in one if name(part) in _ABOUT] for one in self._patients]
        self._outer = [one for one in root.iter() if name(one) in _ABOUT_MESSAGE and _stands_outside(one, root)]
        self._apart = {*self._outer, *(part for parts in self._about for part in parts)}

    def title(self) -> str:
        """What the message calls itself, else what its namespace does."""
        mains = [one for one in self._root.iter() if is_message(one) and _begins(one)] or [self._root]
        called = [one.get("DN", "") for main in (*reversed(mains), self._root) for one in main.iter("{*}Type")]
        parts = _namespace(mains[-1]).split("/")
        family = Key(f"kith.{parts[1] if parts[0] in ('po', 'epj') and len(parts) > 1 else parts[0]}")
        own = next((one.get("DN", "") for one in mains[-1].iterfind("{*}Type")), "")
        return own or (family if parts[0] != "msghead" else next(filter(None, called), family))

    def date(self) -> str:
        """When it was issued, else when it was written."""
        found = (one.get("V", "") for part in ("IssueDate", "GenDate") for one in self._root.iter(f"{{*}}{part}"))
        return next((one for one in found if _TIME.fullmatch(one)), "")

    def lead(self) -> tuple[Field, ...]:
        """Who sent it and who asked for it or gets it."""
        found = list[Field]()
        for part in ("Sender", "ServProvider", "Requester", "Receiver"):
            every = (inner for outer in self._outer for inner in outer.iter(f"{{*}}{part}"))
            # One within another of its kind has no name that this has not.
            for one in (each for each in every if not _within(each, frozenset({part}))):
                named = [text_of(each) for each in one.iter("{*}Name", "{*}OrganisationName")]
                found.append(Field((Key(f"kith.{part}"),), ", ".join(dict.fromkeys(filter(None, named)))))
        return tuple(dict.fromkeys(one for one in found if one.text))[:LEAD]

    def about(self) -> tuple[Block, ...]:
        """The patient, once for each place where the message tells of her in another way."""
        told = [self._walk.each(parts, opened=True) for parts in self._about]
        return tuple(block for one in dict.fromkeys(told) for block in one)

    def notes(self) -> tuple[Note, ...]:
        """That all of it, or some of it, is taken back. How else a message stands to others is told with its kind of service."""
        reports = [one for one in self._root.iter("{*}ServType") if name(_outer(one)) in kith_codes.REPORTS] or [
            one for one in self._root.iter("{*}ServType") if name(_outer(one)) not in _RESULTS
        ]
        if reports and all(kith_codes.is_taken_back(one) for one in reports):
            return (Note("note.taken-back"),)
        within = self._root.iter("{*}ServType", "{*}StatusInvestigation")
        return (Note("note.partly-taken-back"),) if any(map(kith_codes.is_taken_back, within)) else ()

    def body(self) -> tuple[Block, ...]:
        """What the message is sent for, part by part; of a laboratory's answer the results before whose and of what they are."""
        found = [_as_section(block) for block in self._walk.of(self._root)]
        if any(_is_result(one) for one in found):
            found.sort(key=lambda one: 0 if isinstance(one, Fields) else 1 if _is_result(one) else 2)
        return tuple(found) or (Note("note.no-body"),)

    def rest(self) -> tuple[Block, ...]:
        """Who sent what to whom, and the numbers of the message."""
        told = self._walk.each(self._outer, opened=True)
        return (Folded(Key("page.about-message"), told),) if told else ()

    def _blocked(self, element: etree._Element) -> tuple[Block, ...] | None:
        kind = name(element)
        if element in self._apart:
            return ()
        if kind == "Base64Container" or (kind == "Content" and _is_file(element)):
            return self._file(element)
        if kind == "RefDoc" and name(_outer(element)) == "Document":
            return self._walk.of(element)
        return self._results(element) if kind == _ITEM else None

    def _file(self, element: etree._Element) -> tuple[Block, ...]:
        """A file; what it is called and of what kind stands beside the element that holds it."""
        around = {name(one): one for one in _outer(element)} | {name(one): one for one in _outer(_outer(element))}
        declared = next(
            (text_of(around[one]) or around[one].get("V", "") for one in ("MimeType",) if one in around), ""
        )
        called = next((text_of(around[one]) for one in ("Description", "FileReference") if one in around), "")
        return self._room.file(element, declared, called)

    def _results(self, first: etree._Element) -> tuple[Block, ...]:
        """A run of results: those without others in them are rows of tables."""
        before = first.getprevious()
        if before is not None and name(before) == _ITEM:
            return ()
        found, one = list[Block](), first
        rows: list[etree._Element] = []
        while name(one) == _ITEM:
            if one.find(f"{{*}}{_ITEM}") is None and not _says_itself(one):
                rows.append(one)
            else:
                found += self._table(rows)
                rows = []
                found.append(Group((Key("kith.ResultItem"),), self._walk.of(one)))
            following = one.getnext()
            if following is None:
                break
            one = following
        return (*found, *self._table(rows))

    def _table(self, items: list[etree._Element]) -> tuple[Block, ...]:
        """A row for each result; a column that none of them fills is left out."""
        if not items:
            return ()
        columns = (*_COLUMNS, _STATUS) if any(map(kith_codes.is_unsettled, items)) else _COLUMNS
        held = frozenset[str]().union(*(names for _, names in columns))
        parts = [
            [
                *([part for part in one if name(part) in names] for _, names in columns),
                [part for part in one if name(part) not in held],
            ]
            for one in items
            if self._room.takes()
        ]
        heads = [*(key for key, _ in columns), "more"]
        filled = [n for n in range(len(heads)) if any(row[n] for row in parts)]
        head = tuple(Cell((Paragraph((Span(Key(f"kith.{heads[n]}")),)),), head=True) for n in filled)
        body = [tuple(Cell(self._cell(heads[n], row[n])) for n in filled) for row in parts]
        return (Table("", (head, *body), heads=1),) if body else ()

    def _cell(self, head: str, parts: list[etree._Element]) -> tuple[Block, ...]:
        told = self._walk.each(parts)
        return (Folded(Key("kith.more"), told),) if head == "more" and told else _bare(told)

    def _valued(self, element: etree._Element) -> Field | None:
        if name(element) == "NumResult" and _is_number(element):
            return _number(element)
        before = element.getprevious()
        if before is not None and _is_kind_of(element, before):
            # Its number has said it.
            return Field((), "")
        if element.find(f"{_XHTML}*") is not None:
            own = _attributes(element) if element.keys() else Field((), "")
            return own._replace(blocks=Reader(self._room).read(element))
        if any(isinstance(one.tag, str) for one in element):
            return None
        return _attributes(element) if element.keys() else Field((), _lines(element), _kind_of(element))


def _told(element: etree._Element) -> tuple[Field, ...]:
    """What a group says in attributes of its own."""
    if not any(key[:1] != "{" for key in element.keys()):  # noqa: SIM118 - an element is no mapping
        return ()
    return (_attributes(element, with_text=False),)


def _says_itself(element: etree._Element) -> bool:
    """Whether an element that should only hold others has attributes or text of its own."""
    loose = (element.text, *(one.tail for one in element))
    return any(text and text.strip() for text in loose) or bool(_told(element))


def _attributes(element: etree._Element, *, with_text: bool = True) -> Field:
    """A value by its attributes: V the value or code, DN what it is called, S its system, U its unit, OT in other words."""
    value, called = element.get("V", ""), kith_codes.called(element)
    words = (called, element.get("OT", ""), _lines(element) if with_text else "")
    said = " – ".join(dict.fromkeys(filter(None, words)))
    beside = [
        element.get(key, "") for key in map(str, element.keys()) if key not in ("V", "DN", "OT", "S") and key[:1] != "{"
    ]
    if said or element.get("S"):
        code = Code(element.get("S", ""), value, called)
        return Field((), " ".join([said or value, *beside]), (code,) if value else ())
    if value in ("true", "false") and not beside:
        return Field((), Key(f"cda.{value}"))
    told = value.removeprefix("tel:").removeprefix("mailto:")
    return Field((), " ".join(filter(None, (told, *beside))), is_time=bool(_TIME.fullmatch(value)))


def _is_number(result: etree._Element) -> bool:
    return not _says_itself(result) and all(
        name(one) in ("ArithmeticComp", "NumResultValue") and not len(one) and set(one.keys()) <= {"V", "DN", "U", "S"}
        for one in result
    )


def _number(result: etree._Element) -> Field:
    """A measured number with its sign and its unit, in the order in which it is read."""
    said = list[str]()
    for one in sorted(result, key=lambda one: name(one) != "ArithmeticComp"):
        value = _lines(one) or (kith_codes.called(one) if name(one) == "ArithmeticComp" else "") or one.get("V", "")
        said += [value, one.get("U", "")]
    return Field((), " ".join(filter(None, said)))


def _lines(element: etree._Element) -> str:
    """A text with the lines that it was typed in."""
    lines = [" ".join(one.split()) for one in "".join(str(one) for one in element.itertext()).splitlines()]
    return "\n".join(lines).strip("\n")


def _is_file(content: etree._Element) -> bool:
    """Whether text that stands where a file may stand is one: a kind of file is told beside it, and it is base64."""
    is_told = any(name(one) == "MimeType" for one in _outer(content))
    return is_told and not len(content) and Room.bytes_of(content) is not None


def _is_kind_of(kind: etree._Element, number: etree._Element) -> bool:
    """Whether an element tells of what kind the bare number before it is, and nothing else."""
    bare = not len(kind) and not len(number) and not number.keys() and not (kind.text or "").strip()
    return bare and name(number) in _TYPE_OF.get(name(kind), ()) and set(kind.keys()) <= {"V", "S", "DN"}


def _kind_of(number: etree._Element) -> tuple[Code, ...]:
    after = number.getnext()
    if after is None or not _is_kind_of(after, number):
        return ()
    return (Code(after.get("S", ""), after.get("V", ""), after.get("DN", "")),)


def _bare(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """What stands in a cell, without the words that its column says already."""
    return tuple(
        Fields(tuple(
            row._replace(path=()) if row.path and str(row.path[-1]).rpartition(".")[2] in _PLAIN else row for row in one.rows
        )) if isinstance(one, Fields) else Group((), _bare(one.blocks)) if isinstance(one, Group) and len(blocks) == 1 else one
        for one in blocks
    )  # fmt: skip


def _is_result(block: Block) -> bool:
    return isinstance(block, Table) or (isinstance(block, Section) and block.title == f"kith.{_ITEM}")


def _as_section(block: Block) -> Block:
    if not isinstance(block, Group):
        return block
    title, *path = block.path
    if title == "kith.InfItem" and not path:
        # What kind of information it is says more than that it is some.
        first = next((row for part in block.blocks if isinstance(part, Fields) for row in part.rows), None)
        title = first.text if first and first.path == (Key("kith.Type"),) and first.text else title
    return Section(title, (Group(tuple(path), block.blocks),) if path else block.blocks)


def _outer(element: etree._Element) -> etree._Element:
    outer = element.getparent()
    return element if outer is None else outer


def _within(element: etree._Element, names: frozenset[str]) -> bool:
    return any(name(one) in names for one in element.iterancestors())


def _stands_outside(part: etree._Element, root: etree._Element) -> bool:
    """Whether a part tells of the message, and is in no other that does."""
    for outer in part.iterancestors():
        if outer is root:
            return True
        if name(outer) not in _OUTER or name(outer) in _ABOUT_MESSAGE:
            return False
    return False


def _begins(element: etree._Element) -> bool:
    """Whether a message begins here: where the namespace changes, and not to a file."""
    return (
        "base64container" not in element.tag and _namespace(element) != _namespace(_outer(element))
    ) or element.getparent() is None


def _namespace(element: etree._Element) -> str:
    """What of the namespace says which standard it is."""
    whole = element.tag[1:].partition("}")[0] if isinstance(element.tag, str) else ""
    return next((whole[len(one) :] for one in NAMESPACES if whole.startswith(one)), whole)
