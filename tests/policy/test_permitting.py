"""A parent's consent to youth access: until when it holds, and that no other grant gives it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.policy.permitting import Permitting, ends_at
from kjerne.policy.rules import decide

from .cast import NOW, citizen, patient


@pytest.mark.parametrize(
    ("born", "ends"),
    [
        (date(2012, 11, 24), datetime(2028, 11, 23, 23, tzinfo=UTC)),
        (date(2013, 7, 1), datetime(2029, 6, 30, 22, tzinfo=UTC)),
        (date(2012, 2, 29), datetime(2028, 2, 28, 23, tzinfo=UTC)),
    ],
    ids=["winter", "summer", "29 February in a leap year"],
)
def test_it_ends_at_norwegian_midnight_when_she_turns_16(born: date, ends: datetime) -> None:
    assert ends_at(born) == ends


async def test_a_grant_to_choose_is_none_to_consent() -> None:
    grant = decide(citizen(), patient(caller_key=1), "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    permitting = Permitting(cast("Any", SimpleNamespace()))
    for act in (permitting.held, permitting.give, permitting.withdraw):
        with pytest.raises(Refusal) as refusal:
            await act(grant)
        assert (refusal.value.status, refusal.value.rule) == (403, "permit-only")
