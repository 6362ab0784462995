"""Each entry of a foreign document laid beside what is registered here, with a proposal. Nothing is decided here, and nothing is
looked up: what codes mean is handed in, as for the groups of several senders (`services.critical.groups`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from kjerne.fhir.cds_hooks import codings
from kjerne.fhir.systems import canonical
from kjerne.registries.kj_profiles import ATC
from kjerne.registries.negatives import is_negative
from kjerne.services.critical.abroad.reading import Foreign
from kjerne.services.critical.drafts import CODED_BY, TYPE_BY_KIND, Draft, made
from kjerne.services.critical.entries import NO_CODE, Coded, Version
from kjerne.services.critical.groups import About, Entered, Means, Relation, differing, meant

Tree = Mapping[str, Any]
Proposal = Literal["same-as", "new", "conflicts-with", "cannot-be-compared", "negative"]
Why = Literal[
    "", "invalid", "uncoded", "unknown-system", "other-system", "no-subject", "modified", "not-done", "several-codes"
]
"""Why an entry cannot be compared: there is a bar (`reading.Bar`), it is no valid resource, has no code, has none of a system
that is known here, has codes that do not say the same, or something registered has codes of other systems alone."""
PROPOSALS: Final[tuple[Proposal, ...]] = ("same-as", "new", "conflicts-with", "cannot-be-compared", "negative")


class Beside(NamedTuple):
    """A record here that an entry belongs together with, and about what the two differ."""

    record: Entered
    relation: Relation
    differs: tuple[About, ...]


class Compared(NamedTuple):
    """An entry with its proposal. `beside` are records here, those that it conflicts with first; `apart` are those that could
    not be held against it."""

    foreign: Foreign
    proposal: Proposal
    why: Why = ""
    beside: tuple[Beside, ...] = ()
    apart: tuple[Entered, ...] = ()

    @property
    def may_be_taken(self) -> bool:
        """Whether it can become a record here: it says of her that something holds."""
        read_ = self.foreign.entry
        return (
            not self.foreign.bar
            and self.proposal != "negative"
            and (read_ is None or read_.now.standing in ("active", "over"))
        )


def compared(foreign: Foreign, means: Means | None, held: Iterable[Entered]) -> Compared:
    """`means` is what the entry is about, None where it was not read; `held` is what is registered here."""
    if foreign.bar:
        return Compared(foreign, "cannot-be-compared", foreign.bar)
    if foreign.entry is None or means is None:
        return Compared(foreign, "cannot-be-compared", "invalid")
    now, of_type = foreign.entry.now, [one for one in held if one.entry.type == foreign.type]
    own = Entered(foreign.entry, means, {})
    stands = [one for one in of_type if one.entry.now.standing != "in-error"]
    beside = tuple(sorted(_beside(own, stands), key=lambda one: (not one.differs, one.relation != "same")))
    if says_several(now, means):
        return Compared(foreign, "cannot-be-compared", "several-codes", beside)
    if _negatives(now):
        return Compared(foreign, "negative", apart=tuple(filter(_holds, of_type)))
    return _of_one_meaning(foreign, own, stands, beside)


def _of_one_meaning(
    foreign: Foreign, own: Entered, stands: Sequence[Entered], beside: tuple[Beside, ...]
) -> Compared:  # fmt: skip
    if any(one.differs for one in beside):
        return Compared(foreign, "conflicts-with", beside=beside)
    if any(one.relation == "same" for one in beside) and _is_coded(own.entry.now):
        return Compared(foreign, "same-as", beside=beside)
    why, apart = _not_comparable(foreign, own, stands)
    return Compared(foreign, "cannot-be-compared" if why else "new", why, beside, apart)


def says_several(now: Version, means: Means | None = None) -> bool:
    """Whether the codes of an entry do not say the same: two of one system, of which neither is a kind of the other as far as
    that is known (`means`; in ATC by the code itself), or one that says that there is nothing beside one that says something."""
    negatives = _negatives(now)
    if now.contradicts_itself or 0 < len(negatives) < len({(one.system, one.code) for one in now.codes if one.code}):
        return True
    wider = means.wider if means else frozenset()
    by_system = dict[str, set[str]]()
    for one in now.codes:
        if one.system and one.code and (one.system, one.code) not in wider:
            by_system.setdefault(one.system, set()).add(one.code)
    ordered = ((system, sorted(codes)) for system, codes in by_system.items())
    return any(
        not (system == ATC and other.startswith(one)) for system, codes in ordered for one, other in pairwise(codes)
    )


def other_codes(foreign: Foreign, sent: Tree) -> tuple[frozenset[str], frozenset[str]] | None:
    """The ATC codes of an entry and those of a resource, where neither says a code or group of the other's; None for the rest. A
    code of another system is a clinician's translation."""
    said = frozenset(one.code for one in foreign.entry.now.codes if one.system == ATC) if foreign.entry else frozenset()
    taken = frozenset(code for system, code, _ in codings(sent.get("code")) if canonical(system) == ATC)
    near = any(one.startswith(other) or other.startswith(one) for one in said for other in taken)
    return None if near or not (said and taken) else (said, taken)


def _negatives(now: Version) -> set[tuple[str, str]]:
    return {pair for one in now.codes if is_negative([pair := (one.system, one.code)])}


def _beside(own: Entered, stands: Sequence[Entered]) -> Iterable[Beside]:
    for one in stands:
        related = meant(own.means, one.means)
        if related is not None and not _are_two(own.entry.now, one.entry.now):
            yield Beside(one, related, tuple(differing(own, one, related)))


def _are_two(one: Version, other: Version) -> bool:
    """Two implants of two days."""
    return len({one.implanted[:10], other.implanted[:10]} - {""}) > 1


def _not_comparable(foreign: Foreign, own: Entered, stands: Sequence[Entered]) -> tuple[Why, tuple[Entered, ...]]:
    assert foreign.entry is not None
    now = foreign.entry.now
    if not _is_coded(now):
        return "uncoded", ()
    systems = {system for system, _ in own.means.same | own.means.wider}
    if not systems & set(CODED_BY[foreign.type]):
        return "unknown-system", ()
    apart = tuple(
        one for one in stands
        if _holds(one) and not meant(own.means, one.means) and not systems & {system for system, _ in one.means.same}
    )  # fmt: skip
    return ("other-system", apart) if apart else ("", ())


def _is_coded(now: Version) -> bool:
    return any(one.system and one.code for one in now.codes)


def _holds(one: Entered) -> bool:
    return one.entry.now.standing == "active"


def drafted(foreign: Foreign, kind: str) -> Draft:
    """What a form of a kind would say of an entry, as far as the document says it: reaction and source are of systems of our own,
    so a clinician says those."""
    if foreign.entry is None:
        return Draft(kind, NO_CODE)
    now = foreign.entry.now
    wanted = CODED_BY[TYPE_BY_KIND[kind]]
    about = next((one for one in now.codes if one.system in wanted and one.code), Coded("", "", now.name))
    about = NO_CODE if says_several(now) else about._replace(name=about.name or now.name)
    notes = [*now.notes, *([now.reaction] if now.reaction else [])]
    return Draft(
        kind, about, now.criticality, note="\n".join(notes), category=now.category,
        implanted=_day(foreign.tree) if TYPE_BY_KIND[kind] == "DeviceUseStatement" else "",
    )  # fmt: skip


def _day(tree: Any) -> str:
    """The day from which a device was in use, where it is a whole day."""
    timing = tree.get("timingDateTime") or (tree.get("timingPeriod") or {}).get("start") or ""
    return str(timing)[:10] if len(str(timing)) >= len("2026-01-01") else ""


def kinds_of(foreign: Foreign) -> tuple[str, ...]:
    """The kinds of critical information that an entry may become: the one that it says, else all that its type can be."""
    said = foreign.entry.now.kind if foreign.entry is not None else ""
    return (said,) if said else tuple(kind for kind, type_ in TYPE_BY_KIND.items() if type_ == foreign.type)


def proposed(one: Compared) -> dict[str, Any] | None:
    """The record that it would become, without what the document does not say; None where its kind is not told."""
    kinds = kinds_of(one.foreign)
    if len(kinds) != 1 or not one.may_be_taken or one.foreign.entry is None or says_several(one.foreign.entry.now):
        return None
    tree = made(drafted(one.foreign, kinds[0]))
    if not tree.get("criticality"):
        tree.pop("criticality", None)
    if one.foreign.type == "AllergyIntolerance":
        tree.pop("reaction", None)
    return tree
