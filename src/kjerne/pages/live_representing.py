"""Whom a citizen may act for and who may act for her: the registers' ties, each with what the law makes of it today.

Nobody is named who lives under a protected address, and to one who does herself nobody is: kode 6 and 7 shut
representation both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from kjerne.access import Caller, Grant, Tie
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.pages.house import Identity, Representation, Representations, RuleLanguage, Standing
from kjerne.pages.live import SERVICE, Carry, LivePages
from kjerne.policy.caller import CITIZEN_SCOPE, HIGH_LEVEL
from kjerne.policy.people import norwegian_day
from kjerne.policy.words import says
from kjerne.registries.protection import is_protected

STANDINGS: Final[dict[str, Standing]] = {"parent": "parent", "proxy": "proxy", "guardian": "guardian"}


async def representations(pages: LivePages, who: Identity, language: RuleLanguage) -> Representations:
    """Both lists, by the registers on this Norwegian day."""
    carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
    day, people = norwegian_day(pages.clock.now()), pages.store.people
    async with pages.store.pool.acquire() as conn:
        own = await people.key_of(conn, carry.digest)
        if own is None:
            raise Refusal(404, "The register of persons does not know you.", where="person")
        if is_protected((await pages.named(conn, own))[1]):
            return Representations((), (), shielded=True)
        of_others = await people.represented_by(conn, own, day)
        by_others = await people.representatives_of(conn, [own], day)
    herself = await pages.caller(who, None)
    asked = [(key, tie, herself, PatientRef(key=key)) for key, tie in of_others]
    mine = await _told(pages, asked, language)
    callers = [(key, tie, await _as_herself(pages, key), PatientRef(key=own)) for key, tie in by_others]
    theirs = await _told(pages, callers, language)
    # A parent's tie outlives what it opens; of those who may not any more nothing need be told to a grown-up child.
    return Representations(mine, tuple(one for one in theirs if one.opens or one.tie != "parent"))


async def _as_herself(pages: LivePages, key: int) -> Caller:
    """The caller that this person would be if she logged in."""
    digests = await pages.store.people.digests(pages.store.pool, key)
    digest = digests[0] if digests else b""
    return Caller("citizen", "", frozenset({CITIZEN_SCOPE}), digest, level=HIGH_LEVEL)


async def _told(
    pages: LivePages, asked: Sequence[tuple[int, Tie, Caller, PatientRef]], language: RuleLanguage
) -> tuple[Representation, ...]:
    """Each tie with the other's name (`asked` begins with her key) and the law's answer."""
    found = []
    for key, tie, caller, patient in asked:
        async with pages.store.pool.acquire() as conn:
            person, protection = await pages.named(conn, key)
        if is_protected(protection):
            continue
        answer = await pages.door.would(caller, patient, SERVICE, "read")
        opens = isinstance(answer, Grant)
        why = "" if opens else says(answer.rule, language) or answer.says
        last = tie.until - timedelta(days=1) if tie.until else None
        found.append(Representation(person.name, STANDINGS[tie.kind], tie.areas, last, opens, why))
    return tuple(found)
