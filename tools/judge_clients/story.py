"""A small story by two Python clients: a laboratory files a result, corrects it and files more; a doctor finds them.

Run by `tools/judge_clients/__main__.py` with the clients' own interpreter. Arguments: the FHIR address of the laboratory's proxy,
and that of the doctor's. Prints a line of JSON for each step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from fhirclient import client as smart
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from requests import HTTPError

NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"


def observation(value: float) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": NLK, "code": "NPU03429"}], "text": "P-Natrium"},
        "effectiveDateTime": "2026-03-02T08:15:00+01:00",
        "valueQuantity": {"value": value, "unit": "mmol/L"},
    }


def step(client: str, name: str, work: Callable[[], bool]) -> None:
    try:
        told: dict[str, Any] = {"ok": bool(work())}
    except Exception as error:  # noqa: BLE001 - whatever a client meets is what the judge tells
        told = {"ok": False, "told": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps({"client": client, "step": name, **told}))


def by_fhirpy(lab: str, doctor: str) -> None:
    files, looks = SyncFHIRClient(lab), SyncFHIRClient(doctor)
    made = files.resource(
        "Observation", **{key: value for key, value in observation(140).items() if key != "resourceType"}
    )

    def create() -> bool:
        made.save()
        return bool(made.id)

    def read() -> bool:
        return looks.reference("Observation", made.id).to_resource()["valueQuantity"]["value"] == 140

    def update() -> bool:
        # Its own patch is a JSON Merge Patch, which R4 does not know; a header goes with all that a client sends.
        careful = SyncFHIRClient(lab, extra_headers={"If-Match": 'W/"1"', "Prefer": "return=representation"})
        again = careful.resource("Observation", **(observation(141) | {"id": made.id, "status": "amended"}))
        again.save()
        return looks.reference("Observation", made.id).to_resource()["status"] == "amended"

    def search() -> bool:
        found = looks.resources("Observation").search(code=f"{NLK}|NPU03429").sort("-date").limit(100).fetch()
        return any(one.id == made.id for one in found)

    def pages() -> bool:
        # It counts by a parameter of one server's own (_totalMethod), which R4 does not know.
        lenient = SyncFHIRClient(doctor, extra_headers={"Prefer": "handling=lenient"}).resources("Observation")
        return len(lenient.limit(20).fetch_all()) == lenient.count()

    def execute() -> bool:
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": observation(138), "request": {"method": "POST", "url": "Observation"}}],
        }
        return files.execute("", method="post", data=bundle)["entry"][0]["response"]["status"].startswith("201")

    def delete() -> bool:
        files.execute(f"Observation/{made.id}", method="delete")
        try:
            looks.reference("Observation", made.id).to_resource()
        except (ResourceNotFound, OperationOutcome):
            return True
        return False

    for work in (create, read, update, search, pages, execute, delete):
        step("fhirpy", work.__name__, work)


def by_fhirclient(lab: str, doctor: str) -> None:
    files, looks = (smart.FHIRClient(settings={"app_id": "story", "api_base": url}).server for url in (lab, doctor))
    made: dict[str, str] = {}

    def create() -> bool:
        answer = Observation(observation(142)).create(files)
        made["id"] = str(answer["id"])
        return True

    def read() -> bool:
        return Observation.read(made["id"], looks).valueQuantity.value == 142

    def search() -> bool:
        found = Observation.where({"code": f"{NLK}|NPU03429", "_sort": "-date", "_count": "100"}).perform_resources(
            looks
        )
        return any(one.id == made["id"] for one in found)

    def bundle() -> bool:
        told = Observation.where({"_count": "2"}).perform(looks)
        return isinstance(told, Bundle) and len(told.entry) == 2

    def delete() -> bool:
        Observation.read(made["id"], looks).delete(files)
        try:
            Observation.read(made["id"], looks)
        except HTTPError as told:
            return told.response.status_code == 410
        return False

    for work in (create, read, search, bundle, delete):
        step("fhirclient (PyPI)", work.__name__, work)


if __name__ == "__main__":
    by_fhirpy(*sys.argv[1:3])
    by_fhirclient(*sys.argv[1:3])
