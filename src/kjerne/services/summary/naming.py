"""Who registered something, as a summary tells it: critical information by the registers, and by whose word where a system
sent it; the rest of the record as its sender wrote it, which is said.

Of critical information what a sender wrote about anybody but numbers is left out (law, K115, K135), as its pages leave it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kjerne.access import Grant
from kjerne.registries import recorders
from kjerne.registries.recorders import Author
from kjerne.registries.summary_words import say
from kjerne.services.summary.choosing import WHO, name_of
from kjerne.services.summary.model import Tree
from kjerne.store import registers, transfers
from kjerne.store.pool import Pool
from kjerne.store.reading import Record


async def named(
    pool: Pool, grant: Grant, language: str, records: Sequence[tuple[str, Tree]], opened: Mapping[str, Record]
) -> list[tuple[str, Tree]]:
    """The same records, each with its section. `opened` has by its id what a record was read from."""
    if not records:
        return []
    async with pool.acquire() as conn:
        sent = await transfers.origins(conn, grant.subject.keys, [one.id for one in opened.values()])
    told = {
        id_: tuple(origin.organisation if (origin := sent.get((one.id, number))) else "" for number in (1, one.version))
        for id_, one in opened.items()
    }
    authors = [by for _, tree in records for by in (recorders.recorder_in(tree), recorders.writer_in(tree))]
    known = await registers.practitioners(pool, {by.hpr for by in authors if by.hpr})
    numbers = {by.organisation for by in authors} | {one for each in told.values() for one in each}
    places = await registers.organisation_names(pool, sorted(numbers - {""}))

    def called(by: Author) -> tuple[str, str]:
        name = known.names.get(by.hpr, f"HPR {by.hpr}") if by.hpr else ""
        shown = name or places.get(by.organisation, by.organisation)
        sender = places.get(by.told_by, by.told_by)
        return name, say(language, "recorder.told_by", who=shown, sender=sender) if sender else shown

    return [
        (key, recorders.named(tree, called, known.professions, told[tree["id"]])) for key, tree in records
    ]  # fmt: skip


_MARKS: Final = dict.fromkeys(map(ord, '«»“”„‟″"〝〞＂'), "'")


def as_sent(language: str, tree: Tree) -> Tree:
    """A record with the names of those it names in quotation marks: whoever sent it wrote them, and nobody has held them against
    a register (law, K174)."""

    def said_so(one: Tree) -> Tree:
        if "actor" in one:
            return one | {"actor": said_so(one["actor"])}
        who = name_of(tree, one)
        # Nobody's name ends the marks that it stands in.
        return one | {"display": say(language, "recorder.unchecked", who=who.translate(_MARKS))} if who else one

    told = {key: tree[key] for key in WHO if key in tree}
    return tree | {
        key: [said_so(one) for one in value] if isinstance(value, list) else said_so(value)
        for key, value in told.items()
    }
