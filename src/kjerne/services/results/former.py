"""What a result by FHIR said before it was corrected or taken back, in the shape in which a result by message says it.

A message's result tells its former contents itself (docs/results-mapping.md, `kjerne:change`); a record by FHIR is served
as it was received, so its former versions are laid beside it here, for whoever reads it. What lies in its specimen,
material and time of collection, is laid beside it too: it counts for every result that points to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from kjerne.fhir.circumstances import BESIDE, Circumstance, has
from kjerne.fhir.corrections import UNFINISHED, WITHDRAWN, another_analysis, corrects, files_of, moved, same_content
from kjerne.services.results.answers import conclusion_of
from kjerne.services.results.circumstances import change_of, former_part
from kjerne.services.results.kith import codes
from kjerne.services.results.points import changes_of, is_deleted, reference_id
from kjerne.services.results.values import Resource
from kjerne.store.files import Replaced

Specimens = Mapping[str, Sequence[Resource]]
"""The versions of each specimen by its id: the current one, then those that an update corrected, newest first."""

_NONE: Final[Specimens] = {}


def with_former(
    current: Resource, former: Sequence[Resource], specimens: Specimens = _NONE, *, with_report: bool = False
) -> Resource:
    """The current version, with what its `former` ones said as changes of it; all newest first.

    `with_report` says that it was taken back with its reports: what it says itself is then the newest of its former contents.
    """
    states = _states([current, *former], specimens)
    if with_report:
        states.insert(0, taken_back(states[0]))
    found = [
        _change(older, newer)
        for newer, older in pairwise(states)
        if not _is_void(older) and (older.get("resourceType") != "Observation" or corrects(older, newer))
    ]
    if not found:
        return states[0]
    return states[0] | {"extension": [*found, *current.get("extension", ())]}


def taken_back(tree: Resource) -> Resource:
    """A result whose every report was withdrawn, as it is read: like one that was taken back itself."""
    return tree | {"status": "entered-in-error"}


def gone(tree: Resource) -> Resource:
    """A record that was deleted, as who had read it is told of it: taken back, and a file no more."""
    return taken_back({name: value for name, value in tree.items() if name != "data"})


def beside(tree: Resource, specimen: Mapping[str, Any] | None) -> Resource:
    """A result with what its specimen says of it: what it is of, when it was collected, and how it stands."""
    if specimen is None:
        return tree
    held = {name: specimen[name] for name in BESIDE if name in specimen}
    return tree | {"specimen": {**tree.get("specimen", {}), **held, "beside": True}}


def _states(versions: Sequence[Resource], specimens: Specimens) -> list[Resource]:
    """What a result has said, newest first: its versions, each with its specimen as it stood while that version did."""
    if versions[0].get("resourceType") != "Observation":
        return list(versions)
    found: list[Resource] = []
    until = ""
    for version in versions:
        held = specimens.get(reference_id(version.get("specimen")), ())
        # Those that were made after the next version took this one's place were never seen with it.
        stood = [one for one in held if not until or _since(one) < until] or held[-1:]
        begun = _since(version)
        seen = [one for place, one in enumerate(stood) if not place or _since(stood[place - 1]) > begun]
        found += [beside(version, one) for one in seen] or [version]
        until = begun
    return found


def _since(version: Resource) -> str:
    """When a version was received; times of the store's own clock, which all are written alike."""
    return str(version.get("meta", {}).get("lastUpdated", ""))


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


def without_gone_files(current: Resource, replaced: Iterable[Replaced]) -> Resource:
    """A report whose files that were deleted lead nowhere: they stand in their places, and say that they were taken back."""
    gone = {one.id for one in replaced if one.gone}
    forms = current.get("presentedForm", [])
    if gone.isdisjoint(files_of(forms)):
        return current
    return current | {
        "presentedForm": [form if gone.isdisjoint(files_of([form])) else _emptied(form) for form in forms]
    }


def _emptied(form: Resource) -> Resource:
    return {name: value for name, value in form.items() if name not in ("url", "size")} | {"gone": True}


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
    return tree.get("status") in WITHDRAWN or is_deleted(tree, changes_of(tree))


def _change(older: Resource, newer: Resource) -> Resource:
    """What `newer` did to `older`. The code stands in it where it was another analysis, as in a message's change."""
    kind = "withdrawn" if _is_void(newer) else "replaced" if older.get("status") in UNFINISHED else "corrected"
    inside: list[Resource] = [{"url": "kind", "valueCode": kind}]
    at = _at(newer)
    # What was taken back with its reports got no version by that, and so no time.
    inside += [{"url": "at", "valueDateTime": at}] if at != _at(older) else []
    said = {name: value for name, value in older.items() if name.startswith("value")}
    if conclusion := conclusion_of(older):
        said = {"valueString": conclusion}
    inside += [{"url": "value", **said}] if said else []
    inside += [former_part(part) for part in older.get("component", ())]
    if another_analysis(older, newer):
        inside.append({"url": "code", "valueCodeableConcept": older.get("code", {})})
    if kind != "withdrawn":
        inside += change_of(older, _told(older, newer))
    inside.append({"url": "status", "valueCode": str(older.get("status", ""))})
    return {"url": codes.CHANGE, "extension": inside}


def _at(state: Resource) -> str:
    """Since when a result has said what it says with its specimen."""
    return max(_since(state), _since(state["specimen"]) if isinstance(state.get("specimen"), dict) else "")


def _told(older: Resource, newer: Resource) -> frozenset[Circumstance]:
    """The circumstances that were others. A flag that comes with another value is that value's, and says nothing of the old."""
    found = moved(older, newer)
    return found if same_content(older, newer) or has(older, "flag") else found - {"flag"}
