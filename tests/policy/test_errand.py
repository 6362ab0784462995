"""A citizen at a portal: what the token must hold before the law is asked, and what an access policy declares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from attested import DOCTOR, OTHER, PATIENT, claims, digest, made, refused
from kjerne.access import PORTAL, Errand
from kjerne.policy.claims import Claims, Code, Identifier, Representation
from kjerne.policy.errand import POLICY_ROOT, PURPOSE_SYSTEM, policy_of

SCOPES = frozenset({"kjerne:citizen", PORTAL})
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
CHILD = Representation(Identifier(OTHER, system=FNR), Code("FAMRQT", system=PURPOSE_SYSTEM), f"urn:oid:{POLICY_ROOT}1")


def visit(said: Representation = CHILD, **changes: Any) -> Claims:
    """A mother at the portal, about her child."""
    plain: dict[str, Any] = {
        "client": "portal", "actor": "portal", "scopes": SCOPES, "pid": PATIENT, "name": "Kari Prøve", "hpr": "",
        "attestations": (), "errands": (said,),
    }  # fmt: skip
    return claims(**(plain | changes))


async def test_a_citizen_at_a_portal_is_herself_with_her_errand_and_the_portal_is_the_system() -> None:
    who = await made(visit())
    assert (who.kind, who.digest, who.client, who.organisation) == ("citizen", digest(PATIENT), "portal", "999999901")
    assert who.errand == Errand("FAMRQT", "1", digest(OTHER))


async def test_the_national_identifiers_are_these() -> None:
    said = Representation(
        Identifier(OTHER, system="urn:oid:2.16.578.1.12.4.1.4.2"),
        Code("PWATRNY", system="urn:oid:2.16.840.1.113883.1.11.20448"),
        "2.16.578.1.12.4.1.7.2.1.3",
    )
    assert (await made(visit(said))).errand == Errand("PWATRNY", "3", digest(OTHER))


async def test_a_citizen_without_a_portal_has_no_errand() -> None:
    who = await made(visit(actor="", errands=(), scopes=SCOPES - {PORTAL}))
    assert (who.kind, who.errand) == ("citizen", None)


@pytest.mark.parametrize(("purpose", "policies"), [("PATRQT", ("", "0")), ("FAMRQT", ("1",)), ("PWATRNY", ("2", "3"))])
async def test_each_purpose_goes_with_its_access_policies_and_no_other(purpose: str, policies: tuple[str, ...]) -> None:
    for number in ("", *"0123456789"):
        said = Representation(
            Identifier(OTHER, system=FNR), Code(purpose, system=PURPOSE_SYSTEM), number and POLICY_ROOT + number
        )
        if number in policies:
            assert (await made(visit(said))).errand == Errand(purpose, number or "0", digest(OTHER))
        else:
            assert (await refused(visit(said))).rule == "portal-access-policy"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no scope of a portal", {"scopes": SCOPES - {PORTAL}}, "portal-scope"),
    ("no actor", {"actor": ""}, "portal-actor"),
    ("another actor than the token's client", {"actor": "another"}, "portal-actor"),
    ("no errand", {"errands": ()}, "portal-errand"),
    ("two errands", {"errands": (CHILD, CHILD)}, "portal-errand"),
    ("nobody who is logged in", {"pid": "", "level": 0}, "one role"),
    ("a member of staff", {"scopes": frozenset({"nhn:pps/provesvar-read", PORTAL})}, "portal-errand"),
    ("an actor for a member of staff", {"scopes": frozenset({"nhn:pps/provesvar-read"}), "errands": ()}, "portal-errand"),
    ("staff's scope beside the citizen's", {"scopes": SCOPES | {"nhn:pps/provesvar-read"}}, "one role"),
    ("a login at level 3", {"level": 3}, "ATT-9"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "changes", "rule"), WRONG, ids=[row[0] for row in WRONG])
async def test_a_visit_to_a_portal_is_refused_with(story: str, changes: dict[str, Any], rule: str) -> None:
    assert (await refused(visit(**changes))).rule == rule


ERRANDS: list[tuple[str, Representation, str]] = [
    ("nobody", msgspec.structs.replace(CHILD, patient=Identifier()), "portal-patient"),
    ("a number without its system", msgspec.structs.replace(CHILD, patient=Identifier(OTHER)), "portal-patient"),
    ("a number of an organisation", msgspec.structs.replace(CHILD, patient=Identifier(OTHER, system=f"{FNR[:-1]}101")),
     "portal-patient"),
    ("twelve digits", msgspec.structs.replace(CHILD, patient=Identifier(OTHER + "1", system=FNR)), "portal-patient"),
    ("a clinician's purpose", msgspec.structs.replace(CHILD, purpose_of_use=Code("TREAT", system=PURPOSE_SYSTEM)),
     "portal-purpose"),
    ("a purpose of another code system", msgspec.structs.replace(CHILD, purpose_of_use=Code("FAMRQT", system="urn:oid:1.2")),
     "portal-purpose"),
    ("no purpose", msgspec.structs.replace(CHILD, purpose_of_use=Code()), "portal-purpose"),
    ("a clinician's access policy", msgspec.structs.replace(CHILD, access_policy=POLICY_ROOT + "7"), "portal-access-policy"),
    ("a policy of another root", msgspec.structs.replace(CHILD, access_policy="urn:oid:2.16.578.1.12.4.1.7.2.2.1"),
     "portal-access-policy"),
    ("a bare number as policy", msgspec.structs.replace(CHILD, access_policy="1"), "portal-access-policy"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "said", "rule"), ERRANDS, ids=[row[0] for row in ERRANDS])
async def test_an_errand_is_refused_with(story: str, said: Representation, rule: str) -> None:
    refusal = await refused(visit(said))
    assert refusal.rule == rule
    assert OTHER not in str(refusal) and PATIENT not in str(refusal)


BASES = [("", ""), ("0", ""), ("4", "UNNTAK"), ("5", "FORHOYET_SAMTYKKE"), ("6", "AKUTT"), ("7", "FORHOYET_AKUTT"),
         ("8", "SAMTYKKE")]  # fmt: skip


@pytest.mark.parametrize(("number", "basis"), BASES)
async def test_an_access_policy_of_personnel_declares_a_basis(number: str, basis: str) -> None:
    said = claims(access_policy=number and f"urn:oid:{POLICY_ROOT}{number}")
    assert await made(said) == replace(await made(claims()), basis=basis)


@pytest.mark.parametrize("policy", ["1", POLICY_ROOT + "1", POLICY_ROOT + "3", POLICY_ROOT + "9", "urn:oid:1.2.3"])
async def test_an_access_policy_that_is_not_personnels_is_refused(policy: str) -> None:
    assert (await refused(claims(access_policy=policy))).rule == "access-policy"


async def test_an_access_policy_beside_a_citizens_errand_is_refused() -> None:
    assert (await refused(visit(access_policy=POLICY_ROOT + "8"))).rule == "access-policy"


def test_no_access_policy_is_the_first_one() -> None:
    assert policy_of("") == policy_of(POLICY_ROOT + "0") == "0"
    assert DOCTOR not in repr(visit(pid=DOCTOR))
