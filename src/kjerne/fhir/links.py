"""What a resource links to, by places where FHIR has a link, and the same resource with other links in them.

R4 http.html#trules: what an entry of a transaction is known by gives way to its address wherever a link stands: in references,
in elements of type uri, url, oid or uuid, and in `href` and `src` of a narrative. A canonical names a definition and stays, as
does any text that only looks like a link, and an id inside `contained`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from kjerne.fhir.fhirpath.navigating import members

Tree = dict[str, Any]
Replace = Callable[[str, bool], "str | Tree | None"]
"""What stands instead of a link (None: it stays); the second value says that it is a Reference's own `reference`.

Instead of that one a whole Reference may come, whose other members stay."""

_LINKED: Final = frozenset(("uri", "url", "oid", "uuid"))
_IN_NARRATIVE: Final = re.compile(r"""(\s(?:href|src)\s*=\s*)("[^"<]*"|'[^'<]*')""")
_RESOURCE: Final = "Resource"


def relinked(tree: Tree, replace: Replace) -> Tree:
    """The resource with its links replaced; the same object where all stay."""
    found = _object(tree, str(tree.get("resourceType", "")), replace)
    return found if found is not None else tree


@cache
def _types(type_: str) -> dict[str, str]:
    """The types of a type's elements by their names in JSON."""
    return {json: of for found in members(type_).values() for json, of in found}


def _object(value: Tree, type_: str, replace: Replace) -> Tree | None:
    """The object anew, None where nothing in it is replaced."""
    known, changed = _types(type_), {}
    for name, inner in value.items():
        of = known.get(name)
        if of is None:
            of = "Element" if name.startswith("_") else ""
        if type(inner) is dict or type(inner) is list or of in _LINKED or of == "xhtml":
            made = _value(inner, of, replace)
            if made is not None:
                changed[name] = made
    if type_ == "Reference" and type(text := value.get("reference")) is str:
        instead = replace(text, True)
        if isinstance(instead, dict):
            return {**{name: one for name, one in value.items() if name != "reference"}, **changed, **instead}
        if instead is not None:
            changed["reference"] = instead
    return {**value, **changed} if changed else None


def _value(value: Any, of: str, replace: Replace) -> Any:
    """As `_object`, of any value."""
    if type(value) is dict:
        return _object(value, str(value.get("resourceType", "")) if of == _RESOURCE else of, replace)
    if type(value) is list:
        made = [_value(one, of, replace) for one in value]
        changed = any(one is not None for one in made)
        return [old if new is None else new for old, new in zip(value, made, strict=True)] if changed else None
    if type(value) is not str or (of not in _LINKED and of != "xhtml"):
        return None
    if of == "xhtml":
        return _narrative(value, replace)
    instead = replace(value, False)
    return instead if isinstance(instead, str) else None


def _narrative(text: str, replace: Replace) -> str | None:
    def one(found: re.Match[str]) -> str:
        quote = found[2][0]
        instead = replace(found[2][1:-1], False)
        return f"{found[1]}{quote}{instead}{quote}" if isinstance(instead, str) else found[0]

    made = _IN_NARRATIVE.sub(one, text)
    return made if made != text else None
