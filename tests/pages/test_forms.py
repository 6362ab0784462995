"""Nonsense in every field of every form that the pages offer: it is refused in words and never a fault of ours."""

from __future__ import annotations

import json

from kjerne.pages.app import ROUTES
from kjerne.pages.house import Visit
from kjerne.pages.oversight_house import JournalList
from kjerne.store.journals import Dead
from pages.browser import Browser
from pages.fake import NOW, FakeHouse, patients
from pages.forms import walk
from services.critical.foreign import allergy, document, problem

UNRELATED = "21858800000"


async def walked(browser: Browser, start: str, known: set[tuple[str, ...]] | None = None) -> set[str]:
    """Walks from a page on; where the forms on the way lead. Nothing was answered by a fault."""
    headers = {"origin": "http://kjerne.test", "sec-fetch-site": "same-origin"}
    steps, faults = walk(start, sends=True, known=known), []
    path, fields = next(steps)
    while True:
        if fields is None:
            answer = await browser.get(path)
        else:
            answer = await browser.client.post(path, data=fields, headers=headers)
        if answer.status_code == 500:
            faults.append((path, fields and {name: said for name, said in fields.items() if name != "token"}))
        try:
            path, fields = steps.send(answer)
        except StopIteration as end:
            assert not faults
            return set(end.value)


def routes(kind: str) -> set[str]:
    return {path for method, path, _, whose in ROUTES if method == "POST" and whose == kind}


async def test_nonsense_in_a_citizens_forms_is_no_fault(browser: Browser) -> None:
    await browser.citizen()
    assert await walked(browser, "/me") == routes("citizen")


async def test_nonsense_in_an_operators_forms_is_no_fault(browser: Browser, house: FakeHouse) -> None:
    house.asked_journals = JournalList(
        (), (Dead(3, "Journalen", "Condition/1", NOW, 9, "404", NOW),), frozenset({"Journalen"})
    )
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    wrote = {"look": "3.c", "why": "other", "text": "Hun er naboen min.", "reach": "here"}
    await browser.post(page, "/me/inquiries/misuse/send", **wrote)
    await browser.operator()
    assert await walked(browser, "/operations") == routes("operator")


async def test_nonsense_in_a_clinicians_forms_is_no_fault(browser: Browser, house: FakeHouse) -> None:
    known, visit = patients()[1], Visit("v", 1, "TREAT", NOW)
    her = {"resourceType": "Patient", "name": [{"text": known.name}], "birthDate": f"{known.birth_date}"}
    brought = json.dumps(document({**her, "gender": known.sex}, allergy(), problem())).encode()
    for _ in range(2):  # one is taken back on the way
        await house.bring_abroad(house.identities["clinician"], visit, brought, "SE", frozenset())
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    known = set[tuple[str, ...]]()  # the same forms about another patient, or from her desk, are not asked again
    posted = await walked(browser, opened.url.path, known)
    posted |= await walked(browser, "/clinician", known)
    locked = await browser.open("Liv Moen")
    posted |= await walked(browser, f"{locked.url.path}/unlock", known)
    page = await browser.get("/clinician")
    untied = await browser.post(page, "/clinician/open", purpose="TREAT", basis="", patient="", number=UNRELATED)
    posted |= await walked(browser, untied.url.path, known)
    assert posted == routes("practitioner") - {"/clinician/v/{visit}/close"}
