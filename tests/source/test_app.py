"""A source over HTTP: documents go in whole or not at all, come out to whom the law lets, and each answer has its row first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

import assertions
from assertions import CERTIFICATE, ISSUER, PORTALS_CERTIFICATE, PORTALS_ISSUER, PORTALS_KEY, ce
from documents_at_hand import HOME, MESSAGES, PATIENT, code, entry, needed, submission, valid
from kjerne.commands import source_logs
from kjerne.source import app, house
from kjerne.source.files import Damaged
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names, queries
from kjerne.xds.queries import Query
from sources import (
    GATEWAY,
    KEY,
    NOW,
    PATHS,
    REGISTRY,
    TEXT,
    Standing,
    citizen,
    codes,
    doctor,
    documents_of,
    enveloped,
    one,
    packaged,
    purpose,
    relation,
    wanted,
)

PDF = b"%PDF-1.7 " + bytes(range(256)) * 1_000
OTHER = "01815012345"
LABEL = "2.16.578.1.12.4.1.1.9603"


def confidential(*labels: str, level: str = "N") -> dict[str, Any]:
    return {"confidentiality": (code("2.16.840.1.113883.5.25", level), *(code(LABEL, label) for label in labels))}


@needed
@pytest.mark.parametrize("inline", [False, True])
async def test_a_document_that_is_sent_is_found_and_given_with_the_same_bytes(source: Standing, inline: bool) -> None:
    sent = one(mime_type="application/pdf")
    assert await source.provide(sent, PDF, inline=inline) == messages.Response(names.SUCCESS)
    response = await source.ask(documents_of())
    assert valid(messages.written_found(response))
    (found,) = response.objects
    assert found == replace(
        sent.entries[0], home=HOME, version="1", logical_id=found.id, size_bytes=len(PDF), hash=found.hash
    )
    given = await source.get(wanted(found.unique_id))
    assert given == (messages.Response(names.SUCCESS), [PDF])
    assert await source.get(wanted(found.unique_id, home=""), action=names.RETRIEVE) == given
    assert [path.parent.parent.name for path in source.kept()] == ["documents"]
    assert not list(source.files.coming.iterdir())


async def test_each_answer_about_a_patient_has_its_row_with_who_why_and_what(source: Standing) -> None:
    await source.provide(one(), TEXT)
    await source.found(documents_of())
    await source.get(wanted(entry().unique_id))
    await source.ask(documents_of(), doctor(OTHER))
    rows = await source.log()
    assert [(row["action"], row["allowed"], row["rule"], row["documents"]) for row in rows] == [
        (names.PROVIDE, True, "submitter", [entry().unique_id]),
        (names.CROSS_QUERY, True, "staff", [entry().unique_id]),
        (names.CROSS_RETRIEVE, True, "staff", [entry().unique_id]),
        (names.CROSS_QUERY, False, "other-patient", []),
    ]
    assert rows[0]["client"] == "journal"
    assert {row["patient"] for row in rows} == {f"{PATIENT.number}^^^&{PATIENT.authority}&ISO"}
    read = rows[1]
    assert (read["hpr"], read["role"], read["organisation"], read["purpose"], read["decision"]) == (
        "9001", "LE", "999999901", "TREAT", "42",
    )  # fmt: skip
    assert (read["reason"], read["user_selected"], read["toa"], read["service"]) == ("Poliklinikk", False, NOW, "KX17")


async def test_the_log_is_written_out_whole_or_of_one_patient_from_a_day_on(
    source: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_logs, "PAGE_ROWS", 2)
    await source.provide(one(), TEXT)
    for said in (doctor(), doctor(OTHER), doctor(policy="urn:oid:2.16.578.1.12.4.1.7.2.1.2")):
        await source.ask(documents_of(), said)
    await source.post(GATEWAY, enveloped(names.CROSS_QUERY, queries.written(documents_of()), None))

    async def told(number: str = "", since: datetime | None = None) -> list[dict[str, Any]]:
        return [row async for row in source_logs.rows_of(source.pool, number, since)]

    assert await told() == await source.log()
    assert [row["rule"] for row in await told(PATIENT.number)] == ["submitter", "staff", "other-patient", "no-rule"]
    assert (await told(OTHER), await told(since=NOW + timedelta(days=1))) == ([], [])


async def test_the_log_cannot_be_changed_by_the_program(source: Standing) -> None:
    await source.provide(one(), TEXT)
    for statement in ("UPDATE audit SET rule = ''", "DELETE FROM audit", "UPDATE document SET unique_id = ''"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await source.pool.execute(statement)


async def test_nothing_leaves_where_the_log_cannot_be_written(source: Standing) -> None:
    await source.provide(one(), TEXT)
    await source.owner.execute("REVOKE INSERT ON audit FROM kjerne_app")
    try:
        bodies = (
            (names.CROSS_QUERY, queries.written(documents_of())),
            (names.CROSS_RETRIEVE, messages.written_wanted([wanted(entry().unique_id)])),
        )
        for action, body in bodies:
            for said in (doctor(), doctor(OTHER), None):
                answer = await source.post(GATEWAY, enveloped(action, body, said))
                assert (answer.status_code, b"env:Receiver" in answer.content) == (500, True)
                assert TEXT not in answer.content
    finally:
        await source.owner.execute("GRANT INSERT ON audit TO kjerne_app")


@pytest.mark.parametrize(
    ("marks", "doctors", "consented", "own"),
    [
        (confidential(), True, True, True),
        (confidential(level="R"), True, True, True),
        (confidential(level="V"), True, True, False),
        (confidential("NORS"), False, True, True),
        (confidential("NORN_FFL"), True, True, False),
        (confidential("NORU"), True, True, False),
        (confidential("NORN_FORANS"), True, True, True),
    ],
)
async def test_a_document_is_shown_by_its_marks_and_what_is_not_shown_is_not_there(
    source: Standing, marks: dict[str, Any], doctors: bool, consented: bool, own: bool
) -> None:
    await source.provide(one(**marks), TEXT)
    policy = "urn:oid:2.16.578.1.12.4.1.7.2.1.5"
    for said, shown in ((doctor(), doctors), (doctor(policy=policy), consented), (citizen(), own)):
        everything = Query(
            names.GET_ALL,
            said=(
                ("$patientId", documents_of().said[0][1]),
                ("$XDSDocumentEntryStatus", (names.APPROVED,)),
                ("$XDSSubmissionSetStatus", (names.APPROVED,)),
                ("$XDSFolderStatus", (names.APPROVED,)),
            ),
        )
        assert len((await source.ask(everything, said)).objects) == (3 if shown else 0)
        assert await source.found(documents_of(), said) == ([entry().unique_id] if shown else [])
        hidden, absent = [
            (await source.get(wanted(unique_id), said=said))[0] for unique_id in (entry().unique_id, "1.2.3")
        ]
        assert hidden.status == (names.SUCCESS if shown else names.FAILURE)
        if not shown:
            assert codes(hidden) == codes(absent) == ["XDSDocumentUniqueIdError"]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (doctor(OTHER), "other-patient"),
        (doctor(level="3"), "level"),
        (doctor(scope="nhn:pps/provesvar-read"), "scope"),
        (doctor(role=""), "role"),
        (doctor(decision=""), "decision"),
        (doctor(patient=""), "no-patient"),
        (doctor(purpose=ce("P", {"code": "TREAT", "system": "urn:oid:1.2"})), "no-rule"),
        (doctor(purpose=purpose("BTG")), "no-rule"),
        (doctor(policy="urn:oid:2.16.578.1.12.4.1.7.2.1.2"), "no-rule"),
        (replace(doctor(), subject=PATIENT.number), "staff-own"),
        (citizen(OTHER, PATIENT.number, policy="1"), "parent-of-older"),
        (citizen(OTHER, PATIENT.number), "no-rule"),
    ],
)
async def test_who_may_not_read_is_told_which_rule_says_so_and_nothing_else(
    source: Standing, said: Any, rule: str
) -> None:
    await source.provide(one(), TEXT)
    asked = await source.ask(documents_of(), said)
    assert [(one.code, one.where) for one in asked.errors] == [("AuthorizationException", rule)]
    assert (asked.status, asked.objects) == (names.FAILURE, ())
    got, given = await source.get(wanted(entry().unique_id), said=said)
    assert given == []
    # An assertion about another opens that one's documents, of which there are none here.
    assert codes(got)[0] in ("AuthorizationException", "XDSDocumentUniqueIdError")
    assert not (await source.log())[1]["allowed"]


async def test_a_proxy_and_an_emergency_see_what_their_rows_say(source: Standing) -> None:
    await source.provide(one(**confidential("NORS")), TEXT)
    override = doctor(purpose=purpose("BTG"), policy="urn:oid:2.16.578.1.12.4.1.7.2.1.7")
    for said in (override, citizen(OTHER, PATIENT.number, policy="2")):
        assert await source.found(documents_of(), said) == [entry().unique_id]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sent: replace(sent, entries=(replace(sent.entries[0], hash="0" * 40),)), "XDSRepositoryMetadataError"),
        (lambda sent: replace(sent, entries=(replace(sent.entries[0], size_bytes=1),)), "XDSRepositoryMetadataError"),
        (
            lambda sent: replace(sent, entries=(replace(sent.entries[0], mime_type="application/pdf"),)),
            "XDSRepositoryMetadataError",
        ),
        (
            lambda sent: replace(sent, entries=(replace(sent.entries[0], mime_type="text/html"),)),
            "XDSRepositoryMetadataError",
        ),
        (lambda sent: replace(sent, entries=(replace(sent.entries[0], class_code=None),)), "XDSRegistryMetadataError"),
        (lambda sent: replace(sent, entries=(replace(sent.entries[0], type_code=code("1.2", "x")),)), "XDSRegistryMetadataError"),
        (
            lambda sent: replace(sent, entries=(replace(sent.entries[0], confidentiality=(code("1.2", "N"),)),)),
            "XDSRegistryMetadataError",
        ),
        (
            lambda sent: replace(sent, entries=(replace(sent.entries[0], patient=replace(PATIENT, number=OTHER)),)),
            "XDSPatientIdDoesNotMatch",
        ),
        (lambda sent: replace(sent, entries=(replace(sent.entries[0], repository="1.2"),)), "XDSUnknownRepositoryId"),
        (lambda sent: replace(sent, associations=()), "XDSRegistryMetadataError"),
        (lambda sent: replace(sent, entries=(), associations=()), "XDSMissingDocumentMetadata"),
        (lambda sent: relation(names.REPLACES, sent, one(7)), "UnresolvedReferenceException"),
    ],
)  # fmt: skip
async def test_a_submission_that_is_wrong_is_refused_and_nothing_of_it_is_kept(
    source: Standing, change: Any, code: str
) -> None:
    sent = change(one())
    body = messages.written_provision(sent, {entry().id: lambda element: mtom.included(element, "0@hospital")})
    raw = packaged(enveloped(names.PROVIDE, body, None), source.folder, (TEXT,))
    response = await source.sent(names.PROVIDE, raw, mtom.content_type("b-1"))
    assert (response.status, codes(response)[0]) == (names.FAILURE, code)
    assert source.kept() == []
    assert await source.pool.fetchval("SELECT count(*) FROM document") == 0
    assert PATIENT.number not in str(response)
    (row,) = await source.log()
    assert (row["rule"], row["allowed"], row["client"], row["documents"]) == (code, False, "journal", [])


async def test_a_patient_without_a_valid_number_is_unknown(source: Standing) -> None:
    wrong = replace(PATIENT, number="17855599121")
    sent = one(patient=wrong, source_patient=wrong)
    response = await source.provide(replace(sent, sent=replace(sent.sent, patient=wrong)), TEXT)
    assert codes(response) == ["XDSUnknownPatientId"]


async def test_an_xml_document_about_another_patient_is_refused(source: Standing) -> None:
    def cda(number: str) -> bytes:
        return (
            f'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="{PATIENT.authority}" '
            f'extension="{number}"/></patientRole></recordTarget></ClinicalDocument>'
        ).encode()

    kith = f'<m><Patient><Ident><Id>{OTHER}</Id><TypeId V="FNR"/></Ident></Patient></m>'.encode()
    older = f'<m><Patient><OffId>{OTHER}</OffId><TypeOffId V="FNR"/></Patient></m>'.encode()
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    for raw, answered in (
        (cda(OTHER), "XDSPatientIdDoesNotMatch"), (kith, "XDSPatientIdDoesNotMatch"),
        (older, "XDSPatientIdDoesNotMatch"), (bomb, "XDSRepositoryMetadataError"),
    ):  # fmt: skip
        assert codes(await source.provide(one(mime_type="text/xml"), raw)) == [answered]
    assert codes(await source.provide(one(mime_type="text/xml"), cda(PATIENT.number))) == []


@needed
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dokument1.pdf", "application/pdf"),
        ("CDA_Level1_Document01.xml", "text/xml"),
        ("CDA_ConsultationNote01.xml", "text/xml"),
    ],
)
async def test_a_recorded_document_is_taken_where_it_is_about_its_patient(
    source: Standing, name: str, kind: str
) -> None:
    raw = (MESSAGES / name).read_bytes()
    response = await source.provide(one(mime_type=kind), raw)
    if response.status == names.SUCCESS:
        assert (await source.get(wanted(entry().unique_id)))[1] == [raw]
    else:
        assert codes(response) == ["XDSPatientIdDoesNotMatch"]
        assert kind == "text/xml"


async def test_just_the_same_again_is_taken_and_kept_once_and_anything_else_of_its_name_is_told_apart(
    source: Standing,
) -> None:
    await source.provide(one(), TEXT)
    assert codes(await source.provide(one(), TEXT)) == []
    assert await source.pool.fetchval("SELECT count(*) FROM document") == 1
    assert [row["rule"] for row in await source.log()] == ["submitter", "repeated"]
    later = one(2, unique_id=entry().unique_id)
    for other, raw, answered in (
        (one(title="Another"), TEXT, "XDSDuplicateUniqueIdInRegistry"),
        (one(**confidential("NORS")), TEXT, "XDSDuplicateUniqueIdInRegistry"),
        (one(), TEXT + b" ", "XDSDuplicateUniqueIdInRegistry"),
        (later, TEXT, "XDSDuplicateUniqueIdInRegistry"),
        (later, TEXT + b" ", "XDSNonIdenticalHash"),
    ):
        assert codes(await source.provide(other, raw)) == [answered]
    assert (await source.get(wanted(entry().unique_id)))[1] == [TEXT]


async def test_a_replacement_that_is_sent_again_replaces_once(source: Standing) -> None:
    await source.provide(one(1, **confidential("NORS")), TEXT)
    for _ in range(2):
        assert codes(await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")) == []
    assert codes(await source.provide(one(2), TEXT + b"!")) == ["XDSDuplicateUniqueIdInRegistry"]
    assert await source.found(documents_of(), citizen()) == [entry(2).unique_id]


async def test_a_new_version_takes_the_old_ones_place_and_what_hung_on_it_goes_along(source: Standing) -> None:
    first, appendix, second = one(1), one(2), one(3)
    await source.provide(first, TEXT)
    assert codes(await source.provide(relation(names.APPENDS, appendix, first), TEXT)) == []
    assert len(await source.found(documents_of())) == 2
    assert codes(await source.provide(relation(names.REPLACES, second, first), TEXT)) == []
    response = await source.ask(documents_of())
    (now,) = response.objects
    assert (now.unique_id, now.version, now.logical_id) == (entry(3).unique_id, "1", entry(3).id)
    deprecated = documents_of(**{"$XDSDocumentEntryStatus": (names.DEPRECATED,)})
    assert await source.found(deprecated) == [entry(1).unique_id, entry(2).unique_id]
    again = await source.provide(relation(names.REPLACES, one(4), first), TEXT)
    assert codes(again) == ["XDSRegistryDeprecatedDocumentError"]
    related = Query(
        names.GET_RELATED_DOCUMENTS,
        home=HOME,
        said=(("$XDSDocumentEntryUniqueId", (entry(3).unique_id,)), ("$AssociationTypes", (names.REPLACES,))),
    )
    objects = (await source.ask(related)).objects
    assert [each.id for each in objects[:2]] == [entry(1).id, entry(3).id]
    assert objects[2].kind == names.REPLACES


async def test_two_documents_of_one_submission_may_be_one_part_and_stay_when_the_other_goes(source: Standing) -> None:
    both = submission(entry(1), entry(2))
    body = messages.written_provision(
        both, {each.id: lambda element: mtom.included(element, "0@hospital") for each in both.entries}
    )
    raw = packaged(enveloped(names.PROVIDE, body, None), source.folder, (TEXT,))
    assert await source.sent(names.PROVIDE, raw, mtom.content_type("b-1")) == messages.Response(names.SUCCESS)
    for each in both.entries:
        assert (await source.get(wanted(each.unique_id)))[1] == [TEXT]
    assert len(source.kept()) == 1


async def test_two_that_replace_the_same_document_at_once_make_one_new_version(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    answers = await asyncio.gather(
        *(source.provide(relation(names.REPLACES, one(place), one(1)), TEXT) for place in (2, 3, 4))
    )
    assert sorted(answer.status == names.SUCCESS for answer in answers) == [False, False, True]
    assert len(await source.found(documents_of())) == 1


async def test_metadata_alone_are_registered_for_another_repository(source: Standing) -> None:
    def register(**changes: Any) -> bytes:
        return enveloped(names.REGISTER, messages.written_submission(one(**changes)), None)

    assert codes(await source.sent(names.REGISTER, register())) == ["XDSRegistryMetadataError"]
    formless = register(repository="1.2.3", size_bytes=5, hash="zz")
    assert codes(await source.sent(names.REGISTER, formless)) == ["XDSRegistryMetadataError"]
    elsewhere = register(repository="1.2.3", size_bytes=5, hash="0" * 40)
    assert codes(await source.sent(names.REGISTER, elsewhere)) == []
    (found,) = (await source.ask(documents_of())).objects
    assert found.repository == "1.2.3"
    got, _ = await source.get(wanted(found.unique_id))
    assert codes(got) == ["XDSDocumentUniqueIdError"]


async def test_queries_narrow_by_codes_times_and_authors(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(one(2, class_code=code("9602", "C00-1"), service_start="2025"), TEXT)
    both = [entry(1).unique_id, entry(2).unique_id]
    for more, found in (
        ({"$XDSDocumentEntryClassCode": ("C00-1^^2.16.578.1.12.4.1.1.9602",)}, both[1:]),
        ({"$XDSDocumentEntryClassCode": ("C00-1^^urn:oid:2.16.578.1.12.4.1.1.9602",)}, both[1:]),
        ({"$XDSDocumentEntryConfidentialityCode": ("N^^2.16.840.1.113883.5.25",)}, both),
        ({"$XDSDocumentEntryServiceStartTimeFrom": ("2026",)}, both[:1]),
        ({"$XDSDocumentEntryServiceStartTimeTo": ("20260303",)}, both[1:]),
        ({"$XDSDocumentEntryAuthorPerson": ("%vits%",)}, both),
        ({"$XDSDocumentEntryAuthorPerson": ("VITS",)}, []),
        ({"$XDSDocumentEntryType": (names.ON_DEMAND,)}, []),
    ):
        assert await source.found(documents_of(**more)) == found, more
    references = await source.ask(replace(documents_of(), returns=queries.REFERENCES))
    assert references.references == ((entry(1).id, HOME), (entry(2).id, HOME))


@pytest.mark.parametrize(
    ("kind", "parameter", "value", "count"),
    [
        (names.GET_DOCUMENTS, "$XDSDocumentEntryEntryUUID", entry().id, 1),
        (names.GET_DOCUMENTS_AND_ASSOCIATIONS, "$XDSDocumentEntryUniqueId", entry().unique_id, 2),
        (names.GET_ASSOCIATIONS, "$uuid", entry().id, 1),
        (names.GET_SUBMISSION_SETS, "$uuid", entry().id, 2),
        (names.GET_SUBMISSION_SET_AND_CONTENTS, "$XDSSubmissionSetUniqueId", one().sent.unique_id, 3),
    ],
)
async def test_objects_are_had_by_name_of_ones_own_patient_alone(
    source: Standing, kind: str, parameter: str, value: str, count: int
) -> None:
    await source.provide(one(), TEXT)
    asked = Query(kind, home=HOME, said=((parameter, (value,)),))
    assert len((await source.ask(asked)).objects) == count
    assert (await source.ask(asked, doctor(OTHER))).objects == ()
    assert codes(await source.ask(replace(asked, home=""))) == ["XDSMissingHomeCommunityId"]
    assert codes(await source.ask(replace(asked, home="urn:oid:1.2"))) == ["XDSUnknownCommunity"]


async def test_part_of_what_is_asked_for_is_given_and_the_rest_told(source: Standing) -> None:
    await source.provide(one(), TEXT)
    got, given = await source.get(
        wanted(entry().unique_id),
        wanted("1.2.3"),
        wanted(entry().unique_id, repository="1.2"),
        wanted(entry().unique_id, home="urn:oid:1.2"),
        wanted(entry().unique_id, home=""),
    )
    assert (got.status, given) == (names.PARTIAL, [TEXT])
    assert codes(got) == [
        "XDSDocumentUniqueIdError", "XDSUnknownRepositoryId", "XDSUnknownCommunity", "XDSMissingHomeCommunityId",
    ]  # fmt: skip


async def test_who_tried_to_open_what_stays_shut_is_in_the_log_with_what_was_asked_for(source: Standing) -> None:
    await source.provide(one(1, **confidential("NORS")), TEXT)
    await source.provide(one(2), TEXT)
    locked, open_ = one(1).entries[0], one(2).entries[0]
    got, given = await source.get(wanted(open_.unique_id), wanted(locked.unique_id), wanted(open_.unique_id))
    assert (codes(got), given) == (["XDSDocumentUniqueIdError"], [TEXT])
    await source.get(wanted(locked.unique_id))
    looked = [row for row in await source.log() if row["action"] == names.CROSS_RETRIEVE]
    assert [(row["rule"], row["allowed"], row["documents"]) for row in looked] == [
        ("staff", True, [open_.unique_id]),
        *[("XDSDocumentUniqueIdError", False, [locked.unique_id])] * 2,
    ]
    assert {row["patient"] for row in looked} == {looked[0]["patient"]}


async def test_a_document_that_is_damaged_on_the_disk_is_not_given(source: Standing) -> None:
    await source.provide(one(), TEXT)
    (path,) = source.kept()
    path.write_bytes(TEXT[:-1] + b"!")
    got, given = await source.get(wanted(entry().unique_id))
    assert (codes(got), given) == (["XDSRepositoryError"], [])
    path.unlink()
    path.mkdir()
    with pytest.raises(Damaged):
        await source.files.opened(bytes.fromhex(path.parent.name + path.name), len(TEXT))
    path.rmdir()
    with pytest.raises(Damaged):
        await source.files.opened(bytes(32), 1)
    assert codes((await source.get(wanted(entry().unique_id)))[0]) == ["XDSRepositoryError"]


async def fault(
    source: Standing, raw: bytes, path: str = GATEWAY, kind: str = soap.TYPE, key: str = ""
) -> tuple[int, str]:
    answer = await source.post(path, raw, kind, **({"authorization": f"Bearer {key}"} if key else {}))
    body = soap.opened(answer.content).body
    return answer.status_code, body.findall(f".//{soap.ENVELOPE}Value")[-1].text or ""


async def test_what_is_no_request_of_this_address_is_answered_with_its_fault(source: Standing) -> None:
    find = queries.written(documents_of())
    whole = enveloped(names.CROSS_QUERY, find, doctor())
    assert await fault(source, b"<") == (400, "env:Sender")
    assert await fault(source, whole, REGISTRY) == (400, "wsa:ActionNotSupported")
    assert await fault(source, whole, kind=f'{soap.TYPE}; action="urn:other"') == (400, "wsa:ActionMismatch")
    assert await fault(source, enveloped(names.CROSS_QUERY, find, None)) == (400, "wsse:InvalidSecurity")
    stale = replace(doctor(), at=NOW.replace(hour=10))
    forged = replace(doctor(), after=lambda raw: raw.replace(b"LE", b"PS"))
    for said in (stale, forged, replace(doctor(), audience="other"), replace(doctor(), issuer="other")):
        assert await fault(source, enveloped(names.CROSS_QUERY, find, said)) == (400, "wsse:FailedAuthentication")
    package = packaged(whole, source.folder, (TEXT,))
    assert await fault(source, package[:-9], kind=mtom.content_type("b-1")) == (400, "env:Sender")
    unknown = Query("urn:uuid:other", said=documents_of().said)
    assert codes(await source.ask(unknown)) == ["XDSUnknownStoredQuery"]
    refused = [(row["rule"], row["allowed"]) for row in await source.log()]
    assert refused == [("no-assertion", False), *[("assertion", False)] * 4, ("XDSUnknownStoredQuery", False)]


async def test_an_issuer_speaks_for_those_alone_for_whom_it_is_believed(source: Standing) -> None:
    await source.provide(one(), TEXT)
    portals = replace(doctor(), issuer=PORTALS_ISSUER, key=PORTALS_KEY, certificate=PORTALS_CERTIFICATE)
    gateways = replace(citizen(), issuer=ISSUER, key=assertions.KEY, certificate=CERTIFICATE)
    for said in (portals, gateways):
        raw = enveloped(names.CROSS_QUERY, queries.written(documents_of()), said)
        assert await fault(source, raw) == (400, "wsse:FailedAuthentication")
    refused = [(row["rule"], row["allowed"], row["patient"][:11]) for row in (await source.log())[1:]]
    assert refused == [("issuer", False, PATIENT.number)] * 2


async def test_who_sends_documents_is_known_by_its_key_or_refused(source: Standing) -> None:
    raw = enveloped(names.PROVIDE, messages.written_provision(one(), {}), doctor())
    for key in ("", "another key"):
        assert await fault(source, raw, PATHS[names.PROVIDE], key=key) == (400, "wsse:FailedAuthentication")
    assert [row["rule"] for row in await source.log()] == ["submitter", "submitter"]


async def test_a_stranger_cannot_fill_the_disk(source: Standing) -> None:
    body = messages.written_provision(one(), {entry().id: lambda element: mtom.included(element, "0@hospital")})
    raw = packaged(enveloped(names.PROVIDE, body, None), source.folder, (PDF,))
    kind = mtom.content_type("b-1")
    assert await fault(source, raw, PATHS[names.PROVIDE], kind, "another key") == (400, "wsse:FailedAuthentication")
    assert source.kept() == []


async def test_a_question_is_no_larger_than_questions_are(source: Standing) -> None:
    large = b" " * (app.QUESTION_LIMIT_BYTES + 1)
    assert (await source.post(GATEWAY, large)).status_code == 413
    package = packaged(large, source.folder, ())
    assert (await source.post(GATEWAY, package, mtom.content_type("b-1"))).status_code == 400
    assert await fault(source, large, PATHS[names.PROVIDE], key=KEY) == (400, "env:Sender")


async def test_it_is_told_whether_the_source_is_well(source: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await source.post(app.HEALTH, b"")).status_code == 200

    async def gone(*_: Any) -> None:
        raise ConnectionRefusedError

    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(house, "WELL_SECONDS", 0.01)
    for fails in (gone, silent):
        monkeypatch.setattr(source.application._source.pool, "fetchval", fails)
        assert (await source.post(app.HEALTH, b"")).status_code == 503


async def test_who_falls_silent_in_a_message_is_not_waited_for(
    source: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"<"
        await asyncio.sleep(30)

    for limit in ("PAUSE_SECONDS", "MESSAGE_SECONDS"):
        with monkeypatch.context() as patched:
            patched.setattr(app, limit, 0.01)
            assert (await source.post(GATEWAY, silent())).status_code == 408


async def test_other_addresses_methods_and_types_are_told_plainly(source: Standing) -> None:
    assert (await source.post("/", b"")).status_code == 404
    assert (await source.post(GATEWAY, b"", "text/xml")).status_code == 415
    assert (await source.post(GATEWAY, b"", **{"content-encoding": "gzip"})).status_code == 415
    assert (await source.post(GATEWAY, b"", **{"content-length": "2000000000"})).status_code == 413


@needed
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("IT_iti-38_request.xml", "InvalidSecurity"), ("IT_iti-39_request.xml", "InvalidSecurity"),
        ("iti38-iti40-request-hn-acp-1.xml", "FailedAuthentication"), ("iti38-iti40-request-kj.xml", "FailedAuthentication"),
        ("iti39-iti40-request-kj.xml", "FailedAuthentication"),
    ],
)  # fmt: skip
async def test_a_recorded_request_is_refused_for_its_assertion(source: Standing, name: str, why: str) -> None:
    """They have none, or one of 2025 by issuers who are not believed here."""
    assert await fault(source, (MESSAGES / name).read_bytes()) == (400, f"wsse:{why}")


@needed
async def test_a_recorded_submission_of_nothing_lacks_its_set(source: Standing) -> None:
    response = await source.sent(names.PROVIDE, (MESSAGES / "IT_iti-41_request.xml").read_bytes())
    assert codes(response) == ["XDSRegistryMetadataError"]


@needed
@pytest.mark.parametrize(
    "name", ["IT_iti-38_request.xml", "iti38-iti40-request-kj.xml", "iti38-iti40-request-hn-acp-1.xml"]
)
async def test_a_recorded_question_with_an_assertion_that_holds_is_answered(source: Standing, name: str) -> None:
    """The client's own bytes, but for the assertion: what a foreign program writes is understood."""
    await source.provide(one(), TEXT)
    raw = (MESSAGES / name).read_bytes()
    before, begin, rest = raw.partition(b"<saml:Assertion")
    after = rest.partition(b"</saml:Assertion>")[2] if begin else b""
    if not begin:
        before, mark, after = raw.partition(b"</wsse:Security>")
        after = mark + after
    answer = await source.post(GATEWAY, before + doctor().document() + after)
    response = messages.response(soap.opened(answer.content).body)
    assert [each.unique_id for each in response.objects] == [entry().unique_id]
