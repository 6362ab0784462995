"""Envelopes: what a sender of IHE transactions writes is read, what cannot be answered is told with the standard's own fault."""

from __future__ import annotations

import pytest
from lxml import etree

from kjerne.wire import soap
from kjerne.wire.soap import ADDRESSING, ANONYMOUS, ENVELOPE, SECURITY, Failed

ENV, WSA = ENVELOPE[1:-1], ADDRESSING[1:-1]
ACTION = "urn:ihe:iti:2007:CrossGatewayQuery"
ID = "urn:uuid:c6fda90e-a5ec-4f8d-aa1b-14802f4bf68d"
SAML = '<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/>'
ADDRESSED = f"<a:Action e:mustUnderstand='1'>{ACTION}</a:Action><a:MessageID>{ID}</a:MessageID>"


def message(header: str = ADDRESSED, body: str = "<x/>", namespace: str = ENV) -> bytes:
    return (
        f'<e:Envelope xmlns:e="{namespace}" xmlns:a="{WSA}" xmlns:s="{SECURITY[1:-1]}"><e:Header>{header}</e:Header>'
        f"<e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


def failed(raw: bytes, action: str = "") -> Failed:
    with pytest.raises(Failed) as caught:
        soap.opened(raw, action=action)
    return caught.value


def reply_to(address: str) -> str:
    return f"{ADDRESSED}<a:ReplyTo><a:Address>{address}</a:Address></a:ReplyTo>"


def test_a_request_gives_its_action_its_id_its_body_and_its_assertion() -> None:
    to = "<a:To e:mustUnderstand='1'>urn:to</a:To>"
    header = f"{reply_to(ANONYMOUS)}{to}<s:Security e:mustUnderstand='true'>{SAML}</s:Security>"
    read = soap.opened(message(header), action=ACTION)
    assert (read.action, read.message_id, read.to, read.body.tag) == (ACTION, ID, "urn:to", "x")
    assert read.assertion is not None
    assert read.assertion.tag == soap.ASSERTION


@pytest.mark.parametrize(
    ("raw", "code", "subcode"),
    [
        (b"<no", "Sender", ""),
        (b"<html/>", "VersionMismatch", ""),
        (message(namespace="http://schemas.xmlsoap.org/soap/envelope/"), "VersionMismatch", ""),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "Sender", ""),
        (message(header=""), "Sender", ADDRESSING + "MessageAddressingHeaderRequired"),
        (message(header=ADDRESSED.replace(ID, "")), "Sender", ADDRESSING + "MessageAddressingHeaderRequired"),
        (message(header=ADDRESSED * 2), "Sender", ADDRESSING + "InvalidAddressingHeader"),
        (message(reply_to("https://other.example/")), "Sender", ADDRESSING + "OnlyAnonymousAddressSupported"),
        (message(body=""), "Sender", ""),
        (message(body="<x/><y/>"), "Sender", ""),
        (message(f"{ADDRESSED}<t:T xmlns:t='urn:t' e:mustUnderstand='1'/>"), "MustUnderstand", ""),
        (message(header="<e:b/>" * 41), "Sender", ""),
        (message().replace(b"</e:Envelope>", b"<e:Body/></e:Envelope>"), "Sender", ""),
        (
            message(f"{ADDRESSED}<s:Security>{SAML * 2}</s:Security>"),
            "Sender",
            SECURITY + "InvalidSecurity",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_has_the_code_that_the_standard_gives_it(raw: bytes, code: str, subcode: str) -> None:
    caught = failed(raw)
    assert (caught.code, caught.subcode) == (code, subcode)
    assert caught.status == (400 if code == "Sender" else 500)


def test_a_block_for_somebody_else_need_not_be_understood() -> None:
    header = f"{ADDRESSED}<t:T xmlns:t='urn:t' e:mustUnderstand='1' e:role='urn:other'/><t:U xmlns:t='urn:t'/>"
    assert soap.opened(message(header)).action == ACTION


def test_the_action_beside_the_message_must_be_its_own() -> None:
    assert failed(message(), action="urn:other").subcode == ADDRESSING + "ActionMismatch"


def test_a_fault_names_what_it_is_about_and_repeats_nothing_of_it() -> None:
    header = f"{ADDRESSED}<t:Told xmlns:t='urn:t' e:mustUnderstand='1'>secret</t:Told>"
    raw = soap.fault(failed(message(header)), message_id="urn:uuid:1")
    root = etree.fromstring(raw)
    assert root.findtext(f".//{ADDRESSING}RelatesTo") == ID
    assert root.find(f".//{ENVELOPE}NotUnderstood").get("qname") == "n:Told"
    assert root.findtext(f".//{ENVELOPE}Value") == "env:MustUnderstand"
    assert b"secret" not in raw
    upgraded = etree.fromstring(soap.fault(failed(b"<html/>"), message_id="urn:uuid:1"))
    assert upgraded.find(f".//{ENVELOPE}SupportedEnvelope") is not None


def test_a_subcode_is_written_with_a_namespace_that_is_declared() -> None:
    root = etree.fromstring(soap.fault(soap.unsupported(ID), message_id="urn:uuid:1"))
    value = root.find(f".//{ENVELOPE}Subcode/{ENVELOPE}Value")
    prefix, _, name = value.text.partition(":")
    assert (value.nsmap[prefix], name) == (WSA, "ActionNotSupported")


def test_what_is_written_is_read_again() -> None:
    read = soap.opened(soap.enveloped(ACTION, etree.Element("x"), message_id=ID, to="urn:to"))
    assert (read.action, read.message_id, read.to, read.body.tag, read.assertion) == (ACTION, ID, "urn:to", "x", None)
