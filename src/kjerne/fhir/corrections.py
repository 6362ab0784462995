"""Whether a new version of a result says something else than the one before it: then who read that must be told.

What says the same in other digits or another spelling (`spelling`), or adds a comment, is no correction; neither is an answer
to what only waited, or what an unfinished result did not yet say. What a value hangs on counts as the value does
(`circumstances`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kjerne.fhir import circumstances, spelling

IN_ERROR: Final = "entered-in-error"
WITHDRAWN: Final = frozenset({"cancelled", IN_ERROR})
UNFINISHED: Final = frozenset({"registered", "partial", "preliminary"})
RESULTS: Final = frozenset({"Observation", "DiagnosticReport", "Binary"})
"""The types that say what was found, in words or in a file."""
_BINARY: Final = re.compile(r"(?:.*/)?Binary/(?P<id>[0-9A-Fa-f-]{36})")


def corrects(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether `after` takes back what `before` said, says something else, or lets it stand again.

    A specimen says it of the results that point to it.
    """
    if before.get("resourceType") == "Specimen":
        return bool(circumstances.others(before, after))
    if before.get("resourceType") not in RESULTS:
        return False
    was_void, is_void = before.get("status") in WITHDRAWN, after.get("status") in WITHDRAWN
    if was_void or is_void:
        return was_void != is_void
    if lost_files(before, after) or lost_results(before, after):
        return True
    if same_content(before, after) and _same_analysis(before, after):
        return bool(moved(before, after))
    return _says_something(before) or before.get("status") not in UNFINISHED


def is_in_error(tree: Mapping[str, Any]) -> bool:
    """Whether a record says that it was entered in error; it may have any shape yet."""
    said = tree.get("verificationStatus")
    codings = said.get("coding") if isinstance(said, dict) else None
    codes = [one.get("code") for one in codings if isinstance(one, dict)] if isinstance(codings, list) else []
    return IN_ERROR in (*codes, tree.get("status"))


def is_taken_back(tree: Mapping[str, Any]) -> bool:
    """Whether a record holds no more: it was entered in error, or is a result that was cancelled."""
    return is_in_error(tree) or (tree.get("resourceType") in RESULTS and tree.get("status") in WITHDRAWN)


_WRITTEN_BESIDE: Final = frozenset({"meta", "text", "contained", "recorder", "source", "author", "identifier"})
"""What of a record that personnel keep says who wrote it and how, and not what is so."""
_SINCE: Final = re.compile(r"Kj(?:Updater|UpdatedDateTime|CodeInfoText|UrlMoreInformation)$")


def says_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a record that personnel keep together says something else than before: whoever read it acts on what it said.

    Who changed it and when is no such thing. A contained device is what the record is about.
    """
    return _kept(before) != _kept(after)


def _kept(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    said = {name: value for name, value in tree.items() if name not in _WRITTEN_BESIDE and name != "extension"}
    devices = [one.get("type") for one in tree.get("contained", ()) if one.get("resourceType") == "Device"]
    extensions = [one for one in tree.get("extension", ()) if not _SINCE.search(str(one.get("url", "")))]
    return said, [devices, extensions]


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[circumstances.Circumstance]:
    """What the reading of the value in `before` hung on, and is another in `after`.

    Without a value there is none to read. What an unfinished result did not say yet is no correction when it comes;
    that its sample is no good is.
    """
    if before.get("resourceType") == "Observation" and not _says_something(before):
        return frozenset()
    found = circumstances.others(before, after)
    if before.get("status") in UNFINISHED:
        found = frozenset(name for name in found if name == "sample" or circumstances.has(before, name))
    return found


def another_analysis(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a resource is about something else: no code in common; where one has no codes, no name in common."""
    one, other = before.get("code", {}), after.get("code", {})
    if (codes := spelling.codings(one)) and (others := spelling.codings(other)):
        return codes.isdisjoint(others)
    called, calls = _called(one), _called(other)
    return called != calls and called.isdisjoint(calls)


def _same_analysis(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether it is called the same by every system that both name; a code may stand beside, or be left out."""
    odd = spelling.at_odds(spelling.codings(before.get("code")), spelling.codings(after.get("code")))
    return not odd and not another_analysis(before, after)


def _called(code: Mapping[str, Any]) -> frozenset[str]:
    """What an analysis is called, by its text and the names of its codes."""
    names = (code.get("text"), *(one.get("display") for one in code.get("coding", ())))
    return frozenset(name for one in names if (name := spelling.words(one).casefold()))


def lost_files(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a file that was there is another now, or gone; one that is added takes nothing back."""
    return not _files(before) <= _files(after)


def lost_results(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a report leaves out a result that it had."""
    return not _results(before) <= _results(after)


def files_of(forms: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Ids of the Binaries that attachments point at, as they are now; one that names a version stays what it was."""
    found = (_BINARY.fullmatch(str(one.get("url", ""))) for one in forms)
    return frozenset(one["id"].lower() for one in found if one)


def _files(tree: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """What each file holds, or where it lies: a report's, or the one that a Binary is."""
    held = [tree] if tree.get("resourceType") == "Binary" else tree.get("presentedForm", ())
    found = ((str(one.get("data", "")), str(one.get("url", "")).rpartition("/")[2]) for one in held)
    return frozenset(one for one in found if any(one))


def _results(tree: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(spelling.reference_id(one.get("reference", "")) for one in tree.get("result", ()))


def same_content(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether every value, and a report's conclusion, is the same in both."""
    said, says = _values(before), _values(after)
    parts, others = before.get("component", ()), after.get("component", ())
    if said.keys() != says.keys() or len(parts) != len(others):
        return False
    return all(spelling.same(said[name], says[name]) for name in said) and all(map(_same_part, parts, others))


def _same_part(part: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    same_beside = circumstances.beside_part(part) == circumstances.beside_part(other)
    return same_beside and _same_analysis(part, other) and same_content(part, other)


def _values(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name.startswith(("value", "conclusion"))}


def _says_something(tree: Mapping[str, Any]) -> bool:
    return bool(_values(tree) or tree.get("component"))
