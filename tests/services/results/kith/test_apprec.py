from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.errors import Fault, Refusal
from kjerne.services.results.kith import apprec
from kjerne.services.results.kith.model import Actor, Identifier
from kjerne.wire import msghead, xml

AT = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


def read(receipt: bytes) -> apprec.Receipt:
    return apprec.parse(xml.parse(receipt))


@pytest.mark.parametrize(("svarrapport", "version"), [("1.3", "1.0"), ("1.4", "1.1")])
def test_the_receipt_has_the_version_of_the_senders_generation(kith: Any, svarrapport: str, version: str) -> None:
    message = kith.understood(kith.message(kith.report(kith.item()), version=svarrapport))
    receipt = read(apprec.build(message, (), AT))
    assert (receipt.version, receipt.status, receipt.faults) == (version, "1", ())
    assert receipt.about.id == "M-1"
    assert receipt.about.generated == "2026-03-02T12:00:05+01:00"
    assert receipt.receiver.organisation == "Prøvelaboratoriet"
    assert receipt.receiver.department_ids == (Identifier("77002", "HER"),)


def test_the_sender_may_ask_for_the_other_version(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report(kith.item())))
    assert b"apprec/2004-11-21" in apprec.build(message, (), AT, asked="1.0")


def test_a_rejection_carries_its_codes_and_places(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report(kith.item())))
    faults = (Fault("Feil nummer.", "Patient/OffId line 3", "E31"), Fault("Noe annet.", "", "invalid"))
    receipt = read(apprec.build(message, faults, AT))
    assert receipt.status == "2"
    assert [(fault.code, fault.says) for fault in receipt.faults] == [
        ("E31", "Feil nummer. (Patient/OffId line 3)"), ("X99", "Noe annet."),
    ]  # fmt: skip


def test_the_same_message_and_time_give_the_same_receipt(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report(kith.item())))
    assert apprec.build(message, (), AT) == apprec.build(message, (), AT)


def test_a_refusal_gets_a_code_of_8221() -> None:
    assert [fault.code for fault in apprec.faults_of(Refusal(400, "ødelagt"))] == ["T01"]
    assert [fault.code for fault in apprec.faults_of(Refusal(409, "igjen"))] == ["X99"]
    known = Refusal(422, "uten nummer", faults=(Fault("uten nummer", "OffId line 2", "E30"),), todo="Send nummeret.")
    [fault] = apprec.faults_of(known)
    assert (fault.code, fault.says) == ("E30", "uten nummer. Send nummeret.")


def test_what_could_not_be_read_is_still_answered(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item()), version="1.3").replace(b"</Patient>", b"")
    heard = apprec.heard(raw)
    assert (heard.id, heard.version, heard.type.code) == ("M-1", "1.3", "SVAR_LAB")
    receipt = read(apprec.build(heard, (Fault("ødelagt", "line 1", "T01"),), AT))
    assert (receipt.version, receipt.about.id, receipt.status) == ("1.0", "M-1", "2")
    assert receipt.about.generated == "2026-03-02T12:00:05+01:00"


@pytest.mark.parametrize("raw", [b"", b"\x00\xff\xfe", b"<MsgId></MsgId>", b"PK\x03\x04", b"<GenDate V='2026-99-99'/>"])
def test_even_noise_gets_a_receipt(raw: bytes) -> None:
    assert read(apprec.build(apprec.heard(raw), (Fault("støy"),), AT)).status == "2"


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("<MsgId>A&amp;B</MsgId>", "A&B"),
        ("<MsgId>&#65;&#x42;&lt;</MsgId>", "AB<"),
        ("<MsgId>&#0;&#xD800;&#9999999;&b;</MsgId>", "&#0;&#xD800;&#9999999;&b;"),
        ("<MsgId><![CDATA[A&amp;<B>]]></MsgId>", "A&amp;<B>"),
        ("<MsgId>M<!-- <MsgId>no</MsgId> -->-1</MsgId>", "M-1"),
        ("<MsgId>M-1</MsgId><!-- <MsgId>no</MsgId> -->", "M-1"),
        ("<MsgId>M-1</MsgId><?no <MsgId>no</MsgId> ?><!-- <MsgId>no</MsgId>", "M-1"),
        ("<MsgId>M-1</MsgId><Comment><![CDATA[<MsgId>no</MsgId>]]></Comment>", "M-1"),
    ],
)
def test_the_id_of_what_was_refused_is_read_as_a_parser_would(kith: Any, written: str, id_: str) -> None:
    raw = kith.message(kith.report()).replace(b"<MsgId>M-1</MsgId>", written.encode()).replace(b"</Patient>", b"")
    heard = apprec.heard(raw)
    assert heard.id == id_
    assert read(apprec.build(heard, (Fault("ødelagt"),), AT)).about.id == id_


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_was_refused_is_named_in_its_receipt_in_whatever_encoding_it_came(kith: Any, encoding: str) -> None:
    text = kith.message(kith.report()).decode().partition("?>")[2] or kith.message(kith.report()).decode()
    assert apprec.heard(text.lstrip().encode(encoding)).id == apprec.heard(text.encode()).id != ""


def test_control_signs_of_a_hostile_message_do_not_break_the_receipt() -> None:
    heard = apprec.Heard(id="a\x00b\x1b", sender=Actor(organisation="Lab\x07"))
    assert read(apprec.build(heard, (Fault("\x00feil"),), AT)).about.id == "ab"


def test_what_is_no_receipt_is_refused() -> None:
    with pytest.raises(Refusal):
        read(b"<AppRec xmlns='http://www.kith.no/xmlstds/apprec/2010-01-01'/>")
    with pytest.raises(Refusal):
        read(f"<AppRec xmlns='{apprec.NAMESPACE['1.1']}'><Status V='9'/></AppRec>".encode())


@pytest.mark.parametrize(("sent", "told"), [("2026-03-03T09:00:00", "2026-03-03T09:00:00+01:00"), ("i går", "")])
def test_the_receipt_names_the_envelope_by_its_own_id_and_time(kith: Any, sent: str, told: str) -> None:
    inner = kith.message(kith.report()).partition(b"?>")[2].decode()
    head = "http://www.kith.no/xmlstds/msghead/2006-05-24"
    raw = (
        f"<MsgHead xmlns='{head}'><MsgInfo><GenDate>{sent}</GenDate><MsgId>E-1</MsgId></MsgInfo>"
        f"<Document><RefDoc><Content>{inner}</Content></RefDoc></Document></MsgHead>"
    ).encode()
    about = read(apprec.build(kith.understood(raw), (), AT)).about
    assert (about.id, about.generated) == ("E-1", told or AT.isoformat())


def test_the_receipt_comes_from_whom_the_envelope_was_sent_to(kith: Any) -> None:
    raw = addressed(kith.message(kith.report()))
    for about in (kith.understood(raw), apprec.heard(raw)._replace(addressed=msghead.parties(raw)[1])):
        sender = read(apprec.build(about, (), AT)).sender
        assert (sender.organisation, sender.department) == ("Sykehuset", "Laboratoriet")
        assert sender.organisation_ids == (Identifier("22", "HER"), Identifier("974631326", "ENH"))
        assert sender.department_ids == (Identifier("229", "HER"),)
        assert (sender.person, sender.person_ids) == ("", ()), "nobody there has written it"


def test_the_receipt_of_a_message_without_envelope_comes_from_us(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report()))
    us = apprec.us_as("974631326")
    assert us.organisation_ids == (Identifier("974631326", "ENH"),)
    assert read(apprec.build(message, (), AT, us=apprec.us_as(""))).sender == apprec.US
    assert read(apprec.build(message, (), AT, us=us)).sender == us


def addressed(message: bytes) -> bytes:
    """A message in an envelope to a department of a hospital, and a person there."""
    ident = "<Ident><Id>{}</Id><TypeId V='{}'/></Ident>".format
    person = f"<HealthcareProfessional><GivenName>Lise</GivenName>{ident('1', 'HPR')}</HealthcareProfessional>"
    inner = (
        f"<Organisation><OrganisationName>Laboratoriet</OrganisationName>{ident('229', 'HER')}{person}</Organisation>"
    )
    numbers = ident("22", "HER") + ident("974631326", "ENH")
    receiver = f"<Organisation><OrganisationName>Sykehuset</OrganisationName>{numbers}{inner}</Organisation>"
    return (
        f"<MsgHead xmlns='{msghead.NAMESPACE}'><MsgInfo><GenDate>2026-03-03T09:00:00</GenDate><MsgId>E-1</MsgId>"
        f"<Receiver>{receiver}</Receiver></MsgInfo><Document><RefDoc><Content>{message.partition(b'?>')[2].decode()}</Content>"
        "</RefDoc></Document></MsgHead>"
    ).encode()
