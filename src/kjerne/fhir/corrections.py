"""Whether a new version of a result says something else than the one before it: then who read that must be told.

What says the same in other digits, or adds a comment, is no correction; neither is an answer to what only waited, or
what an unfinished result did not yet say. What a value hangs on counts as the value does (`circumstances`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kjerne.fhir import circumstances
from kjerne.fhir.systems import canonical

WITHDRAWN: Final = frozenset({"cancelled", "entered-in-error"})
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
    said, says = _content(before), _content(after)
    if said == says and analysis(before) == analysis(after):
        return bool(moved(before, after))
    return bool(said) or before.get("status") not in UNFINISHED


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[circumstances.Circumstance]:
    """What the reading of the value in `before` hung on, and is another in `after`.

    Without a value there is none to read. What an unfinished result did not say yet is no correction when it comes;
    that its sample is no good is.
    """
    if before.get("resourceType") == "Observation" and not _content(before):
        return frozenset()
    found = circumstances.others(before, after)
    if before.get("status") in UNFINISHED:
        found = frozenset(name for name in found if name == "sample" or circumstances.has(before, name))
    return found


def analysis(tree: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """What a resource is about: its codes, else its words."""
    code = tree.get("code", {})
    sent = ((str(c.get("system", "")), str(c["code"])) for c in code.get("coding", ()) if c.get("code"))
    codes = frozenset((canonical(system), one) for system, one in sent)
    return codes or frozenset({("", str(code.get("text", "")).strip().casefold())})


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
    return frozenset(str(one.get("reference", "")).rpartition("/")[2] for one in tree.get("result", ()))


def _spelt(value: Any) -> Any:
    """A value as it is read: spaces around and between words say nothing. Line breaks do, in a table made of signs."""
    if isinstance(value, str):
        lines = (" ".join(line.split()) for line in value.strip().splitlines())
        return "\n".join(lines)
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return {**value, "text": _spelt(value["text"])}
    return value


def _content(tree: Mapping[str, Any]) -> list[Any]:
    """Every value, and a report's conclusion; of no content for what has none."""
    found = [(name, _spelt(value)) for name, value in sorted(tree.items()) if name.startswith(("value", "conclusion"))]
    parts = [
        (sorted(analysis(part)), _content(part), circumstances.beside_part(part)) for part in tree.get("component", ())
    ]
    return [*found, *parts]
