"""Saved filters of the list of documents behind the pages: her own rows, under the look-up of her login alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

import msgspec

from kjerne.pages.house import Identity
from kjerne.pages.live import Carry, LivePages
from kjerne.services.documents.sorting import collated
from kjerne.store import document_filters
from kjerne.store.document_filters import Filter, Said
from kjerne.store.keys import Sealer


class DocumentFilterPages(LivePages):
    """Implements the filters of `pages.documents_house.DocumentsHouse`. No patient is asked about: none is in them."""

    @cached_property
    def _filters(self) -> Sealer:
        return Sealer(self.store.keys.derived("document-filter"))

    async def document_filters(self, who: Identity) -> Sequence[Filter]:
        owner = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry).digest
        async with self.store.pool.acquire() as conn:
            found = await document_filters.listed(conn, owner, self._filters)
        return sorted(found, key=lambda one: (collated(one.said.name), one.number))

    async def keep_document_filter(self, who: Identity, said: Said) -> None:
        owner = await self._owner(who)
        async with self.store.pool.acquire() as conn, conn.transaction():
            await document_filters.keep(conn, owner, self._filters, said, self.clock.now())

    async def rename_document_filter(self, who: Identity, number: UUID, name: str) -> None:
        owner = await self._owner(who)
        async with self.store.pool.acquire() as conn, conn.transaction():
            await document_filters.rename(conn, owner, self._filters, number, name)

    async def drop_document_filter(self, who: Identity, number: UUID) -> None:
        owner = await self._owner(who)
        async with self.store.pool.acquire() as conn:
            await document_filters.drop(conn, owner, number)

    async def _owner(self, who: Identity) -> bytes:
        """Whose they are, once the register of personnel knows her today."""
        return (await self.caller(who, None)).digest
