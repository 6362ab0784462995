"""The law of documents that lie elsewhere a second time, from docs/law.md (K33, K37 to K41, K157 to K159, K169,
K177 to K182, K190): what a source of ours gives, and what of that is shown. Imports nothing of the product.

Whether she may look at all is `services_oracle`'s. A document is then shown where its source gives it to who asks, and the law
here does not shut it; what she has locked against personnel is counted, and of the rest nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from .days import day_in_norway
from .oracle import has_turned, in_a_parents_place
from .services_oracle import answer as answer_of_service
from .services_oracle import is_by_kjernejournal, is_young_enough
from .situation import Answer, Situation


@dataclass(frozen=True)
class Paper:
    """A document: its class (9602) and the day that it tells of, how confidential it is, its marks of 9603, and whose it is.
    `replaced_by` names what took its place; empty where it holds."""

    name: str
    kind: str = "A00-1"
    began: date = date(2026, 2, 2)
    level: str = "N"
    marks: frozenset[str] = frozenset()
    written_at: str = ""
    replaced_by: str = ""


Seen = Literal["open", "locked", "absent"]


def answer(s: Situation) -> Answer:
    """K37: where no choice is visible it is as if she had made none and had nothing here; a consent is no choice against."""
    said = answer_of_service(s)
    if s.jurisdiction != "EHDS" or said.outcome == "" or s.kind != "practitioner":
        return said
    without = answer_of_service(replace(s, wills=tuple(will for will in s.wills if will.kind == "consent")))
    return Answer(given=False, looks_empty=True) if without.given else without


# What a source of ours gives

POLICY: Mapping[str, str] = {
    "": "", "UNNTAK": "4", "FORHOYET_SAMTYKKE": "5", "AKUTT": "6", "FORHOYET_AKUTT": "7", "SAMTYKKE": "8",
}  # fmt: skip
"""The access policy that a basis is (K33)."""
WITHHELD = frozenset({"NORN_FFL", "NORN_KUT", "NORN_ALL", "NORN_FOR", "NORN_ANG", "NORU"})
"""From the citizen, and NORU until its source takes it away (K180)."""
KNOWN = WITHHELD | {"NORS", "NORN_FORANS", "NORN_UNGDOM"}


def is_locked(paper: Paper, papers: Sequence[Paper]) -> bool:
    """K177: the lock is on the document and not on a version; wherever it was put it holds for each of them."""
    versions = {
        one.name for one in papers if paper.name in (one.name, one.replaced_by) or one.name == paper.replaced_by
    }
    return any("NORS" in one.marks for one in papers if one.name in versions)


@dataclass(frozen=True)
class Place:
    """Where documents lie: the organisation that answers for it, and whether it gives whatever it has to whoever asks."""

    organisation: str
    gives_all: bool = False


def source_lets_in(s: Situation, said: Answer) -> bool:
    """Personnel for whom the law here said yes, and never about themselves: a person reads her own as the citizen she is (K158).
    A citizen by her age as the number tells it (K157, K159): herself and who stands in for her from 16, a parent under 12, and
    a guardian who stands where a parent would (K204)."""
    if s.kind == "practitioner":
        return not s.is_the_patient
    if said.purpose == "FAMRQT" or in_a_parents_place(s):
        return not has_turned(s, 12)
    return has_turned(s, 16)


def source_gives(paper: Paper, s: Situation, said: Answer, *, locked: bool) -> bool:
    if not source_lets_in(s, said):
        return False
    if s.kind == "practitioner":
        # K158, K190: what is locked opens to consent to just that, and to an emergency with its reason.
        policy = "7" if said.purpose == "BTG" else POLICY[s.basis]
        return not locked or policy in ("5", "7")
    if paper.marks & WITHHELD or paper.level == "V":
        return False
    return said.purpose == "PATRQT" or "NORN_FORANS" not in paper.marks


# What of it is shown


def seen(paper: Paper, s: Situation, said: Answer, papers: Sequence[Paper], source: Place) -> Seen:
    """Whether a document is shown; `source` is where it lies. One that was replaced is reached
    by what took its place alone, and its own marks are asked as well; it is never counted (K182)."""
    locked = is_locked(paper, papers)
    if not paper.replaced_by:
        return _alone(paper, s, said, source, locked=locked)
    newer = next(one for one in papers if one.name == paper.replaced_by)
    both = {_alone(one, s, said, source, locked=locked) for one in (paper, newer)}
    return "open" if both == {"open"} else "absent"


def _alone(paper: Paper, s: Situation, said: Answer, source: Place, *, locked: bool) -> Seen:
    if not said.given or not (source.gives_all or source_gives(paper, s, said, locked=locked)):
        return "absent"
    if s.kind == "citizen" or s.is_the_patient:
        return "open" if is_hers_to_see(paper, said) else "absent"
    # K39: what the regulation's scope does not reach is told of to nobody.
    if is_by_kjernejournal(s) and not is_young_enough(paper.kind, paper.began, day_in_norway(s.now)):
        return "absent"
    # K41, K169: what its source marks as locked is opened by nothing.
    return "locked" if locked or is_shut_here(paper, s, said, source.organisation) else "open"


def is_hers_to_see(paper: Paper, said: Answer) -> bool:
    """K180; personnel who read their own as the citizen she is, and no further (K8, K205)."""
    if paper.marks & WITHHELD or paper.marks - KNOWN or paper.level == "V":
        return False
    if "NORN_FORANS" in paper.marks and "withheld from parents" in said.hidden:
        return False
    return not ("NORN_UNGDOM" in paper.marks and "withheld from youth" in said.hidden)


def is_shut_here(paper: Paper, s: Situation, said: Answer, source: str) -> bool:
    """What one place has sent in: who answers for the source, or who wrote it (K169)."""
    places = {source, paper.written_at}
    return any(f"part {will.mark}" in said.hidden for will in s.wills if will.sent_by and will.sent_by in places)


def told_as_locked(s: Situation, said: Answer, papers: Sequence[Paper], source: Place) -> int | None:
    """How many it is said are locked; None where no count may be given (K37). To a citizen none is: she sees hers (K180)."""
    if s.jurisdiction == "EHDS":
        return None
    return sum(seen(one, s, said, papers, source) == "locked" for one in papers)
