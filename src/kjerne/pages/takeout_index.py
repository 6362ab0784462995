"""The page inside a downloaded copy: plain HTML without script, read from a disk without us.

Every text that came from somebody is escaped, and the page may load nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from markupsafe import Markup, escape

from kjerne.pages import formats, words
from kjerne.pages.desk import Page
from kjerne.pages.house import LogRow, OwnChoice, Resource
from kjerne.pages.my_house import Copy, Inquiries
from kjerne.services.results import answers, judging, points, values
from kjerne.services.results.points import Part, Point
from kjerne.services.results.values import Value

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
    (read,) = answers.answers([tree], [])
    by = ", ".join(one.get("display", "") for one in tree.get("performer", ()) if one.get("display"))
    said = escape(" – ".join(one for one in (*read.conclusion.splitlines(), *read.comments) if one))
    if read.mark == "withdrawn":
        said = _struck(said)
    former = [_before(page, escape(read.former))] if read.former else []
    told = Markup(" ").join(one for one in (said, *former, escape(_mark(page, read.mark))) if one)
    return _row(_moment(page, read.when or read.issued), read.title, by, told)


def result(page: Page, tree: Resource) -> str:
    """A result's row; nothing of other resources."""
    if tree.get("resourceType") != "Observation":
        return ""
    point, whose = points.point_of(tree), points.another_person(tree)
    name = values.concept_text(tree.get("code"))
    name = f"{name} ({page.say(f'whose.{whose}')})" if words.knows(f"whose.{whose}") else name
    told = _told(page, point) if point else escape(_mark(page, points.mark_of(tree)) or "–")
    return _row(_moment(page, points.taken(tree)), name, told, formats.span(judging.range_of(tree), page.reads_as))


def _told(page: Page, point: Point) -> Markup:
    """What one result says, as her pages say it: values, those that were taken back, why there are none, and its mark."""
    now = _said(page, point.value, point.parts) or (page.say(f"absent.{point.absent}") if point.absent else "")
    old = " ".join(one for one in (point.was, _said(page, point.old, point.old_parts)) if one)
    if point.mark == "withdrawn" or (point.mark == "not-repeated" and old and not now):
        parts = [_struck(escape(old))] if old else []
    else:
        flag = page.say(f"value.{point.flag.name}") if point.flag and not point.flag.ours else ""
        flags = ", ".join(one for one in (flag, point.words) if one)
        parts = [
            escape(f"{now or '–'} ({flags})" if flags else now or "–"),
            *([_before(page, escape(old))] if old and point.mark == "corrected" else []),
        ]
        parts += [_before(page, formats.aside(one, page.reads_as)) for one in point.asides]
    told = (point.mark, "unsettled" if point.unsettled else "", "added" if point.added else "")
    marks = [_mark(page, one) for one in told]
    return Markup(" ").join((*parts, *(escape(one) for one in (*marks, *point.notes) if one)))


def _said(page: Page, value: Value | None, parts: Iterable[Part]) -> str:
    further = (
        f"{part.name} {page.say(f'absent.{part.absent}') if part.absent else _with_unit(page, part.value)}"
        for part in parts
    )
    return "; ".join(one for one in (_with_unit(page, value) if value else "", *further) if one)


def _with_unit(page: Page, value: Value) -> str:
    return f"{formats.value(value, page.reads_as)} {value.unit}".strip()


def _mark(page: Page, mark: str) -> str:
    return f"({page.say(f'mark.{mark}')})" if mark else ""


def _struck(text: str) -> Markup:
    return Markup("<del>{}</del>").format(text) if text else Markup("")


def _before(page: Page, text: str) -> Markup:
    return Markup("{} <del>{}</del>").format(page.say("mark.before"), text)


def file(name: str, size_bytes: int) -> str:
    """A file's row, leading to it."""
    return f'<tr><td><a href="{escape(name)}">{escape(name)}</a></td><td>{size_bytes}</td></tr>\n'


def look(page: Page, row: LogRow) -> str:
    """A line of the log."""
    what = ", ".join(
        words.many(page.language, f"seen.{kind}", count) for kind, count in row.what if words.knows(f"seen.{kind}")
    )
    did = page.say("download.was_given" if row.given else "log.mark_refused")
    if row.unnamed in ("kept", "deleted", "anothers"):
        did = page.say(f"download.was_given_{row.unnamed}")
    who = ", ".join(one for one in (row.who, row.organisation) if one)
    why = " ".join(one for one in (row.says, f"({row.law})" if row.law else "", row.reason) if one)
    return _row(formats.moment(row.at, page.reads_as), who, f"{did} {what}".strip(), why)


def title(page: Page, tree: Resource) -> str:
    """What a report is called where something else speaks of it."""
    (read,) = answers.answers([tree], [])
    return ", ".join(one for one in (read.title, _moment(page, read.when or read.issued)) if one)


def choices(page: Page, held: Iterable[OwnChoice], titles: Mapping[str, str]) -> str:
    """Her choices in force, as her page says them; `titles` are of the reports that she has restricted by themselves."""
    return _list(page, "choices", [_choice(page, one, titles) for one in held])


def _choice(page: Page, one: OwnChoice, titles: Mapping[str, str]) -> str:
    about = _about(page, one, titles)
    ends = "deleted" if one.kind == "opt-out" else "until"
    told = (
        f"{page.say(f'privacy.{one.kind}_short')}{': ' if about else ''}{about}",
        page.say("privacy.since", date=formats.long_day(one.made_at, page.reads_as)),
        page.say(f"privacy.{ends}", date=_last_day(page, one)) if one.ends_at else "",
        "" if one.by == "self" else page.say(f"privacy.by_{one.by}"),
    )
    return " · ".join(part for part in told if part)


def _last_day(page: Page, one: OwnChoice) -> str:
    at = one.ends_at if one.kind == "opt-out" else one.last_moment
    return formats.long_day(at, page.reads_as) if at else ""


def _about(page: Page, one: OwnChoice, titles: Mapping[str, str]) -> str:
    """Of what, and against or for whom."""
    if one.kind == "record":
        return titles.get(one.record, one.record)
    if one.kind != "restriction":
        return " – ".join(part for part in (one.who, one.organisation, one.course) if part)
    what = page.say(f"privacy.part_{one.part or 'all'}")
    if one.source:
        what = page.say("privacy.part_from", who=one.source)
    group = one.role or ("" if one.organisation else "all")
    return f"{what} – {page.say(f'privacy.group_{group}') if group else one.organisation}"


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
