"""Whether two versions of a result speak of the same thing: the analysis, and the finding that others were tested on."""

from __future__ import annotations

import re
from typing import Final

from kjerne.services.results.kith.circumstances import Said, same_content, says_something
from kjerne.services.results.kith.codes import SUSCEPTIBILITY, canonical
from kjerne.services.results.kith.map_values import is_name
from kjerne.services.results.kith.model import Item, Value

_DENIES: Final = frozenset("ikke ikkje ingen inga intet uten utan negativ negativt ei not no without negative".split())
"""Words that make another finding of a text that else holds the one before."""


def another_analysis(old: Item, new: Item) -> bool:
    """Whether a result was found to be of another analysis: no code in common, or another name where one has no code."""
    if not old.investigations or not new.investigations:
        return False
    before, now = ({(canonical(c.system), c.code) for c in item.investigations if c.code} for item in (old, new))
    if before and now:
        return before.isdisjoint(now)
    return old.investigations[0].words.strip().casefold() != new.investigations[0].words.strip().casefold()


def another_finding(was: Said, item: Item, value: Value | None) -> bool:
    """Whether a text, as an organism is, says another thing: no code in common, or other words where one has no code. A text
    that holds the other is that finding with a word more: an organism of which it is now known that it makes ESBL."""
    if was.value is None or value is None or not (says_something(was.value) and says_something(value)):
        return False
    if another_analysis(was.item, item):
        return True
    before, after = ({(canonical(c.system), c.code) for c in one.codes if c.code} for one in (was.value, value))
    if before and after:
        return before.isdisjoint(after)
    return not (same_content(was.value, value) or _is_told_more_of(was.value.text, value.text))


def _is_told_more_of(before: str, after: str) -> bool:
    """Whether the longer of two texts has the words of the shorter in one run, and denies nothing with the rest."""
    less, more = sorted((re.findall(r"\w+", text.casefold()) for text in (before, after)), key=len)
    for start in range(len(more) - len(less) + 1):
        if less and more[start : start + len(less)] == less:
            return _DENIES.isdisjoint((*more[:start], *more[start + len(less) :]))
    return False


def has_words(item: Item) -> bool:
    """Whether an item says something itself; the name of a group is nothing."""
    if item.structured or any(map(says_something, item.further)):
        return True
    return says_something(item.value) and not is_name_of_a_group(item.value)


def is_name_of_a_group(value: Value | None) -> bool:
    """Whether it is a group's name and no description: short, one line, no sentence and no code."""
    if value is None or value.heading.code != "GR" or value.codes:
        return False
    return is_name(value.text) and not value.text.endswith(".")


def is_susceptibility(value: Value | None) -> bool:
    """Whether a value is a letter of 8271, or stands under its heading."""
    if value is None:
        return False
    return value.heading.code == "RSB" or any(canonical(code.system) == SUSCEPTIBILITY for code in value.codes)
