"""What the reading of a value hangs on beside the value: its flag, reference range, sample time, material, method and sample.

The same number is another finding in another material, and another news with another flag. Two versions are compared
here, whichever way they came. Another spelling, or a time that is only more exact, is no other circumstance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from kjerne.fhir import spelling, systems
from kjerne.fhir.dates import Interval, interval

Circumstance = Literal["flag", "range", "taken", "material", "method", "sample"]
ALL: Final[tuple[Circumstance, ...]] = ("flag", "range", "taken", "material", "method", "sample")
OF_TYPE: Final[Mapping[str, tuple[Circumstance, ...]]] = {
    "Observation": ALL,
    "DiagnosticReport": ("taken",),
    "Specimen": ("taken", "material", "sample"),
}
SPOILED: Final = frozenset({"unsatisfactory", "entered-in-error"})
"""What a specimen says of itself where its results cannot be trusted for it."""
_FLAG_SYSTEMS: Final = frozenset({systems.DEVIATION, systems.INTERPRETATION, systems.INTERPRETATION_V2})
"""Whose codes are flags that we know; in another system 1 may be "inside", and H what a haemolysed sample is given."""
_FLAGS: Final = {"1": "H", "2": "L", "3": "A"}
"""Volven 8244 as HL7's letters: who sends the one or the other, or both, says the same."""
_EXCLUDES: Final = re.compile(r"\s*[(\[]?\s*(?:[<>](?!\s*=)|under\b|mindre enn\b|over\b|større enn\b)", re.IGNORECASE)
"""How a laboratory's words begin where the limit itself is outside; "<=", "inntil" and "minst" have it inside."""
_NORMAL: Final = frozenset({"", "normal", "normal range", "normalområde", "referanseområde"})
"""What the type of a range is called in words where it says no more than that it is one."""
_TIMES: Final = ("effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming")

BESIDE: Final = ("type", "collection", "meta", "status")
"""What counts of a specimen for its results."""

Tree = Mapping[str, Any]
_NOTHING: Final[Tree] = {}


def others(before: Tree, after: Tree) -> frozenset[Circumstance]:
    """What is another in `after`, gone from it, or new in it."""
    names = OF_TYPE.get(str(after.get("resourceType")), ())
    return frozenset(name for name in names if _differs(name, before, after))


def has(tree: Tree, name: Circumstance) -> bool:
    """Whether a resource says this of itself."""
    return bool(_time(tree) if name == "taken" else _SAID[name](tree))


def beside_part(part: Tree) -> Any:
    """Flag and range of one of several values, to be compared."""
    return _flag_names(_flags(part)), _range_of(part)


def _differs(name: Circumstance, before: Tree, after: Tree) -> bool:
    if name != "taken":
        said, says = _SAID[name](before), _SAID[name](after)
        if name == "flag":
            return not _same_flags(said, says)
        return not (_same(said, says) or (name in ("material", "method") and _code_beside(said, says)))
    return _apart(_time(before), _time(after))


def _flags(tree: Tree) -> tuple[Any, ...]:
    found = []
    for concept in tree.get("interpretation", ()):
        codes = (flag_letter(one) or _foreign(one) for one in concept.get("coding", ()))
        found.append((frozenset(code for code in codes if code), _words(concept)))
    return tuple(one for one in found if any(one))


def flag_letter(coding: Tree) -> str:
    """HL7's letter of a flag; empty where its code system is none that we know."""
    if systems.canonical(str(coding.get("system", ""))) not in _FLAG_SYSTEMS:
        return ""
    code = str(coding.get("code", "")).upper()
    return _FLAGS.get(code, code)


def _foreign(coding: Tree) -> str:
    code = str(coding.get("code", "")).upper()
    return f"{systems.canonical(str(coding.get('system', '')))}|{code}" if code else ""


def _flag_names(flags: tuple[Any, ...]) -> frozenset[str]:
    return frozenset().union(*(codes or {words} for codes, words in flags))


def _same_flags(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    if _flag_names(one) == _flag_names(other):
        return True
    return len(one) == len(other) and all(map(_same, one, other))


def _range_of(tree: Tree) -> Any:
    """The limits, and whether a single one is outside itself; the words where there are no limits; and for whom.

    Only of the range that a result is judged by; where there is none, of the first.
    """
    one = range_told(tree)
    if not one:
        return ()
    text = str(one.get("text", ""))
    low, high = (_limit(one.get(end)) for end in ("low", "high"))
    words = "".join(text.split()).casefold() if low is None and high is None else ""
    return low, high, words, (low is None) != (high is None) and excludes(text), () if is_for_all(one) else _whom(one)


def excludes(text: str) -> bool:
    """Whether the words of a range have its limit itself outside: "< 14" and "under 14", but not "inntil 14"."""
    return bool(_EXCLUDES.match(text))


def range_told(tree: Tree) -> Tree:
    """The first range that is for everybody; where there is none, the first."""
    ranges = tree.get("referenceRange") or [_NOTHING]
    return next((one for one in ranges if is_for_all(one)), ranges[0])


def is_for_all(one: Tree) -> bool:
    """Whether a range says what is normal in everybody: one for an age, for the pregnant, or of a treatment, may not be hers."""
    kind = one.get("type") or _NOTHING
    codes = {str(coding["code"]).lower() for coding in kind.get("coding", ()) if coding.get("code")}
    normal = "normal" in codes or (not codes and _words(kind) in _NORMAL)
    return normal and not one.get("appliesTo") and not one.get("age")


def _whom(one: Tree) -> Any:
    age = one.get("age") or _NOTHING
    whom = tuple(_concept(concept) for concept in one.get("appliesTo", ()))
    return whom, _limit(age.get("low")), _limit(age.get("high")), _concept(one.get("type"))


def _limit(quantity: Tree | None) -> Any:
    if not quantity or quantity.get("value") is None:
        return None
    return quantity["value"], spelling.unit(quantity.get("code") or quantity.get("unit", ""))


def specimen_of(tree: Tree) -> Tree:
    """What a result says of its specimen: by the reference, and by what lies beside that or is contained in the result."""
    held = tree.get("specimen") or {}
    if not isinstance(held, Mapping):  # a report has many, and its results say which
        return _NOTHING
    place = str(held.get("reference", ""))
    if not place.startswith("#"):
        return held
    inside = next((one for one in tree.get("contained", ()) if one.get("id") == place[1:]), _NOTHING)
    return {**held, **{name: inside[name] for name in BESIDE if name in inside}, "beside": True}


def _material(tree: Tree) -> Any:
    """Of a specimen its type; of a result that of its specimen where it lies beside it, else which specimen it is."""
    if tree.get("resourceType") == "Specimen":
        return _concept(tree.get("type"))
    specimen = specimen_of(tree)
    if "reference" in specimen and not specimen.get("beside"):
        return spelling.reference_id(specimen["reference"])
    return _concept(specimen.get("type")) or _concept({"text": specimen.get("display", "")})


def _method(tree: Tree) -> Any:
    return _concept(tree.get("method"))


def spoiled(tree: Tree) -> str:
    """Of a specimen, or of the one that lies beside a result, why it is no good; empty where it says nothing of that."""
    held = tree if tree.get("resourceType") == "Specimen" else specimen_of(tree)
    status = str(held.get("status", ""))
    return status if status in SPOILED else ""


def _concept(concept: Tree | None) -> Any:
    codes = spelling.codings(concept)
    words = _words(concept)
    return (codes, words) if codes or words else ()


def _same(one: Any, other: Any) -> bool:
    """Whether two concepts are one: by their codes; by their words where the one has codes that the other lacks."""
    if one == other:
        return True
    if not one or not other or isinstance(one, str) or isinstance(other, str) or len(one) != 2:
        return False
    (codes, words), (others, says) = one, other
    return bool(codes == others and codes) or bool(words and words == says and (codes <= others or others <= codes))


def _code_beside(one: Any, other: Any) -> bool:
    """Whether two concepts have a code in common, none at odds, and the same words or none: another code stands beside it."""
    if not (isinstance(one, tuple) and isinstance(other, tuple) and one and other):
        return False  # none, or which specimen it is
    (codes, words), (others, says) = one, other
    if words != says:
        return False
    return bool(codes & others) and not spelling.at_odds(codes, others)


def _words(concept: Tree | None) -> str:
    return " ".join(str((concept or {}).get("text", "")).split()).casefold()


def _time(tree: Tree) -> Any:
    """The resource's own time, which counts alone; where it has none, when its specimen was collected."""
    own = next((tree[name] for name in _TIMES if tree.get(name)), None)
    specimen = tree if tree.get("resourceType") == "Specimen" else specimen_of(tree)
    collection = specimen.get("collection", {})
    return own or collection.get("collectedDateTime") or collection.get("collectedPeriod")


def _apart(one: Any, other: Any) -> bool:
    """Whether two times cannot be the same, each end of a period with its own."""
    if one == other:
        return False
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        ends = ("start", "end")
        if "start" not in one and "end" not in one:
            return True  # a timing, which is no moment
        return any(_apart(one.get(end), other.get(end)) for end in ends)
    if not isinstance(one, str) or not isinstance(other, str):
        return True
    first, second = _interval(one), _interval(other)
    return first is None or second is None or first[1] <= second[0] or second[1] <= first[0]


def _interval(text: str) -> Interval | None:
    try:
        return interval(text)
    except ValueError:
        return None


_SAID: Final = {"flag": _flags, "range": _range_of, "material": _material, "method": _method, "sample": spoiled}
