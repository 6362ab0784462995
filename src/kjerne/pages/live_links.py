"""Links to a copy of the summary behind the pages: made under the law of taking a copy, and of each service it is drawn from."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Admit, PatientRef
from kjerne.fhir.encode import encode
from kjerne.pages.copied import views
from kjerne.pages.house import Identity, Visit
from kjerne.pages.live import uuid_of
from kjerne.pages.live_summary import ASKED
from kjerne.pages.live_takeout import without_others_in
from kjerne.pages.live_youth import YouthPages
from kjerne.policy.services import SERVICES
from kjerne.registries.protection import is_protected
from kjerne.services.health_links import payload
from kjerne.services.health_links.payload import FHIR_JSON, VIEWS, Handed, Lacking, Wish
from kjerne.services.summary.document import lacking
from kjerne.services.summary.drawing import Asking
from kjerne.services.summary.making import Making
from kjerne.services.summary.model import OPENED
from kjerne.store import summary_links
from kjerne.store.summary_links import Content, Kept, New

SUMMARY_SCOPES: Final = frozenset[str]().union(*(SERVICES[one].scopes for one in OPENED))
"""What a citizen's own pages reach of a summary: all that it is drawn from, under its law (docs/law.md, K150)."""
SHARED: Final = frozenset({"Patient", "Medication"})
"""Types in a summary that lie in no record of hers."""
PLACES: Final = frozenset({"address", "telecom", "contact", "text"})
"""Elements of a Patient that may say where she is; her narrative repeats them."""


class LinkPages(YouthPages):
    """Implements the links of `pages.my_house.MyHouse`. `public_url` is where the platform is reached."""

    public_url: str = ""
    making: Making

    async def health_links(self, who: Identity, visit: Visit) -> tuple[Kept, ...]:
        """Those that were made of this record, and who has opened them."""

        async def use(grant: Grant) -> tuple[Kept, ...]:
            async with self.store.pool.acquire() as conn, conn.transaction():
                return await summary_links.listed(conn, grant, self.store.wrap)

        return await self.under(who, visit, "download", use)

    async def make_link(self, who: Identity, visit: Visit, wish: Wish) -> Handed | Lacking:
        """Draws the summary, encrypts it with a key that is not kept, and hands the link out; what it lacks is told first."""

        async def use(grant: Grant) -> Handed | Lacking:
            document = await self._drawn(who, visit, grant, wish.language)
            lacks = lacking(document)
            if not wish.without.issuperset(lacks):
                return Lacking(lacks)
            until = grant.at.replace(microsecond=0) + wish.life
            made = payload.link(self.public_url, wish.label, until, secrets.token_bytes)
            files = await asyncio.to_thread(_files, document, made.key)
            new = New(
                summary_links.digest_of(made.secret), uuid4(), grant.caller.digest,
                payload.passcode_digest(self.store.keys.derived("health-link-passcode"), made.secret, wish.passcode),
                wish.label, OPENED, self._records_in(document), files, until, lacks,
            )  # fmt: skip
            async with self.store.pool.acquire() as conn, conn.transaction():
                await summary_links.make(conn, grant, self.store.wrap, new)
            return Handed(made.uri, f"{self.public_url}{payload.PATH}#{made.uri}", wish.label, until, wish, lacks)

        return await self.under(who, visit, "download", use)

    async def _drawn(self, who: Identity, visit: Visit, grant: Grant, language: str) -> dict[str, Any]:
        """The summary as she may see it now, with the numbers of others masked as in a copy (K36)."""
        caller = await self.caller(who, visit)
        caller = replace(caller, scopes=caller.scopes | SUMMARY_SCOPES)
        correlation = f"page-{visit.id}-{secrets.token_hex(4)}"
        admit: Admit = partial(self.door.admit(caller, correlation), purpose=visit.purpose)
        made = await self.making.made(
            Asking(admit, caller, PatientRef(key=visit.patient), ASKED, language, self.public_url, correlation)
        )
        masked: dict[str, Any] = without_others_in(made, self._is_own(grant))
        return without_places(masked) if is_protected(grant.subject.protection) else masked

    def _records_in(self, document: dict[str, Any]) -> frozenset[UUID]:
        base = f"{self.public_url}/fhir/R4/"
        found = (
            self.store.ids.parse(one["resource"].get("id", ""))
            for one in document["entry"]
            if one["fullUrl"].startswith(base) and one["resource"]["resourceType"] not in SHARED
        )
        return frozenset(one for one in found if one is not None)

    async def revoke_link(self, who: Identity, visit: Visit, number: str) -> None:
        """From now on it opens nothing, on every host. `Refusal` 404 where there is none that is open."""
        id_ = uuid_of(number, "link")

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn, conn.transaction():
                if not await summary_links.revoke(conn, grant, id_):
                    raise Refusal(404, "There is no such link that is open.", where="link")

        await self.under(who, visit, "download", use)


def _files(document: dict[str, Any], key: bytes) -> tuple[Content, ...]:
    """The copy, and how our own page shows it, each encrypted."""
    told = ((FHIR_JSON, encode(document)), (VIEWS, views(document)))
    return tuple(Content(kind, payload.encrypted(plain, key, secrets.token_bytes, kind)) for kind, plain in told)


def without_places(document: dict[str, Any]) -> dict[str, Any]:
    """The document without where the patient lives and is called: a protected address is handed to nobody (docs/law.md, K150)."""
    kept = [
        one | {"resource": {name: said for name, said in one["resource"].items() if name not in PLACES}}
        if one["resource"]["resourceType"] == "Patient"
        else one
        for one in document["entry"]
    ]
    return document | {"entry": kept}
