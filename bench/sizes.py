"""Bytes on disk: what a current resource takes with all its indexes, and beside it history, audit and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from kjerne.registries.homes import KEPT, row_number
from kjerne.store.codec import Dictionaries, Wrap, bound, parted, split
from kjerne.store.house import load_dictionaries
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares

SAMPLE: Final = 20_000
COUNTED: Final = ("record", "record_history", "audit")

_TABLES: Final = """
SELECT coalesce(p.inhparent, c.oid)::regclass::text AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM pg_class c LEFT JOIN pg_inherits p ON p.inhrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1"""
_BODIES: Final = """
SELECT r.patient, r.type, r.id, r.dictionary, r.body, p.wrapped_key FROM record r JOIN person p USING (patient)
WHERE p.wrapped_key IS NOT NULL LIMIT $1"""

_SERVICES: Final = {row_number(name, service): service for name, service in KEPT}
"""A type's number in rows, and the service whose records they are."""


@dataclass(frozen=True)
class Sizes:
    """One database at one moment."""

    rows: int
    bytes_by_table: dict[str, int]
    rows_by_table: dict[str, int]
    mean_json_bytes: float

    @property
    def row_bytes(self) -> float:
        """Heap, TOAST and all indexes of the current resources, and what locates them, by resource."""
        return (self.bytes_by_table["record"] + self.bytes_by_table["locator"]) / self.rows


async def measured(dsn: str, data: Path) -> Sizes:
    """The sizes of the database at `dsn`, whose keys lie in `data`; the mean is of up to 20,000 bodies, opened."""
    conn = await asyncpg.connect(dsn)
    try:
        tables = {row["name"]: row["bytes"] for row in await conn.fetch(_TABLES)}
        rows = {name: await conn.fetchval(f"SELECT count(*) FROM {name}") for name in COUNTED}
        keys = Keys.in_folder(data)
        shares = Shares(data / NAME, keys)
        dictionaries, wrap = Dictionaries(), Wrap(keys.derived("wrap"), shares)
        await load_dictionaries(conn, dictionaries)
        lengths = []
        for patient, type_, id_, dictionary, body, wrapped in await conn.fetch(_BODIES, SAMPLE):
            key = wrap.unwrap(patient, wrapped).with_share(shares.share(_SERVICES[type_], patient))
            _, packed = parted(dictionary, key.open(body, bound(patient, type_, id_)))
            lengths.append(len(split(dictionaries.grow(dictionary, packed))[0]))
    finally:
        await conn.close()
    return Sizes(rows["record"], tables, rows, sum(lengths) / max(1, len(lengths)))


def grown(before: Sizes, after: Sizes) -> float:
    """Bytes for each resource that came between two moments."""
    tables = ("record", "locator")
    more = sum(after.bytes_by_table[name] - before.bytes_by_table[name] for name in tables)
    return more / max(1, after.rows - before.rows)
