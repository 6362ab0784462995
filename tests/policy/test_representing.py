"""What a register must state of a power of attorney or a guardianship: each word of it, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from kjerne.access import Action
from kjerne.policy.facts import case_of
from kjerne.policy.representing import (
    guardian_for_health,
    guards_a_minor_for_health,
    power_covers_choosing,
    power_covers_this,
)

from .cast import GUARDIAN, NOW, PROXY, RELATIVE, citizen, patient

OF_ADULTS = {"voksen", "midlertidigForVoksen", "stadfestetFremtidsfullmakt"}
OF_MINORS = {"mindreaarig", "midlertidigForMindreaarig", "ensligMindreaarigFlyktning", "ensligMindreaarigAsylsoeker"}
OTHER_FORMS = {"forvaltningUtenforVergemaal", "Voksen", ""}
WITH_HEALTH = {"personligeInteresser", "personligeOgOekonomiskeInteresser"}
ASYLUM = "utlendingssakerPersonligeOgOekonomiskeInteresser"
OTHER_SCOPES = {"oekonomiskeInteresser", "PersonligeInteresser", ASYLUM}


def case(tie: Any, action: Action = "search", service: str = "results", key: int | None = 7) -> Any:
    her = patient(caller_key=key, ties=(tie,))
    return case_of(citizen(RELATIVE), her, service=service, action=action, basis="", purpose="", now=NOW)


@pytest.mark.parametrize("form", sorted(OF_ADULTS | OF_MINORS | OTHER_FORMS))
def test_a_guardian_sees_by_a_form_and_a_scope_that_hold_health(form: str) -> None:
    for scope in WITH_HEALTH | OTHER_SCOPES:
        tie = replace(GUARDIAN, form=form, areas=("oekonomiskeInteresser", scope))
        assert guardian_for_health(case(tie)) is (form in OF_ADULTS and scope in WITH_HEALTH)
        seeks_asylum = form == "ensligMindreaarigAsylsoeker" and scope == ASYLUM
        assert guards_a_minor_for_health(case(tie)) is ((form in OF_MINORS and scope in WITH_HEALTH) or seeks_asylum)
        for stranger in (8, None):
            assert not guardian_for_health(case(tie, key=stranger))
            assert not guards_a_minor_for_health(case(tie, key=stranger))


@pytest.mark.parametrize("service", ["results", "critical-information", "documents", "measurements", "maternity", ""])
def test_insight_covers_looks_and_the_log_where_a_representative_sees_anything(service: str) -> None:
    seen = {"insight"} if service == "" else set()
    if service in ("results", "critical-information", "documents"):
        seen = {"read", "search", "history", "insight"}
    assert {action for action in get_args(Action) if power_covers_this(case(PROXY, action, service))} == seen
    acting = replace(PROXY, areas=("digitaleHelsetjenester",))
    assert not any(power_covers_this(case(acting, action, service)) for action in get_args(Action))
    assert not power_covers_this(case(replace(PROXY, kind="guardian"), "insight", service))


def test_to_choose_takes_both_areas() -> None:
    for areas, covers in (
        (("innsyn",), False),
        (("digitaleHelsetjenester",), False),
        (("digitaleHelsetjenester", "innsyn"), True),
        (("Innsyn", "digitaleHelsetjenester"), False),
    ):
        assert power_covers_choosing(case(replace(PROXY, areas=areas))) is covers
