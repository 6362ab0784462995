"""FEST (M30), DMP's register of medicines: its substances, its branded medicines, and the ATC that it has in `KatKodeverk`.

A code of a substance or a medicine is its FEST id. What is withdrawn (`Status` other than A) stays, and is not active. The active
substances of a medicine are its `RefVirkestoff`, whether the file names them or substances with their strength; one with its
strength that the file does not have stays as `RefVirkestoffMedStyrke`. Those of a substance are what it is a form of, as a
salt is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kjerne.fhir.systems import canonical
from kjerne.fhir.terminology.parts import Known, Named, Part, Under, Valued
from kjerne.registries.code_files.sources import Source, unmetered
from kjerne.registries.code_files.trees import child, elements, local, text

ATC: Final = "http://www.whocc.no/atc"
SUBSTANCES: Final = "http://ehelse.no/FESTSubstance"
MEDICINES: Final = "http://ehelse.no/FESTMedication"
ENTRIES: Final = {SUBSTANCES: "OppfVirkestoff", MEDICINES: "OppfLegemiddelMerkevare", ATC: "OppfKodeverk"}


def version(source: Source) -> str:
    """When it was fetched; `Refusal` where it does not say."""
    for element in elements(source, ("HentetDato",), unmetered):
        return text(element)
    raise source.refused("the file does not say when it was fetched (HentetDato)")


def holds(source: Source, url: str) -> bool:
    """Whether the file has anything of a system."""
    return next(parts(source, unmetered, url), None) is not None


def parts(source: Source, meter: Callable[[int], None], url: str) -> Iterator[Part]:
    """What the file says of one of its systems."""
    if url == MEDICINES:
        # The substances stand behind the medicines in the file, which is therefore read twice.
        strengths = _strengths(source)
        for element in elements(source, (ENTRIES[url],), meter):
            yield from _medicine(source, element, strengths)
        return
    make = {SUBSTANCES: _substance, ATC: _atc}[url]
    for element in elements(source, (ENTRIES[url],), meter):
        yield from make(source, element)


def _strengths(source: Source) -> dict[str, str]:
    """The substance of each substance with its strength (`VirkestoffMedStyrke`), by their ids."""
    found: dict[str, str] = {}
    for element in elements(source, (ENTRIES[SUBSTANCES],), unmetered):
        held = child(element, "VirkestoffMedStyrke")
        if held is not None and (substance := text(held, "RefVirkestoff")):
            found[text(held, "Id")] = substance
    return found


def levels(code: str) -> str:
    """The ATC code right over another: 1, 3, 4 and 5 signs; empty over the first."""
    return next((code[:length] for length in (5, 4, 3, 1) if length < len(code)), "")


def _substance(source: Source, entry: Any) -> Iterator[Part]:
    found = child(entry, "Virkestoff")
    if found is None:
        return  # the other kind of entry: a substance with its strength
    yield from _entry(source, entry, text(found, "Id"), text(found, "Navn"))
    for name, language in (("Navn", "nb"), ("NavnEngelsk", "en")):
        if said := text(found, name):
            yield Named(text(found, "Id"), said, language)
    for one in found:
        if local(one) == "RefVirkestoff" and text(one):
            yield Valued(text(found, "Id"), "RefVirkestoff", "valueString", text(one))


def _medicine(source: Source, entry: Any, strengths: Mapping[str, str]) -> Iterator[Part]:
    found = child(entry, "LegemiddelMerkevare")
    code = text(found, "Id") if found is not None else ""
    yield from _entry(source, entry, code, text(found, "NavnFormStyrke") or text(found, "Varenavn") if code else "")
    for one in found if found is not None else ():
        name = local(one)
        if name == "Atc" and one.get("V"):
            yield Valued(code, "atc", "valueCode", one.get("V"))
        elif name == "Varenavn" and text(one):
            yield Named(code, text(one), "nb")
        elif name in ("LegemiddelformKort", "TypeSoknadSlv", "Reseptgruppe"):
            yield Valued(code, name, "valueString", one.get("DN") or text(one))
    for property_, substance in dict.fromkeys(_active(found, strengths)):
        yield Valued(code, property_, "valueString", substance)


def _active(medicine: Any, strengths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The active substances of a medicine, each with its property: whoever reads one that is not known must see it."""
    for one in medicine if medicine is not None else ():
        name = local(one)
        if name == "RefVirkestoff" and text(one):
            yield "RefVirkestoff", text(one)
        elif name == "SortertVirkestoffUtenStyrke":
            yield "RefVirkestoff", text(one, "RefVirkestoff") or "?"
        elif name == "SortertVirkestoffMedStyrke":
            with_strength = text(one, "RefVirkestoffMedStyrke")
            known = strengths.get(with_strength)
            yield ("RefVirkestoff", known) if known else ("RefVirkestoffMedStyrke", with_strength or "?")


def _entry(source: Source, entry: Any, code: str, name: str) -> Iterator[Part]:
    line = entry.sourceline or 0
    if not code or not name:
        raise source.refused("the entry has no Id or no name", line)
    status = child(entry, "Status")
    yield Known(code, name, active=status is None or status.get("V", "A") == "A", line=line)


def _atc(source: Source, entry: Any) -> Iterator[Part]:
    if canonical(text(entry, "Info", "Id")) != ATC:
        return
    for element in entry:
        if local(element) != "Element":
            continue
        code, line = text(element, "Kode"), element.sourceline or 0
        term = text(element, "Term", "Term") or text(element, "Term", "BeskrivelseTerm") or text(element, "Term")
        if not code or not term:
            raise source.refused("the element has no Kode or no Term", line)
        yield Known(code, term, line=line)
        yield Named(code, term, "nb")
        if parent := levels(code):
            yield Under(code, parent)
