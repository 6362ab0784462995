"""The page inside a downloaded copy: plain HTML without script, read from a disk without us.

Every text that came from somebody is escaped, and the page may load nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import escape

from kjerne.pages import formats, words
from kjerne.pages.desk import Page
from kjerne.pages.house import LogRow, OwnChoice, Resource
from kjerne.pages.my_house import Copy, Inquiries
from kjerne.services.results import points, values

TABLE_END: Final = b"</tbody></table>"
END: Final = b"</main></body></html>\n"
_COLUMNS: Final = {
    "reports": ("date", "what", "from", "conclusion"),
    "results": ("date", "what", "value", "range"),
    "files": ("name", "size"),
    "log": ("date", "who", "did", "why"),
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1c2b26;margin:0}main{max-width:60rem;margin:0 auto;padding:1rem}"
    "table{border-collapse:collapse;width:100%;margin-bottom:2rem}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #d5dbd8;"
    "overflow-wrap:anywhere}td:first-child{white-space:nowrap}@media(max-width:40rem){"
    "thead{position:absolute;left:-999rem}tr{display:block;padding:.5rem 0;border-bottom:1px solid #d5dbd8}"
    "td{display:block;border:0;padding:0}td:empty{display:none}td:first-child{font-weight:600}}"
)


def head(page: Page, copy: Copy) -> str:
    """The beginning: whose it is, when it was made, and what else lies in the file."""
    language, person = page.reads_as, copy.patient
    title = escape(page.say("download.index_title", name=person.name))
    made = page.say("download.index_made", time=formats.moment(copy.at, language))
    date = formats.day(person.birth_date, language) if person.birth_date else ""
    born = page.say("download.index_born", date=date) if date else ""
    listed = "".join(
        f"<li>{escape(page.say(f'download.holds_{one}'))}</li>" for one in ("bundle", "files", "log", "rest")
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        "<meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{escape(made)} {escape(born)}</p><p>{escape(page.say('download.index_mind'))}</p><ul>{listed}</ul>"
    )


def table(page: Page, name: str) -> str:
    """The heading of a table and its columns."""
    columns = "".join(f'<th scope="col">{escape(page.say(f"download.column_{one}"))}</th>' for one in _COLUMNS[name])
    return f"<h2>{escape(page.say(f'download.table_{name}'))}</h2><table><thead><tr>{columns}</tr></thead><tbody>"


def report(page: Page, tree: Resource) -> str:
    """A report's row; nothing of other resources."""
    if tree.get("resourceType") != "DiagnosticReport":
        return ""
    at = values.when(tree.get("effectiveDateTime") or tree.get("issued"))
    by = ", ".join(one.get("display", "") for one in tree.get("performer", ()) if one.get("display"))
    return _row(_moment(page, at), values.concept_text(tree.get("code")), by, tree.get("conclusion", ""))


def result(page: Page, tree: Resource) -> str:
    """A result's row; nothing of other resources."""
    if tree.get("resourceType") != "Observation":
        return ""
    value, language = values.value_of(tree), page.reads_as
    shown = formats.value(value, language) if value else ""
    said = f"{shown} {value.unit}".strip() if value else _absent(page, tree)
    name = values.concept_text(tree.get("code"))
    return _row(
        _moment(page, points.taken(tree)), name, said, formats.span(points.range_of(tree), language)
    )  # fmt: skip


def _absent(page: Page, tree: Resource) -> str:
    why = points.absent_of(tree)
    return page.say(f"absent.{why}") if why and words.knows(f"absent.{why}") else "–"


def file(name: str, size_bytes: int) -> str:
    """A file's row, leading to it."""
    return f'<tr><td><a href="{escape(name)}">{escape(name)}</a></td><td>{size_bytes}</td></tr>\n'


def look(page: Page, row: LogRow) -> str:
    """A line of the log."""
    what = ", ".join(
        words.many(page.language, f"seen.{kind}", count) for kind, count in row.what if words.knows(f"seen.{kind}")
    )
    did = page.say("download.was_given" if row.given else "log.mark_refused")
    who = ", ".join(one for one in (row.who, row.organisation) if one)
    why = " ".join(one for one in (row.says, f"({row.law})" if row.law else "", row.reason) if one)
    return _row(formats.moment(row.at, page.reads_as), who, f"{did} {what}".strip(), why)


def choices(page: Page, held: Iterable[OwnChoice]) -> str:
    """Her choices in force."""
    rows = [
        " ".join(
            one
            for one in (
                page.say(f"privacy.{choice.kind}_short"), choice.who, choice.organisation,
                page.say("privacy.since", date=formats.long_day(choice.made_at, page.reads_as)),
            )
            if one
        )
        for choice in held
    ]  # fmt: skip
    return _list(page, "choices", rows)


def inquiries(page: Page, sent: Inquiries) -> str:
    """What she has said is wrong, with its answers."""
    rows = [
        " – ".join(
            (
                one.inquiry.reference, page.say(f"inquiry.{one.inquiry.kind}"),
                page.say(f"inquiry.status_{one.inquiry.status}"), one.told.about, one.told.text,
                *(step.answer for step in one.steps if step.answer),
            )
        )
        for one in sent.rows
    ]  # fmt: skip
    return _list(page, "inquiries", rows)


def _list(page: Page, name: str, rows: list[str]) -> str:
    items = "".join(f"<li>{escape(row)}</li>" for row in rows) or f"<li>{escape(page.say('download.nothing'))}</li>"
    return f"<h2>{escape(page.say(f'download.table_{name}'))}</h2><ul>{items}</ul>"


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _moment(page: Page, at: values.When | None) -> str:
    return formats.moment(at, page.reads_as) if at else ""
