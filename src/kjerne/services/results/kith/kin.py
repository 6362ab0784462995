"""Which chains are one report, where a change or a cancellation came under a number of its own.

Some laboratories give every message a new ServProvId; a change or cancellation (M, C) of them finds no report by its
number. What it changes is then found by what it shares with a report: laboratory, discipline, and the request's number
or the issue time to the second, among the same patient's reports. A new report is never laid on another one.

The answer is made anew from all chains that share something, so that the order of arrival cannot matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Final

from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.chain import Versioned, absent, is_absent, laboratories, ordered
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.model import Report
from kjerne.services.results.kith.times import stamp

CHANGES: Final = frozenset({"M", "C"})
"""Kinds of report that presuppose another."""


_ISSUED: Final = "issued"


def is_orphan(versions: Sequence[Versioned]) -> bool:
    """Whether a chain holds nothing but changes of a report that did not come under the same number."""
    return bool(versions) and all(version.report.service in CHANGES for version in versions)


def anchors(report: Report, discipline: str | None = None) -> frozenset[tuple[str, ...]]:
    """What reports that may belong together share, beside the patient: a number of the request, or the issue time.

    A day alone is no issue time: a laboratory issues many reports in a day. `discipline` stands for the report's own, for
    what it would share in another.
    """
    code = report.discipline.code if discipline is None else discipline
    numbers = {number for request in report.requests for number in (request.provider_id, request.id) if number}
    shared = {("request", number) for number in numbers}
    issued = stamp(report.issued) if "T" in report.issued else None
    if issued is not None:
        shared.add((_ISSUED, issued.at.astimezone(UTC).isoformat()))
    return frozenset((house, code, *one) for house in laboratories(report) for one in shared)


def gather(chains: Mapping[bytes, Sequence[Versioned]]) -> dict[bytes, list[Versioned]]:
    """The versions of each report, by the chain it stands in; a chain that belongs to another is only found there.

    An orphan with results belongs to the one report whose results it names, a cancellation not where its samples are
    others; a bare cancellation to the one report there is: by the issue time, or under the same number. One request gives
    several reports, so its number alone says nothing where the cancellation names another report. Where there is none or
    more than one, it stands alone: nothing is withdrawn on a guess. But what it asks to be withheld is withheld in each that
    it may mean.
    """
    present = {key: ordered(chains[key]) for key in sorted(chains) if chains[key]}
    results = {key: _results(versions) for key, versions in present.items()}
    whole = [key for key, versions in present.items() if not is_orphan(versions)]
    homes: dict[bytes, bytes] = {}
    doubtful: dict[bytes, list[bytes]] = {}
    for key, versions in present.items():
        if is_orphan(versions) and results[key]:
            meant = [
                home
                for home in whole
                if results[key] & results[home]
                and _open_to(versions, present[home])
                and not _of_other_samples(versions, present[home])
            ]
            _found(key, meant, homes, doubtful)
    standing = [key for key, one in present.items() if key in whole or (_has_items(one) and key not in homes)]
    for key, versions in present.items():
        if is_orphan(versions) and not _has_items(versions):
            meant = [home for home in standing if _open_to(versions, present[home])]
            named = [home for home in meant if _names(versions, present[home])]
            _found(key, named, homes, doubtful)
            if key in doubtful:
                doubtful[key] = meant
    gathered = {key: list(versions) for key, versions in present.items() if key not in homes}
    for key, home in homes.items():
        gathered[home] += present[key]
    for key, meant in doubtful.items():
        asked = [bare for version in present[key] if (bare := absent(version)).report.requests]
        for home in meant:
            gathered[homes.get(home, home)] += asked
    return gathered


def _found(key: bytes, meant: list[bytes], homes: dict[bytes, bytes], doubtful: dict[bytes, list[bytes]]) -> None:
    if len(meant) == 1:
        homes[key] = meant[0]
    else:
        doubtful[key] = meant


def _open_to(orphan: Sequence[Versioned], home: Sequence[Versioned]) -> bool:
    """Whether `home` shares something with `orphan`, and was there and not cancelled when that was made."""
    earlier = [version for version in home if version.generated_at <= orphan[0].generated_at]
    own = [version for version in earlier if not is_absent(version)]
    if not earlier or (own and own[-1].report.service == "C"):
        return False
    return not _all_anchors(orphan).isdisjoint(_all_anchors(home))


def _of_other_samples(orphan: Sequence[Versioned], home: Sequence[Versioned]) -> bool:
    """Whether all it says is that something is cancelled that was taken at another time. A change may correct the time."""
    if any(version.report.service != "C" for version in orphan):
        return False
    return sampled.apart(_times(orphan), _times(home))


def _times(versions: Sequence[Versioned]) -> sampled.Times:
    return sampled.NONE.union(*(sampled.of_report(version.report) for version in versions))


def _names(orphan: Sequence[Versioned], home: Sequence[Versioned]) -> bool:
    """Whether a bare cancellation is of this report by more than a number of the request, where it names another report."""
    own, numbers = ({version.report.id for version in of if version.report.id} for of in (orphan, home))
    if not own or not numbers or own & numbers:
        return True
    shared = _all_anchors(orphan) & _all_anchors(home)
    return any(kind == _ISSUED for _, _, kind, _ in shared)


def _all_anchors(versions: Sequence[Versioned]) -> frozenset[tuple[str, ...]]:
    return frozenset().union(*(anchors(version.report) for version in versions))


def _has_items(versions: Sequence[Versioned]) -> bool:
    return any(version.report.items for version in versions)


def _results(versions: Sequence[Versioned]) -> frozenset[tuple[str, str, str]]:
    """Results by IdResultItem and a code: the id alone may be one that counts within each message."""
    return frozenset(
        (item.id, canonical(code.system), code.code)
        for version in versions
        for item in version.report.items
        if item.id
        for code in item.investigations
        if code.code
    )
