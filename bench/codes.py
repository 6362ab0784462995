"""`python bench/codes.py`: a release of made-up SNOMED CT concepts loaded into a database of its own, and what it costs to ask.

Nothing of SNOMED CT is in it: codes, names and levels are drawn by a seed, in the proportions of an edition (four names,
two parents and two attributes a concept, a depth of some ten levels, a reference set of a twentieth).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from kjerne.commands.terminology import loaded
from kjerne.registries.code_files.recognising import Given
from kjerne.settings import Settings
from kjerne.store import migrate, terminology
from kjerne.store.embedded import OWNER, PROGRAM, Embedded
from kjerne.store.pool import open_pool

ROW: Final = "id\teffectiveTime\tactive\tmoduleId"
CORE: Final = "900000000000207008"
AT: Final = "20260101\t1\t" + CORE
HEADERS: Final = {
    "sct2_Concept_Snapshot": f"{ROW}\tdefinitionStatusId",
    "sct2_Description_Snapshot-en": f"{ROW}\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId",
    "sct2_Relationship_Snapshot": (
        f"{ROW}\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId"
    ),
    "der2_cRefset_LanguageSnapshot-en": f"{ROW}\trefsetId\treferencedComponentId\tacceptabilityId",
    "der2_Refset_SimpleSnapshot": f"{ROW}\trefsetId\treferencedComponentId",
}
WORDS: Final = ("acute chronic left right upper lower bone skin heart lung renal arm leg fracture pain burn lesion tumour "
                "infection of with without due to structure finding procedure open closed primary secondary").split()  # fmt: skip
SET: Final = "1991000202102"


def code(place: int) -> str:
    return str(1_000_000 + place * 7)


def release(folder: Path, concepts: int) -> int:
    """Writes a release; says how many bytes."""
    drawn = random.Random(7)
    files = {name: (folder / f"{name}_INT_20260101.txt").open("w", encoding="utf-8", newline="") for name in HEADERS}
    concept, names, links, wanted, simple = files.values()
    for name, file in files.items():
        file.write(HEADERS[name] + "\r\n")
    for place in range(concepts):
        own = code(place)
        concept.write(f"{own}\t{AT}\t900000000000074008\r\n")
        said = " ".join(drawn.choices(WORDS, k=5))
        for at, (kind, term) in enumerate(_terms(said, place)):
            id_ = str(10_000_000_000 + place * 10 + at)
            language = "nb" if at >= 3 else "en"
            names.write(f"{id_}\t{AT}\t{own}\t{language}\t{kind}\t{term}\t900000000000448009\r\n")
            how = "900000000000548007" if at != 2 else "900000000000549004"
            for set_ in ("61000202103",) if at >= 3 else ("900000000000509007", "900000000000508004"):
                wanted.write(f"{place}-{at}-{set_}\t{AT}\t{set_}\t{id_}\t{how}\r\n")
        for at, line in enumerate(_links(drawn, place)):
            links.write(f"{20_000_000_000 + place * 10 + at}\t{AT}\t{own}\t{line}\t900000000000451002\r\n")
        if place % 20 == 0:
            simple.write(f"s-{place}\t{AT}\t{SET}\t{own}\r\n")
    for file in files.values():
        file.close()
    return sum(path.stat().st_size for path in folder.iterdir())


def _terms(said: str, place: int) -> Iterator[tuple[str, str]]:
    yield "900000000000003001", f"{said} {place} (made up)"
    yield "900000000000013009", f"{said} {place}"
    yield "900000000000013009", f"{place} {said}"
    yield "900000000000013009", f"{said} {place} på norsk"


def _links(drawn: random.Random, place: int) -> Iterator[str]:
    if place:
        # Levels grow as a tree of some three and a half branches does.
        for parent in {int(place / 3.5), max(0, int(place / 3.5) - drawn.randrange(50))}:
            yield f"{code(parent)}\t0\t116680003\t900000000000011006"
    for at in range(2 if place > 100 else 0):
        yield f"{code(drawn.randrange(100))}\t1\t{code(at + 1)}\t900000000000011006"


async def timed(ask: Callable[[], Awaitable[Any]], times: int) -> dict[str, float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {"median_ms": round(statistics.median(took), 2), "p95_ms": round(took[int(len(took) * 0.95)], 2)}


async def questions(dsn: str, concepts: int) -> dict[str, Any]:
    """What the store's own answers cost, without HTTP."""
    drawn = random.Random(8)
    pool = await open_pool(dsn, 1, seconds=600)
    async with pool.acquire() as conn:
        system = await terminology.loaded(conn, "http://snomed.info/sct", "")
        assert system is not None

        def some() -> str:
            return code(drawn.randrange(concepts))

        async def subsumes() -> None:
            code_ = some()
            assert code(0) in await system.over(code_) or code_ == code(0)

        found = {
            "lookup": await timed(lambda: system.concept(some()), 500),
            "subsumes": await timed(subsumes, 500),
            "under_small": await timed(lambda: system.under(code(concepts // 100 + drawn.randrange(1000))), 100),
            "under_large": await timed(lambda: system.under(code(3)), 5),
        }
        found["large_has"] = len(await system.under(code(3)))  # type: ignore[assignment]
        sizes = await conn.fetch(
            "SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class WHERE relname LIKE 'concept%' AND relkind = 'r'"
        )
        found["bytes"] = {row["relname"]: row["bytes"] for row in sizes}
    await pool.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concepts", type=int, default=350_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files, data = Path(folder) / "release", Path(folder) / "data"
        files.mkdir()
        size = release(files, given.concepts)
        server = Embedded(data)
        asyncio.run(server.start())
        try:
            asyncio.run(migrate.upgrade(server.dsn(OWNER)))
            dsn = server.dsn(PROGRAM)
            began, cpu = time.monotonic(), time.process_time()
            (told,) = loaded(Settings(dsn=dsn), [files], Given(), lambda *_: None)
            told["wall_seconds"] = round(time.monotonic() - began, 1)
            told["own_cpu_seconds"] = round(time.process_time() - cpu, 1)
            told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            began = time.monotonic()
            (again,) = loaded(Settings(dsn=dsn), [files], Given(), lambda *_: None)
            told["again"] = [again["state"], round(time.monotonic() - began, 1)]
            print(json.dumps({"release_bytes": size, **told, **asyncio.run(questions(dsn, given.concepts))}, indent=1))
        finally:
            asyncio.run(server.stop())


if __name__ == "__main__":
    main()
