"""What a manifest says of an import: which parts there are, of which type, how many resources and with which digest.

Three shapes of one thing are read: the JSON of the SMART proposal for `$import` (github.com/smart-on-fhir/bulk-import,
import-manifest.md), the same as Parameters, and the manifest that an export ends with (Bulk Data Access 2.0, complete status;
$bulk-submit of its 4.0 ballot names such a one). `count` and `sha256` of a part may be said in each. Nothing that it names is
fetched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from kjerne.errors import Refusal
from kjerne.fhir.ndjson import LINE_LIMIT

PARTS_LIMIT: Final = 10_000
TEXT_CHARACTERS: Final = 2_000
FORMATS: Final = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson", "ndjson"})
FETCHES_NOTHING: Final = "this server fetches nothing from an address that a request names"
SEND: Final = "Name the parts in a manifest, and send each to the address that the state of the import gives."
_TAKES: Final = frozenset({"inputFormat", "inputSource", "input", "storageDetail"})
_OF_AN_EXPORT: Final = frozenset(
    {
        "transactionTime", "request", "requiresAccessToken", "outputFormat", "output", "deleted", "error", "outcome", "link",
        "manifestType", "extension",
    }
)  # fmt: skip
_OF_A_PART: Final = frozenset({"type", "url", "count", "sha256"})
_FETCHED: Final = frozenset({"exportUrl", "exportType", "manifestUrl"})
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_NAME: Final = re.compile(r"[!-~\u00a1-\u1fff]+")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `count` is how many resources it has (None: not said), `sha256` the digest of its bytes in hexadecimal."""

    name: str
    type: str
    count: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where the resources come from, and the parts in their order."""

    source: str
    parts: tuple[Part, ...]


def read(tree: Mapping[str, Any], types: Collection[str]) -> Manifest:
    """A manifest; `types` can be taken. `Refusal` with the place of what is not understood: nothing of it is passed over."""
    if tree.get("resourceType") == "Parameters":
        tree = _plain(tree)
    elif "resourceType" in tree:
        says = "an import is sent as application/fhir+ndjson, or its manifest as JSON or Parameters"
        raise Refusal(415, says, where="content-type")
    if fetched := _FETCHED & tree.keys():
        raise Refusal(422, FETCHES_NOTHING, where=min(fetched), code="not-supported", todo=SEND)
    if "output" in tree and "input" not in tree:
        return _of_an_export(tree, types)
    _only(tree, _TAKES, "")
    _is_ndjson(tree.get("inputFormat"), "inputFormat")
    _is_sent(tree.get("storageDetail"))
    return Manifest(_source(tree.get("inputSource"), "inputSource"), _parts(tree.get("input"), "input", types))


def _of_an_export(tree: Mapping[str, Any], types: Collection[str]) -> Manifest:
    _only(tree, _OF_AN_EXPORT, "")
    if "outputFormat" in tree:
        _is_ndjson(tree["outputFormat"], "outputFormat")
    for name, says in (
        ("deleted", "an import takes new records, and no deletions"),
        ("link", "a manifest is sent whole: " + FETCHES_NOTHING),
    ):
        if tree.get(name):
            raise Refusal(422, says, where=name, code="not-supported")
    return Manifest(_source(tree.get("request"), "request"), _parts(tree.get("output"), "output", types))


def _parts(found: Any, where: str, types: Collection[str]) -> tuple[Part, ...]:
    if not isinstance(found, list) or not found:
        raise Refusal(400, "a manifest names one part at least", where=where, code="required")
    if len(found) > PARTS_LIMIT:
        raise Refusal(
            413, f"the manifest has more than {PARTS_LIMIT} parts", where=where, todo="Ask for several imports."
        )
    parts = tuple(_part(one, f"{where}[{place}]", types) for place, one in enumerate(found))
    seen: dict[str, int] = {}
    for place, part in enumerate(parts):
        if seen.setdefault(part.name, place) != place:
            says = f"two parts have one name: {where}[{seen[part.name]}] has it too"
            raise Refusal(400, says, where=f"{where}[{place}].url", code="duplicate")
    return parts


def _part(one: Any, where: str, types: Collection[str]) -> Part:
    if not isinstance(one, dict):
        raise Refusal(400, "a part is an object with type and url", where=where, code="structure")
    _only(one, _OF_A_PART | {"extension"}, f"{where}.")
    type_, name, count, digest = one.get("type"), one.get("url"), one.get("count"), one.get("sha256", "")
    if not isinstance(type_, str) or type_ not in types:
        says = f"only these types are taken: {', '.join(sorted(types))}"
        raise Refusal(422, says, where=f"{where}.type", todo="Leave parts of other types out.")
    if not isinstance(name, str) or len(name) > TEXT_CHARACTERS or not _NAME.fullmatch(name):
        says = f"a part is named by its url, of at most {TEXT_CHARACTERS} characters without spaces"
        raise Refusal(400, says, where=f"{where}.url", code="value")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= LINE_LIMIT):
        says = f"a part has 1 to {LINE_LIMIT} resources"
        raise Refusal(
            422, says, where=f"{where}.count", code="value", todo="Make smaller parts, and leave out empty ones."
        )
    if not isinstance(digest, str) or (digest and not _DIGEST.fullmatch(digest)):
        raise Refusal(400, "sha256 is 64 digits, hexadecimal and small", where=f"{where}.sha256", code="value")
    return Part(name, type_, count, digest)


def _only(tree: Mapping[str, Any], taken: Collection[str], where: str) -> None:
    for name in tree:
        if name not in taken:
            says = f"a manifest takes {', '.join(sorted(taken))} here"
            raise Refusal(400, says, where=f"{where}{_told(name)}".removesuffix("."), code="not-supported")


def _told(name: str) -> str:
    """The name of a member as it may be said back: one of letters, since any other may be a person's number."""
    return name[:64] if name.isascii() and name.isalpha() else ""


def _is_ndjson(found: Any, where: str) -> None:
    if not isinstance(found, str) or found.replace(" ", "+").lower() not in FORMATS:
        raise Refusal(422, "parts are application/fhir+ndjson", where=where, code="not-supported")


def _is_sent(detail: Any) -> None:
    """How parts are to be fetched says nothing to who fetches none; anything but the default would ask for something."""
    if detail is not None and (not isinstance(detail, dict) or detail != {"type": "https"}):
        raise Refusal(422, FETCHES_NOTHING, where="storageDetail", code="not-supported", todo=SEND)


def _source(found: Any, where: str) -> str:
    if not isinstance(found, str) or len(found) > TEXT_CHARACTERS or not _ADDRESS.fullmatch(found):
        raise Refusal(400, "where the resources come from is said as a whole address", where=where, code="required")
    return found


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the JSON that says the same: `input` may be repeated, and what has parts is an object."""
    _only(tree, ("resourceType", "id", "meta", "parameter"), "")
    plain: dict[str, Any] = {}
    for name, value in _pairs(tree.get("parameter"), "parameter"):
        if name == "input":
            plain.setdefault(name, []).append(value)
        elif name in plain:
            raise Refusal(400, "each parameter but input may come once", where=_told(name), code="duplicate")
        else:
            plain[name] = value
    return plain


def _pairs(found: Any, where: str) -> Sequence[tuple[str, Any]]:
    if not isinstance(found, list):
        raise Refusal(400, "Parameters have a list of parameters", where=where, code="structure")
    return [_pair(one, f"{where}[{place}]") for place, one in enumerate(found)]


def _pair(one: Any, where: str) -> tuple[str, Any]:
    if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
        _no_parameter(where)
    values = [key for key in one if key.startswith("value")]
    if "part" in one and not values:
        parts = _pairs(one["part"], f"{where}.part")
        if len(dict(parts)) != len(parts):
            raise Refusal(400, "two parts have one name", where=f"{where}.part", code="duplicate")
        return name, dict(parts)
    if len(values) != 1 or one.keys() - {"name", *values}:
        _no_parameter(where)
    return name, one[values[0]]


def _no_parameter(where: str) -> NoReturn:
    raise Refusal(400, "a parameter has a name and one value, or parts", where=where, code="structure")
