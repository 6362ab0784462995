"""What a Subscription can be about: a topic by its canonical, or in R4's own way a search in `criteria`.

A topic of a service is everything that is created, changed or deleted in it; a topic of a type is what a search of it finds, so
it is told each time such a record is written. Sources: R4 subscription.html; the backport's topics.html.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from kjerne.errors import Refusal
from kjerne.exchange import Pairs

TOPIC: Final = "http://kjerne.example/fhir/SubscriptionTopic/"
"""The beginning of our topics' canonicals; the name of a service or of a topic in `NAMED` follows."""
NAMED: Final[Mapping[str, tuple[str, Pairs]]] = {
    "encounter-start": ("Encounter", (("status", "in-progress"),)),
    "encounter-complete": ("Encounter", (("status", "finished"),)),
    "report-final": ("DiagnosticReport", (("status", "final,amended,corrected"),)),
}
"""Topics of one type, with the search that a record answers when it is told."""
FILTERS_LIMIT: Final = 10
PARAMETERS_LIMIT: Final = 20
WHOM: Final = frozenset(("patient", "subject", "patient:Patient", "subject:Patient"))
"""What names the patient by her address, in a search and so in a filter."""
WHERE: Final = "Subscription.criteria"
_SEARCH: Final = re.compile(r"([A-Z][A-Za-z]+)(?:\?(.*))?", re.DOTALL)

Filters = tuple[tuple[str, Pairs], ...]


class About(NamedTuple):
    """What a subscription is about. `filters` are types with their criteria, one of which a record answers (none: all of the
    service); `whom` the addresses that name its patient; `is_search` says that R4's own way was used."""

    service: str
    filters: Filters
    whom: tuple[str, ...]
    is_search: bool = False


def about(criteria: str, texts: Iterable[Any], services: Mapping[str, Sequence[str]], opened: Collection[str]) -> About:
    """From `criteria` and the filters beside it. `services` are the types that are told of, with those that keep each; `opened`
    says which of them a search is about.

    `Refusal` 422 for what is none."""
    every = [_parted(text) for text in texts]
    if len(every) > FILTERS_LIMIT:
        raise refused(f"a subscription has at most {FILTERS_LIMIT} filters")
    if criteria.startswith(TOPIC):
        return _of_topic(criteria.removeprefix(TOPIC), every, services)
    if _SEARCH.fullmatch(criteria) is None or every:
        says = "criteria is the canonical of a topic, filters beside it, or a search such as Encounter?status=finished"
        raise refused(says, f"A topic is one of {', '.join(canonicals(services))}.")
    name, pairs, whom = _parted(criteria)
    if name not in services:
        raise refused(f"of {name} nothing is told", f"One of {', '.join(sorted(services))}.")
    keeping = services[name]
    if len(keeping) > 1:
        keeping = [one for one in keeping if one in opened]
    if len(keeping) != 1:
        topics = " or ".join(TOPIC + one for one in services[name])
        says = f"two services keep a {name}, and neither the search nor the token says which is meant"
        raise refused(says, f"Name {topics} in criteria, and the search as a filter beside it.")
    return About(keeping[0], ((name, pairs),), whom, is_search=True)


def canonicals(services: Mapping[str, Sequence[str]]) -> list[str]:
    """The topics that are served."""
    return [TOPIC + name for name in (*sorted({one for of in services.values() for one in of}), *NAMED)]


def _of_topic(
    name: str, every: list[tuple[str, Pairs, tuple[str, ...]]], services: Mapping[str, Sequence[str]]
) -> About:
    whom = tuple(one for _, _, named in every for one in named)
    filters = tuple((of, pairs) for of, pairs, _ in every)
    if name in NAMED:
        type_, own = NAMED[name]
        if any(of != type_ for of, _ in filters):
            raise refused(f"a filter of this topic begins with {type_}")
        return About(services[type_][0], tuple((of, (*own, *pairs)) for of, pairs in filters or ((type_, ()),)), whom)
    if not any(name in of for of in services.values()):
        raise refused("no such topic is served here", f"One of {', '.join(canonicals(services))}.")
    if any(name not in services.get(of, ()) for of, _ in filters):
        raise refused(f"a filter begins with a type of {name}")
    return About(name, filters, whom)


def _parted(text: Any) -> tuple[str, Pairs, tuple[str, ...]]:
    """Type, criteria, and who is named; a filter that names her alone asks for all of the type."""
    name, mark, query = str(text or "").partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=PARAMETERS_LIMIT)
    except ValueError:
        if mark:
            raise refused("a filter is Type?parameter=value, with & between") from None
        pairs = []
    left = tuple(pair for pair in pairs if pair[0] not in WHOM)
    return name, left, tuple(value for key, value in pairs if key in WHOM)


def refused(says: str, todo: str = "", where: str = WHERE) -> Refusal:
    """What is not done here, with its place."""
    return Refusal(422, says, where=where, todo=todo, code="not-supported")
