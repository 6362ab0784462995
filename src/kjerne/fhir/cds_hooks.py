"""The form of CDS Hooks 2.0: what a call, a card and a feedback look like, whichever service answers.

Source: https://cds-hooks.hl7.org/2.0/. The resources in a call are the caller's own, drafts among them, and are held to no
profile: what is read of them is read with care (`objects`, `said`). A draft whose form cannot be read is refused; of what was
fetched beforehand it is told that it was not read (`listed`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, Answer
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.encode import encode

Tree = Mapping[str, Any]
Hook = Literal["patient-view", "order-select", "order-sign"]
Indicator = Literal["info", "warning", "critical"]
Outcome = Literal["accepted", "overridden"]

BASE: Final = "/cds-services"
OF_ORDERS: Final = frozenset({"order-select", "order-sign"})
BODY_LIMIT_BYTES: Final = 2_000_000
ENTRIES_LIMIT: Final = 500
"""Resources in the drafts and in each thing that was fetched beforehand."""
FEEDBACK_LIMIT: Final = 50
SUMMARY_CHARACTERS: Final = 140
_ID_CHARACTERS: Final = 256
_SYSTEMS: Final = "http://kjerne.example/fhir/CodeSystem/"
RULES: Final = f"{_SYSTEMS}warning-rule"
REASONS: Final = f"{_SYSTEMS}warning-override-reason"
_READ: Final = frozenset({"context", "draftOrders", "fhirAuthorization", "prefetch"})
"""Of a call and of its context what is read by its own name."""
_TYPES: Final = frozenset(TYPES)
_HOLDERS: Final = frozenset({"Bundle", "List", "OperationOutcome"})
"""What is no part of a list of resources: more lists, and what went wrong."""
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


class Order(NamedTuple):
    """A draft that is asked about: `place` is `Type/id`, or where it stands in the call if it has no id."""

    place: str
    resource: Tree
    has_id: bool


TAKEN: Final = Answer(200, b"{}", "application/json")
"""To feedback: it was heard, and nothing else is said of the card."""


class Listed(NamedTuple):
    """A list that was fetched beforehand. `is_whole` is False where it was not sent, where fetching it failed, where it is but a
    page, and where something in it cannot be read."""

    resources: list[Tree]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a service. `patient` is the client's own id of her, `orders` the drafts that it is about (of `order-select` the
    selected ones), `fetched` what was fetched beforehand by its key, `around` every resource by `Type/id` and whole address.

    `every` is each resource, wherever in the call it lies, with the one that its references start at.
    """

    hook: Hook
    instance: UUID
    patient: str
    orders: tuple[Order, ...]
    fetched: Tree
    around: Tree
    every: tuple[tuple[Tree, Tree], ...] = ()

    def resources(self, key: str) -> list[Tree] | None:
        """The resources under a key of what was fetched beforehand; None where the client did not send it."""
        return _resources(self.fetched[key]) if key in self.fetched else None

    def listed(self, key: str) -> Listed:
        """The list under a key of what was fetched beforehand."""
        return listed(self.fetched.get(key))


def asked(tree: Tree, hooks: Collection[str]) -> Asked:
    """The call in a body, for a service with these hooks; `Refusal` 400 with what is missing.

    `fhirAuthorization` is looked at for its form alone: nothing here calls the client's FHIR server, and the token in it is
    neither used nor kept.
    """
    hook, instance = said(tree.get("hook")), said(tree.get("hookInstance"))
    if hook not in hooks:
        raise _wrong(f"this service answers {', '.join(sorted(hooks))}", "hook")
    try:
        number = UUID(instance)
    except ValueError:
        raise _wrong("hookInstance is a UUID", "hookInstance") from None
    context, fetched = tree.get("context"), tree.get("prefetch", {})
    if not isinstance(context, dict):
        raise _wrong("the context is missing", "context")
    for name in ("userId", "patientId"):
        if not 0 < len(said(context.get(name))) <= _ID_CHARACTERS:
            raise _wrong(f"the context has no {name}", f"context.{name}")
    if not isinstance(fetched, dict):
        raise _wrong("prefetch is an object", "prefetch")
    _check_authorization(tree)
    drafts = _drafts(context) if hook in OF_ORDERS else []
    orders = _selected(context, drafts) if hook == "order-select" else drafts
    patient = said(context.get("patientId"))
    around = _around(drafts, [context.get("draftOrders"), *fetched.values()])
    beside = [{name: one for name, one in each.items() if name not in _READ} for each in (context, tree)]
    every = tuple(_every((context.get("draftOrders"), *fetched.values()), beside))
    return Asked(hook, number, patient, tuple(orders), fetched, around, every)  # type: ignore[arg-type]


def _check_authorization(tree: Tree) -> None:
    given = tree.get("fhirAuthorization")
    if given is None:
        return
    if not isinstance(given, dict) or not said(given.get("access_token")):
        raise _wrong("fhirAuthorization has no access_token", "fhirAuthorization", "Leave it out: it is not used here.")
    if not said(tree.get("fhirServer")):
        raise _wrong(
            "fhirAuthorization goes with a fhirServer", "fhirServer", "Leave both out: they are not used here."
        )


def _drafts(context: Tree) -> list[Order]:
    bundle = context.get("draftOrders")
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise _wrong("draftOrders is a Bundle", "context.draftOrders")
    found, places = list[Order](), set[str]()
    for number, one in enumerate(_formed(bundle, "context.draftOrders")):
        id_ = said(one.get("id"))
        place = f"{said(one.get('resourceType'))}/{id_}" if id_ else f"draftOrders.entry[{number}]"
        if place in places:
            raise _wrong("two drafts have the same id", "context.draftOrders", f"Give {place[:64]} an id of its own.")
        places.add(place)
        found.append(Order(place, one, bool(id_)))
    return found


def _formed(bundle: Tree, where: str) -> list[Tree]:
    """The resources of a Bundle; `Refusal` 400 where an entry has none, or one of a type that R4 does not have."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise _wrong("entry is a list", f"{where}.entry")
    for number, one in enumerate(entries):
        if not isinstance(one, dict) or not isinstance(one.get("resource"), dict):
            raise _wrong("the entry has no resource", f"{where}.entry[{number}].resource")
        if not _is_type(said(one["resource"].get("resourceType"))):
            at = f"{where}.entry[{number}].resource.resourceType"
            raise _wrong("this is no type of R4", at, "Name the type as R4 does, in its own capitals.")
    return _resources(bundle)


def _selected(context: Tree, drafts: Sequence[Order]) -> list[Order]:
    wanted = context.get("selections")
    if not isinstance(wanted, list) or not wanted:
        raise _wrong("selections names the drafts that were selected", "context.selections")
    by_place = {one.place: one for one in drafts}
    found = dict[str, Order]()
    for number, one in enumerate(wanted[:ENTRIES_LIMIT]):
        place = said(one)
        if place not in by_place:
            raise _wrong("no draft has this reference", f"context.selections[{number}]", "Name each as Type/id.")
        found[place] = by_place[place]
    return list(found.values())


def _resources(value: Any) -> list[Tree]:
    """A resource, or those in a Bundle; `Refusal` 422 for too many."""
    if not isinstance(value, dict):
        return []
    if value.get("resourceType") != "Bundle":
        return [value]
    found = [one["resource"] for one in objects(value.get("entry")) if isinstance(one.get("resource"), dict)]
    if len(found) > ENTRIES_LIMIT:
        raise Refusal(
            422, f"a call has at most {ENTRIES_LIMIT} resources of a kind", where="Bundle.entry", code="too-costly",
            todo="Send those that stand now, and the drafts that are being written.",
        )  # fmt: skip
    return found


def listed(value: Any) -> Listed:
    """The resources of a list as a client fetched it, a searchset or one resource, and whether it is all of it.

    A client that could not fetch it sends an OperationOutcome in its place (CDS Hooks 2.0, prefetch), which is no empty list.
    One among the matches that only warns is no failure (R4 search.html, `search.mode` outcome).
    """
    if not isinstance(value, dict):
        return Listed([], False)
    if value.get("resourceType") != "Bundle":
        return Listed([value], True) if _is_listed(value) else Listed([], False)
    entries = value.get("entry", [])
    if not isinstance(entries, list):
        return Listed([], False)
    held = [one.get("resource") for one in objects(entries)]
    failed = sum(not (_is_listed(one) or _is_advice(one)) for one in held) + len(entries) - len(held)
    included = sum(
        said(next(objects(one.get("search")), {}).get("mode")) in ("include", "outcome") for one in objects(entries)
    )
    total = value.get("total")
    is_page = any(one.get("relation") == "next" for one in objects(value.get("link")))
    is_page = is_page or (isinstance(total, int) and total > len(entries) - included)
    return Listed([one for one in _resources(value) if _is_listed(one)], not failed and not is_page)


def _is_type(name: str) -> bool:
    return name in _TYPES


def _is_listed(one: Any) -> bool:
    name = said(one.get("resourceType")) if isinstance(one, dict) else ""
    return _is_type(name) and name not in _HOLDERS


def _is_advice(one: Any) -> bool:
    if not isinstance(one, dict) or one.get("resourceType") != "OperationOutcome":
        return False
    issues = list(objects(one.get("issue")))
    return bool(issues) and all(each.get("severity") in ("warning", "information") for each in issues)


def _every(values: Sequence[Any], beside: Sequence[Tree]) -> Iterator[tuple[Tree, Tree]]:
    """Each resource of these values and in those beside, with the one that holds it, itself where none does.

    Iterative: depth is the sender's. Wherever it lies: in a Parameters, a list or an extension too, since who is asked about
    may be told by any of it."""
    waiting: list[tuple[str, Any, Tree]] = [("", one, {}) for one in beside]
    waiting += [("resource", one, {}) for one in reversed(values)]
    while waiting:
        key, one, around = waiting.pop()
        if isinstance(one, list):
            waiting += [(key, each, around) for each in reversed(one) if isinstance(each, (dict, list))]
        elif isinstance(one, dict):
            holder = around if key == "contained" else one
            if key in ("resource", "contained") or "resourceType" in one:
                yield one, holder
                around = holder
            held = [(name, each, around) for name, each in one.items() if isinstance(each, (dict, list))]
            waiting += reversed(held)


def _around(drafts: Sequence[Order], values: Sequence[Any]) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    for value in values:
        for one in _resources(value):
            if id_ := said(one.get("id")):
                found[f"{said(one.get('resourceType'))}/{id_}"] = one
        for one in objects(value.get("entry")) if isinstance(value, dict) else ():
            if (address := said(one.get("fullUrl"))) and isinstance(one.get("resource"), dict):
                found[address] = one["resource"]
    return found | {one.place: one.resource for one in drafts}


def led_to(reference: Any, holder: Tree, around: Tree) -> Tree:
    """The resource that a reference leads to: contained in its holder, or elsewhere in the call; empty where it is neither."""
    text = said(reference.get("reference")) if isinstance(reference, dict) else ""
    if text[:1] == "#":
        return next((one for one in objects(holder.get("contained")) if one.get("id") == text[1:]), {})
    relative = "/".join(text.split("/_history/")[0].split("/")[-2:])
    found: Tree = around.get(text) or around.get(relative) or {}
    return found


def objects(value: Any) -> Iterator[Tree]:
    """The objects of a list, or the one that stands alone."""
    if isinstance(value, dict):
        return iter((value,))
    return iter([one for one in value if isinstance(one, dict)] if isinstance(value, list) else ())


def said(value: Any) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def codings(concept: Any) -> Iterator[tuple[str, str, str]]:
    """System, code and display of each coding of a CodeableConcept that has a code."""
    for one in objects(concept):
        for coding in objects(one.get("coding")):
            if code := said(coding.get("code")):
                yield said(coding.get("system")), code, said(coding.get("display"))


def named(concept: Any) -> str:
    """What a CodeableConcept is called: its text, else the display that was chosen, else any; empty where it says nothing."""
    for one in objects(concept):
        chosen = sorted(objects(one.get("coding")), key=lambda coding: coding.get("userSelected") is not True)
        for text in (said(one.get("text")), *(said(coding.get("display")) for coding in chosen)):
            if text.strip():
                return text
    return ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """To take drafts away: the button's words, and each draft as `Type/id`."""

    uuid: UUID
    label: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What is told. `rule` is why (of `RULES`), `topic` that in words; `reasons` are code and words of what a reader may answer.

    A card without a `uuid` asks for no feedback. `summary` is plain text, `detail` Markdown whose parts went through `plain`.
    """

    rule: str
    topic: str
    summary: str
    detail: str
    indicator: Indicator
    uuid: UUID | None = None
    suggestion: Suggestion | None = None
    reasons: tuple[tuple[str, str], ...] = ()


def answer(cards: Sequence[Card], source: str, link: str, url: str) -> bytes:
    """The body of an answer. `source` is whose guidance it is; each card has a link with these words to the page at `url`."""
    return encode({"cards": [_told(one, source, link, url) for one in cards]})


def _told(card: Card, source: str, link: str, url: str) -> dict[str, Any]:
    topic = {"system": RULES, "code": card.rule, "display": card.topic}
    found: dict[str, Any] = {} if card.uuid is None else {"uuid": str(card.uuid)}
    found |= {
        "summary": card.summary, "detail": card.detail, "indicator": card.indicator,
        "source": {"label": source, "url": url, "topic": topic},
    }  # fmt: skip
    if (one := card.suggestion) is not None:
        actions = [{"type": "delete", "description": one.label, "resourceId": place} for place in one.places]
        found["suggestions"] = [{"label": one.label, "uuid": str(one.uuid), "actions": actions}]
        found["selectionBehavior"] = "at-most-one"
    if card.reasons:
        found["overrideReasons"] = [{"system": REASONS, "code": code, "display": words} for code, words in card.reasons]
    return found | {"links": [{"label": link, "url": url, "type": "absolute"}]}


def plain(text: str, most: int = 200) -> str:
    """A text of somebody's for Markdown: one line, at most so long, in which no sign is markup and no tag is a tag."""
    escaped = _MARKS.sub(r"\\\1", one_line(text, most))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def bare(text: str, most: int = 200) -> str:
    """A text of somebody's for a summary or a button, which have no markup and no way to write a sign otherwise: one line,
    without the signs that begin and end a tag."""
    return one_line(text, most).translate({ord("<"): "‹", ord(">"): "›"})


def one_line(text: str, most: int = 200) -> str:
    """A text as one line of at most so many characters, without signs that end lines or turn what follows."""
    line = " ".join(CONTROL.sub(" ", text).split())
    return line if len(line) <= most else f"{line[: max(most - 1, 0)].rstrip()}…"


class Feedback(NamedTuple):
    """What became of a card. `reason` is a code of `REASONS`; empty where none was given, `other` where it is another's."""

    card: UUID
    outcome: Outcome
    reason: str
    suggestions: tuple[str, ...]


def feedback(tree: Tree, reasons: Collection[str]) -> list[Feedback]:
    """What a body tells of cards, of which the `reasons` are known; `Refusal` 400 with the place of what is wrong.

    A comment in words is taken and not kept: it may say anything of anybody.
    """
    entries = tree.get("feedback")
    if not isinstance(entries, list) or not entries:
        raise _wrong("feedback is a list of what became of cards", "feedback")
    if len(entries) > FEEDBACK_LIMIT:
        raise Refusal(422, f"at most {FEEDBACK_LIMIT} cards are told of at once", where="feedback", code="too-costly")
    return [_feedback(one, f"feedback[{number}]", reasons) for number, one in enumerate(entries)]


def _feedback(one: Any, where: str, reasons: Collection[str]) -> Feedback:
    if not isinstance(one, dict):
        raise _wrong("each is an object", where)
    try:
        card = UUID(said(one.get("card")))
    except ValueError:
        raise _wrong("card is the uuid of a card", f"{where}.card") from None
    outcome = one.get("outcome")
    if outcome not in ("accepted", "overridden"):
        raise _wrong("outcome is accepted or overridden", f"{where}.outcome")
    try:
        datetime.fromisoformat(said(one.get("outcomeTimestamp")))
    except ValueError:
        raise _wrong("outcomeTimestamp says when, as in RFC 3339", f"{where}.outcomeTimestamp") from None
    suggestions = tuple(said(each.get("id")) for each in objects(one.get("acceptedSuggestions")))
    if outcome == "accepted" and not suggestions:
        raise _wrong("what is accepted is a suggestion of the card", f"{where}.acceptedSuggestions")
    return Feedback(card, outcome, "" if outcome == "accepted" else _reason(one, reasons), suggestions)


def _reason(one: Tree, reasons: Collection[str]) -> str:
    given = next((each.get("reason") for each in objects(one.get("overrideReason"))), None)
    coding = next(objects(given), {})
    code = said(coding.get("code"))
    if not code:
        return ""
    return code if code in reasons and said(coding.get("system")) in ("", REASONS) else "other"


def _wrong(says: str, where: str, todo: str = "") -> Refusal:
    return Refusal(400, says, where=where, todo=todo)
