"""The file of signed checkpoints: lines edited, taken away, put in or brought back show; a crash's half line does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kjerne.store.checkpoints import Checkpoints, made_key, read_keys
from kjerne.store.findings import Findings
from kjerne.store.trail import Trail

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
Lines = list[bytes]


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Six lines."""
    made = Checkpoints(tmp_path / "checkpoints.jsonl", made_key(tmp_path / "key.pem"))
    for seal in range(1, 7):
        assert made.add(0, seal, seal * 10, bytes([seal]) * 32, AT)
    return made


def read(checkpoints: Checkpoints) -> tuple[list[int], list[str], list[int]]:
    """The seals of the lines that hold, what is found, and the lines a crash cut short."""
    findings = Findings()
    trail = Trail(checkpoints, checkpoints.size(), findings)
    seals = [one.seal for one in trail.checkpoints()]
    found = [
        " ".join([one.kind, *(f"{name} {span}" for name, span in (("seals", one.seals), ("lines", one.lines)) if span)])
        for one in findings.all()
    ]
    return seals, found, trail.cut_short


def changed(checkpoints: Checkpoints, change: Callable[[Lines], Lines]) -> tuple[list[int], list[str], list[int]]:
    lines = checkpoints.path.read_bytes().splitlines(keepends=True)
    checkpoints.path.write_bytes(b"".join(change(lines)))
    return read(checkpoints)


def test_a_file_nobody_touched_holds(checkpoints: Checkpoints) -> None:
    assert read(checkpoints) == ([1, 2, 3, 4, 5, 6], [], [])


def test_an_edited_line_is_named(checkpoints: Checkpoints) -> None:
    def edit(lines: Lines) -> Lines:
        lines[2] = lines[2].replace(b'"rows":30', b'"rows":31')
        return lines

    assert changed(checkpoints, edit) == ([1, 2, 4, 5, 6], ["checkpoint-edited lines (3, 3)"], [])


def test_an_edited_last_line_is_named(checkpoints: Checkpoints) -> None:
    def edit(lines: Lines) -> Lines:
        return [*lines[:-1], lines[-1].replace(b'"rows":60', b'"rows":61')]

    assert changed(checkpoints, edit) == ([1, 2, 3, 4, 5], ["checkpoint-edited lines (6, 6)"], [])


def test_lines_linked_anew_after_an_edit_are_named_each(checkpoints: Checkpoints) -> None:
    """Who has no key can mend the digests, and not the signatures."""

    def edit(lines: Lines) -> Lines:
        lines[2] = lines[2].replace(b'"rows":30', b'"rows":31')
        for place in range(3, 6):
            before = read_lines(lines)[place - 1].digest.encode()
            old = read_lines(lines)[place].said
            assert old is not None
            lines[place] = lines[place].replace(old.before.encode(), before)
        return lines

    def read_lines(lines: Lines) -> list:  # type: ignore[type-arg]
        checkpoints.path.write_bytes(b"".join(lines))
        return list(checkpoints.lines())

    assert changed(checkpoints, edit) == ([1, 2], ["checkpoint-edited lines (3, 6)"], [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: lines[:2] + lines[3:], ["checkpoint-missing seals (3, 3) lines (3, 3)"]),
        (lambda lines: lines[2:], ["checkpoint-missing seals (1, 2) lines (1, 1)"]),
        (lambda lines: [*lines[:4], lines[1], *lines[4:]], ["older-state seals (2, 4) lines (5, 5)"]),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], ["checkpoint-missing seals (3, 3) lines (3, 3)"]),
        (lambda lines: [*lines[:2], b"{}\n", *lines[3:]], ["checkpoint-edited lines (3, 3)"]),
        (lambda lines: [*lines[:-1], b"{}\n"], ["checkpoint-edited lines (6, 6)"]),
        (lambda lines: [*lines, b"{}\n"], ["checkpoint-edited lines (7, 7)"]),
    ],
)  # fmt: skip
def test_lines_taken_away_put_in_or_exchanged_are_seen(
    checkpoints: Checkpoints, change: Callable[[Lines], Lines], found: list[str]
) -> None:
    _, told, _ = changed(checkpoints, change)
    assert set(found) <= set(told)


def test_a_line_that_a_crash_left_unfinished_is_no_fault(checkpoints: Checkpoints) -> None:
    seals, found, cut_short = changed(checkpoints, lambda lines: [*lines[:-1], lines[-1][:50]])
    assert (seals, found, cut_short) == ([1, 2, 3, 4, 5], [], [6])
    assert checkpoints.add(0, 6, 60, b"\x06" * 32, AT)
    assert read(checkpoints) == ([1, 2, 3, 4, 5, 6], [], [6])


def test_no_changed_character_of_a_line_passes(checkpoints: Checkpoints) -> None:
    whole = checkpoints.path.read_bytes()
    chance = random.Random(20261126)
    for _ in range(300):
        place = chance.randrange(len(whole) - 1)
        other = bytes([whole[place] ^ (1 << chance.randrange(7))])
        if b"\n" in (whole[place : place + 1], other):
            continue
        checkpoints.path.write_bytes(whole[:place] + other + whole[place + 1 :])
        assert read(checkpoints)[1], (place, other)


def test_an_older_file_that_is_written_on_shows_its_gap(checkpoints: Checkpoints) -> None:
    changed(checkpoints, lambda lines: lines[:3])
    assert not checkpoints.add(0, 7, 70, b"\x07" * 32, AT)
    assert read(checkpoints) == ([1, 2, 3, 7], ["checkpoint-missing seals (4, 6) lines (4, 4)"], [])


def test_lines_of_a_former_key_hold_by_its_public_half_and_by_the_new_keys_first_line(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    made_key(tmp_path / "new.pem")
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "new.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    renewed = Checkpoints(checkpoints.path, read_keys(both))
    assert renewed.add(0, 7, 70, b"\x07" * 32, AT)
    assert read(renewed) == ([1, 2, 3, 4, 5, 6, 7], [], [])
    new_alone = Checkpoints(checkpoints.path, read_keys(tmp_path / "new.pem"))
    assert read(new_alone) == ([1, 2, 3, 4, 5, 6, 7], [], [])
    assert changed(new_alone, lambda lines: lines[:-1])[0] == []
