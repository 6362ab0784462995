"""What the interactions with one resource have in common over HTTP: versions as ETags, conditions, what comes back.

Sources: R4 http.html#concurrency and #cread, RFC 9110 section 13.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, NoReturn, TypeVar
from urllib.parse import parse_qsl

from kjerne.access import Action, Caller, Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, granted, noted
from kjerne.fhir import smart
from kjerne.fhir.encode import encode
from kjerne.fhir.outcome import advised
from kjerne.fhir.prefer import lenient, wanted
from kjerne.fhir.splice import served, splice

VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_TAG: Final = re.compile(r'\s*(?:W/)?"?([^",]*)"?\s*')
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

REGISTER_KIND: Final = "register-kind"
"""The rule that is about the caller's role and the kind of content she sends, whoever the patient is."""
CHANGES: Final = "ud"
"""The letters of `cruds` that change what is there."""
T = TypeVar("T")


def etag(version: int) -> str:
    return f'W/"{version}"'


def http_date(at: datetime) -> str:
    """A moment (in UTC, as every row's is) as HTTP writes it (RFC 9110 section 5.6.7); English whatever the locale."""
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} GMT"


def version_headers(version: int, at: datetime) -> Pairs:
    return (("etag", etag(version)), ("last-modified", http_date(at)))


def sent_version(headers: Mapping[str, str]) -> int | None:
    """The version that `If-Match` demands, None where there is no such header; `Refusal` 400 for what is no version.

    With `If-None-Match: *` it is 0: none may be there (RFC 9110 section 13.1.2).
    """
    if (none := headers.get("if-none-match")) is not None:
        if none.strip() != "*":
            says, todo = "If-None-Match of a write takes * alone", "Name the version you change by If-Match."
            raise Refusal(400, says, where="If-None-Match", todo=todo, code="value")
        return 0
    text = headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not text:
        return None
    if not VERSION.fullmatch(text):
        # A list or `*` (RFC 9110 section 13.1.1) would change a version that nobody says she has seen.
        raise _no_version(
            400, says="If-Match takes one ETag, of the version you change: no list, and not *", code="value"
        )
    return int(text)


def demanded_version(headers: Mapping[str, str]) -> int:
    """As `sent_version`, where a change may not do without: `Refusal` 428."""
    version = sent_version(headers)
    if version is None:
        raise _no_version(428)
    return version


def version_to_change(call: Call) -> int | None:
    """As `demanded_version`; the sandbox's test client may leave it out, since it plays programs of servers that demand none."""
    if call.caller is not None and call.caller.asks_about_everybody:
        return sent_version(call.headers)
    return demanded_version(call.headers)


def _no_version(
    status: int, headers: Pairs = (), *, says: str = "the version you change is missing", code: str = "required"
) -> Refusal:
    return Refusal(
        status, says, where="If-Match",
        todo='Read the record and send its ETag, such as W/"3".', code=code, headers=headers,
    )  # fmt: skip


def check_seen(caller: Caller, expected: int | None, version: int) -> None:
    """Of a record that was found by a condition: `Refusal` 428 where it is not said which version was seen. The sandbox's test
    client may leave that out here too."""
    if expected is None and not caller.asks_about_everybody:
        raise unseen(version)


def unseen(version: int) -> Refusal:
    """Said of a record that is there and would be changed by who does not say that she has seen it; its ETag goes along."""
    return _no_version(428, (("etag", etag(version)),))


def unchanged(headers: Mapping[str, str], version: int, at: datetime) -> bool:
    """Whether a conditional read needs no answer (304): `If-None-Match`, else `If-Modified-Since` (RFC 9110 section 13.2.2).

    A date that is none is passed over, as section 13.1.3 says.
    """
    if (tags := headers.get("if-none-match")) is not None:
        return tags.strip() == "*" or str(version) in {one[1] for one in _TAG.finditer(tags)}
    if (sent := headers.get("if-modified-since")) is None:
        return False
    try:
        since = parsedate_to_datetime(sent)
    except ValueError:
        return False
    # Last-Modified has whole seconds, and is what the caller sends back.
    return since.tzinfo is not None and at.replace(microsecond=0) <= since


OF_A_READ: Final = frozenset({"_format", "_pretty", "_summary", "_elements"})
"""What R4 http.html lets a read ask for beside the resource."""
OF_A_WRITE: Final = frozenset({"_format", "_pretty"})
"""What an address may ask for that neither searches nor shows a part of a resource."""
OF_A_HISTORY: Final = OF_A_READ | {"_count", "_since", "_at"}
CRITERIA_LIMIT: Final = 64


def known(call: Call, pairs: Pairs, names: frozenset[str]) -> Pairs:
    """The parameters of an address that is no search; `Refusal` 400 for any other, which lenient handling passes over."""
    if not lenient(call.headers) and any(name not in names for name, _ in pairs):
        raise _not_heeded(names, "Leave the others out, or send Prefer: handling=lenient.")
    return tuple(pair for pair in pairs if pair[0] in names)


def check_no_list(call: Call) -> None:
    """`Refusal` 400 where a history is to be narrowed by a List, whatever the handling: passing it over would give more."""
    if any(name == "_list" for name, _ in call.query):
        says = "a history is not narrowed by a list"
        raise Refusal(400, says, where="_list", code="not-supported", todo="Leave it out.")


def heeded(call: Call, names: frozenset[str]) -> None:
    """`Refusal` 400 for any other parameter, even where handling is lenient."""
    if any(name not in names for name, _ in call.query):
        raise _not_heeded(names, "Leave the others out.")


def _not_heeded(names: frozenset[str], todo: str) -> Refusal:
    says = f"this address takes {', '.join(sorted(names))} and no other parameter"
    return Refusal(400, says, where="query", code="not-supported", todo=todo)


def criteria_in(text: str, where: str = "If-None-Exist") -> Pairs:
    """The criteria of a condition that stands by itself (R4 http.html#ccreate)."""
    text = text.strip().removeprefix("?")
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=CRITERIA_LIMIT))
    except ValueError:
        says = "the criteria cannot be read"
        raise Refusal(400, says, where=where, todo="Send name=value, with & between, as in an address.") from None


def deleted(call: Call, version: int, at: str = "") -> Answer:
    """The answer to a deletion that made `version`; 0 where there was nothing to delete. `at` is the record's address, where the
    request did not say it."""
    headers: Pairs = (("etag", etag(version)),) if version else ()
    if version and at:
        headers = (("location", f"{call.base_url}{at}/_history/{version}"), *headers)
    if wanted(call.headers) == "OperationOutcome":
        return Answer(
            200, told("the record was deleted" if version else "there was nothing to delete"), headers=headers
        )
    return Answer(204, headers=headers)


def basis_of(call: Call) -> str:
    """The access basis that the request declares."""
    return call.headers.get("access-basis", "").upper()


def absent(call: Call) -> Refusal:
    """What is said of a record that is not there."""
    return Refusal(404, f"no {call.parameters['type']} with this id that you may see", where="id")


async def hidden_as_absent(
    call: Call, patient: PatientRef, service: str, action: Action, letter: str,
    use: Callable[[Grant], Awaitable[T]], *, basis: str = "", what: str = "",
) -> T | None:  # fmt: skip
    """What `use` gives for the record of an address, or None where the law gives nothing: refused and absent are one.

    `letter` of `cruds` is what the token's SMART scopes must leave of the type, `what` the kind of content as in `Admit`. What is
    wrong with the caller is said, and that her role may not register it. A change that finds no record which the caller filed is
    a refusal in the patient's log.
    """
    name = call.parameters["type"]
    try:
        found = await granted(
            call.admit, patient, service, action, use, basis=basis, proven=True, piece=f"{name}.{letter}", what=what
        )
    except Denied as denied:
        smart.demand(call.caller, name, letter)
        if denied.denial.of_caller or denied.denial.rule == REGISTER_KIND:
            raise
        return None
    if found is None and letter in CHANGES:
        await noted(call.admit, patient, service, action, f"{name}.{letter}", "?", basis=basis, what=what)
    return found


async def no_such_id(call: Call, service: str, action: Action, letter: str, what: str = "") -> NoReturn:
    """`Refusal` 404 for an id that is none, as for the id of nobody: asked and refused, with its row in the platform's log."""

    async def nothing(_: Grant) -> None:
        return None

    await hidden_as_absent(call, PatientRef(), service, action, letter, nothing, what=what)
    raise absent(call)


def has_another_id(name: str, now: object) -> Refusal:
    """What is said of a record that a later message gave another id."""
    at = f"{name}/{now}"
    return Refusal(410, f"the record has another id now, {at}", where="id", todo=f"Ask for {at}, and refer to that.")


class Made(NamedTuple):
    """A version that a write has made, or met: where it lies, when it came, and its bytes (empty where they do not leave)."""

    id: str
    version: int
    at: datetime
    raw: bytes = b""


def answer_of(
    call: Call, base: str, made: Made, status: int, says: str, advice: Sequence[Fault] = ()
) -> Answer:  # fmt: skip
    """The answer to a write, as much of it as `Prefer` asks for: the resource, nothing, or `says` in an OperationOutcome, with
    the `advice` of profiles.

    Where nobody says, it is the resource, or `says` where its bytes do not leave.
    """
    name, want = call.parameters["type"], wanted(call.headers)
    location = f"{call.base_url}{base}/{name}/{made.id}/_history/{made.version}"
    headers = (("location", location), *version_headers(made.version, made.at))
    if want == "minimal":
        return Answer(status, headers=headers)
    if want == "OperationOutcome" or not made.raw:
        return Answer(status, told(says, advice), headers=headers)
    return Answer(status, served(made.raw, splice(made.raw), made.id, made.version, made.at), headers=headers)


def told(says: str, advice: Sequence[Fault] = ()) -> bytes:
    """An OperationOutcome for what went well."""
    issue = {"severity": "information", "code": "informational", "diagnostics": says}
    return encode({"resourceType": "OperationOutcome", "issue": [issue, *map(advised, advice)]})
