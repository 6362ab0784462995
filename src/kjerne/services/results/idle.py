"""What of an accepted message had no effect, or one that was hardly meant, as its sender is told: in the receipt (status 3)
and in JSON (`reason`).

What it meant stands as it stood, and only the sender knows what that was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

from kjerne.errors import Fault
from kjerne.services.results.filing import Filing
from kjerne.services.results.kith import lineage
from kjerne.services.results.kith.marks import united
from kjerne.services.results.unnamed import Outcome

OTHER: Final = "X99"
_BEFORE: Final = (
    "a cancellation was made (GenDate) before every version of its report that is here, and cancels none of them; "
    "if it is meant for them, send it again with a later GenDate"
)
_CANCELS_NOTHING: Final = (
    "no report was found that this cancellation is of, and nothing was withdrawn; if one is meant that is here, send it again "
    "under the number (ServProvId) of that; one that is still to come is cancelled if it was made (GenDate) before"
)
_CHANGES_NOTHING: Final = (
    "no report was found that this change is of, among those that are here by now: it stands as a report of its own, and is "
    "laid on its first version if that comes later; if it is to correct or move a report that is here, cancel that under its "
    "number (ServProvId); if its first version was never sent here, nothing is to be done"
)
_WITHDRAWS_NOTHING: Final = (
    "no report was found that this change is of, among those that are here by now, and nothing was withdrawn by it; what it "
    "says stands as a report of its own, and is laid on its first version if that comes later; if a report is meant that is "
    "here, send it again under the number (ServProvId) of that"
)

_NAMES_NOT_ALL: Final = (
    "with this a report goes to another patient whole, since its answers could not be told apart by when they were taken, and "
    "{} of its answers are not given to that one: they are shown with nobody now; send each again under the same number "
    "for whom it is of"
)


_STANDS_BESIDE: Final = (
    "another patient has an answer of an analysis, sample time and material that this change gives, under the same number, and "
    "it stands with that one too; if the two are one answer, corrected here, take it back there by a change (M) that gives it as "
    "cancelled (C) and repeats all else that is that one's own (H)"
)

_TAKEN_ALONG: Final = (
    "this is not filed, and was taken from whom it was sent about before; {} other answers of the same time could not be told "
    "apart from it, and are shown with nobody now; send each again under the same number for whom it is of"
)


def told(filing: Filing, outcome: Outcome) -> list[Fault]:
    """What the sender is told of what came of a version."""
    found = found_nothing(filing) if outcome.alone else []
    if outcome.unnamed and not filing.shut:
        found.append(_fault(filing, _NAMES_NOT_ALL.format(outcome.unnamed)))
    if filing.plan.beside and not found and not filing.shut:
        found.append(_fault(filing, _STANDS_BESIDE))
    return found


def taken_along(outcomes: Iterable[Outcome]) -> list[Fault]:
    """What the sender of a message that is not filed is told of what it took from a wrong person beside what it names. It points
    at no report of the message: that would tell of whom nothing is filed."""
    unnamed = sum(one.unnamed for one in outcomes)
    return [Fault(_TAKEN_ALONG.format(unnamed), "", OTHER)] if unnamed else []


def made_before(filing: Filing) -> list[Fault]:
    """What the sender is told of a cancellation that was made before all that it could cancel: what it meant stands.

    A clock that is behind makes one, and a GenDate without a time of day. It is told with either of the two, as they come.
    """
    marks = _standing(filing)
    early = len(list(itertools.takewhile(lambda mark: mark.trace.service == "C", marks)))
    if not 0 < early < len(marks) or [mark.name for mark in marks].index(filing.mark.name) > early:
        return []
    return [_fault(filing, _BEFORE)]


def found_nothing(filing: Filing) -> list[Fault]:
    """What the sender is told of a change or cancellation that stands alone (`Files.file`). It holds whatever comes later: the
    first version of a report may be on its way, or older than the connection. A change that gives nobody a result (a diagnosis
    may stand in it) is told what it did not withdraw, but is called no cancellation.

    Nothing where it goes on with an older change, nothing where it sends again what went along with another's, as its sender was
    told to do, and nothing where its report has gone to another person already, which is all that a cancellation asks.
    What the law keeps `shut` says nothing of itself here either.
    """
    earlier = itertools.takewhile(lambda mark: mark.name != filing.mark.name, _standing(filing))
    if filing.shut or made_before(filing) or any(not mark.trace.only_withdraws for mark in earlier):
        return []
    if not filing.mark.trace.only_withdraws:
        return [] if filing.plan.sent_again else [_fault(filing, _CHANGES_NOTHING)]
    person = filing.mark.person
    if any(sent.patient == person != sent.owner for sent in filing.known):
        return []
    return [_fault(filing, _CANCELS_NOTHING if filing.mark.trace.service == "C" else _WITHDRAWS_NOTHING)]


def _standing(filing: Filing) -> list[lineage.Mark]:
    """The versions of the reports that the filing's version is one of, oldest first: of several where its samplings are."""
    return united(mark for one in filing.plan.after.values() if filing.mark.name in one.names for mark in one.marks)


def _fault(filing: Filing, says: str) -> Fault:
    return Fault(says, f"ServReport line {filing.version.report.line}", OTHER)
