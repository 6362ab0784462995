"""What a comparison of the log with its seals and checkpoints finds: what is wrong and where, never what a row says."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

LIMIT: Final = 1000
"""Findings kept; of more there is only the number, since whoever deleted a million rows is found by the first."""

SAYS: Final = {
    "row-edited": "a row is not as it was sealed",
    "row-missing": "a row that was sealed is not there",
    "row-inserted": "a row lies among sealed ones and was not sealed with them; its place is that of the row before it",
    "rows-exchanged": "a row stands in the place of another",
    "row-moved": "a row was moved from the place where it was sealed",
    "row-ahead": "a row bears a transaction number that no transaction has had yet",
    "row-unplaced": "a row has no transaction number or none of its own, and no seal can cover it",
    "rows-uncovered": "rows lie where no seal covers them",
    "seal-edited": "the seal's own row is not as it was made",
    "seal-missing": "a seal is not there",
    "seal-unlinked": "the seal does not follow the one before it",
    "seal-unknown": "the seal is of a format that this program does not know",
    "seal-not-signed": "the seal is not the one that was signed: it was edited, or the chain computed anew from here on",
    "tail-cut": "the seal was signed, and the database has none: the log's end was cut, or an older state brought back",
    "older-state": "a seal was signed again after later ones: an older state of the database was brought back",
    "transactions-began-again": "the database gives out transaction numbers that are sealed already: it was loaded into another",
    "checkpoint-edited": "the line is not as it was signed, or another key signed it",
    "checkpoint-missing": "lines of the checkpoint file are not there",
    "checkpoint-unlinked": "the line of the checkpoint file does not follow the one before it",
    "checkpoints-absent": "there is no signed checkpoint to compare with",
}
Range = tuple[int, int]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference, or a run of the same. Places of rows count from 1 over the whole log, in the order it was sealed.

    `other` is the place whose row is meant too, `since` and `until` the rows' own times (of a missing one: its neighbours').
    """

    kind: str
    rows: Range | None = None
    other: int | None = None
    seals: Range | None = None
    lines: Range | None = None
    since: datetime | None = None
    until: datetime | None = None

    def follows(self, before: Finding) -> bool:
        """Whether this is told best together with the one before it."""
        if self.kind != before.kind or self.other is not None:
            return False
        part = "rows" if self.rows else "seals" if self.seals else "lines"
        ours, theirs = getattr(self, part), getattr(before, part)
        return bool(ours and theirs and ours[0] in (theirs[1], theirs[1] + 1))

    def joined(self, before: Finding) -> Finding:
        """This and the one before it as one."""

        def span(ours: Range | None, theirs: Range | None) -> Range | None:
            return (theirs[0], ours[1]) if ours and theirs else ours or theirs

        return Finding(
            self.kind, span(self.rows, before.rows), None, span(self.seals, before.seals), span(self.lines, before.lines),
            _edge(min, before.since, self.since), _edge(max, before.until, self.until),
        )  # fmt: skip

    @property
    def months(self) -> str:
        """The months that the rows' times lie in, `2026-11` or `2026-09 to 2026-11`."""
        if self.since is None or self.until is None:
            return ""
        first, last = f"{self.since:%Y-%m}", f"{self.until:%Y-%m}"
        return first if first == last else f"{first} to {last}"

    def told(self) -> dict[str, Any]:
        """For JSON."""
        parts = {name: getattr(self, name) for name in ("rows", "other", "seals", "lines", "since", "until")}
        kept = {name: value for name, value in parts.items() if value is not None}
        return {"kind": self.kind, "says": SAYS[self.kind], **kept, **({"months": self.months} if self.months else {})}

    def readable(self) -> str:
        """`row 5 (seal 2, 2026-11-23 12:00:00, month 2026-11): ...` for a person."""
        places = [
            f"{name if one[0] == one[1] else f'{name}s'} {_range(one)}"
            for name, one in (("row", self.rows), ("seal", self.seals), ("line", self.lines))
            if one
        ]
        if self.other is not None:
            places.append(f"and row {self.other}")
        if self.since and self.until:
            until = "" if self.since == self.until else f" to {self.until:%F %T}"
            places.append(f"{self.since:%F %T}{until}, month {self.months}")
        return f"{self.kind}: {SAYS[self.kind]}" + (f" ({', '.join(places)})" if places else "")


class Findings:
    """Gathers findings: runs are told as one, and no more than `LIMIT` are kept."""

    def __init__(self) -> None:
        self.more = 0
        self._told: list[Finding] = []

    def tell(self, finding: Finding) -> None:
        if self._told and finding.follows(self._told[-1]):
            self._told[-1] = finding.joined(self._told[-1])
        elif len(self._told) < LIMIT:
            self._told.append(finding)
        else:
            self.more += 1

    def all(self) -> tuple[Finding, ...]:
        return tuple(self._told)


def one(place: int) -> Range:
    """A range of one."""
    return place, place


def _range(span: Range) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"


def _edge(of: Any, *times: datetime | None) -> datetime | None:
    known = [time for time in times if time is not None]
    return of(known) if known else None
