"""`$groups` over the wire: two systems and a doctor register one substance, and everybody's record stands."""

from __future__ import annotations

from typing import Any

from kjerne.sandbox import substances
from kjerne.services.warnings.reading import ATC, MEDICINES, SUBSTANCES
from platform_fixture import Answered, Standing, Tree
from services.critical.records import allergy, ask, clinical, registered, rows, verified
from services.critical.transfers import Journal, ids
from services.test_standards_registered import NEED

WHO = "new-mother"


def groups(answer: Answered) -> list[dict[str, list[Any]]]:
    """Of each group its parts by name."""
    found = []
    for one in answer.tree["parameter"]:
        parts: dict[str, list[Any]] = {}
        for part in one["part"]:
            parts.setdefault(part["name"], []).append(
                part.get("part", next((v for k, v in part.items() if k != "name"), None))
            )
        found.append(parts)
    return found


def said(parts: list[Tree], name: str) -> Any:
    return next((value for one in parts if one["name"] == name for key, value in one.items() if key != "name"), None)


def members(group: dict[str, list[Any]]) -> set[str]:
    return {said(one, "reference")["reference"].partition("/")[2] for one in group["record"]}


def of(*codings: Tree) -> dict[str, Any]:
    return {"code": {"coding": list(codings)}}


def test_one_substance_under_three_codes_is_one_group_with_its_sources_and_where_each_came_from(
    platform: Standing,
) -> None:
    aspirin, brand = substances.ASPIRIN, substances.BRANDS[2]
    journal = Journal(platform, about=WHO)
    by_substance = {"system": SUBSTANCES, "code": aspirin.id, "display": aspirin.name}
    by_brand = {"system": MEDICINES, "code": brand.id, "display": brand.name}
    (sent,) = ids(journal.send(journal.put(allergy(platform, WHO, **of(by_substance)), "substance")))
    by_hand = registered(platform, allergy(platform, WHO, **of(by_brand)), about=WHO, **NEED)["id"]
    by_use = {"system": ATC, "code": "N02BA01", "display": "Acetylsalisylsyre"}
    refuted = allergy(
        platform, WHO, clinicalStatus=clinical("AllergyIntolerance", "inactive"),
        verificationStatus=verified("AllergyIntolerance", "refuted"), **of(by_use),
    )  # fmt: skip
    against = registered(platform, refuted, about=WHO, **NEED)["id"]
    told = ask(platform, "GET", "$groups", about=WHO, **NEED)
    assert told.status == 200, told.response.text
    (row,) = rows(platform, told)
    assert row[0] == "search" and {sent, by_hand, against} <= row[3]
    (group,) = [one for one in groups(told) if sent in members(one)]
    assert members(group) == {sent, by_hand, against}
    conflicts = {(said(one, "about"), *sorted(part["valueString"] for part in one[1:])) for one in group["conflict"]}
    assert conflicts == {("refuted", *sorted((against, other))) for other in (sent, by_hand)}
    hospital, office = (platform.persona(one).organisation for one in ("journal-system", "gp"))
    assert {one["identifier"]["value"] for one in group["source"]} == {hospital, office}
    ways = {said(one, "reference")["reference"].partition("/")[2]: one[-1]["part"] for one in group["record"]}
    assert (said(ways[sent], "way"), said(ways[sent], "system")) == ("pushed", "kjerne")
    assert (said(ways[by_hand], "way"), said(ways[by_hand], "system")) == ("registered", None)


def test_a_citizen_sees_the_groups_of_her_own_and_nobody_asks_them_more(platform: Standing) -> None:
    made = registered(platform, allergy(platform))["id"]
    own = ask(platform, "GET", "$groups", as_="citizen", portal=True)
    assert own.status == 200 and made in {id_ for one in groups(own) for id_ in members(one)}
    assert ask(platform, "GET", "$groups?code=1").status == 400
    assert ask(platform, "GET", "$groups", as_="outsider").status == 403
