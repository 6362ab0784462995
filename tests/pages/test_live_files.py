"""A report's file that another took the place of: told to who had read the report, marked, and still there to be opened."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Label
from kjerne.fhir.encode import encode
from kjerne.store.files import REPORT
from pages.test_live import DAY, a_report, filed, send, tab, text, with_a_file
from pages.test_live_download import taken
from platform_fixture import Standing

TOLD = rf" rettet Du så svaret {DAY}\. Et vedlegg er siden byttet ut eller tatt bort\."
WHEN = r"\d\d?\. \w+ 20\d\d|\d\d\.\d\d\.20\d\d"
SHUT = {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}


def a_file(data: bytes, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": "application/pdf", "data": b64encode(data).decode()} | more


def a_scan(name: str, *forms: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": name}, "conclusion": "Se vedlegg",
        "presentedForm": list(forms),
    }  # fmt: skip


def put(platform: Standing, tree: dict[str, Any], id_: str, version: int) -> None:
    answer = platform.client.call(
        "PUT", f"/fhir/R4/{tree['resourceType']}/{id_}", as_="lab", patient="", body=encode(tree | {"id": id_}),
        headers={"content-type": "application/fhir+json", "if-match": f'W/"{version}"'},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text


def links(page: str) -> list[str]:
    """The addresses of former files on a report's page, in its order."""
    return re.findall(r'href="([^"]+/file/[^"]+/former/\d+)"', page)


def logged(platform: Standing) -> list[tuple[str, int]]:
    """What the newest line of the log names."""
    (row,) = platform.rows("SELECT ids, versions FROM audit WHERE ids <> '{}' ORDER BY at DESC LIMIT 1")
    return sorted((str(id_), version) for id_, version in zip(row["ids"], row["versions"], strict=True))


def scanned(platform: Standing) -> tuple[str, str, str]:
    """A report whose file was replaced after it was filed: its name, its id and the file's."""
    name = f"Skannet {secrets.token_hex(4)}"
    binary = filed(platform, a_file(b"%PDF-1"))
    report = filed(platform, a_scan(name, {"url": f"Binary/{binary}", "contentType": "application/pdf"}))
    return name, report, binary


def test_who_had_read_the_report_is_told_of_its_file_whether_or_not_she_opened_it(platform: Standing) -> None:
    name, report, binary = scanned(platform)
    with tab(platform, "gp") as it:
        visit = it.type(platform.nin("citizen"))
        assert f"{name} rettet" not in text(it.get(f"{visit.url.path}/report/{report}"))
        put(platform, a_file(b"%PDF-2"), binary, 1)
        desk = text(it.get("/clinician"))
        assert re.search(name + TOLD, desk)
        assert "Vedlegg rettet" not in desk, "one change is told once"
    told = platform.rows("SELECT DISTINCT hpr FROM notice WHERE id = $1", UUID(report))
    assert [row["hpr"] for row in told] == [platform.persona("gp").hpr]


def test_who_had_opened_the_file_alone_is_told_of_the_file(platform: Standing) -> None:
    _, report, binary = scanned(platform)
    assert platform.get(f"Binary/{binary}", as_="hospital-doctor").status == 200
    put(platform, a_file(b"%PDF-2"), binary, 1)
    rows = platform.rows("SELECT hpr, id FROM notice WHERE id = ANY($1)", [UUID(report), UUID(binary)])
    assert [(row["hpr"], str(row["id"])) for row in rows] == [(platform.persona("hospital-doctor").hpr, binary)]


def test_the_report_is_marked_with_the_time_and_leads_to_the_former_file_for_clinician_and_citizen(
    platform: Standing,
) -> None:
    name, report, binary = scanned(platform)
    put(platform, a_file(b"%PDF-2"), binary, 1)
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        root = it.type(platform.nin("citizen")).url.path
        for reader, at in ((it, root), (own, "/me")):
            page = reader.get(f"{at}/report/{report}")
            assert re.search(rf"{name} rettet .*?Et vedlegg ble byttet ut eller tatt bort .*?(?:{WHEN})", text(page))
            assert "Tidligere vedlegg" in text(page)
            (former,) = links(page.text)
            assert reader.get(former).content == b"%PDF-1"
            assert logged(platform) == sorted([(report, 1), (binary, 1)])
            assert reader.get(f"{at}/report/{report}/file/{binary}").content == b"%PDF-2"
            assert logged(platform) == sorted([(report, 1), (binary, 2)])
            for wrong in (
                f"{binary}/former/7",
                f"{binary}/former/x",
                f"{binary}/former/-1",
                f"{report}/former/1",
                "0/former/1",
            ):
                assert reader.get(f"{at}/report/{report}/file/{wrong}").status_code == 404, wrong


def deleted(platform: Standing, type_: str, id_: str) -> None:
    answer = platform.client.call("DELETE", f"/fhir/R4/{type_}/{id_}", as_="lab", patient="")
    assert answer.status_code in (200, 204), answer.text


def test_a_file_that_is_deleted_is_told_to_who_had_read_the_report_and_leads_to_what_it_was(platform: Standing) -> None:
    name, report, binary = scanned(platform)
    put(platform, a_file(b"%PDF-2"), binary, 1)
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        root = it.type(platform.nin("citizen")).url.path
        it.get(f"{root}/report/{report}")
        deleted(platform, "Binary", binary)
        desk = text(it.get("/clinician"))
        assert re.search(name + TOLD, desk)
        assert "Vedlegg rettet" not in desk
        assert not re.search(name + r"[^.]{0,80}feil pasient", desk)
        for reader, at in ((it, root), (own, "/me")):
            page = reader.get(f"{at}/report/{report}")
            assert re.search(rf"{name} rettet .*?Et vedlegg ble byttet ut eller tatt bort .*?(?:{WHEN})", text(page))
            assert "Filen er trukket tilbake av avsenderen" in text(page)
            assert f'/file/{binary}"' not in page.text, "no link leads to what is gone"
            assert [reader.get(link).content for link in links(page.text)] == [b"%PDF-2", b"%PDF-1"]
            assert logged(platform) == sorted([(report, 1), (binary, 1)])
            assert reader.get(f"{at}/report/{report}/file/{binary}").status_code == 404


@pytest.mark.parametrize(
    ("label", "readers"),
    [(Label.WITHHELD_FROM_CITIZEN, (200, 404)), (Label.RESTRICTED, (404, 200)), (Label(0), (200, 200))],
    ids=["kept from the citizen", "restricted", "open"],
)
def test_a_file_that_is_deleted_is_shut_where_it_was_or_its_report_is(
    platform: Standing, label: Label, readers: tuple[int, int]
) -> None:
    shut = "UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1"
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        root = it.type(platform.nin("citizen")).url.path
        for what in ("file", "report"):
            _, report, binary = scanned(platform)
            former = f"report/{report}/file/{binary}/former/1"
            if what == "file":
                platform.rows(shut, UUID(binary), int(label))
            deleted(platform, "Binary", binary)
            if what == "report":
                platform.rows(shut, UUID(report), int(label))
            assert (it.get(f"{root}/{former}").status_code, own.get(f"/me/{former}").status_code) == readers, what


def test_who_had_opened_the_file_alone_is_told_that_it_was_deleted(platform: Standing) -> None:
    _, report, binary = scanned(platform)
    with tab(platform, "gp") as it:
        visit = it.type(platform.nin("citizen"))
        assert platform.get(f"Binary/{binary}", as_="gp").status == 200
        deleted(platform, "DiagnosticReport", report)
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        deleted(platform, "Binary", binary)
        assert visit.status_code == 200
        assert re.search("Vedlegg" + TOLD, text(it.get("/clinician")))


def test_every_file_that_a_report_lost_is_led_to_the_last_first(platform: Standing) -> None:
    """One that lay in the report, one in a Binary that the report left for another, and that Binary's former version."""
    name, binary, other = (
        f"Skannet {secrets.token_hex(4)}",
        filed(platform, a_file(b"%PDF-a1")),
        filed(platform, a_file(b"%PDF-b")),
    )
    inside = [{"contentType": "application/pdf", "data": b64encode(data).decode()} for data in (b"%PDF-i1", b"%PDF-i2")]
    there, elsewhere = {"url": f"Binary/{binary}"}, {"url": f"Binary/{other}"}
    report = filed(platform, a_scan(name, there, inside[0]))
    put(platform, a_file(b"%PDF-a2"), binary, 1)
    put(platform, a_scan(name, there, inside[1]), report, 1)
    put(platform, a_scan(name, elsewhere, inside[1]), report, 2)
    with tab(platform, "citizen", "me") as own:
        found = links(own.get(f"/me/report/{report}").text)
        assert [own.get(link).content for link in found] == [b"%PDF-a2", b"%PDF-i1", b"%PDF-a1"]
        assert own.get(f"/me/report/{report}/file/1").content == b"%PDF-i2"


@pytest.mark.parametrize("what", ["file", "report"])
def test_a_former_file_is_shut_where_the_present_one_is(platform: Standing, what: str) -> None:
    """What is withdrawn, kept from the citizen or restricted by her opens no way round: neither to her nor to a doctor."""
    _, report, binary = scanned(platform)
    put(platform, a_file(b"%PDF-2"), binary, 1)
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        root = it.type(platform.nin("citizen")).url.path
        former = f"report/{report}/file/{binary}/former/1"
        for label, readers in (
            (Label.WITHDRAWN, (404, 404)), (Label.WITHHELD_FROM_CITIZEN, (200, 404)), (Label.RESTRICTED, (404, 200)),
            (Label(0), (200, 200)),
        ):  # fmt: skip
            shut = {"file": binary, "report": report}[what]
            platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(shut), int(label))
            assert (it.get(f"{root}/{former}").status_code, own.get(f"/me/{former}").status_code) == readers, label


def test_what_the_source_kept_from_the_citizen_stays_so_when_a_newer_file_is_open(platform: Standing) -> None:
    name, binary = f"Skannet {secrets.token_hex(4)}", filed(platform, a_file(b"%PDF-1", meta=SHUT))
    report = filed(platform, a_scan(name, {"url": f"Binary/{binary}"}))
    put(platform, a_file(b"%PDF-2"), binary, 1)
    platform.rows("UPDATE record SET labels = 0 WHERE id = $1 RETURNING 1", UUID(binary))
    with tab(platform, "citizen", "me") as own:
        page = own.get(f"/me/report/{report}")
        assert links(page.text) == []
        assert own.get(f"/me/report/{report}/file/{binary}/former/1").status_code == 404


def test_a_file_that_a_message_replaces_is_told_marked_and_led_to(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    raw = a_report(nin, mark, "140", analysis=f"P-Prøve {mark}")
    send(platform, with_a_file(raw, b"%PDF-1"))
    (row,) = platform.rows("SELECT ids, types FROM audit WHERE action = 'file' ORDER BY at DESC LIMIT 1")
    report = next(str(id_) for id_, type_ in zip(row["ids"], row["types"], strict=True) if type_ == REPORT)
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        root = it.type(nin).url.path
        newer = a_report(nin, mark, "140", corrects=True, analysis=f"P-Prøve {mark}")
        send(platform, with_a_file(newer, b"%PDF-2"))
        assert re.search(TOLD, text(it.get("/clinician")))
        for reader, at in ((it, root), (own, "/me")):
            page = reader.get(f"{at}/report/{report}")
            assert "rettet" in text(page) and "Et vedlegg ble byttet ut eller tatt bort" in text(page)
            (former,) = links(page.text)
            present = re.search(r'href="([^"]+/file/[^"/]+)"', page.text)
            assert present
            assert [reader.get(link).content for link in (former, present[1])] == [b"%PDF-1", b"%PDF-2"]
        moved = a_report(platform.nin("new-mother"), mark, "140", corrects=True, analysis=f"P-Prøve {mark}", day=23)
        send(platform, with_a_file(moved, b"%PDF-3"))
        assert own.get(former).status_code == 404, "what lay on the wrong patient is shut, its former files too"


def test_a_copy_holds_the_files_that_were_replaced(platform: Standing) -> None:
    _, _, binary = scanned(platform)
    put(platform, a_file(b"%PDF-2"), binary, 1)
    with tab(platform, "citizen", "me") as it:
        found = taken(it)
    assert [found.read(f"vedlegg/{name}.pdf") for name in (f"{binary}.1", binary)] == [b"%PDF-1", b"%PDF-2"]
