"""One version under a laboratory's number, whole or with some of its samplings alone, and the report that several make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.services.results.kith.chain import RANK
from kjerne.services.results.kith.traces import Trace, merged

TWINS_WITHIN: Final = timedelta(milliseconds=1)
"""As near as the reports of one message are that share a number (`chain.versions`); no laboratory makes two messages with one id
so near each other."""

Name = tuple[datetime, str, int]

NOWHERE: Final = (b"", 0)
"""Chain and owner of what lies in none."""


class Mark(NamedTuple):
    """One version under a number: when it was made, in which message, whom it names, and which chain it was laid in.

    `owner` is whose that chain is now; a version that has just come has neither chain nor owner. Where it is here with some of
    its samplings alone, `of` are their places in `whole.parts`, and `trace` shows no others. `laid` has by sampling the chain and
    owner of a whole one that was parted before.
    """

    made_at: datetime
    message: str
    person: int
    trace: Trace
    chain: bytes = b""
    owner: int = 0
    of: tuple[int, ...] = ()
    whole: Trace | None = None
    laid: tuple[tuple[bytes, int], ...] = ()

    @property
    def name(self) -> Name:
        """What tells it from other versions under the number."""
        return self.made_at, self.message, self.person

    @property
    def times(self) -> frozenset[str]:
        """When that was taken of which it tells here."""
        whole = self.whole or self.trace
        return frozenset[str]().union(*(whole.parts[index].times for index in self.of)) if self.of else whole.times

    def pieces(self) -> list[Mark]:
        """It with each of its samplings alone; itself where it tells of one, or of none that could be told apart."""
        parts = (self.whole or self.trace).parts
        if not parts or len(self.of) == 1:
            return [self]
        return [self.only((index,)) for index in self.of or range(len(parts))]

    def only(self, of: Sequence[int]) -> Mark:
        """It with these samplings alone."""
        whole = self.whole or self.trace
        if len(of) == len(whole.parts):
            of = ()
        chain, owner = self.laid[of[0]] if self.laid and of else (self.chain, self.owner)
        return self._replace(
            trace=merged(whole, of) if of else whole,
            chain=chain,
            owner=owner,
            of=tuple(of),
            whole=whole if of else None,
        )

    def placed(self, of: Iterable[int], chain: bytes, owner: int) -> Mark:
        """It, whole, where these samplings (none: all) lie in that chain from now on."""
        whole = self.whole or self.trace
        places = [*self.laid] if self.laid else [(self.chain, self.owner)] * len(whole.parts)
        for index in of or range(len(places)):
            places[index] = chain, owner
        if not places or (not self.laid and len(set(places)) == 1):
            return self._replace(chain=chain, owner=owner)
        return self._replace(chain=places[0][0], owner=places[0][1], laid=tuple(places))


@dataclass(frozen=True, slots=True)
class Standing:
    """One report: whose it is, and its versions, oldest first."""

    owner: int
    marks: tuple[Mark, ...]

    @property
    def names(self) -> list[Name]:
        return [mark.name for mark in self.marks]

    @property
    def parts(self) -> list[tuple[Name, tuple[int, ...]]]:
        """Its versions, and which samplings alone of each."""
        return [(mark.name, mark.of) for mark in self.marks]

    def takes_back(self, mark: Mark) -> bool:
        """Whether one of its versions only withdraws, and there was something before it."""
        return mark.trace.only_withdraws and mark is not self.marks[0]


def owner(report: Sequence[Mark]) -> int:
    """Whose a report is: whom the newest version names that does more than withdraw; where none does, the newest of all."""
    return next((one.person for one in reversed(report) if not one.trace.only_withdraws), report[-1].person)


def order(mark: Mark) -> tuple[datetime, int, str, int]:
    """As `chain.ordered`."""
    return mark.made_at, RANK.get(mark.trace.service, 0), mark.message, mark.person


def newest(mark: Mark) -> tuple[tuple[datetime, int, str, int], int]:
    """By which the newest report of several is gone on with; of those of one message, the first."""
    place = mark.made_at.microsecond % 1000
    return order(mark._replace(made_at=mark.made_at - timedelta(microseconds=place))), -place


def naming(person: int, marks: Sequence[Mark]) -> Sequence[Mark]:
    return [mark for mark in marks if mark.person == person]


def are_twins(mark: Mark, other: Mark) -> bool:
    """Whether both are reports of one message, which are never one."""
    apart = abs(mark.made_at - other.made_at)
    return mark.message == other.message and timedelta(0) < apart < TWINS_WITHIN


def united(marks: Iterable[Mark]) -> list[Mark]:
    """The versions of a report, oldest first, each once: with all its samplings that lie here."""
    here: dict[Name, list[Mark]] = {}
    for mark in sorted(marks, key=order):
        here.setdefault(mark.name, []).append(mark)
    return [
        own[0] if len(own) == 1 else own[0].only(sorted(index for one in own for index in one.of))
        for own in here.values()
    ]
