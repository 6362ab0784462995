"""Who the Patient of a foreign document is, held against whom was chosen here: number, birth date, name and gender.

Nothing is guessed. What differs is told by name and never by value, and a clinician confirms it or the document is not taken; a
national number of somebody else, or both birth date and name of another, refuses it whoever confirms (law, K147).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, Literal

from kjerne.errors import Fault, Refusal
from kjerne.exchange import PatientRef
from kjerne.fhir.cds_hooks import objects, said
from kjerne.fhir.validate import FAULTS_LIMIT
from kjerne.registries.named import numbers_of
from kjerne.services.critical.abroad.refusing import refused

Tree = Mapping[str, Any]
Part = Literal["number", "birth-date", "name", "gender"]
Verdict = Literal["same", "other", "unknown"]
PARTS: Final[tuple[Part, ...]] = ("number", "birth-date", "name", "gender")
CONFIRMED: Final[tuple[Part, ...]] = ("birth-date", "name", "gender")
"""What a clinician may confirm that differs, or that the document does not say."""
_ELEMENTS: Final[Mapping[Part, str]] = {
    "number": "identifier", "birth-date": "birthDate", "name": "name", "gender": "gender",
}  # fmt: skip
_LETTERS: Final = str.maketrans(
    {"æ": "ae", "ø": "o", "å": "a", "ö": "o", "ä": "a", "ü": "u", "đ": "d", "ß": "ss", "-": " "}
)
_DATE: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")
_ENOUGH: Final = 2
_ELSEWHERE: Final = "Nothing of it was kept. Open the patient whom it is about."
_TODO: Final = "Look at who it is. If it is she, send it again with confirm={}."


def compared(
    abroad: Tree, here: Tree, digests: Collection[bytes], identify: Callable[[str], PatientRef]
) -> dict[Part, Verdict]:
    """The verdict on each part. `here` is her Patient by the register, `digests` those of all her numbers.

    >>> compared({"gender": "male"}, {"gender": "female"}, (), lambda _: PatientRef())["gender"]
    'other'
    """
    return {
        "number": _number(abroad, digests, identify),
        "birth-date": _birth(said(abroad.get("birthDate")), said(here.get("birthDate"))),
        "name": _name(_words(abroad), _words(here)),
        "gender": _gender(said(abroad.get("gender")), said(here.get("gender"))),
    }


def check(verdicts: Mapping[Part, Verdict], confirmed: Collection[str], place: int) -> None:
    """`Refusal` 422 where it is another person, or nobody can tell who it is; 409 with every part that must be confirmed and was
    not. `place` is where the Patient stands in the document."""
    if verdicts["number"] == "other":
        raise _another("the document has a national number of somebody else", place, "number", "other-number")
    if verdicts["birth-date"] == verdicts["name"] == "other":
        raise _another("birth date and name of the document are another person's", place, "birth-date", "other-person")
    if all(verdicts[one] == "unknown" for one in ("number", "birth-date", "name")):
        raise _another("the document does not say who it is about", place, "name", "nobody")
    asked = [one for one in to_confirm(verdicts) if one not in confirmed]
    if asked:
        faults = tuple(_fault(one, verdicts[one], place) for one in asked)
        todo = _TODO.format(",".join(to_confirm(verdicts)))
        raise Refusal(
            409, faults[0].says, where=faults[0].where, todo=todo, code="conflict", fault=faults[0], faults=faults[1:]
        )


def others(
    named: Collection[tuple[str, str]], digests: Collection[bytes], identify: Callable[[str], PatientRef]
) -> list[str]:  # fmt: skip
    """Where a document names somebody else as a patient by a national number; `named` as of `registries.named.named_in`."""
    are_hers = {number: identify(number).digest in digests for _, number in named}
    return [where for where, number in named if not are_hers[number]]


def check_named(
    named: Collection[tuple[str, str]], digests: Collection[bytes], identify: Callable[[str], PatientRef]
) -> None:
    """`Refusal` 422 with every place where a document names somebody else as a patient by a national number, and never with the
    number."""
    found = others(named, digests, identify)
    if found:
        says = "the document has a national number of somebody else"
        faults = tuple(Fault(says, where, "business-rule", "other-number") for where in dict.fromkeys(found))
        raise Refusal(
            422, says, where=faults[0].where, todo=_ELSEWHERE, code="business-rule", rule="other-number", fault=faults[0],
            faults=faults[1:FAULTS_LIMIT],
        )  # fmt: skip


def to_confirm(verdicts: Mapping[Part, Verdict]) -> tuple[Part, ...]:
    """What differs; and where no number says that it is she, what the document leaves open."""
    by_number = verdicts["number"] == "same"
    return tuple(
        one for one in CONFIRMED
        if verdicts[one] == "other" or (verdicts[one] == "unknown" and one != "gender" and not by_number)
    )  # fmt: skip


def _fault(part: Part, verdict: Verdict, place: int) -> Fault:
    says = f"the {part.replace('-', ' ')} of the document " + (
        "is not that of the patient who is open" if verdict == "other" else "cannot be compared"
    )
    return Fault(says, _where(place, part), "conflict", f"{verdict}-{part}")


def _another(says: str, place: int, part: Part, rule: str) -> Refusal:
    return refused(422, says, _where(place, part), rule, todo=_ELSEWHERE, code="business-rule")


def _where(place: int, part: Part) -> str:
    return f"Bundle.entry[{place}].resource.{_ELEMENTS[part]}"


def _number(abroad: Tree, digests: Collection[bytes], identify: Callable[[str], PatientRef]) -> Verdict:
    """By the national numbers that it has; what is under another country's system, or is no number, says nothing."""
    numbers = {number for one in objects(abroad.get("identifier")) for number in numbers_of(one)}
    found = [identify(number).digest in digests for number in numbers]
    return "unknown" if not found else "same" if all(found) else "other"


def _birth(abroad: str, here: str) -> Verdict:
    """As far as both say it: a year alone is compared with the year. What is no year, month or day says nothing."""
    shorter = min(len(abroad), len(here))
    if not (_DATE.fullmatch(abroad) and _DATE.fullmatch(here)):
        return "unknown"
    return "same" if abroad[:shorter] == here[:shorter] else "other"


def _gender(abroad: str, here: str) -> Verdict:
    known = ("male", "female")
    return "unknown" if abroad not in known or here not in known else "same" if abroad == here else "other"


def _name(abroad: Collection[str], here: Collection[str]) -> Verdict:
    """The same where two words of it are, or all of the shorter: people have more names in one register than in another."""
    if not abroad or not here:
        return "unknown"
    both = len(set(abroad) & set(here))
    return "same" if both >= min(_ENOUGH, len(set(abroad)), len(set(here))) else "other"


def _words(person: Tree) -> list[str]:
    """The words of all names, spelled with the letters that every register has."""
    return [word for text in _names(person) for word in _plain(text).split()]


def _names(person: Tree) -> Iterator[str]:
    for one in objects(person.get("name")):
        given = one.get("given")
        parts = [one.get("family"), one.get("text"), *(given if isinstance(given, list) else [])]
        yield from (text for text in parts if isinstance(text, str))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(one if one.isalpha() or one == " " else "" for one in folded if not unicodedata.combining(one))
