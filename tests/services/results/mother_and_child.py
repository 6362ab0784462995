"""A mother and her child, of whose records some name the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Caller
from kjerne.fhir.encode import decode
from kjerne.store.patient_ids import id_of

from .conftest import LAB, Ward, fresh_number

FHIR: Final = "/fhir/R4"
NPU: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
Tree = dict[str, Any]
Answer = tuple[int, Tree]


@dataclass
class Two:
    """A mother and her child, as numbers and keys, and who asks about them."""

    ward: Ward
    mother: str
    child: str
    keys: Mapping[str, int]

    def address(self, number: str) -> str:
        return f"Patient/{id_of(self.ward.house.store.ids, self.keys[number])}"

    def naming(self, number: str, value: float = 7.25, **more: Any) -> Tree:
        """A measurement that is about somebody else than its subject too; empty: about nobody else."""
        tree = {
            "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": NPU, "code": "NPU03230"}]},
            "effectiveDateTime": "2026-03-02T08:15:00+01:00", "valueQuantity": {"value": value, "unit": "mmol/L"},
        }  # fmt: skip
        return tree | ({"focus": [{"reference": self.address(number)}]} if number else {}) | more

    async def ask(
        self, method: str, path: str, caller: Caller, about: str = "", tree: Any = None, **headers: str
    ) -> Answer:
        sent = {"person-id": about} if about else {}
        sent |= {"content-type": "application/fhir+json"} if tree is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.ward.client(caller) as client:
            answer = await client.request(
                method, f"{FHIR}/{path}", headers=sent, content=json.dumps(tree) if tree is not None else None
            )
        return answer.status_code, decode(answer.content) if answer.content else {}

    def of(self, number: str) -> Tree:
        """What a record says that is somebody's and names another."""
        return {"subject": {"reference": self.address(number)}}

    async def file(self, tree: Tree, about: str) -> str:
        if "focus" in tree and about:
            tree = self.of(about) | tree
        status, made = await self.ask("POST", tree["resourceType"], LAB, about, tree)
        assert status == 201, made
        return str(made["id"])

    async def found(self, about: str, query: str = "", caller: Caller | None = None, **headers: str) -> list[str]:
        """The ids that a hospital doctor with an attestation about somebody finds in that one's record."""
        path = f"Observation{query}"
        status, tree = await self.ask("GET", path, caller or self.ward.doctor(about), about, **headers)
        assert status == 200, tree
        return [one["resource"]["id"] for one in tree.get("entry", ()) if one["search"]["mode"] == "match"]

    async def read(self, id_: str, about: str, caller: Caller | None = None) -> int:
        return (await self.ask("GET", f"Observation/{id_}", caller or self.ward.doctor(about), about))[0]

    async def sees(self, id_: str, about: str, caller: Caller | None = None) -> tuple[bool, int]:
        """Whether a search finds it, and the status of a read."""
        return id_ in await self.found(about, caller=caller), await self.read(id_, about, caller)

    async def log(self, number: str, *actions: str) -> list[Mapping[str, Any]]:
        """Rows of looks, oldest first: of these actions, else reads and searches."""
        rows = await self.ward.house.store.pool.fetch(
            "SELECT * FROM audit WHERE patient = $1 AND action = ANY($2) ORDER BY xid, rule",
            self.keys[number], actions or ("read", "search"),
        )  # fmt: skip
        return [dict(row) for row in rows]


async def mother_and_child(ward: Ward) -> Two:
    """Two new persons of a ward."""
    mother, child = fresh_number(), fresh_number()
    return Two(ward, mother, child, {number: await ward.person(number) for number in (mother, child)})
