"""A file that an operator keeps: read again when it changes, and nothing at all where one entry cannot be taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.registries.kept import KeptFile


def named(table: Mapping[str, Any], where: str) -> str:
    if set(table) != {"name"}:
        raise Refusal(422, "an entry has a name", where=where)
    return str(table["name"])


def apart(found: Sequence[str], where: str) -> None:
    if len(set(found)) < len(found):
        raise Refusal(422, "two have one name", where=where)


@pytest.fixture
def file(tmp_path: Path) -> KeptFile[str]:
    return KeptFile(tmp_path / "kept.toml", "one", named, apart)


def test_the_file_is_read_again_when_it_changes_and_only_then(file: KeptFile[str]) -> None:
    file.path.write_text('[[one]]\nname = "a"\n[[one]]\nname = "b"\n')
    assert file.all() == ("a", "b")
    assert file.all() is file.all()
    file.path.write_text('[[one]]\nname = "abc"\n')
    assert file.all() == ("abc",)
    file.path.unlink()
    assert file.all() == ()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("not toml [", ""), ("one = 3", ""), ('[one]\nname = "a"', ""), ('one = ["a"]', ""),
        ('[[one]]\nname = "a"\n[[one]]\nother = "b"', ": one 2"), ('[[one]]\nname = "a"\n[[one]]\nname = "a"', ""),
    ],
)  # fmt: skip
def test_of_a_file_that_cannot_be_taken_whole_there_is_no_entry(file: KeptFile[str], text: str, where: str) -> None:
    file.path.write_text('[[one]]\nname = "before"\n')
    assert file.all() == ("before",)
    file.path.write_text(text)
    assert file.all() == ()
    with pytest.raises(Refusal) as caught:
        file.read()
    assert (caught.value.status, caught.value.where) == (422, f"{file.path}{where}")


def test_a_file_that_is_not_there_is_told_and_has_no_entry(file: KeptFile[str]) -> None:
    assert file.all() == ()
    with pytest.raises(Refusal, match="cannot be read"):
        file.read()


def test_what_is_no_utf_8_is_told(file: KeptFile[str]) -> None:
    file.path.write_bytes(b'[[one]]\nname = "\xff"\n')
    with pytest.raises(Refusal, match="UnicodeDecodeError"):
        file.read()
