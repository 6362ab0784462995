"""Write the generated part of docs/law.md from the rule table, or check that it is up to date (`--check`).

Everything between the two marker lines comes from `kjerne.policy`; the rest of the page (conflicts between sources,
what could not be verified) is written by hand and left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from kjerne.access import SHUT_BY_PATIENT, Label
from kjerne.policy.facts import ROLES, SCOPES
from kjerne.policy.rule import Rule, Section
from kjerne.policy.table import NO_RULE, SECTIONS, UNKNOWN_PERSON
from kjerne.policy.words import RULE_WORDS

PAGE = Path(__file__).parents[1] / "docs" / "law.md"
BEGIN = "<!-- made by tools/build_law.py: do not edit below -->"
END = "<!-- made by tools/build_law.py: do not edit above -->"


def generated() -> str:
    """The tables of rules, roles, scopes and words, as Markdown."""
    lines = [BEGIN, ""]
    for section in SECTIONS:
        lines += _section(section)
    lines += [*_defaults(), *_roles(), *_scopes(), *_words(), END]
    return "\n".join(lines)


def _section(section: Section) -> Iterator[str]:
    who = ", ".join(sorted(section.kinds)) or "everybody"
    services = ", ".join(sorted(section.services)) or "every service"
    actions = ", ".join(sorted(section.actions)) or "every action"
    yield f"### {section.title}"
    yield ""
    yield f"Callers: {who}. Services: {services}. Actions: {actions}."
    yield ""
    yield from _table(("rule", "fits when", "then", "law"), (_row(rule) for rule in section.rules))


def _row(rule: Rule) -> tuple[str, ...]:
    return f"`{rule.id}`", _when(rule), _then(rule), rule.law


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
        ("rule", "fits when", "then", "law"),
        (
            (f"`{NO_RULE.id}`", "no row above fits", "**no**", NO_RULE.law),
            (
                f"`{UNKNOWN_PERSON.id}`",
                "no person was found; personnel hear instead what they would hear of a stranger",
                "**no**",
                UNKNOWN_PERSON.law,
            ),
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
