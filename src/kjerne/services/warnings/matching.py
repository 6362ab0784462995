"""Whether an entry of critical information warns of a medicine, and how strongly: comparing alone, with nothing to look up.

Substance comes first. ATC comes last: it sorts by use, so that one substance has several codes (acetylsalicylic acid is B01AC06
and N02BA01) and a group holds what is no kin. What cannot be compared is told, never passed over (decision 73).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from kjerne.fhir.cds_hooks import Indicator
from kjerne.services.warnings.reading import Allergy, Code, Medicine

Rule = Literal["same-medicine", "same-substance", "excipient", "cross-reactivity", "same-use", "not-checked"]
RULES: Final[tuple[Rule, ...]] = (
    "same-medicine", "same-substance", "excipient", "cross-reactivity", "same-use", "not-checked",
)  # fmt: skip
"""The first that holds is told. The place of each stands in the cards that were given: new ones come last."""
LEAST_ATC: Final = 3
_BY_URGENCY: Final[tuple[Indicator, ...]] = ("critical", "warning", "info")


class Thing(NamedTuple):
    """A substance that is named: `names` are its codes, with those of what it is a form of; `systems` those in which it is
    known as a substance, so that another one there is another; `atc` the codes under which it stands by itself."""

    names: frozenset[Code]
    systems: frozenset[str]
    atc: frozenset[str]


class Meaning(NamedTuple):
    """What an entry or a medicine names, with all that is known of it.

    `substances` are what it names, or what is active in it, under every code that means the same, and for a medicine the wider
    ones that they are kinds of; `excipients` the same of what else is in it; `groups` those within which substances may cross
    react; `atc` its codes and those of its substances. `atc_over` those of a medicine with the groups over them. `possible`
    may be in it, `possible_over` as those. `kinds` and `beside` are the `systems` of each substance and of each excipient.
    `is_whole` and `is_beside_whole`: every part was understood; `is_sorted`: all of a medicine has codes of ATC. `wide` are
    the groups of ATC that an entry names, `is_wide_known` whether a loaded ATC has them.
    """

    medicines: frozenset[Code] = frozenset()
    substances: frozenset[Code] = frozenset()
    excipients: frozenset[Code] = frozenset()
    groups: frozenset[Code] = frozenset()
    atc: frozenset[str] = frozenset()
    atc_over: frozenset[str] = frozenset()
    possible: frozenset[Code] = frozenset()
    possible_over: frozenset[str] = frozenset()
    kinds: frozenset[frozenset[str]] = frozenset()
    beside: frozenset[frozenset[str]] = frozenset()
    is_whole: bool = False
    is_beside_whole: bool = False
    is_sorted: bool = False
    wide: frozenset[str] = frozenset()
    is_wide_known: bool = False


class Finding(NamedTuple):
    """An entry that warns of a medicine, or that could not be held against it; `group` within which they may cross react."""

    rule: Rule
    allergy: Allergy
    medicine: Medicine
    indicator: Indicator
    group: str = ""


def judged(allergy: Allergy, its: Meaning, medicine: Medicine, of_medicine: Meaning) -> Finding | None:
    """What is told of an entry and a medicine; None where both are known and have nothing in common."""
    rule = _rule(allergy, its, of_medicine)
    if rule is None:
        return None
    shared = sorted(its.groups & of_medicine.groups) if rule == "cross-reactivity" else []
    return Finding(rule, allergy, medicine, indicator(rule, allergy), shared[0].code if shared else "")


def _rule(allergy: Allergy, its: Meaning, other: Meaning) -> Rule | None:
    if its.medicines & other.medicines:
        return "same-medicine"
    if its.substances & other.substances:
        return "same-substance"
    if its.substances & other.excipients:
        return "excipient"
    if its.groups & other.groups:
        return "cross-reactivity"
    if its.atc & other.atc_over:
        return "same-use"
    return None if is_comparable(allergy, its, other) else "not-checked"


def of_one_use(registered: Collection[str], other: Collection[str]) -> bool:
    """Whether a medicine's ATC code is the one that is registered, or lies in the group that is."""
    return not over(other).isdisjoint(registered)


def over(codes: Iterable[str]) -> frozenset[str]:
    """Codes of ATC with the groups over them, from `LEAST_ATC` signs."""
    return frozenset(code[:length] for code in codes for length in range(LEAST_ATC, len(code) + 1))


def is_comparable(allergy: Allergy, its: Meaning, other: Meaning) -> bool:
    """Whether nothing in common means that there is nothing: all of both was understood, and each could be held against each.

    An entry without a code is never compared. What is no reaction to a medicine (food, latex) matters by what else is in a
    medicine, which is seldom told: it is not said of each prescription that this is not known, but of what was told.
    """
    if not allergy.codes:
        return False
    if not allergy.of_medicine:
        return other.is_beside_whole and _are_apart(its.kinds, other.beside)
    if not (its.is_whole and other.is_whole and other.is_beside_whole):
        return False
    if allergy.of_excipient and not other.beside:
        return False
    if its.wide and not (its.is_wide_known and other.is_sorted):
        return False
    return not _may_share(its, other) and _are_apart(its.kinds, other.kinds | other.beside)


def are_two(one: Meaning, other: Meaning, *, is_named: bool = False) -> bool:
    """Whether two entries are known to be about two things: nothing that is in one is in the other, and they have two names
    (`is_named`), or all of both was understood and nothing may be in both."""
    if one.medicines & other.medicines or one.substances & other.substances or one.atc & other.atc:
        return False
    is_known = one.is_whole and other.is_whole and one.kinds and other.kinds
    return is_named or bool(is_known and not _may_share(one, other) and _are_apart(one.kinds, other.kinds))


def _may_share(its: Meaning, other: Meaning) -> bool:
    """Whether what may be in one is in the other, or may be."""
    inside = other.substances | other.excipients
    met = its.possible & inside or other.possible & its.substances or its.possible & other.possible
    return bool(met or its.wide & other.possible_over)


def _are_apart(some: Collection[frozenset[str]], others: Collection[frozenset[str]]) -> bool:
    """Whether each of some is known in a system in which each of the others is: with no code in common they are others."""
    return all(one & each for one in some for each in others)


def indicator(rule: Rule, allergy: Allergy) -> Indicator:
    """How strongly it is told. Only what is of high criticality or confirmed interrupts, and kin by a group or by use only where
    the criticality is high. No rule is weaker than one behind it."""
    if allergy.is_weighty:
        return "warning" if rule == "not-checked" else "critical"
    if rule in ("same-use", "not-checked"):
        return "warning" if rule == "same-use" and allergy.is_confirmed else "info"
    return "critical" if allergy.is_confirmed and rule != "cross-reactivity" else "warning"


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The most urgent first, then by rule, medicine and entry: in whichever order drafts and entries came."""
    return sorted(
        findings,
        key=lambda one: (
            _BY_URGENCY.index(one.indicator), RULES.index(one.rule), one.medicine.name, one.medicine.place, one.allergy.id,
        ),
    )  # fmt: skip


def strongest(findings: Sequence[Finding]) -> Indicator:
    """The most urgent of several."""
    return min((one.indicator for one in findings), key=_BY_URGENCY.index)
