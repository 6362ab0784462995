"""Codes that say that there is nothing: of a whole section, of a part of it, or that nothing is known of it.

Source: IPS 2.0.1 and 1.1 (absent and unknown data), and the codes of SNOMED CT that those guides name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, Literal

from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.fhir.systems import canonical

SNOMED: Final = "http://snomed.info/sct"
ABSENT_UNKNOWN: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
SPEAKING: Final = frozenset({SNOMED, ABSENT_UNKNOWN})
OF_ALL: Final = frozenset(
    {
        "716186003", "no-known-allergies", "160245001", "no-known-problems", "787481004", "no-known-medications",
        "no-known-procedures", "no-known-devices", "no-known-immunizations",
    }
)  # fmt: skip
"""Codes that say of a whole section that there is nothing: SNOMED CT's for allergies, problems and medicines."""
OF_A_PART: Final[Mapping[str, str]] = {
    "409137002": "medication", "428607008": "environment", "429625007": "food", "428197003": "", "1003774007": "",
    "no-known-medication-allergies": "medication", "no-known-environmental-allergies": "environment",
    "no-known-food-allergies": "food",
}  # fmt: skip
"""Codes that say it of some kinds of allergens, with R4's category of those; insects and latex are less than a category."""
NO_INFORMATION: Final = frozenset(
    f"no-{one}-info" for one in ("allergy", "problem", "medication", "procedure", "device", "immunization")
)
"""Codes that say that nothing is known."""

Negative = Literal["", "whole", "part", "no-info"]
"""That there is nothing, or nothing of some kinds, or (`no-info`) another system's word for having nothing to say."""


def negative_in(codes: Iterable[tuple[str, str]]) -> Negative:
    """What the codes (system, code) of one thing say together: a negative only where each of them is one, and then the least of
    them. Whoever wrote a substance beside it may have meant that.

    >>> negative_in([("http://snomed.info/sct", "716186003")]), negative_in([("http://www.whocc.no/atc", "J01CA04")])
    ('whole', '')
    """
    found = {_one(canonical(system), code) for system, code in codes}
    return next((one for one in _LEAST_FIRST if one in found), "")


def _one(system: str, code: str) -> Negative:
    if system not in SPEAKING:
        return ""
    return "no-info" if code in NO_INFORMATION else "part" if code in OF_A_PART else "whole" if code in OF_ALL else ""


_LEAST_FIRST: Final[tuple[Negative, ...]] = ("", "no-info", "part", "whole")


def names_what(tree: Mapping[str, Any]) -> bool:
    """Whether an allergy names a substance that was reacted to, whatever its code says."""
    return any(True for _ in substances(tree))


def negative_of(tree: Mapping[str, Any], concept: Any) -> Negative:
    """Whether a record of which `concept` is the code says that there is nothing: by each of its codes, by no words beside them
    or on a reaction that are not their own name, and by no substance that it names. What it was seen to do (`manifestation`)
    says nothing, since kjernejournal's profile demands that of every entry."""
    found = negative_in((system, code) for system, code, _ in codings(concept))
    return (
        "" if not found or names_what(tree) or _words_beside(concept) or _words_of_reactions(tree, concept) else found
    )


def contradicts_itself(tree: Mapping[str, Any], concept: Any) -> bool:
    """Whether a code of a record says that there is nothing, and something else of it does not."""
    is_there = any(_one(canonical(system), code) for system, code, _ in codings(concept))
    return is_there and not negative_of(tree, concept)


def meant_by(tree: Mapping[str, Any], concept: Any) -> list[Any]:
    """What a record is of, as it is to be called and compared: its code and the substances it names. Of one that contradicts
    itself the words that were entered come first, then the code without what says that there is nothing; words on a reaction
    come last.

    >>> nothing = {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}
    >>> meant_by({}, {"coding": [nothing], "text": "Anafylaksi av penicillin"})
    [{'text': 'Anafylaksi av penicillin'}]
    """
    if not contradicts_itself(tree, concept):
        return [concept, *substances(tree)]
    told = [*substances(tree), *({"text": text} for text in _words_of_reactions(tree, concept))]
    for one in objects(concept):
        left = [
            each for each in objects(one.get("coding"))
            if not (said(each.get("code")) and _one(canonical(said(each.get("system"))), said(each.get("code"))))
        ]  # fmt: skip
        words = said(one.get("text")) if said(one.get("text")).strip() in _words_beside(concept) else ""
        rest = {key: value for key, value in one.items() if key not in ("coding", "text")}
        rest |= ({"coding": left} if left else {}) | ({"text": words} if words else {})
        return [*([rest] if left or words else []), *told]
    return told


def called(tree: Mapping[str, Any], concept: Any) -> str:
    """What a record that contradicts itself is called: by what it says that there is; empty for any other."""
    if not contradicts_itself(tree, concept):
        return ""
    meant = meant_by(tree, concept)
    return next((text for one in meant if (text := named(one))), "") or next(
        (code for one in meant for _, code, _ in codings(one)), ""
    )


def substances(tree: Mapping[str, Any]) -> Iterator[Any]:
    """The concepts of what was reacted to each time, which R4 lets stand beside the code of an allergy or in its place."""
    reactions = tree.get("reaction")
    for one in reactions if isinstance(reactions, list) else ():
        if isinstance(one, Mapping) and one.get("substance"):
            yield one["substance"]


def with_substances(name: str, tree: Mapping[str, Any]) -> str:
    """What an allergy is called by its code, and in brackets what was reacted to, where that says more; by the latter where its
    code says nothing.

    >>> with_substances("Penicilliner", {"reaction": [{"substance": {"text": "Amoxicillin"}}]})
    'Penicilliner (Amoxicillin)'
    """
    told = dict.fromkeys(named(one) or next((code for _, code, _ in codings(one)), "") for one in substances(tree))
    known = {_folded(name), *map(_folded, name.split(", "))}
    more = ", ".join(text for text in told if text and _folded(text) not in known)
    return f"{name} ({more})" if name and more else name or more


def _words_beside(concept: Any) -> list[str]:
    """What somebody wrote of a thing that is not just what its negative codes are called."""
    known = [(canonical(system), code, display) for system, code, display in codings(concept)]
    names = {_folded(text) for system, code, display in known if _one(system, code) for text in (code, display)}
    about = {_subject(code) for system, code, _ in known if _one(system, code)}
    found = list[str]()
    for one in objects(concept):
        found.append(said(one.get("text")).strip())
        found += [
            said(each.get("display")).strip() for each in objects(one.get("coding")) if not said(each.get("code"))
        ]
    return [text for text in found if text and _folded(text) not in names and not _says_none(text, about)]


def words_of_reactions(tree: Mapping[str, Any]) -> list[str]:
    """What somebody wrote of the reactions of an allergy: their descriptions and notes."""
    reactions = tree.get("reaction")
    found = list[str]()
    for one in objects(reactions if isinstance(reactions, list) else None):
        found += [said(one.get("description")), *(said(each.get("text")) for each in objects(one.get("note")))]
    return [text.strip() for text in found if text.strip()]


def _words_of_reactions(tree: Mapping[str, Any], concept: Any) -> list[str]:
    """Of these what is not just what the negative codes of the record are called."""
    beside = [{"text": text} for text in words_of_reactions(tree)]
    own = [one for each in objects(concept) for one in objects(each.get("coding"))]
    return [
        one["text"] for one in beside
        if one["text"] in _words_beside({"coding": own} | one) and not _is_a_blank(one["text"])
    ]  # fmt: skip


def _is_a_blank(text: str) -> bool:
    """Whether words only fill a place that had to be filled."""
    return set(re.findall(r"\w+", text.casefold())) <= _BLANKS


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _subject(code: str) -> str:
    """Of what a code says that there is none; empty for one that says it of insects or latex."""
    if code in OF_A_PART:
        return OF_A_PART[code] or "part"
    return next((name for name, codes in _OF_WHAT.items() if code in codes), "allergy")


def _says_none(text: str, about: Collection[str]) -> bool:
    """Whether words say that nothing is known of what the codes are about, and nothing else: each of them is known here, and each
    part of a sentence says it, but for a heading (*Allergies: none known*)."""
    subjects = set().union(*(_SUBJECTS[one] for one in about))
    parts = [re.findall(r"\w+", part) for part in re.split(r"[,;.:()/\n]", text.casefold())]
    return any(_NONE & set(part) for part in parts) and all(_says_none_of(part, subjects) for part in parts)


def _says_none_of(part: Sequence[str], subjects: Collection[str]) -> bool:
    before = list(takewhile(lambda one: one not in _NONE, part))
    if not set(part) <= _NONE | _KNOWN.union(subjects):
        return False
    if len(before) == len(part):
        return set(part) <= _HEADING.union(subjects)
    # *Has an allergy, not recorded* says that there is one.
    return not (_HAVE & set(before) and set(subjects) & set(before))


_HAVE: Final = frozenset("har has have".split())
_HEADING: Final = frozenset("known kjente kjende kända kendte current situation nåværende".split())
_NONE: Final = frozenset(
    "no not none nka nil ingen inga ikke ikkje inte ej keine kein aucune ninguna sin sem nenhuma nessuna geen".split()
)
_KNOWN: Final = frozenset(
    "known current recorded reported information available about situation finding kjent kjente kjend kjende registrert "
    "registrerte påvist nåværende opplysninger om kända känd kendte bekannten bekannte connue conocida conocidas conhecida nota "
    "bekende have has there is are patient pasienten har det er".split()
)
_BLANKS: Final = frozenset(
    "unknown ukjent ukjend okänd ukendt ikke ikkje not applicable aktuelt aktuell relevant unspecified uspesifisert none ingen "
    "inga no reaction reaksjon reaksjoner reactions x n a".split()
)
_ALLERGY: Final = frozenset(
    "allergy allergies allergi allergier allergiar allergien allergie alergia alergias allergia allergieën hypersensitivity "
    "intolerance intolerances intoleranse intoleranser overfølsomhet overfølsomheter overfølsemd reactions reaksjoner eller or "
    "og and adverse".split()
)
_SUBJECTS: Final[Mapping[str, frozenset[str]]] = {
    "allergy": _ALLERGY,
    "medication": _ALLERGY | frozenset(
        "drug drugs medication medications medicine medicines legemiddel legemidler medisiner mot for to legemiddelallergi "
        "legemiddelallergier legemiddelreaksjoner".split()
    ),
    "food": _ALLERGY | frozenset("food foods mat matvarer matallergi matallergier mot for to".split()),
    "environment": _ALLERGY | frozenset("environmental environment miljø luftveisallergi mot for to".split()),
    "part": _ALLERGY | frozenset("insect insects latex insekter lateks lateksallergi insektallergi mot for to".split()),
    "problems": frozenset("problem problems problemer problemar sykdommer sjukdommar diagnoser conditions condition".split()),
    "medications": frozenset(
        "drug drugs therapy medication medications medicine medicines legemiddel legemidler medisiner faste bruk i bruker".split()
    ),
    "procedures": frozenset("procedure procedures history of prosedyrer inngrep operasjoner".split()),
    "devices": frozenset("device devices implants in use utstyr implantater".split()),
    "immunizations": frozenset("immunization immunizations vaccination vaccinations vaksiner vaksinasjoner".split()),
}  # fmt: skip
"""By what a code is about the words in which it may be repeated, in the languages that are met here. Others are taken for
words that say more: too often is heard, and too seldom is not."""
_OF_WHAT: Final[Mapping[str, frozenset[str]]] = {
    "problems": frozenset({"160245001", "no-known-problems", "no-problem-info"}),
    "medications": frozenset({"787481004", "no-known-medications", "no-medication-info"}),
    "procedures": frozenset({"no-known-procedures", "no-procedure-info"}),
    "devices": frozenset({"no-known-devices", "no-device-info"}),
    "immunizations": frozenset({"no-known-immunizations", "no-immunization-info"}),
}


def is_negative(codes: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the codes (system, code) says that there is nothing, or that nothing is known.

    >>> is_negative([("http://snomed.info/sct", "716186003")])
    True
    """
    return any(system in SPEAKING and (code in OF_A_PART or code in OF_ALL | NO_INFORMATION) for system, code in codes)
