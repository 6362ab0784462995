"""What a result by FHIR said before it was corrected or taken back, in the shape in which a result by message says it.

A message's result tells its former contents itself (docs/results-mapping.md, `kjerne:change`); a record by FHIR is served
as it was received, so its former versions are laid beside it here, for whoever reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from kjerne.fhir.corrections import UNFINISHED, WITHDRAWN, analysis
from kjerne.services.results.answers import conclusion_of
from kjerne.services.results.kith import codes
from kjerne.services.results.values import Resource


def with_former(current: Resource, former: Sequence[Resource]) -> Resource:
    """The current version, with what its `former` ones said as changes of it; all newest first."""
    changes = [_change(older, newer) for newer, older in pairwise((current, *former)) if not _is_void(older)]
    if not changes:
        return current
    return current | {"extension": [*changes, *current.get("extension", ())]}


def _is_void(tree: Resource) -> bool:
    return tree.get("status") in WITHDRAWN


def _change(older: Resource, newer: Resource) -> Resource:
    """What `newer` did to `older`. The code stands in it where it was another analysis, as in a message's change."""
    kind = "withdrawn" if _is_void(newer) else "replaced" if older.get("status") in UNFINISHED else "corrected"
    inside: list[Resource] = [{"url": "kind", "valueCode": kind}]
    inside += [{"url": "at", "valueDateTime": at}] if (at := newer.get("meta", {}).get("lastUpdated")) else []
    said = {name: value for name, value in older.items() if name.startswith("value")}
    if conclusion := conclusion_of(older):
        said = {"valueString": conclusion}
    inside += [{"url": "value", **said}] if said else []
    inside += [
        {
            "url": "component",
            "extension": [{"url": "code", "valueCodeableConcept": part.get("code", {})}, _value_in(part)],
        }
        for part in older.get("component", ())
    ]
    if analysis(older).isdisjoint(analysis(newer)):
        inside.append({"url": "code", "valueCodeableConcept": older.get("code", {})})
    inside.append({"url": "status", "valueCode": str(older.get("status", ""))})
    return {"url": codes.CHANGE, "extension": inside}


def _value_in(part: Resource) -> Resource:
    return {"url": "value"} | {name: value for name, value in part.items() if name.startswith("value")}
