"""Any FHIR document as what a page shows of it: sections, entries, and every fact in them with its codes.

It takes documents as they come, also such as break every rule: without a Composition or a Patient, with entries that nothing
leads to, with values of another shape. Nothing that is coded is left out, and no markup is taken over: a narrative is its text.
Words are the page's own business: a fact is named by the elements that lead to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from html import unescape
from itertools import islice
from re import compile as pattern
from typing import Any, Final, NamedTuple

from kjerne.fhir.cds_hooks import codings, named, objects, said

Tree = Mapping[str, Any]
DEPTH: Final = 30
"""Elements within elements that are looked into; what is deeper is said to be cut."""
FACTS: Final = 2_000
"""Facts of one entry."""
ENTRIES: Final = 2_000
ALL_FACTS: Final = 40_000
"""Facts of a whole document."""
LONGEST: Final = 20_000
"""Characters of one text; what is longer ends with how many more there are."""
ALL_CHARACTERS: Final = 1_000_000
"""Of all texts of a document together: when they are used up, each text is cut to its first words."""
FIRST: Final = 80
"""Characters that are left of a text then."""
MARKUP: Final = 500_000
"""Of the markup of one narrative that is looked into."""
DATA_CHARACTERS: Final = 400
"""Of what lies in a document in base64; more than that is a file, of which the size is told."""
_ASIDE: Final = frozenset({"resourceType", "id", "text"})
_LATER: Final = {"extension": 1, "contained": 2, **dict.fromkeys(("identifier", "subject", "patient", "meta"), 3)}
_TAG: Final = pattern(r"<[^>]*>")
_BLOCK: Final = pattern(r"<(?:/?(?:p|div|tr|li|ul|ol|table|h[1-6])|br)\b[^>]*>")
_CELL: Final = pattern(r"</t[dh]>")
_NAMES: Final = (
    "code", "vaccineCode", "medicationCodeableConcept", "type", "deviceName", "name", "title", "description", "category",
    "conclusion",
)  # fmt: skip


class Code(NamedTuple):
    """A code of a system with what it is called."""

    system: str
    code: str
    display: str


class Fact(NamedTuple):
    """One value. `path` are the elements that lead to it; `link` is the place of the entry that it leads to, -1 for none.

    `item` is which one it is of the first element's list, so that what belongs together can be told together.
    """

    path: tuple[str, ...]
    text: str
    codes: tuple[Code, ...] = ()
    link: int = -1
    item: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource. `place` is its number in the document; `is_cut`: it says more than is shown."""

    place: int
    type: str
    heading: str
    facts: tuple[Fact, ...]
    is_cut: bool = False
    called: Mapping[str, str] = field(default_factory=dict)
    """What a reference leads to is called, by the reference as its fact tells it: who registered it, where there is no more
    than `#recorder` to read."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section, and those within it. `prose` is its narrative as text; `empty` says why it has no entry."""

    title: str
    code: Code | None
    empty: Fact | None
    prose: str
    facts: tuple[Fact, ...]
    entries: tuple[Entry, ...]
    missing: tuple[str, ...] = ()
    """References that lead to no entry of the document."""
    again: tuple[Fact, ...] = ()
    """Entries that are shown before, as links."""
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A document. `rest` are entries that no section leads to; `is_whole` is False where there are more than are shown."""

    title: str
    date: str
    patient: Entry | None
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    rest: tuple[Entry, ...]
    has_composition: bool
    is_whole: bool = True
    prose: str = ""
    """The narrative of the whole as text."""
    is_shortened: bool = False
    """Whether texts are cut; each of them says how much is missing."""
    head: int = -1
    """The place of the Composition, to which an entry may lead; -1 for none."""

    def entries(self) -> Iterator[Entry]:
        """Every entry, once."""
        waiting = list(self.sections)
        if self.patient is not None:
            yield self.patient
        while waiting:
            one = waiting.pop()
            yield from one.entries
            waiting += one.sections
        yield from self.rest


def view(bundle: Tree, called: Callable[[Tree], str] = lambda _: "") -> View:
    """What a page shows of a document; of anything at all. `called` names what is not to be called by its own first name."""
    cutting = _Cutting()
    bounded = cutting.cut(bundle)
    shown = _Viewing(bounded, called).view()
    return replace(shown, is_shortened=cutting.has_cut)


class _Cutting:
    """Texts that no page can bear, cut before anything is made of them: each is said several times on a page."""

    def __init__(self) -> None:
        self.left = ALL_CHARACTERS
        self.has_cut = False

    def cut(self, value: Any, name: str = "") -> Any:
        """The same tree with shorter texts."""
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, Mapping):
            return {self._text(key, ""): self.cut(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.cut(one, name) for one in value]
        return value

    def _text(self, text: str, name: str) -> str:
        if name == "data" and len(text) > DATA_CHARACTERS:
            return text  # of a file the size is told, and no more
        most = MARKUP if name == "div" else LONGEST
        most = min(most, max(self.left, FIRST))
        self.left -= min(len(text), most)
        if len(text) <= most:
            return text
        self.has_cut = True
        return f"{text[:most]} … (+{len(text) - most})"


@dataclass
class _Walked:
    facts: list[Fact] = field(default_factory=list)
    is_cut: bool = False
    item: int = 0


class _Viewing:
    def __init__(self, bundle: Tree, called: Callable[[Tree], str]) -> None:
        self._name_of = called
        pairs = list(islice(_rows(bundle.get("entry") if isinstance(bundle, Mapping) else None), ENTRIES + 1))
        self._whole = len(pairs) <= ENTRIES
        pairs = pairs[:ENTRIES]
        self._resources = [resource for _, resource in pairs]
        self._places: dict[str, int] = {}
        for place, (address, resource) in enumerate(pairs):
            own = f"{said(resource.get('resourceType'))}/{said(resource.get('id'))}"
            for one in (address, own, "/".join(address.split("/")[-2:]) if "/" in address else ""):
                if one:
                    self._places.setdefault(one, place)
        self._numbered = {
            said(one.get("value")): said(resource.get("name"))
            for resource in self._resources
            if resource.get("resourceType") == "Organization"
            for one in objects(resource.get("identifier"))
        }
        self._shown: set[int] = set()
        self._left = ALL_FACTS
        self._date = said(bundle.get("timestamp")) if isinstance(bundle, Mapping) else ""

    def view(self) -> View:
        head = self._head()
        composition = self._resources[head] if head >= 0 else {}
        self._shown.add(head)
        her = self._patient(composition)
        patient = self._entry(her) if her >= 0 else None
        spoken = self._spoken(composition)
        sections = tuple(self._sections(composition, 0))
        rest = tuple(self._entry(place) for place in range(len(self._resources)) if place not in self._shown)
        return View(
            said(composition.get("title")), said(composition.get("date")) or self._date, patient,
            tuple(self._walked(_without(composition, "section")).facts), sections, rest, head >= 0,
            self._whole and self._left > 0, spoken, head=head,
        )  # fmt: skip

    def _head(self) -> int:
        """The place of the Composition, or of what has sections and says that it is something else; -1 for none."""
        found = (n for n, one in enumerate(self._resources) if one.get("resourceType") == "Composition")
        sectioned = (n for n, one in enumerate(self._resources) if any(objects(one.get("section"))))
        return next(found, next(sectioned, -1))

    def _patient(self, composition: Tree) -> int:
        led = next((self._meant(said(one.get("reference"))) for one in objects(composition.get("subject"))), -1)
        if led >= 0:
            return led
        return next((n for n, one in enumerate(self._resources) if one.get("resourceType") == "Patient"), -1)

    def _meant(self, reference: str) -> int:
        """The place of the entry that a reference leads to; -1 for none."""
        bare = reference.partition("/_history/")[0]
        for one in (reference, bare, "/".join(bare.split("/")[-2:]) if "/" in bare else bare):
            if one in self._places:
                return self._places[one]
        return -1

    def _sections(self, tree: Tree, depth: int) -> Iterator[Section]:
        for one in objects(tree.get("section")) if depth <= DEPTH else ():
            if self._left > 0:
                yield self._section(one, depth)

    def _section(self, section: Tree, depth: int) -> Section:
        entries, missing, again = list[Entry](), list[str](), list[Fact]()
        self._left -= 1
        for one in objects(section.get("entry")):
            if self._left <= 0:
                break
            self._left -= 1
            reference = said(one.get("reference"))
            place = self._meant(reference)
            if place < 0:
                missing.append(said(one.get("display")) or reference)
            elif place in self._shown:
                again.append(Fact(("entry",), self._heading(self._resources[place]) or reference, (), place))
            else:
                entries.append(self._entry(place))
        reason = section.get("emptyReason")
        codes = _codes(reason)
        empty = Fact(("emptyReason",), named(reason), codes) if reason is not None else None
        loinc = _codes(section.get("code"))
        aside = _without(section, "title", "code", "entry", "emptyReason", "section")
        return Section(
            said(section.get("title")) or named(section.get("code")), loinc[0] if loinc else None, empty,
            self._spoken(section),
            (*(Fact(("code",), one.display, (one,)) for one in loinc[1:]), *self._walked(aside).facts),
            tuple(entries), tuple(missing), tuple(again), tuple(self._sections(section, depth + 1)),
        )  # fmt: skip

    def _spoken(self, tree: Tree) -> str:
        """The narrative of a section or of the whole, as far as there is room for its lines."""
        lines = prose(next((said(one.get("div")) for one in objects(tree.get("text"))), "")).split("\n")
        spoken = "\n".join(lines[: max(self._left, 0)])
        self._left -= len(lines) - (lines == [""])
        return spoken

    def _entry(self, place: int) -> Entry:
        resource = self._resources[place]
        self._shown.add(place)
        walked = self._walked(resource)
        # What somebody reads it for comes first, its numbers and whom it is about last.
        facts = sorted(walked.facts, key=lambda one: _LATER.get(one.path[0], 0))
        return Entry(
            place, said(resource.get("resourceType")), self._heading(resource), tuple(facts), walked.is_cut,
            self._called(resource, facts),
        )  # fmt: skip

    def _called(self, resource: Tree, facts: Iterable[Fact]) -> dict[str, str]:
        held = {f"#{said(one.get('id'))}": one for one in objects(resource.get("contained"))}
        led = {one.text: held.get(one.text) or (self._resources[one.link] if one.link >= 0 else {}) for one in facts}
        return {text: called for text, one in led.items() if one and (called := self._party(one))}

    def _party(self, resource: Tree) -> str:
        """Who somebody is, and for whom: of a role the person and the organisation."""
        parts = [
            self._led(resource, one) for key in ("practitioner", "organization") for one in objects(resource.get(key))
        ]
        return ", ".join(one for one in parts if one) or self._heading(resource)

    def _led(self, resource: Tree, reference: Tree) -> str:
        """What a reference says that it leads to, else what is found there, by address or by number."""
        if text := said(reference.get("display")):
            return text
        if held := self._held(resource, said(reference.get("reference"))):
            return self._heading(held)
        return next(
            (self._numbered.get(said(one.get("value")), "") for one in objects(reference.get("identifier"))), ""
        )

    def _heading(self, resource: Tree, depth: int = 0) -> str:
        if text := self._name_of(resource):
            return text
        for key in _NAMES:
            for one in objects(resource.get(key)):
                if text := named(one) or _human(one) or said(one.get("name")):
                    return text
            if text := said(resource.get(key)):
                return text
        for key in ("medicationReference", "device", "medication"):
            for one in objects(resource.get(key)):
                if text := said(one.get("display")):
                    return text
                held = self._held(resource, said(one.get("reference")))
                if held and depth < DEPTH and (text := self._heading(held, depth + 1)):
                    return text
        return next((code for key in _NAMES for _, code, _ in codings(resource.get(key))), "")

    def _held(self, resource: Tree, reference: str) -> Tree:
        if reference[:1] == "#":
            return next((one for one in objects(resource.get("contained")) if one.get("id") == reference[1:]), {})
        place = self._meant(reference)
        return self._resources[place] if place >= 0 else {}

    def _walked(self, tree: Tree) -> _Walked:
        walked = _Walked()
        for key, value in tree.items():
            if key == "meta":
                for one in objects(value):
                    self._walk({name: one[name] for name in ("tag", "security") if name in one}, ("meta",), walked, 0)
            elif key not in _ASIDE:
                walked.item = 0
                self._walk(value, (key.removeprefix("_"),), walked, 0)
        return walked

    def _walk(self, value: Any, path: tuple[str, ...], walked: _Walked, depth: int) -> None:
        if depth > DEPTH or len(walked.facts) >= FACTS or self._left <= 0:
            walked.is_cut = True
        elif isinstance(value, list):
            for n, one in enumerate(value):
                walked.item = walked.item if depth else n
                self._walk(one, path, walked, depth + 1)
        elif isinstance(value, Mapping):
            self._object(value, path, walked, depth)
        elif isinstance(value, bool) or value is not None:
            self._add(walked, Fact(path, _plain(value, path[-1])))

    def _object(self, value: Tree, path: tuple[str, ...], walked: _Walked, depth: int) -> None:
        taken: frozenset[str] = frozenset()
        for shape in (_concept, _coding, _quantity, self._reference, _number, _name, _period):
            found = shape(value, path)
            if found is not None:
                fact, taken = found
                self._add(walked, fact)
                break
        url = said(value.get("url"))
        own = (*path, url.rstrip("/").rpartition("/")[2]) if url and path[-1].endswith("xtension") else path
        for key, one in value.items():
            is_told = key in taken and (key in _LISTS or not isinstance(one, (list, Mapping)))
            if is_told or key in ("id", "div") or (key == "url" and own is not path):
                continue
            within = own if key.startswith("value") and own is not path else (*own, key.removeprefix("_"))
            if key == "resourceType":
                self._add(walked, Fact(own, str(one)))
            else:
                self._walk(one, within, walked, depth + 1)

    def _add(self, walked: _Walked, fact: Fact) -> None:
        walked.facts.append(fact._replace(item=walked.item))
        self._left -= 1

    def _reference(self, value: Tree, path: tuple[str, ...]) -> tuple[Fact, frozenset[str]] | None:
        reference = value.get("reference")
        if not isinstance(reference, str):
            return None
        place = self._meant(reference)
        text = said(value.get("display"))
        if not text:
            text = self._heading(self._resources[place]) if place >= 0 else reference
        return Fact(path, text or reference, (), place), frozenset({"reference", "display", "type"})


def _rows(entry: Any) -> Iterator[tuple[str, Tree]]:
    """Address and resource of each entry. What is of another shape is a resource of its own: nothing of it is lost."""
    if isinstance(entry, list):
        for one in entry:
            yield from _rows(one)
    elif isinstance(entry, Mapping) and "resource" in entry and "resourceType" not in entry:
        resource = entry["resource"]
        for one in resource if isinstance(resource, list) else [resource]:
            yield said(entry.get("fullUrl")), one if isinstance(one, Mapping) else _strange("resource", one)
    elif isinstance(entry, Mapping) and "resourceType" not in entry and "fullUrl" not in entry:
        beside = {key: one for key, one in entry.items() if not isinstance(one, (Mapping, list))}
        if beside:
            yield "", beside
        for one in entry.values():
            if isinstance(one, (Mapping, list)):
                yield from _rows(one)
    elif isinstance(entry, Mapping):
        yield said(entry.get("fullUrl")), entry
    elif entry is not None:
        yield "", _strange("entry", entry)


def _strange(name: str, value: Any) -> Tree:
    return {} if value is None else {name: value}


_LISTS: Final = frozenset({"coding", "given", "prefix", "suffix"})
"""What is a list by R4; anything else that came as one is walked, so that it is not lost."""
Shaped = tuple[Fact, frozenset[str]] | None


def _plain(value: Any, name: str) -> str:
    """A value by itself. A file within the document is told of by its size: nobody reads base64."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{len(text) * 3 // 4} bytes" if name == "data" and len(text) > DATA_CHARACTERS else text


def _without(tree: Tree, *names: str) -> Tree:
    return {key: value for key, value in tree.items() if key not in names}


def _codes(concept: Any) -> tuple[Code, ...]:
    return tuple(Code(*one) for one in codings(concept))


def _concept(value: Tree, path: tuple[str, ...]) -> Shaped:
    coding = value.get("coding")
    if not isinstance(coding, list):
        return None
    plain = all(
        isinstance(one, Mapping)
        and set(one) <= {"system", "code", "display", "version", "userSelected"}
        and not any(isinstance(each, (list, Mapping)) for each in one.values())
        for one in coding
    )
    text = said(value.get("text")) or next(
        (said(one.get("display")) for one in objects(coding) if one.get("display")), ""
    )
    # A coding that says more than its code, or lacks one, is walked too.
    complete = plain and all(said(one.get("code")) for one in objects(coding))
    if complete:
        return Fact(path, text, _codes(value)), frozenset({"text", "coding"})
    return Fact(path, text), frozenset({"text"})


def _coding(value: Tree, path: tuple[str, ...]) -> Shaped:
    code = value.get("code")
    if not isinstance(code, str) or not ("system" in value or "display" in value) or "value" in value:
        return None
    display = said(value.get("display"))
    return Fact(path, display, (Code(said(value.get("system")), code, display),)), frozenset(
        {"code", "system", "display"}
    )


def _quantity(value: Tree, path: tuple[str, ...]) -> Shaped:
    number = value.get("value")
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        return None
    unit, code = said(value.get("unit")), said(value.get("code"))
    text = f"{said(value.get('comparator'))}{number} {unit or code}".strip()
    codes = (Code(said(value.get("system")), code, unit),) if code else ()
    return Fact(path, text, codes), frozenset({"value", "unit", "comparator", "code", "system"})


def _number(value: Tree, path: tuple[str, ...]) -> Shaped:
    """An identifier, or a way to reach somebody, with what it is of."""
    number, system = said(value.get("value")), said(value.get("system"))
    if not number:
        return None
    return Fact(path, f"{number} ({system})" if system else number), frozenset({"value", "system"})


def _name(value: Tree, path: tuple[str, ...]) -> Shaped:
    text = _human(value)
    return (Fact(path, text), frozenset({"family", "given", "prefix", "suffix", "text"})) if text else None


def _human(value: Tree) -> str:
    """A person's name as it is spoken."""
    if not ("family" in value or "given" in value):
        return ""
    parts = [one for key in ("prefix", "given", "family", "suffix") for one in _texts(value.get(key))]
    whole, text = " ".join(parts), said(value.get("text"))
    return whole if not text or text == whole else f"{text} ({whole})"


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _period(value: Tree, path: tuple[str, ...]) -> Shaped:
    start, end = said(value.get("start")), said(value.get("end"))
    if not (start or end):
        return None
    return Fact(path, f"{start} – {end}".strip()), frozenset({"start", "end"})


def prose(div: str) -> str:
    """The text of a narrative, a line for each block of it, without any of its markup."""
    text = _TAG.sub("", _BLOCK.sub("\n", _CELL.sub(" | ", div)))
    lines = (" ".join(one.split()).strip(" |") for one in unescape(text).split("\n"))
    return "\n".join(one for one in lines if one)
