"""What an addition (ServType A) does to the results that stand: nothing is taken from them.

IdResultItem is optional, and many laboratories count it within one message, so neither it nor the code tells that an
addition means a result that is there. It is that result only where it says the same, or where that was waited for;
anything else it says stands beside it, as a result of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from kjerne.services.results.kith.circumstances import same_content, says_something
from kjerne.services.results.kith.model import AnalysedSubject, Item, Report, Value
from kjerne.services.results.kith.statuses import DELETED

_SPOKEN_FOR: Final = frozenset({"M", "C"})
"""What an addition changes or takes back by saying so is changed or taken back."""

_PLACE: Final = frozenset({"parent", "line", "of", "id", "ref", "service", "status", "value", "subjects"})
"""Of an item: where it stands and what it is called, not what it says beside its value."""

_DIGEST_BYTES: Final = 8

_One = TypeVar("_One")


class Known(NamedTuple):
    """A result as it is known when an addition comes: what it said last, whether that is still `waited` for, and whether it
    `stands` (is neither waited for nor taken back)."""

    value: Value | None
    item: Item
    waited: bool
    stands: bool


def adds(report_service: str, service: str, state: str) -> bool:
    """Whether a result is added: by its report's ServType (7309) or its own (8270), and it says no more of itself."""
    return "A" in (report_service, service) and service not in _SPOKEN_FOR and state != DELETED


def is_the_same(known: Known, added: Item, *, same_place: bool) -> bool:
    """Whether an added item is this result: it was waited for and said nothing yet, or it says nothing else. What has no value
    must stand at the same place: it may be the occasion of another text."""
    if not (same_place or says_something(added.value)):
        return False
    if known.waited and not says_something(known.value):
        return True
    if not same_content(known.value, added.value):
        return False
    if known.waited:
        return True
    return all(
        not new or not old or new == old
        for old, new in (
            (known.item.comment, added.comment),
            (known.item.structured, added.structured),
            (known.item.further, added.further),
        )
    )


def report(older: Report, newer: Report) -> Report:
    """An addition (`newer`) with all that its report said before: what it says itself comes beside that. Of a request that
    both name the first says what was asked."""
    asked = {(one.id, one.provider_id) for one in older.requests}
    return msgspec.structs.replace(
        newer,
        approved=newer.approved or older.approved,
        requester=newer.requester or older.requester,
        related=newer.related or older.related,
        comment=_both(older.comment, newer.comment),
        responsible=_joined(older.responsible, newer.responsible),
        comment_codes=_joined(older.comment_codes, newer.comment_codes),
        information=_joined(older.information, newer.information),
        attachments=_joined(older.attachments, newer.attachments),
        requests=(*older.requests, *(one for one in newer.requests if (one.id, one.provider_id) not in asked)),
    )


def _both(older: str, newer: str) -> str:
    """Two remarks, or one of them that holds the other."""
    if f"\n{newer}\n" in f"\n{older}\n" or not newer:
        return older
    return newer if older in newer else f"{older}\n{newer}"


def _joined(older: tuple[_One, ...], newer: tuple[_One, ...]) -> tuple[_One, ...]:
    return (*older, *(one for one in newer if one not in older))


def filled(known: Item, added: Item) -> Item:
    """A result that stands, with what an addition says that it did not say."""
    stated = {
        name: getattr(added, name)
        for name, default in zip(_NAMES, _DEFAULTS, strict=True)
        if getattr(known, name) == default
    }
    return msgspec.structs.replace(known, **stated)


_FIELDS: Final = [one for one in msgspec.structs.fields(Item) if one.name not in _PLACE]
_NAMES: Final = [one.name for one in _FIELDS]
_DEFAULTS: Final = [getattr(Item(parent=-1, line=0), name) for name in _NAMES]


def name_of(
    item: Item, found_in: Sequence[Sequence[AnalysedSubject]], place: tuple[int, str, str] | None = None
) -> str:
    """What tells an added result from others with its number: what it said first, in what it was found and, where it stands at
    another `place` than they do, at which: so its key does not hang on what else has come. The same may be found in several
    specimens and of several organisms."""
    of = [
        (one.of, one.material, one.type, one.type_code, one.collected, one.origin) for made in found_in for one in made
    ]
    said = msgspec.msgpack.encode((item.value, item.structured, item.further, of, *([place] if place else ())))
    return hashlib.blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()
