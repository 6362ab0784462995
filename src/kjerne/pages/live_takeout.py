"""A copy of what the citizen may see of her own record, behind the pages: begun under a grant, and read on a batch at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

from kjerne.access import Grant
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.pages.house import File, Identity, Resource, Visit
from kjerne.pages.live import BINARY
from kjerne.pages.live_chart import TYPES, as_read
from kjerne.pages.live_inquiries import InquiryPages
from kjerne.pages.my_house import Copied, Copy
from kjerne.registries.identifiers import without_others
from kjerne.store import audit, files, takeout
from kjerne.store.takeout import After

ABOUT: Final = "download"


class TakeoutPages(InquiryPages):
    """Implements the download of `pages.my_house.MyHouse`."""

    async def may_copy(self, who: Identity, visit: Visit) -> None:
        """Opens nothing: a no has its row in the log, a yes gets one when the copy is begun."""

        async def use(_: Grant) -> None:
            return None

        await self.under(who, visit, "download", use)

    async def begin_copy(self, who: Identity, visit: Visit) -> Copy:
        """That a copy is taken stands in the log before its first byte leaves."""

        async def use(grant: Grant) -> Copy:
            async with self.store.pool.acquire() as conn:
                person = await self.person(conn, visit.patient)
                await audit.insert_explained(conn, audit.given(grant), ABOUT, "")
            return Copy(person, grant.at, TYPES)

        return await self.under(who, visit, "download", use)

    async def copy_on(self, who: Identity, visit: Visit, type_: str, after: After | None) -> Copied:
        """The next batch of records of a type; the law is asked anew for each."""

        async def use(grant: Grant) -> Copied:
            async with self.store.pool.acquire() as conn:
                found, onward = await takeout.batch(conn, grant, self.reader, type_number(type_), after)
                replaced = await files.replaced(conn, grant, self.reader)
            own = self._is_own(grant)
            sent = tuple(without_others_in(decode(record.served), own) for record, _ in found)
            read = (as_read([record, *former], replaced, {}) for record, former in found)
            return Copied(sent, (), onward, tuple(without_others_in(tree, own) for tree in read))

        return await self.under(who, visit, "download", use)

    async def copy_files(self, who: Identity, visit: Visit, after: After | None) -> Copied:
        """The next files that came with her reports, as bytes; one that was replaced also as it was, by id and version."""

        async def use(grant: Grant) -> Copied:
            async with self.store.pool.acquire() as conn:
                found, onward = await takeout.batch(conn, grant, self.reader, BINARY, after)
            named = (
                (str(one.id) if one is record else f"{one.id}.{one.version}", one)
                for record, former in found
                for one in (record, *former)
            )
            return Copied((), tuple((name, File(_data(decode(one.raw)))) for name, one in named), onward)

        return await self.under(who, visit, "download", use)

    def _is_own(self, grant: Grant) -> Callable[[str], bool]:
        return lambda number: self._digest(number) in grant.subject.digests


def _data(tree: Resource) -> bytes:
    try:
        return base64.b64decode("".join(str(tree.get("data", "")).split()), validate=True)
    except binascii.Error:
        return b""


def without_others_in(tree: Any, own: Callable[[str], bool], name: str = "") -> Any:
    """The tree with others' person numbers masked in every text; packed data are left as they are."""
    if isinstance(tree, dict):
        return {key: without_others_in(value, own, key) for key, value in tree.items()}
    if isinstance(tree, list):
        return [without_others_in(value, own, name) for value in tree]
    return without_others(tree, own) if isinstance(tree, str) and name != "data" else tree
