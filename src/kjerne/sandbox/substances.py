"""A few medicines and substances in the shape of FEST, and a map of substances, made up here: no register is shipped.

The ids, the brand names and the group are invented. The names of substances and their ATC codes are the ordinary ones, so that
what the sandbox warns of can be followed; what cross reacts with what is no advice to anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from kjerne.fhir.terminology.parts import Known, Part, Valued
from kjerne.registries.code_files.fest import ATC, MEDICINES, SUBSTANCES
from kjerne.services.warnings.kin import SUBSTANCE_MAP
from kjerne.store import loading
from kjerne.store.loading import Of
from kjerne.store.pool import Connection

VERSION: Final = "2026-11-27-sandbox"
GROUPS: Final = "http://kjerne.example/fhir/CodeSystem/sandbox-cross-reactivity"


class Substance(NamedTuple):
    """A substance by its invented id, with the ATC codes that it has by itself."""

    id: str
    name: str
    atc: tuple[str, ...] = ()


class Brand(NamedTuple):
    """A branded medicine by its invented id, with its substance and the ATC code that it is sold under."""

    id: str
    name: str
    substance: str
    atc: str


AMOXICILLIN: Final = Substance("ID_SANDBOX-S-1", "Amoksicillin", ("J01CA04",))
CEFALEXIN: Final = Substance("ID_SANDBOX-S-2", "Cefaleksin", ("J01DB01",))
ASPIRIN: Final = Substance("ID_SANDBOX-S-3", "Acetylsalisylsyre", ("B01AC06", "N02BA01"))
IBUPROFEN: Final = Substance("ID_SANDBOX-S-4", "Ibuprofen", ("M01AE01",))
LACTOSE: Final = Substance("ID_SANDBOX-S-5", "Laktose")
EVERY: Final = (AMOXICILLIN, CEFALEXIN, ASPIRIN, IBUPROFEN, LACTOSE)
BRANDS: Final = (
    Brand("ID_SANDBOX-M-1", "Oppdiktcillin kaps 500 mg", AMOXICILLIN.id, "J01CA04"),
    Brand("ID_SANDBOX-M-2", "Sandkassecef tab 500 mg", CEFALEXIN.id, "J01DB01"),
    Brand("ID_SANDBOX-M-3", "Hjertedikt enterotab 75 mg", ASPIRIN.id, "B01AC06"),
    Brand("ID_SANDBOX-M-4", "Diktspirin tab 500 mg", ASPIRIN.id, "N02BA01"),
    Brand("ID_SANDBOX-M-5", "Sandprofen tab 400 mg", IBUPROFEN.id, "M01AE01"),
)
IN_A_GROUP: Final = (AMOXICILLIN, CEFALEXIN)


async def keep(conn: Connection, now: datetime) -> None:
    """Loads them, as `kjerne load terminology` would from files. Nothing is done where they are there."""
    for of, parts in (
        (Of(SUBSTANCES, VERSION, "Sandbox substances", "sandbox", b"substances"), _substances()),
        (Of(MEDICINES, VERSION, "Sandbox medicines", "sandbox", b"medicines"), _medicines()),
    ):
        if await loading.is_there(conn, of) is None:
            await loading.load(conn, of, parts, now)
    await loading.keep_definition(conn, substance_map(), now)


def _substances() -> Iterator[Part]:
    for one in EVERY:
        yield Known(one.id, one.name)


def _medicines() -> Iterator[Part]:
    for one in BRANDS:
        yield Known(one.id, one.name)
        yield Valued(one.id, "atc", "valueCode", one.atc)
        yield Valued(one.id, "RefVirkestoff", "valueString", one.substance)


def substance_map() -> dict[str, Any]:
    """Which ATC codes are one substance, and an invented group."""
    same = [
        {"code": code, "target": [{"code": one.id, "display": one.name, "equivalence": "equivalent"}]}
        for one in EVERY
        for code in one.atc
    ]
    target = {"code": "betalactams", "display": "Betalaktamer (oppdiktet gruppe)", "equivalence": "wider"}
    return {
        "resourceType": "ConceptMap",
        "url": SUBSTANCE_MAP,
        "version": VERSION,
        "status": "draft",
        "experimental": True,
        "group": [
            {"source": ATC, "target": SUBSTANCES, "element": same},
            {
                "source": SUBSTANCES,
                "target": GROUPS,
                "element": [{"code": one.id, "display": one.name, "target": [target]} for one in IN_A_GROUP],
            },
        ],
    }
