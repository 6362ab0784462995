"""A Bundle takes no more of what all share than it may, and lets others have their turn between and beside its entries."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from uuid import uuid4

import pytest

from bundles import bundle, entry, send, statuses, told
from kjerne.services import standards_batch, standards_patch
from kjerne.store import changing
from platform_fixture import Standing
from services.test_standards import create, observation, read
from services.test_standards_patch import patch

WHO = "parent"


def test_the_entries_of_a_bundle_are_held_to_one_sum_of_steps(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = str(uuid4())
    monkeypatch.setattr(standards_batch, "STEPS_OF_ALL", 1)
    parts = [{"code": {"coding": [{"system": "http://l", "code": str(one)}]}} for one in range(9)]
    costs = observation(identifier=[{"system": "http://l", "value": number}], component=parts)
    made = [entry("POST", "Observation", costs)] * 3
    answer = send(platform, bundle("batch", *made), about=WHO)
    assert statuses(answer) == [201, 422, 422]
    assert (told(answer, 1)["code"], told(answer, 1)["expression"]) == ("too-costly", ["Bundle.entry[1]"])
    whole = send(platform, bundle("transaction", *made), about=WHO)
    assert (whole.status, whole.issue["code"]) == (422, "too-costly")
    assert whole.issue["expression"] == ["Bundle.entry[1]"]
    assert len(read(platform, f"Observation?identifier={number}", about=WHO).ids()) == 1


def test_what_may_take_long_is_checked_beside_what_others_do(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    check = changing.check_valid

    def checked(*given: Any) -> Any:
        at_work.append(threading.get_ident())
        return check(*given)

    monkeypatch.setattr(changing, "check_valid", checked)
    long = observation(note=[{"text": "x" * standards_batch.LARGE_BYTES}])
    profiled = observation(meta={"profile": ["http://profiles.example/none"]})
    made = [entry("POST", "Observation", one) for one in (observation(), long, profiled)]
    assert send(platform, bundle("batch", *made), about=WHO).status == 200

    async def here() -> int:
        return threading.get_ident()

    loop = platform.run(here())
    assert [one == loop for one in at_work] == [True, False, False]


def test_a_patch_is_made_and_checked_beside_what_others_do(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[int] = []
    check = standards_patch.check_valid

    def checked(*given: Any) -> Any:
        at_work.append(threading.get_ident())
        return check(*given)

    monkeypatch.setattr(standards_patch, "check_valid", checked)
    made = create(platform, json.dumps(observation()).encode(), about=WHO)
    assert (
        patch(platform, str(made.tree["id"]), [{"op": "add", "path": "/note", "value": [{"text": "x"}]}]).status == 200
    )

    async def here() -> int:
        return threading.get_ident()

    assert at_work != [platform.run(here())]


def test_a_bundle_of_many_tiny_values_is_not_read(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    read_too: list[int] = []
    entries_of = standards_batch.entries_of

    def reading(*given: Any) -> Any:
        read_too.append(threading.get_ident())
        return entries_of(*given)

    monkeypatch.setattr(standards_batch, "entries_of", reading)
    tiny = b'{"a":[]},' * (standards_batch.VALUES_LIMIT // 3)
    body = b'{"resourceType":"Bundle","type":"batch","entry":[' + tiny + b'{"a":[]}]}'
    answer = send(platform, body, about=WHO)
    assert (answer.status, answer.issue["code"], read_too) == (413, "too-long", [])

    async def here() -> int:
        return threading.get_ident()

    long = observation(note=[{"text": "x" * standards_batch.LARGE_BYTES}])
    send(platform, bundle("batch", entry("POST", "Observation", long)), about=WHO)
    send(platform, bundle("batch", entry("POST", "Observation", observation())), about=WHO)
    assert [one == platform.run(here()) for one in read_too] == [False, True]


def test_others_have_their_turn_after_each_entry(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float, *more: Any) -> Any:
        given.append(seconds)
        return await sleep(seconds, *more)

    monkeypatch.setattr(standards_batch.asyncio, "sleep", counted)
    send(platform, bundle("batch", *[entry("GET", f"Observation/{uuid4()}")] * 7), about=WHO)
    assert given.count(0) >= 7
