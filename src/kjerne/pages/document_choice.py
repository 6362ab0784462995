"""What the list of documents is narrowed to and how it is ordered: read from an address, put into one, and kept as a filter.

Words that a reader types go by a form and stand sealed in the addresses that follow: a person number typed by mistake is refused
before any address has it, and what is searched for lies in no browser's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.fhir.dates import OSLO
from kjerne.pages.desk import Page
from kjerne.pages.documents_house import WantedDocuments
from kjerne.registries.identifiers import holds_a_number, numbers_in
from kjerne.services.documents.sorting import SORTS
from kjerne.store.document_filters import Filter, Said

PERIODS: Final[Mapping[str, int]] = {"365": 365, "1825": 1825}
"""Days back that can be chosen; without one all."""
COLUMNS: Final = ("date", "name", "securityLabel", "category", "type", "department", "organization")
PAGE_LIMIT: Final = 10_000
TEXT_LIMIT: Final = 100
"""Characters of free text."""
NAME_LIMIT: Final = 60
"""Characters of a filter's name."""
CHOSEN_LIMIT: Final = 300
"""Characters of a kind, a place, or its words, which a source's metadata wrote."""
NEWEST: Final = "-date"
End = Literal["first", "last"]
FIRST: Final = "first"
LAST: Final = "last"
_ENDS: Final[Mapping[str, End]] = {FIRST: FIRST, LAST: LAST}
KEPT: Final = ("category", "institution", "period", "text", "sort")
"""What of an address goes on to the other pages of the list, and what a filter keeps."""
ALL: Final = "all"
"""Has every source asked (`ask`): goes on to other pages as well, and is of no filter, since it is about this patient."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Words that stand sealed in an address, for the login that typed them."""

    login: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for, and `asked`, as addresses say it; `chosen` is the document that is to stand beside the list, or which
    end of this page of it."""

    wanted: WantedDocuments
    asked: Mapping[str, str] = field(repr=False)
    chosen: UUID | End | None = None

    @property
    def period(self) -> str:
        return self.asked.get("period", "")

    @property
    def sort(self) -> str:
        return f"{'-' if self.wanted.descending else ''}{self.wanted.sort}"

    @property
    def narrows(self) -> bool:
        """Whether anything but the order is chosen."""
        return any(name in self.asked for name in KEPT if name != "sort")

    def address(self, **more: str) -> str:
        """Of the list, with something else asked for."""
        return _address({**self.asked, **more})

    def beside(self, number: UUID) -> str:
        """Of this page of the list with a document beside it, at its line."""
        place = {"page": str(self.wanted.page)} if self.wanted.page > 1 else {}
        return f"{_address({**self.asked, **place, 'document': str(number)})}#d-{number}"

    def onward(self, step: int) -> str:
        """Of the page of the list before or after this one (-1, 1), with the document beside it that comes next."""
        return self.address(page=str(self.wanted.page + step), document=FIRST if step > 0 else LAST)

    @property
    def alone(self) -> str:
        """Of this page of the list with nothing beside it."""
        return self.address(page=str(self.wanted.page) if self.wanted.page > 1 else "")

    def turned(self, column: str) -> str:
        """Of the order that a column's head asks for: the other way where it is the one already; dates begin with the newest."""
        if self.wanted.sort == column:
            return self.address(sort=column if self.wanted.descending else f"-{column}")
        return self.address(sort=NEWEST if column == "date" else column)

    def is_of(self, one: Filter) -> bool:
        """Whether a filter chooses just this."""
        said, wanted = one.said, self.wanted
        return (said.category, said.institution, said.period, said.text, said.sort or NEWEST) == (
            wanted.category, wanted.institution, self.period, wanted.text, self.sort,
        )  # fmt: skip


def asked_for(page: Page, filters: Sequence[Filter] = ()) -> Choice:
    """What the address asks for. One of the reader's own `filters` stands in it by number; what else it says goes before that.
    `Refusal` 400 for what is no order, page or text, 404 for a filter or document that is none."""
    asked = {name: value for name, value in page.request.query_params.items() if value}
    text = _typed(page, asked["text"]) if "text" in asked else ""
    if "filter" in asked:
        said = _of(filters, asked["filter"])
        asked = {name: value for name in KEPT if (value := getattr(said, name))} | asked
        text = text or said.text
    sort = asked.get("sort", NEWEST)
    if sort.removeprefix("-") not in SORTS:
        raise Refusal(400, "There is no such order.", where="sort")
    if asked.get("period", "") not in ("", *PERIODS):
        raise Refusal(400, "There is no such period.", where="period")
    wanted = WantedDocuments(
        sort.removeprefix("-"), sort.startswith("-"), asked.get("category", ""), asked.get("institution", ""),
        _since(page, asked.get("period", "")), _place(asked.get("page", "1")), text, asked.get("ask") == ALL,
    )  # fmt: skip
    kept: dict[str, str] = {name: asked[name] for name in KEPT if name in asked} | (
        {"ask": ALL} if wanted.everybody else {}
    )
    if text:
        kept["text"] = asked["text"] if "text" in page.request.query_params else sealed(page, text)
    return Choice(wanted, kept, _chosen(asked["document"]) if "document" in asked else None)


def chosen_by(page: Page, form: Mapping[str, str]) -> Choice:
    """What a form of the list asks for. `Refusal` 400 (`filter_…`) for what it cannot take."""
    text = " ".join(form.get("text", "").split())
    check(text, TEXT_LIMIT)
    asked: dict[str, str] = {
        name: form[name] for name in ("category", "institution", "period", "sort") if form.get(name)
    }
    for each in asked.values():
        check(each, CHOSEN_LIMIT)
    sort = asked.get("sort", NEWEST)
    if sort.removeprefix("-") not in SORTS:
        raise Refusal(400, "There is no such order.", where="filter_other")
    period = asked.get("period", "")
    if period and period not in PERIODS:
        raise Refusal(400, "There is no such period.", where="filter_other")
    wanted = WantedDocuments(
        sort.removeprefix("-"), sort.startswith("-"), asked.get("category", ""), asked.get("institution", ""),
        _since(page, period), text=text, everybody=form.get("ask") == ALL,
    )  # fmt: skip
    if sort == NEWEST:
        asked.pop("sort", None)
    if wanted.everybody:
        asked["ask"] = ALL
    return Choice(wanted, asked | ({"text": sealed(page, text)} if text else {}))


def to_keep(form: Mapping[str, str], choice: Choice) -> Said:
    """A choice as a filter of the name that the form says. `Refusal` 400 for a name that cannot be, or a choice of nothing."""
    called = form.get("category_name", "")
    check(called, CHOSEN_LIMIT)
    if not choice.narrows and choice.sort == NEWEST:
        raise Refusal(400, "Nothing is chosen.", where="filter_nothing")
    wanted = choice.wanted
    return Said(name_in(form), wanted.category, called, wanted.institution, choice.period, wanted.text, choice.sort)


def name_in(form: Mapping[str, str]) -> str:
    """What a filter is to be called. `Refusal` 400 where it is nothing, too long or has a person number in it."""
    name = " ".join(form.get("name", "").split())
    if not name:
        raise Refusal(400, "A filter has a name.", where="filter_nameless")
    check(name, NAME_LIMIT)
    return name


def check(text: str, limit: int) -> None:
    """`Refusal` 400 for what is too long, has signs that no text has, or has something of the form of a person number in it,
    or one that is set apart otherwise: nothing that is kept or searched for names a patient by it."""
    if len(text) > limit or not text.isprintable():
        raise Refusal(400, "The text is too long or cannot be read.", where="filter_long")
    if numbers_in(text) or holds_a_number(text):
        raise Refusal(400, "A person number is not searched for, and not kept.", where="filter_number")


def number_of(text: str) -> UUID:
    """A document's number as addresses have it. `Refusal` 404 for what is none."""
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(404, "There is no such document.", where="page") from None


def _chosen(text: str) -> UUID | End:
    return _ENDS.get(text) or number_of(text)


def sealed(page: Page, text: str) -> str:
    """A text as an address has it."""
    assert page.session is not None, "nothing is typed without a login"
    return page.desk.seal.seal("words", Typed(page.session.id, text))


def _typed(page: Page, text: str) -> str:
    found = page.desk.seal.open("words", text, Typed)
    if found is None or page.session is None or found.login != page.session.id:
        raise Refusal(400, "The words of the search belong to another login.", where="text")
    return found.text


def _of(filters: Sequence[Filter], number: str) -> Said:
    found = next((one.said for one in filters if str(one.number) == number), None)
    if found is None:
        raise Refusal(404, "There is no such filter.", where="page")
    return found


def _since(page: Page, period: str) -> str:
    days = PERIODS.get(period)
    return f"{page.now.astimezone(OSLO).date() - timedelta(days=days):%Y%m%d}" if days else ""


def _place(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= PAGE_LIMIT):
        raise Refusal(400, "There is no such page of the list.", where="page")
    return int(text)


def _address(asked: Mapping[str, str]) -> str:
    left = {name: value for name, value in asked.items() if value}
    return f"?{urlencode(left)}"
