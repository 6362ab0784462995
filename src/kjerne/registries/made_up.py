"""People who are made up, and where they may be: a sandbox takes nobody else, production takes none of them (law, K200).

One rule for both, asked where a number is first taken: of laboratories' messages, of the header and the body of a request, of
imports, and of what is sent to a document source. A number tells it by its month. What is said of a refused one never repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.registries.identifiers import MONTH_FORTY, MONTH_NHN, MONTH_TENOR, PersonNumber
from kjerne.registries.naming import is_national
from kjerne.settings import Settings

LABEL: Final = "HTEST"
"""v3-ActReason, *test health data*: a code that no other system has, so it is known under any spelling of its own."""
_MAY_NAME: Final = re.compile(rb"\\u|(?<![0-9])[0-9] ?[0-9] ?(?:[678] ?[0-9]|9 ?[0-2]|4 ?[1-9]|5 ?[0-2])(?: ?[0-9]){7}")
"""Bytes in which such a number may stand, or in which anything may be spelled by its code point."""


@dataclass(frozen=True, slots=True)
class MadeUp:
    """What one installation holds of people who are made up: `alone` where it takes nobody else. `months` are what is added to
    the month of a number by which it knows one, and keeps her out."""

    alone: bool
    months: tuple[int, ...] = (MONTH_TENOR, MONTH_NHN)

    @classmethod
    def of(cls, settings: Settings) -> MadeUp:
        """As an installation's settings say. A month raised by 40 is an H-number, but where an operator has said that here it is
        somebody made up."""
        return cls.told(alone=settings.mode == "sandbox", month_40=settings.month_40)

    @classmethod
    def told(cls, *, alone: bool, month_40: str) -> MadeUp:
        """By the words of a setting."""
        return cls(alone, (MONTH_TENOR, MONTH_NHN, *((MONTH_FORTY,) if month_40 == "synthetic" else ())))

    def hold(self, number: PersonNumber, where: str = "") -> None:
        """`Refusal` 422 where nobody with this number is taken here."""
        if self.alone and not number.synthetic:
            raise Refusal(
                422, "the number is not a synthetic one, and a sandbox takes no others", where=where, code="value",
                todo="Use a number with the month plus 80.",
            )  # fmt: skip
        self.keep_out(number, where)

    def keep_out(self, number: PersonNumber, where: str = "") -> None:
        """`Refusal` 422 in production for the number of somebody who is made up. A sandbox is asked about anybody: it knows no
        others than those it took."""
        if not self.alone and number.raised_by in self.months:
            raise Refusal(
                422, "the number is that of a synthetic person, and production takes none", where=where, code="value",
                todo="Send test people to a sandbox.",
            )  # fmt: skip

    def check(self, raw: bytes, tree: Mapping[str, Any]) -> None:
        """`Refusal` 422 in production where a resource (`raw`, parsed as `tree`) bears the label of test data, itself or in what
        is contained, or where a national number in it is that of somebody who is made up."""
        if self.alone:
            return
        self.check_labels(tree, str(tree["resourceType"]))
        if _MAY_NAME.search(raw):
            for where, value in _numbers(str(tree["resourceType"]), tree):
                if identifiers.is_number(value):
                    self.keep_out(identifiers.parse(value), where)

    def check_labels(self, tree: Mapping[str, Any], name: str) -> None:
        """As `check`, of the label alone, in what stands at `name` and need be no valid resource."""
        contained = tree.get("contained")
        inside = enumerate(contained) if isinstance(contained, list) else ()
        for where, one in ((name, tree), *((f"{name}.contained[{place}]", one) for place, one in inside)):
            for place in ("security", "tag"):
                if any(str(mark.get("code")).strip().upper() == LABEL for mark in _marks(one, place)):
                    self.refuse_label(f"{where}.meta.{place}")

    def refuse_label(self, where: str) -> None:
        """`Refusal` 422 in production for the label of test data, which stands there."""
        if not self.alone:
            says, todo = (
                f"it is marked as test data ({LABEL}), and production takes none",
                "Send test data to a sandbox.",
            )
            raise Refusal(422, says, where=where, code="business-rule", todo=todo)


SANDBOX: Final = MadeUp(alone=True)
"""What a sandbox holds of it."""


def _marks(tree: Any, place: str) -> list[dict[str, Any]]:
    """What stands in a place of `meta`, in whatever a body may be."""
    meta = tree.get("meta") if isinstance(tree, dict) else None
    marks = meta.get(place) if isinstance(meta, dict) else None
    return [one for one in marks if isinstance(one, dict)] if isinstance(marks, list) else []


def _numbers(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """(element path, value) of every identifier, at any depth, that may be a national number."""
    if isinstance(value, list):
        for place, one in enumerate(value):
            yield from _numbers(f"{where}[{place}]", one)
    elif isinstance(value, dict):
        number = value.get("value")
        if isinstance(number, str) and is_national(value.get("system", "")):
            yield f"{where}.value", number
        for name, one in value.items():
            if isinstance(one, dict | list):
                yield from _numbers(f"{where}.{name}", one)
