"""What may stand in a citizen's words, and what is refused by its field."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.services.inquiries import desk
from kjerne.services.inquiries.desk import Written

GOOD = Written("no-care", "Jeg var ikke der den dagen.")


def test_a_text_keeps_its_lines_and_loses_what_is_around_them() -> None:
    found = desk.checked(
        "misuse", Written("other", "  Første linje\r\nandre linje.\r\n", "email", " kari@example.test ")
    )
    assert found == Written("other", "Første linje\nandre linje.", "email", "kari@example.test")


def test_an_address_is_not_kept_where_none_is_needed() -> None:
    assert desk.checked("misuse", Written("no-care", GOOD.text, "here", "98765432")).contact == ""


@pytest.mark.parametrize(
    ("form", "where"),
    [
        (Written("curiosity", GOOD.text), "why"),
        (Written("wrong-value", GOOD.text), "why"),
        (Written("no-care", "kort"), "text"),
        (Written("no-care", " " * 40), "text"),
        (Written("no-care", "x" * 2001), "text"),
        (Written("no-care", "Snudd \u202e tekst her"), "text"),
        (Written("no-care", GOOD.text, "letter"), "reach"),
        (Written("no-care", GOOD.text, "phone", ""), "contact"),
        (Written("no-care", GOOD.text, "email", "98765432"), "contact"),
        (Written("no-care", GOOD.text, "phone", "98765432\nBcc: other"), "contact"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_its_field(form: Written, where: str) -> None:
    with pytest.raises(Refusal) as refusal:
        desk.checked("misuse", form)
    assert refusal.value.where == where
    assert form.text not in str(refusal.value)
