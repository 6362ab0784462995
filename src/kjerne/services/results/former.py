"""What a result by FHIR said before it was corrected or taken back, in the shape in which a result by message says it.

A message's result tells its former contents itself (docs/results-mapping.md, `kjerne:change`); a record by FHIR is served
as it was received, so its former versions are laid beside it here, for whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from kjerne.fhir.corrections import UNFINISHED, WITHDRAWN, analysis, files_of
from kjerne.services.results.answers import conclusion_of
from kjerne.services.results.kith import codes
from kjerne.services.results.values import Resource
from kjerne.store.files import Replaced


def with_former(current: Resource, former: Sequence[Resource]) -> Resource:
    """The current version, with what its `former` ones said as changes of it; all newest first."""
    changes = [_change(older, newer) for newer, older in pairwise((current, *former)) if not _is_void(older)]
    if not changes:
        return current
    return current | {"extension": [*changes, *current.get("extension", ())]}


def with_former_files(current: Resource, former: Sequence[Resource], replaced: Iterable[Replaced]) -> Resource:
    """The current version of a report, with the files that it had before: of its Binaries what was `replaced`, and what its
    `former` versions showed and the next one did not; as a message's report tells them (`kjerne:former-file`)."""
    every = [current, *former]
    forms = {
        file: form for tree in reversed(every) for form in tree.get("presentedForm", ()) for file in files_of([form])
    }
    found = [
        _former_file(forms[one.id], f"Binary/{one.id}/_history/{one.version}", one.at.isoformat())
        for one in replaced
        if one.id in forms
    ]
    for newer, older in pairwise(every):
        found += _left_out(older, newer)
    return current | {"extension": [*found, *current.get("extension", ())]} if found else current


def _left_out(older: Resource, newer: Resource) -> Iterator[Resource]:
    """Files of the version before that the next one does not show."""
    kept, at = newer.get("presentedForm", ()), newer.get("meta", {}).get("lastUpdated", "")
    version = older.get("meta", {}).get("versionId", "")
    for place, form in enumerate(older.get("presentedForm", ())):
        files = files_of([form])
        if files:
            if files.isdisjoint(files_of(kept)):
                yield _former_file(form, f"Binary/{next(iter(files))}", at)
        elif form.get("data") and form["data"] not in [one.get("data") for one in kept]:
            yield _former_file(form, f"DiagnosticReport/{older['id']}#{place}/_history/{version}", at)


def _former_file(form: Resource, url: str, at: str) -> Resource:
    told = {name: value for name, value in form.items() if name in ("contentType", "title")}
    inside = [{"url": "at", "valueDateTime": at}, {"url": "file", "valueAttachment": told | {"url": url}}]
    return {"url": codes.FORMER_FILE, "extension": inside}


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
