"""The files of a report over its versions: which stand now, and which a later version put another in the place of.

A file that was replaced or left out stays a record of its own, so that whoever had opened it can see what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kjerne.services.results.kith.model import Attachment


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A file under the key of its record; `replaced` is the version time from which it is not the report's any more."""

    key: str
    file: Attachment
    replaced: str = ""


def after(kept: Sequence[Kept], sent: Sequence[Attachment], generated: str) -> tuple[Kept, ...]:
    """What is kept once a version says that `sent` are the report's files: those in its order, then the former ones,
    last replaced first.

    The same bytes are the same file, whatever it is called now. Another file under a name that was used gets a key of its own.
    """
    left = list(kept)
    used = {one.key for one in kept}
    standing: list[Kept] = []
    for index, file in enumerate(sent):
        if not file.data:
            continue
        known = next((one for one in left if one.file.data == file.data), None)
        if known is not None:
            left.remove(known)
        key = known.key if known else _fresh(f"{index}:{file.id or file.title}", used)
        used.add(key)
        standing.append(Kept(key, file))
    gone = [one for one in left if not one.replaced]
    former = [one for one in left if one.replaced]
    return (*standing, *(msgspec.structs.replace(one, replaced=generated) for one in gone), *former)


def _fresh(stem: str, used: set[str]) -> str:
    key, number = stem, 1
    while key in used:
        number += 1
        key = f"{stem}#{number}"
    return key
