"""A small world over a database of its own: one doctor at one hospital unit, her patient, a laboratory, and an issuer.

The doctor, the patient and the organisations are those of `attested.details`; tokens are signed by the issuer of
`forgeries`. Asked in this process with a clock that stands, or filled for a server that runs beside the tests.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from assertions import METADATA, Said
from attested import DOCTOR, PATIENT, details
from forgeries import ISSUER_JWKS, NOW, Sent
from kjerne import app, housekeeping
from kjerne.access import Tie
from kjerne.app import House
from kjerne.clock import Clock, FixedClock
from kjerne.fhir.encode import decode
from kjerne.settings import Settings
from kjerne.store import registers
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import OrganisationRow, PractitionerRow
from kjerne.store.subjects import PersonDetail
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.oauth import Verifier
from kjerne.wire.saml_trust import trusted
from participating import taking_part

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
ISSUER: Final = "https://sts.example"
HOSPITAL, UNIT, OTHERS_UNIT = "999999901", "999999902", "999999908"
SECOND: Final = "04845011111"
"""Another patient of the same unit."""
SEARCH: Final = "/pps/v2/Observation/_search"
GLUCOSE: Final = {"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU02192"}
Form = Sequence[tuple[str, str]]

_numbers = itertools.count(1)


def staff(said: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The claims of the doctor's token, with her attestation; a claim that is None is left out."""
    claims: dict[str, Any] = {
        "helseid://claims/identity/pid": DOCTOR,
        "helseid://claims/hpr/hpr_number": "9001",
        "helseid://claims/client/claims/orgnr_parent": HOSPITAL,
        "name": "Kari Prøve",
        "authorization_details": [dict(said if said is not None else details())],
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def laboratory() -> dict[str, Any]:
    """The claims of the laboratory's token."""
    return {
        "scope": "nhn:pps/provesvar-write",
        "helseid://claims/client/claims/orgnr_parent": "999999903",
        "helseid://claims/identity/security_level": 0,
    }


def errand(about: str = PATIENT, purpose: str = "PATRQT", policy: str = "0") -> dict[str, Any]:
    """What a citizen came to a portal for, as it stands in her token."""
    return {
        "type": "kjerne:representation",
        "patient": {"id": about, "system": "urn:oid:2.16.578.1.12.4.1.4.1"},
        "purpose_of_use": {"code": purpose, "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
        "access_policy": f"urn:oid:2.16.578.1.12.4.1.7.2.1.{policy}",
    }


def visitor(*errands: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The claims of the patient's token at the portal, about herself unless an errand is given."""
    claims: dict[str, Any] = {
        "client_id": "portal",
        "act": {"sub": "portal"},
        "scope": "kjerne:citizen kjerne:portal",
        "helseid://claims/identity/pid": PATIENT,
        "helseid://claims/client/claims/orgnr_parent": "999999905",
        "name": "Pasient Prøve",
        "authorization_details": [dict(one) for one in errands or (errand(),)],
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def observation(**more: Any) -> dict[str, Any]:
    """A measured blood sugar."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [GLUCOSE]},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00",
        "valueQuantity": {"value": 5.4, "unit": "mmol/L"},
    } | more


async def filled(house: House, at: datetime) -> None:
    """The registers and the people."""

    def unit(number: str, parent: str) -> OrganisationRow:
        return OrganisationRow(number, parent, f"Enhet {number}", "unit", "", "", "0301")

    async with house.store.pool.acquire() as conn:
        since = date(2000, 1, 1)
        doctor = PractitionerRow("9001", house.digest(DOCTOR), "Kari Prøve", ("LE", "PS"), since, None)
        await registers.fill(conn, [doctor], [unit(HOSPITAL, ""), unit(UNIT, HOSPITAL), unit(OTHERS_UNIT, "999999909")])
        people = [
            NewPerson(
                PersonDetail(name=name, birth_date=date(1970, 2, 2), sex="female"),
                (Identifier(house.digest(number), "FNR", number, date(1970, 2, 2)),),
                synthetic=True,
                ties=(Tie("care", organisation=UNIT),) if number != DOCTOR else (),
            )
            for number, name in ((PATIENT, "Pasient Prøve"), (SECOND, "Annen Prøve"), (DOCTOR, "Kari Prøve"))
        ]
        await house.store.people.register(conn, people, at)
    await taking_part(house.store, (HOSPITAL, "consumer"), ("999999903", "source"))


@dataclass
class Clinic:
    """The world in this process."""

    house: House
    clock: FixedClock
    client: httpx.AsyncClient
    memory: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.house.settings.port}"

    def sent(self, path: str = SEARCH, method: str = "POST", token: Mapping[str, Any] | None = None) -> Sent:
        """A request about to be signed, as the doctor unless `token` says otherwise."""
        at = int(self.clock.now().timestamp())
        return Sent(
            url=self.url + path, method=method, issuer=ISSUER, audience="nhn:pps", at=at,
            jti=f"clinic-{next(_numbers)}", token=dict(staff() if token is None else token),
        )  # fmt: skip

    async def send(self, sent: Sent, form: Form = (("_count", "5"),), **headers: str) -> httpx.Response:
        """The request as it stands."""
        given = [(name, value) for name, value in sent.headers() if name != b"host"]
        more = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        body = str(httpx.QueryParams(list(form))).encode() if sent.method == "POST" else b""
        kind = (
            [] if "content_type" in headers or not body else [(b"content-type", b"application/x-www-form-urlencoded")]
        )
        return await self.client.request(sent.method, sent.url, content=body, headers=[*given, *more, *kind])

    async def search(
        self, said: Mapping[str, Any] | None = None, *, about: str = PATIENT, basis: str = "", **claims: Any
    ) -> httpx.Response:
        """A search as the doctor with this attestation."""
        headers = {"person_id": about} | ({"access_basis": basis} if basis else {})
        return await self.send(self.sent(token=staff(said, **claims)), **headers)

    async def assert_(self, said: Said, *, about: str = PATIENT, basis: str = "") -> httpx.Response:
        """The same search with a SAML assertion."""
        more = {"person-id": about, "content-type": "application/x-www-form-urlencoded"}
        headers = [said.header(), *((name.encode(), value.encode()) for name, value in more.items())]
        if basis:
            headers.append((b"access-basis", basis.encode()))
        return await self.client.post(self.url + SEARCH, content=b"_count=5", headers=headers)

    async def file(self, tree: Mapping[str, Any], about: str = PATIENT) -> str:
        """The id of a new record."""
        sent = self.sent("/fhir/R4/" + tree["resourceType"], token=laboratory())
        given = [(name, value) for name, value in sent.headers() if name != b"host"]
        headers = [*given, (b"person-id", about.encode()), (b"content-type", b"application/fhir+json")]
        answer = await self.client.post(sent.url, json=dict(tree), headers=headers)
        assert answer.status_code == 201, answer.text
        return str(decode(answer.content)["id"])

    async def audited(self, answer: httpx.Response) -> dict[str, Any]:
        """The one audit row of a request."""
        correlation = answer.headers["x-correlation-id"]
        (row,) = await self.house.store.pool.fetch("SELECT * FROM audit WHERE correlation = $1", correlation)
        return dict(row)


@asynccontextmanager
async def opened(dsn: str, folder: Path, clock: Clock | None = None, **changes: Any) -> AsyncIterator[House]:
    """A house over the database, with the world's keys; the key shares lie in the folder."""
    settings, clock = Settings(data=folder, dsn=dsn, **changes), clock or FixedClock(NOW)
    store = await open_store(dsn, KEYS, await housekeeping.shares_of(settings, KEYS, clock), pool_size=4)
    try:
        yield House(settings, store, clock)
    finally:
        await store.close()


@asynccontextmanager
async def clinic(dsn: str, folder: Path, **changes: Any) -> AsyncIterator[Clinic]:
    """The world over a database, filled once."""
    clock = FixedClock(NOW)
    async with opened(dsn, folder, clock, **changes) as house:
        if not await house.store.pool.fetchval("SELECT count(*) FROM practitioner"):
            await filled(house, NOW)
        clock.move(timedelta(minutes=-1))
        table = app.proofs(house)
        await table.remember()
        clock.move(timedelta(minutes=1))
        asserted = app.assertions_of(house, trusted(METADATA))
        edge = app.edge(house, Verifier(ISSUER, app.AUDIENCES, FixedKeys(ISSUER_JWKS), clock, table), (), asserted)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge)) as client:
            yield Clinic(house, clock, client)
