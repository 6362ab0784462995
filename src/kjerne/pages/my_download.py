"""The citizen takes a copy: one ZIP with a FHIR Bundle, the files, her log, choices and inquiries, and a page to read them by.

personvernforordningen articles 15 and 20. It is made while it is sent, a batch at a time under a grant of its own each, so
memory does not grow with the record. Where the law says no on the way, the file breaks off and no program opens it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from kjerne.fhir.encode import encode
from kjerne.pages import takeout_index as index
from kjerne.pages.attached import SHOWN
from kjerne.pages.desk import Page
from kjerne.pages.house import File, LogRow
from kjerne.pages.my_house import Copy
from kjerne.pages.reader import person_of, rule_language
from kjerne.pages.zipped import CHUNK_BYTES, Packed, Zip
from kjerne.store.looks import Wanted
from kjerne.store.takeout import After

NAME: Final = "kjerne"


@dataclass(frozen=True, slots=True)
class _Told:
    """What the page says of each thing in the file, kept until the page's turn comes. `titles` are of the reports that a choice
    is about, by id."""

    reports: Packed = field(default_factory=Packed)
    results: Packed = field(default_factory=Packed)
    files: Packed = field(default_factory=Packed)
    log: Packed = field(default_factory=Packed)
    titles: dict[str, str] = field(default_factory=dict)


async def offer(page: Page) -> Response:
    """What the file holds, and what to mind; whoever may not take it is refused already here (docs/law.md, K36)."""
    await page.house.may_copy(page.who, page.visit)
    return page.render("me/download.html", title=page.say("download.title"), person=await person_of(page))


async def file(page: Page) -> Response:
    """The file."""
    page.checked(fresh=True)
    copy = await page.house.begin_copy(page.who, page.visit)
    name = f"{NAME}-{copy.at.date().isoformat()}.zip"
    return StreamingResponse(
        _made(page, copy),
        media_type="application/zip",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _made(page: Page, copy: Copy) -> AsyncIterator[bytes]:
    made, told = Zip(copy.at), _Told()
    choices = await page.house.choices(page.who, page.visit)
    told.titles.update({one.record: one.record for one in choices if one.record})
    for part in (_bundle(page, copy, made, told), _files(page, made, told), _log(page, made, told)):
        async for chunk in part:
            yield chunk
    with made.entry("valg.json") as out:
        out.write(encode([_choice(one) for one in choices]))
    with made.entry("henvendelser.json") as out:
        sent = await page.house.inquiries(page.who, page.visit)
        out.write(encode([_inquiry(one) for one in sent.rows]))
    with made.entry("index.html") as out:
        out.write(index.head(page, copy).encode())
        for heading, packed in (("reports", told.reports), ("results", told.results), ("files", told.files)):
            out.write(index.table(page, heading).encode())
            for rows in packed.unpacked():
                out.write(rows)
                yield made.drained()
            out.write(index.TABLE_END)
        out.write(index.choices(page, choices, told.titles).encode())
        out.write(index.inquiries(page, sent).encode())
        out.write(index.table(page, "log").encode())
        for rows in told.log.unpacked():
            out.write(rows)
            yield made.drained()
        out.write(index.TABLE_END + index.END)
    made.close()
    yield made.drained()


async def _bundle(page: Page, copy: Copy, made: Zip, told: _Told) -> AsyncIterator[bytes]:
    """A collection (R4 bundle.html): the patient, then every record, newest first within its type."""
    with made.entry("bundle.json") as out:
        head = encode({"resourceType": "Bundle", "type": "collection", "timestamp": copy.at.isoformat()})
        out.write(head[:-1] + b',"entry":[' + _entry(_patient(copy)))
        for type_ in copy.types:
            after: After | None = None
            while True:
                part = await page.house.copy_on(page.who, page.visit, type_, after)
                for tree in part.resources:
                    out.write(b"," + _entry(tree))
                for tree in part.read:
                    told.reports.add(index.report(page, tree))
                    told.results.add(index.result(page, tree))
                    if tree.get("id") in told.titles and tree["resourceType"] == "DiagnosticReport":
                        told.titles[tree["id"]] = index.title(page, tree)
                yield made.drained()
                after = part.onward
                if after is None:
                    break
        out.write(b"]}")


def _entry(tree: dict[str, Any]) -> bytes:
    url = {"fullUrl": f"urn:uuid:{tree['id']}"} if tree.get("id") else {}
    return encode({**url, "resource": tree})


def _patient(copy: Copy) -> dict[str, Any]:
    person = copy.patient
    told = {
        "resourceType": "Patient",
        "name": [{"text": person.name}],
        "gender": person.sex or "unknown",
        "birthDate": person.birth_date.isoformat() if person.birth_date else "",
    }
    return {name: value for name, value in told.items() if value}


async def _files(page: Page, made: Zip, told: _Told) -> AsyncIterator[bytes]:
    """Each file that came with a report, as it was sent; a report in the Bundle names it by the same id."""
    after: After | None = None
    while True:
        part = await page.house.copy_files(page.who, page.visit, after)
        for id_, sent in part.files:
            name = f"vedlegg/{id_}.{_ending(sent)}"
            with made.entry(name) as out:
                for begin in range(0, len(sent.data), CHUNK_BYTES):
                    out.write(sent.data[begin : begin + CHUNK_BYTES])
                    yield made.drained()
            told.files.add(index.file(name, len(sent.data)))
        after = part.onward
        if after is None:
            return


def _ending(sent: File) -> str:
    return next((ending for begins, ending in SHOWN.values() if sent.data.startswith(begins)), "bin")


async def _log(page: Page, made: Zip, told: _Told) -> AsyncIterator[bytes]:
    """The whole log, as its page would show it."""
    with made.entry("logg.json") as out:
        out.write(b"[")
        after, comma = "", b""
        while True:
            found = await page.house.log(page.who, page.visit, rule_language(page), Wanted(), after)
            for row in found.rows:
                out.write(comma + encode(_look(row)))
                told.log.add(index.look(page, row))
                comma = b","
            yield made.drained()
            after = found.onward
            if not after:
                break
        out.write(b"]")


def _look(row: LogRow) -> dict[str, Any]:
    told = {
        "at": row.at.isoformat(),
        "by": row.by,
        "name": row.who,
        "role": row.role,
        "organisation": row.organisation,
        "purpose": row.purpose,
        "basis": row.basis,
        "records": dict(row.what),
        "notNamed": row.unnamed if row.unnamed != "untold" else "",
        "given": row.given,
        "emergency": row.acute,
        "selfDeclared": row.self_declared,
        "wrote": row.wrote,
        "reason": row.reason,
        "rule": row.says,
        "law": row.law,
    }
    return {name: value for name, value in told.items() if value not in ("", {})}


def _choice(one: Any) -> dict[str, Any]:
    ends = one.ends_at.isoformat() if one.ends_at else ""
    told = {
        "kind": one.kind,
        "madeAt": one.made_at.isoformat(),
        "who": one.who,
        "organisation": one.organisation,
        "role": one.role,
        "part": one.part,
        "source": one.source,
        "course": one.course,
        "service": one.service,
        "record": one.record and (f"DiagnosticReport/{one.record}" if one.service == "results" else one.record),
        "setBy": "" if one.by == "self" else one.by,
        "endsAt": ends,
    }
    return {name: value for name, value in told.items() if value}


def _inquiry(opened: Any) -> dict[str, Any]:
    one, told = opened.inquiry, opened.told
    return {
        "reference": one.reference,
        "kind": one.kind,
        "sentAt": one.made_at.isoformat(),
        "status": one.status,
        "about": told.about,
        "why": told.why,
        "text": told.text,
        "answers": [step.answer for step in opened.steps if step.answer],
    }
