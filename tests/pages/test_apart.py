"""What takes long is done in a process of its own, by the same function and with the same answer as in a thread."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.pages import apart


def doubled(raw: bytes, more: int) -> tuple[int, int]:
    return len(raw) * more, os.getpid()


def refusing(raw: bytes) -> None:
    raise Refusal(422, f"{len(raw)} bytes", where="document_people")


def breaking(raw: bytes) -> None:
    raise RuntimeError(raw)


def sleeping(raw: bytes) -> None:
    time.sleep(30)


def writing(raw: bytes) -> None:
    with Path("written-apart").open("wb") as file:
        file.write(raw)


def asking(raw: bytes) -> list[str]:
    return sorted(one for one in os.environ if one not in ("PYTHONPATH", "PYTHONUTF8", "LC_CTYPE"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apart, "LARGE_BYTES", 10)
    monkeypatch.chdir(tmp_path)


async def test_a_large_body_is_worked_on_in_another_process_and_a_small_one_here() -> None:
    assert await apart.work(doubled, b"x" * 9, 2) == (18, os.getpid())
    made, process = await apart.work(doubled, b"x" * 10, 2)
    assert made == 20 and process != os.getpid()


@pytest.mark.parametrize("size", [9, 10])
async def test_a_refusal_is_the_same_either_way(size: int) -> None:
    with pytest.raises(Refusal) as refused:
        await apart.work(refusing, b"x" * size)
    found = refused.value
    assert (found.status, found.says, found.where) == (422, f"{size} bytes", "document_people")


async def test_it_has_no_settings_and_writes_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KJERNE_SECRET", "x")
    assert await apart.work(asking, b"x" * 10) == []
    with pytest.raises(Refusal) as refused:
        await apart.work(writing, b"x" * 10)
    assert refused.value.status == 503 and not any(one.stat().st_size for one in Path().iterdir())


async def test_what_breaks_or_does_not_end_is_refused_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal) as broken:
        await apart.work(breaking, b"x" * 10)
    monkeypatch.setattr(apart, "SECONDS", 0.2)
    with pytest.raises(Refusal) as late:
        await apart.work(sleeping, b"x" * 10)
    assert [(one.value.status, one.value.where) for one in (broken, late)] == [(503, "document_late")] * 2
