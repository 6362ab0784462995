"""Whether an entry of critical information warns of a medicine, and how strongly: comparing alone, with nothing to look up.

Substance comes first. ATC comes last and is a hint: it sorts by use, so that one substance has several codes (acetylsalicylic
acid is B01AC06 and N02BA01) and a group holds what is no kin. What cannot be compared is told, never passed over.
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
WHOLE_ATC: Final = 7
"""Signs in an ATC code that names what stands in a product, and no group."""
LEAST_ATC: Final = 3
_BY_URGENCY: Final[tuple[Indicator, ...]] = ("critical", "warning", "info")


class Meaning(NamedTuple):
    """What codes say of an entry or a medicine, with all that is known of them.

    `substances` are what it names, or what is active in it, under every code that means the same, and for a medicine the wider
    ones that they are kinds of; `excipients` the same of what else is in it; `groups` those within which substances may cross
    react; `systems` those in which its substances are known as such, so that another code there is another substance.
    """

    medicines: frozenset[Code] = frozenset()
    substances: frozenset[Code] = frozenset()
    excipients: frozenset[Code] = frozenset()
    groups: frozenset[Code] = frozenset()
    atc: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()


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
    if of_one_use(its.atc, other.atc):
        return "same-use"
    return None if is_comparable(allergy, its, other) else "not-checked"


def of_one_use(registered: Collection[str], other: Collection[str]) -> bool:
    """Whether a medicine's ATC code is the one that is registered, or lies in the group that is."""
    return any(len(one) >= LEAST_ATC and each.startswith(one) for one in registered for each in other)


def is_comparable(allergy: Allergy, its: Meaning, other: Meaning) -> bool:
    """Whether nothing in common means anything.

    An entry without a code is never compared. What is no reaction to a medicine (food, latex) matters by what else is in a
    medicine, which is seldom told: it is not said of each prescription that this is not known.
    """
    if not allergy.codes:
        return False
    if not allergy.of_medicine:
        return True
    if allergy.of_excipient and not other.excipients:
        return False
    by_group = any(len(one) < WHOLE_ATC for one in its.atc) and not its.substances
    return bool(its.systems & other.systems) or (by_group and bool(other.atc))


def indicator(rule: Rule, allergy: Allergy) -> Indicator:
    """How strongly it is told. Only what is of high criticality or confirmed interrupts; a hint never does, and kin by a group
    only where the criticality is high."""
    if rule == "same-use":
        return "info"
    if rule == "not-checked":
        return "warning" if allergy.is_weighty else "info"
    if allergy.is_weighty or (allergy.is_confirmed and rule != "cross-reactivity"):
        return "critical"
    return "warning"


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
