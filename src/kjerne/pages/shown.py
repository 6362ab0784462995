"""What a form says yes to, as it was when it was shown: what has come since was not seen, and is neither signed nor followed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kjerne.services.results.points import own_report, reference_id
from kjerne.services.results.values import Resource


@dataclass(frozen=True, slots=True)
class OnPage:
    """What stands on a page: the ids of the records that it tells something of, and of those `listed`, whose heading stands there
    and which it does not open."""

    ids: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ShownReport:
    """The version of a report that one login was shown, and a digest of the results that it led to (`digest_of`)."""

    session: str
    report: str
    version: int
    results: str


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer of the look-up box, by its number, and the results (id, version) that it named."""

    session: str
    number: str
    results: tuple[tuple[str, int], ...]


def results_of(reports: Iterable[Resource], observations: Iterable[Resource]) -> dict[str, dict[str, int]]:
    """By report: the results that it leads to, by its groups and by what they say themselves, and the version of each."""
    by_id = {str(one.get("id", "")): one for one in observations}
    owned: dict[str, list[str]] = defaultdict(list)
    for own, one in by_id.items():
        owned[own_report(one)].append(own)
    found: dict[str, dict[str, int]] = {}
    for report in reports:
        number = str(report.get("id", ""))
        seen = found[number] = {}
        queue = [*map(reference_id, report.get("result", [])), *owned.get(number, [])]
        while queue:
            own = queue.pop()
            if own in by_id and own not in seen:
                seen[own] = int(by_id[own].get("meta", {}).get("versionId", 0))
                queue += map(reference_id, by_id[own].get("hasMember", []))
    return found


def references_of(trees: Iterable[Resource], *keys: str) -> frozenset[str]:
    """The ids that some records refer to under these names."""
    return frozenset(reference_id(one) for tree in trees for key in keys for one in _listed(tree.get(key))) - {""}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def digest_of(results: Mapping[str, int]) -> str:
    """Another where a result came, went or has another version: a report's own version says nothing of that."""
    spelled = ",".join(f"{own}/{version}" for own, version in sorted(results.items()))
    return hashlib.blake2b(spelled.encode(), digest_size=16).hexdigest()
