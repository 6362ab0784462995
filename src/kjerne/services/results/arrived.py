"""What has come under a laboratory's number of a report, from how it is stored to how `kith.lineage` reads it, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kjerne.services.results.kith import traces
from kjerne.services.results.kith.marks import NOWHERE, Mark, Name
from kjerne.store.arrivals import Sent
from kjerne.store.chains import Version

Sealing = Callable[[bytes, bytes], bytes]
"""Seals or opens bytes under a number."""

_WHOLE: Final = 0
"""The row of a whole version. Where it was parted, each sampling has a row of its own, and this one says nothing."""


def marks(known: Iterable[Sent], number: bytes, opened: Sealing) -> list[Mark]:
    """The versions, with where each of their samplings lies. What was deleted has no owner any more, and says nothing."""
    whole: dict[Name, Mark] = {}
    apart: dict[Name, dict[int, tuple[bytes, int]]] = {}
    for one in known:
        name = one.made_at, one.message, one.patient
        if one.part == _WHOLE or name not in whole:
            trace = traces.unpack(opened(one.trace, number) if one.trace else b"")
            whole[name] = Mark(*name, trace, one.chain, one.owner)
        if one.part != _WHOLE:
            apart.setdefault(name, {})[one.part - 1] = one.chain, one.owner
    return [_parted(mark, apart[name]) if name in apart else mark for name, mark in whole.items()]


def _parted(mark: Mark, lies: Mapping[int, tuple[bytes, int]]) -> Mark:
    laid = tuple(lies.get(index, NOWHERE) for index in range(len(mark.trace.parts)))
    return mark._replace(laid=laid).only(sorted(lies))


def open_to(known: Iterable[Mark], may: Callable[[int], bool]) -> list[Mark]:
    """The versions and samplings that name those of whom it may be spoken, and lie with them."""
    found = []
    for mark in known:
        if may(mark.person) and (mark.laid or may(mark.owner)):
            pieces = [one for one in mark.pieces() if may(one.owner)]
            if pieces and mark.laid:
                found.append(mark.only([index for one in pieces for index in one.of]))
            elif pieces:
                found.append(mark)
    return found


def noted(marks_: Iterable[Mark], number: bytes, seal: Sealing) -> list[Version]:
    """What is stored of the versions of one report."""
    found = []
    for one in marks_:
        trace = seal(traces.pack(one.whole or one.trace), number)
        parts = [index + 1 for index in one.of or range(len(one.laid))]
        found += [Version(number, *one.name, trace, part) for part in (parts if one.of else [_WHOLE, *parts])]
    return found
