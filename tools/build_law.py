"""Write the generated part of docs/law.md from the rule table, or check that it is up to date (`--check`).

Everything between the two marker lines comes from `kjerne.policy`; the rest of the page (conflicts between sources,
what could not be verified) is written by hand and left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from kjerne.access import SHUT_BY_PATIENT, Label
from kjerne.policy.facts import ROLES, SCOPES
from kjerne.policy.reach import REACH
from kjerne.policy.rule import Rule, Section
from kjerne.policy.services import SERVICES, Closing, Service
from kjerne.policy.table import NO_RULE, SECTIONS, UNKNOWN_PERSON
from kjerne.policy.words import RULE_WORDS
from law_sources import SOURCES, UNREAD, wording

PAGE = Path(__file__).parents[1] / "docs" / "law.md"
BEGIN = "<!-- made by tools/build_law.py: do not edit below -->"
END = "<!-- made by tools/build_law.py: do not edit above -->"


def generated() -> str:
    """The tables of services, rules, roles, scopes and words, as Markdown."""
    lines = [BEGIN, "", *_services()]
    for _, sections in groupby(SECTIONS, key=lambda section: section.title):
        lines += _section(tuple(sections))
    lines += [*_defaults(), *_sources(), *_reaches(), *_roles(), *_scopes(), *_words(), END]
    return "\n".join(lines)


_HEAD: Final = ("rule", "fits when", "then", "law", "wording")
_OPENED: Final = {
    "declared": "declared consent or emergency",
    "weighty": "weighty reasons: explicit consent, or an emergency with its reason (FORHOYET_…)",
    "nothing": "nothing",
}


def _law_of(closing: Closing | None) -> str:
    return closing.law if closing else "–"


def _closing(closing: Closing | None) -> str:
    if closing is None:
        return "–"
    how = "closed at once, but for weighty reasons" if closing.yields else "closed at once"
    if closing.deleted_after is None:
        how += "; nothing is deleted"
    elif closing.deleted_after == timedelta(0):
        how += "; deleted at once, the key of this service about her destroyed"
    else:
        how += f"; deleted after {closing.deleted_after.days} days, the key of this service about her destroyed"
    return f"{how}. Stays: {closing.stays}"


def _roles_that(one: Service, *, needs_consent: bool) -> str:
    return _list(code for code, role in one.roles.items() if role.needs_consent == needs_consent)


def _windows(one: Service) -> str:
    if not one.windows:
        return "–"
    ages = (f"{code} {f'[0, {years}) years' if years else 'every age'}" for code, years in one.windows.items())
    return f"without `{one.unlimited_scope}`: {', '.join(ages)}; other classes shut"


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "–"


_COLUMNS: Final[Mapping[str, Callable[[Service], str]]] = {
    "in use": lambda one: "yes" if one.in_use else "not yet",
    "ground on which personnel look": lambda one: one.ground.looking,
    "her consent to the service itself": lambda one: _law_of(one.agreement),
    "look without consent": lambda one: _roles_that(one, needs_consent=False),
    "look with her consent": lambda one: _roles_that(one, needs_consent=True),
    "may set the normal rules aside": lambda one: _list(code for code, role in one.roles.items() if role.breaks_glass),
    "purposes": lambda one: _list(one.purposes),
    "opt-out": lambda one: _closing(one.opt_out),
    "a restriction is opened by": lambda one: _OPENED[one.opens],
    "consent to the service withdrawn": lambda one: _closing(one.agreement),
    "kept": lambda one: one.retention,
    "seen by": lambda one: _list(one.sight),
    "registered by personnel": lambda one: (
        "; ".join(f"{code}: {_list(what)}" for code, what in one.registers.items()) or "–"
    ),
    "sent in by systems": lambda one: "yes" if one.sources else "by transfer" if one.transfer_scope else "–",
    "asked for by a contact point": lambda one: "yes" if one.contact_point else "–",
    "parts that she can restrict": lambda one: _list(one.parts),
    "ages of documents": _windows,
}


def _services() -> Iterator[str]:
    yield "### The services and their law"
    yield ""
    rows = ((f"**{name}**", *(say(one) for one in SERVICES.values())) for name, say in _COLUMNS.items())
    yield from _table(("", *SERVICES), rows)


def _section(sections: tuple[Section, ...]) -> Iterator[str]:
    """A table for all services that have these rows, each with the services that it is for where that is not all."""
    first, names = sections[0], [name for section in sections for name in sorted(section.services)]
    who = ", ".join(sorted(first.kinds)) or "everybody"
    actions = ", ".join(sorted(first.actions)) or "every action"
    yield f"### {first.title}"
    yield ""
    yield f"Callers: {who}. Services: {', '.join(names) or 'every service'}. Actions: {actions}."
    yield ""
    yield from _table(_HEAD, _rows(sections, names))


def _rows(sections: tuple[Section, ...], names: list[str]) -> Iterator[tuple[str, ...]]:
    """The rows in the order in which every service reads them, those that differ by service in more than law apart."""
    order: list[tuple[str, str, str]] = []
    laws: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for section in sections:
        at = 0
        for rule in section.rules:
            key = (f"`{rule.id}`", _when(rule), _then(rule))
            if key not in laws:
                order.insert(at, key)
                laws[key] = {}
            laws[key].setdefault(rule.law, []).extend(sorted(section.services))
            at = order.index(key) + 1
    for key in order:
        yield *key[:2], _for_some(key[2], laws[key], names), _told(laws[key]), wording("; ".join(laws[key]))


def _for_some(then: str, laws: dict[str, list[str]], names: list[str]) -> str:
    of = [name for some in laws.values() for name in some]
    return then if len(of) == len(names) else f"{then} ({', '.join(of)})"


def _told(laws: dict[str, list[str]]) -> str:
    """One law, or each with the services that it is for."""
    if len(laws) == 1:
        return next(iter(laws))
    return ". ".join(f"{', '.join(of).capitalize()}: {law}" for law, of in laws.items())


def _when(rule: Rule) -> str:
    parts = [str(condition.__doc__) for condition in rule.when]
    if rule.purposes:
        parts.append("purpose " + ", ".join(sorted(purpose or "not stated" for purpose in rule.purposes)))
    if rule.bases:
        parts.append("basis " + ", ".join(sorted(rule.bases)))
    return "; ".join(parts) or "always"


def _then(rule: Rule) -> str:
    if rule.effect == "deny":
        return f"**no**, outcome {rule.outcome}" if rule.outcome else "**no**"
    parts = ["**yes**"]
    hidden = [str(label.name).lower().replace("_", " ") for label in Label if label in rule.hides]
    hidden += ["every restricted part"] if SHUT_BY_PATIENT in rule.hides else []
    if hidden:
        parts.append("hides " + ", ".join(hidden))
    if rule.released_only:
        parts.append("released only")
    if rule.purpose:
        parts.append(f"purpose {rule.purpose}")
    if rule.mark:
        parts.append(f"marked *{rule.mark}*, the patient is told")
    return "; ".join(parts)


def _defaults() -> Iterator[str]:
    yield "### Where no rule fits"
    yield ""
    yield from _table(
        _HEAD,
        (
            (f"`{NO_RULE.id}`", "no row above fits", "**no**", NO_RULE.law, wording(NO_RULE.law)),
            (
                f"`{UNKNOWN_PERSON.id}`",
                "no person was found, or to a citizen nobody she has a tie to; personnel hear what they would hear of a stranger",
                "**no**",
                UNKNOWN_PERSON.law,
                wording(UNKNOWN_PERSON.law),
            ),
        ),
    )


def _sources() -> Iterator[str]:
    yield "### The sources of the rules, and when they were read"
    yield ""
    yield "The column *wording* above says it of each rule. What has no date here is cited as the sources at hand cite it."
    yield ""
    rows = ((one.title, "ours" if one.ours else one.read or f"{UNREAD} against the current wording") for one in SOURCES)
    yield from _table(("source", "what was read, and when"), rows)


def _reaches() -> Iterator[str]:
    yield "### How far those who choose may go"
    yield ""
    yield from _table(
        ("rule that lets choose", "choices that may be made", "may lift what was made by"),
        (
            (f"`{rule}`", _list(one.makes), "anybody" if one.lifts is None else _list(f"`{by}`" for by in one.lifts))
            for rule, one in REACH.items()
        ),
    )


def _roles() -> Iterator[str]:
    yield "### Roles of personnel (Volven 9060)"
    yield ""
    yield from _table(
        ("service", "authorisation", "needs consent", "may set normal rules aside"),
        (
            (service, code, "yes" if role.needs_consent else "no", "yes" if role.breaks_glass else "no")
            for service, roles in ROLES.items()
            for code, role in sorted(roles.items())
        ),
    )


def _scopes() -> Iterator[str]:
    yield "### Scopes"
    yield ""
    yield from _table(
        ("caller", "service", "action", "one of these scopes"),
        (
            (kind, service or "every service", action, ", ".join(f"`{scope}`" for scope in sorted(scopes)))
            for (kind, service, action), scopes in SCOPES.items()
        ),
    )


def _words() -> Iterator[str]:
    yield "### The words"
    yield ""
    yield from _table(
        ("rule", "bokmål", "nynorsk", "English"), ((f"`{name}`", *words) for name, words in RULE_WORDS.items())
    )


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | tuple[tuple[str, ...], ...]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def main(check: bool) -> int:
    """0 when the page is, or now is, what the table says; 1 when `--check` found it stale."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    fresh = before + generated() + after
    if check:
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
