"""`kjerne ig check`: files one by one, what was done kept, and reports added up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from kjerne.commands import rechecking
from kjerne.errors import Refusal

KIND = {"severity": "error", "profile": "", "rule": "obs-6", "expression": "Observation", "count": 1}
REPORTS = {
    "Observation-0": {"file": "Observation-0", "records": 3, "wrong": 1, "kinds": [KIND | {"ids": ["a"]}]},
    "Observation-1": {"file": "Observation-1", "records": 2, "wrong": 1, "kinds": [KIND | {"ids": ["b"]}]},
    "Specimen-0": {"file": "Specimen-0", "records": 1, "wrong": 0, "kinds": []},
}


@dataclass
class Platform:
    """Stands in for the platform; `broken` files answer so."""

    broken: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, *, as_: str) -> httpx.Response:
        assert (method, as_) == ("GET", "operator")
        if path == "/exports/7":
            return httpx.Response(200, json={"output": [{"url": f"http://x/exports/7/files/{one}"} for one in REPORTS]})
        if path == "/exports/9":
            return httpx.Response(202)
        file = path.removeprefix("/exports/7/files/").removesuffix("/validation")
        self.asked.append(file)
        if file in self.broken:
            return httpx.Response(self.broken[file], json={"error": "not now"})
        return httpx.Response(200, json=REPORTS[file])


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()

    @contextlib.contextmanager
    def connected() -> Iterator[Platform]:
        yield made

    monkeypatch.setattr(rechecking, "connected", connected)
    return made


def check(state: Path | None = None, number: int = 7) -> dict[str, Any]:
    return rechecking.checked(number, "operator", state, lambda _place, _of: None)


def test_reports_are_added_up_by_type_and_kind(platform: Platform) -> None:
    found = check()
    assert (found["files"], found["records"], found["wrong"]) == (3, 6, 2)
    assert found["kinds"] == [{"type": "Observation"} | KIND | {"count": 2, "ids": ["a", "b"]}]
    assert "2 of 6 records" in rechecking.told(found)


def test_a_run_that_was_broken_off_goes_on_where_it_stood(platform: Platform, tmp_path: Path) -> None:
    state = tmp_path / "state"
    platform.broken = {"Observation-1": 503}
    with pytest.raises(Refusal, match="not now") as refused:
        check(state)
    assert refused.value.status == 503
    with state.open("a") as lines:
        lines.write('\n{"export": 7, "rep')  # cut short by a crash
    platform.broken, platform.asked = {}, []
    found = check(state)
    assert platform.asked == ["Observation-1", "Specimen-0"]
    assert (found["records"], found["wrong"]) == (6, 2)
    assert check(state) == found
    assert platform.asked == ["Observation-1", "Specimen-0"]


def test_another_exports_state_is_refused_and_so_is_what_waits(platform: Platform, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text(json.dumps({"export": 8, "report": REPORTS["Specimen-0"]}))
    with pytest.raises(Refusal) as refused:
        check(state)
    assert refused.value.status == 409
    with pytest.raises(Refusal, match="approvals are missing"):
        check(number=9)
    with pytest.raises(Refusal):
        check(tmp_path)


def test_records_about_no_patient_are_asked_for_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Pages:
        def call(self, method: str, path: str, *, as_: str) -> httpx.Response:
            assert (method, as_) == ("GET", "operator")
            asked.append(path)
            if path.startswith("/checks/Patient"):
                return httpx.Response(404, json={"error": "no such"})
            more = {"next": "a b"} if path == "/checks/Organization" else {}
            kinds = [KIND | {"ids": ["x" if more else "y"]}]
            return httpx.Response(200, json={"file": "Organization-", "records": 2, "wrong": 1, "kinds": kinds} | more)

    @contextlib.contextmanager
    def connected() -> Iterator[Pages]:
        yield Pages()

    monkeypatch.setattr(rechecking, "connected", connected)
    found = rechecking.checked_by_type(["Organization"], "operator")
    assert asked == ["/checks/Organization", "/checks/Organization?after=a%20b"]
    assert (found["records"], found["wrong"], found["kinds"][0]["ids"]) == (4, 2, ["x", "y"])
    with pytest.raises(Refusal) as refused:
        rechecking.checked_by_type(["Patient"], "operator")
    assert (refused.value.status, refused.value.where) == (404, "Patient")
