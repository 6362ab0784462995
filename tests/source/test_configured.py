"""What an operator says of a source: a first file that lets nobody in, and sentences about one that cannot be used."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from assertions import CERTIFICATE, ISSUER, METADATA, PORTALS_CERTIFICATE, PORTALS_ISSUER, metadata
from kjerne.errors import Refusal
from kjerne.registries.made_up import MadeUp
from kjerne.source.configured import NAME, configured
from kjerne.xds.values import Code

WHO = 'home = "urn:oid:1.2"\nrepository = "1.2.3"\n'


def test_the_first_start_writes_a_file_with_an_identity_of_its_own_and_nobody_believed(tmp_path: Path) -> None:
    made = configured(tmp_path / "new")
    assert configured(tmp_path / "new") == made
    assert made.home.startswith("urn:oid:2.25.")
    assert (made.issuers, made.audiences, made.submitter("")) == ({}, (), "")


def test_issuers_and_submitters_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "saml.xml").write_bytes(METADATA)
    digest = sha256(b"key").hexdigest()
    (tmp_path / "portal.xml").write_bytes(metadata((PORTALS_ISSUER, PORTALS_CERTIFICATE)))
    files = 'saml_metadata = "saml.xml"\ncitizens_saml_metadata = "portal.xml"\n'
    said = f'{WHO}{files}audiences = ["a"]\n[submitters]\njournal = "{digest}"\n'
    (tmp_path / NAME).write_text(said)
    read = configured(tmp_path)
    assert ISSUER in read.issuers
    assert (*read.citizens,) == (PORTALS_ISSUER,)
    assert read.believed.keys() == {ISSUER, PORTALS_ISSUER}
    assert (read.audiences, read.submitter("key"), read.submitter("other")) == (("a",), "journal", "")


def test_an_issuer_of_both_files_signs_with_the_same_certificates_for_both(tmp_path: Path) -> None:
    (tmp_path / "saml.xml").write_bytes(metadata((ISSUER, CERTIFICATE)))
    (tmp_path / "portal.xml").write_bytes(metadata((ISSUER, PORTALS_CERTIFICATE)))
    (tmp_path / NAME).write_text(f'{WHO}saml_metadata = "saml.xml"\ncitizens_saml_metadata = "portal.xml"')
    with pytest.raises(Refusal, match="certificates"):
        configured(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "home =",
        WHO + "house = 1",
        'home = "1.2"\nrepository = "1.2"',
        'home = "urn:oid:1.2"',
        WHO + 'audiences = "a"',
        WHO + '[submitters]\na = "key"',
        WHO + "submitters = 1",
        WHO + "test_people = 1",
        WHO + 'month_40 = "nobody"',
        WHO + 'saml_metadata = "missing.xml"',
        WHO + f'saml_metadata = "{NAME}"',
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(Refusal) as caught:
        configured(tmp_path)
    assert (caught.value.status, caught.value.where) == (422, NAME)


def test_what_minimal_metadata_may_leave_out_is_said_by_code_and_system(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(f'{WHO}[minimal]\nfacility_type = "86.101^^2.16.578.1.12.4.1.1.1303"\n')
    read = configured(tmp_path).minimal
    assert read.facility_type == Code("86.101", "2.16.578.1.12.4.1.1.1303")
    assert read.practice_setting is None
    for wrong in ('facility_type = "86.101"', 'practice_setting = "A04^^x"', 'class_code = "A^^1.2"'):
        (tmp_path / NAME).write_text(f"{WHO}[minimal]\n{wrong}\n")
        with pytest.raises(Refusal, match="minimal"):
            configured(tmp_path)


def test_a_source_is_one_of_tests_only_where_its_file_says_so(tmp_path: Path) -> None:
    assert configured(tmp_path / "new").made_up == MadeUp(alone=False)
    for said, made_up in (
        ("test_people = true", MadeUp(alone=True)),
        ('month_40 = "synthetic"', MadeUp(alone=False, months=(80, 65, 40))),
    ):
        (tmp_path / NAME).write_text(f"{WHO}{said}\n")
        assert configured(tmp_path).made_up == made_up
