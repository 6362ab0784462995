"""Names by patterns: what SQL's LIKE finds, and never slowly."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents_at_hand import HOME, entry, submission
from kjerne.source.finding import Seen, answered, is_like
from kjerne.xds import names
from kjerne.xds.errors import Rejected
from kjerne.xds.queries import NEEDS, Query
from sources import documents_of

SIGNS = st.text("aAb%_^.*\\\n", max_size=8)


def as_expression(pattern: str) -> re.Pattern[str]:
    """The same as one expression, which may go back without end."""
    return re.compile(
        "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern), re.IGNORECASE | re.DOTALL
    )


@given(pattern=SIGNS, text=SIGNS)
@settings(max_examples=400, deadline=None)
def test_a_pattern_finds_what_it_means(pattern: str, text: str) -> None:
    assert is_like(pattern, text) == (as_expression(pattern).fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("%vits%", True), ("VITS", False), ("%^VITS^GR_NN%", True), ("%^vits^gr__nn%", False), ("%", True)],
)
def test_an_author_is_found_by_part_of_the_name(pattern: str, found: bool) -> None:
    assert is_like(pattern, "9144897^VITS^GRØNN^^^^^^&2.16.578.1.12.4.1.4.4&ISO") == found


def test_a_pattern_that_goes_back_without_end_as_an_expression_ends() -> None:
    assert not is_like("%_" * 200 + "#", "a" * 2_000)


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_a_question_is_read_once_however_much_there_is(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A question of thousands of names, read anew for each of thousands of objects, holds all others up for minutes."""
    sent = submission(*(entry(place, unique_id=f"1.2.3.{place}") for place in range(9)))
    seen = Seen(sent.entries, (sent.sent,), sent.associations)
    said = tuple((name, (entry(3).id, names.APPROVED)) for groups in NEEDS[kind] for name in groups[:1])
    counts: dict[str, int] = {}

    def counted(name: str, read: Any) -> Any:
        def count(one: Query) -> Any:
            counts[name] = counts.get(name, 0) + 1
            return read(one)

        return count

    for name in ("identifiers", "document_statuses", "set_statuses", "association_types"):
        monkeypatch.setattr(Query, name, property(counted(name, getattr(Query, name).fget)))
    for name in ("codes", "times", "authors"):
        monkeypatch.setattr(Query, name, counted(name, getattr(Query, name)))
    answered(Query(kind, home=HOME, said=said), seen, HOME)
    assert set(counts.values()) <= {1}
    assert counts or "Folder" in said[0][0]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("$XDSDocumentEntryClassCode", "A00-1"), ("$XDSDocumentEntryCreationTimeFrom", "soon")],
)
def test_a_filter_that_cannot_be_read_is_refused_also_where_there_is_nothing(parameter: str, value: str) -> None:
    with pytest.raises(Rejected):
        answered(documents_of(**{parameter: (value,)}), Seen((), (), ()), HOME)
