"""Which addresses a client may be told at: those that an operator wrote down, and what their names may lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.registries.receivers import Receiver, Receivers


def test_an_address_is_its_own_or_lies_below_it_and_is_read_in_one_way() -> None:
    below, exact = Receiver("ehr", "https://ehr.example/kjerne/"), Receiver("ehr", "https://ehr.example:8443/hook")
    for url in ("https://ehr.example/kjerne/", "https://EHR.example:443/kjerne/a?b=c"):
        assert below.covers(url)
    assert exact.covers("https://ehr.example:8443/hook")
    for url in (
        "http://ehr.example/kjerne/", "https://ehr.example/kjern", "https://ehr.example/kjerne/../x", "https://ehr.example/",
        "https://ehr.example.evil.example/kjerne/", "https://ehr.example@evil.example/kjerne/", "https://ehr.example:444/kjerne/",
        "https://ehr.example/kjerne/%2e%2e/x", "https://ehr.example\\@evil.example/kjerne/", "https://ehr.example/kjerne/#x",
        "https://ehr.example/kjerne/\r\nx", "https://ehr.example/kjerne//x", "file:///kjerne/", "", "https://[::1/kjerne/",
    ):  # fmt: skip
        assert not below.covers(url), url
    assert not exact.covers("https://ehr.example:8443/hook/more")
    assert not exact.covers("https://ehr.example:8443/hook?x=1")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "0.0.0.0",
     "100.64.0.1", "224.0.0.1"],
)  # fmt: skip
def test_a_name_leads_to_a_private_address_only_where_its_network_stands_beside_it(address: str) -> None:
    assert not Receiver("ehr", "https://ehr.example/").lets(address)
    assert Receiver("ehr", "https://ehr.example/").lets("193.156.1.1")


def test_a_private_network_that_is_named_is_let(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.toml"
    file.write_text('[[receiver]]\nclient = "ehr"\nurl = "https://ehr.example/"\naddresses = ["10.20.0.0/16"]\n')
    (one,) = Receivers(file).read()
    assert (one.lets("10.20.3.4"), one.lets("10.21.0.1"), one.lets("::ffff:10.20.0.9")) == (True, False, True)


def test_the_file_is_read_again_where_it_has_changed_and_lets_nobody_where_it_cannot_be_read(tmp_path: Path) -> None:
    file, url = tmp_path / "subscribers.toml", "https://ehr.example/"
    known = Receivers(file)
    assert known.find("ehr", url) is None
    for at, (text, found) in enumerate(
        (
            (f'[[receiver]]\nclient = "ehr"\nurl = "{url}"\n', True),
            ("[[receiver]]\n", False),
            ("no toml", False),
            ("", False),
        )
    ):
        file.write_text(text)
        os.utime(file, (at, at))
        assert (known.find("ehr", url) is not None) == found
        assert known.find("another", url) is None


@pytest.mark.parametrize(
    "row",
    ['client = "a"', 'url = "https://a.example/"', 'client = "a"\nurl = "http://a.example/"', 'client = "a"\nurl = "https://a.example"',
     'client = "a"\nurl = "https://a.example/"\naddresses = ["x"]', 'client = "a"\nurl = "https://a.example/"\nmore = 1',
     'client = "a"\nurl = "https://a:b@c.example/"', 'client = "a"\nurl = "http://127.0.0.1/"'],
)  # fmt: skip
def test_an_entry_that_cannot_be_taken_is_told_by_its_number(tmp_path: Path, row: str) -> None:
    file = tmp_path / "subscribers.toml"
    file.write_text(f"[[receiver]]\n{row}\n")
    with pytest.raises(Refusal) as caught:
        Receivers(file).read()
    assert (caught.value.status, caught.value.where) == (422, f"{file}: receiver 1")


def test_a_sandbox_may_tell_this_machine_without_tls(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.toml"
    file.write_text('[[receiver]]\nclient = "a"\nurl = "http://127.0.0.1:9/"\n')
    assert Receivers(file, sandbox=True).find("a", "http://127.0.0.1:9/x")


@pytest.mark.parametrize(
    "address",
    ["64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "::127.0.0.1",
     "::10.1.2.3", "2001:0:7f00:1::"],
)  # fmt: skip
def test_an_address_that_leads_to_a_private_one_by_translation_or_a_tunnel_is_private(address: str) -> None:
    assert not Receiver("ehr", "https://ehr.example/").lets(address)


def test_an_address_that_leads_to_a_public_one_by_translation_is_public() -> None:
    one = Receiver("ehr", "https://ehr.example/")
    assert one.lets("64:ff9b::c19c:101") and one.lets("2a00:1450::1")


def test_what_is_asked_below_an_address_may_say_anything_behind_the_question_mark_and_nothing_before_it() -> None:
    one = Receiver("ehr", "https://ehr.example/fhir/")
    for rest in (
        "fhir/Flag?_lastUpdated=ge2026-11-27T13%3A00%2B01:00",
        "fhir/?a=b@c",
        "fhir?_getpages=1",
        "fhir/Flag?" + "x" * 7000,
    ):
        assert one.leads_to(f"https://ehr.example/{rest}"), rest[:60]
    for rest in (
        "fhir/%2e%2e/x",
        "fhir/../x",
        "fhirs/Flag",
        "fhir",
        "other?x",
        "fhir/Flag?a#b",
        "fhir/Flag?" + "x" * 8000,
    ):
        assert not one.leads_to(f"https://ehr.example/{rest}"), rest[:60]
    for url in (
        "https://ehr.example@evil.example/fhir/",
        "http://ehr.example/fhir/Flag",
        "https://ehr.example:444/fhir/?a",
    ):
        assert not one.leads_to(url)
