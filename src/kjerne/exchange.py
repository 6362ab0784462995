"""A request and its answer as plain values, between `wire`, which speaks HTTP, and the rooms, which do not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from kjerne.access import PORTAL, Action, Caller, Denial, Grant, Once, Subject
from kjerne.errors import Refusal, sentences

Pairs = tuple[tuple[str, str], ...]
Named = tuple[tuple[int, UUID, int], ...]
"""Records as a row of the log names them: type, id and version."""

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What no text for a page or a log holds: line ends, and signs that turn the direction of what follows."""


class PatientRef(msgspec.Struct, frozen=True):
    """How a request names its patient: by identifier digest, or by person key (from a sealed id)."""

    digest: bytes = b""
    key: int = 0


class Asks(Protocol):
    """What gives a connection for the time of a block: the pool, or a transaction that the request is a part of."""

    def acquire(self) -> AbstractAsyncContextManager[Any]: ...


class Before(NamedTuple):
    """A record as it stood before a part of a transaction changed it or took it away. `keys` are those of the person whom it is
    about; none where it is about nobody."""

    type: int
    id: UUID | str
    version: int
    at: datetime
    tree: Mapping[str, Any]
    keys: frozenset[int]


class Joined(Asks, Protocol):
    """A transaction that several requests are parts of: all of them come about, or none (`store.joined`)."""

    def refused(self, row: tuple[Any, ...], named: Named) -> None:
        """Keeps the row of a refusal, with the records that it names: it is written whatever becomes of the transaction."""

    def file(self, grant: Grant, change: Any) -> Any:
        """Files a new record that nothing else has to follow (`store.records.Change`): written with others of its kind before
        anything else is done by the connection."""

    def at_the_end(self, key: Hashable, work: Callable[[Any], Awaitable[None]]) -> None:
        """Has `work` done by the connection after the last write; of several with one `key` the last alone."""

    def changes(self, before: Before) -> None:
        """Keeps what is changed or taken away, as it stood: what a condition of another part would have found
        (`store.matching.check_apart`)."""

    def changed(self, type_: int) -> Sequence[Before]:
        """What of a type was changed or taken away so far, as it stood before the first part did so."""

    def registered(self, patient: int, stamp: int) -> None:
        """A person whom a part of it has registered, or whose facts it has changed, and the stamp that they have now."""


class Admit(Protocol):
    """Asks the law. Returns a `Grant`, or raises `Denied`; handlers have no other way to a patient.

    `basis` is what the caller declares (SAMTYKKE, AKUTT ...), `purpose` overrides the attestation's where an API says so.
    `proven` says that whatever the grant is used for proves the facts by their stamp in its own statement, so that facts
    remembered from an earlier request will do; a refusal is never given from memory. `newcomer` is a person whom no
    register knows, as she will stand once the transaction that uses the grant has registered her. `asked` is the search,
    for the log to keep sealed. `piece` is what of a FHIR type the grant is used for where the action does not say it: `Consent.s`
    or `Specimen.s`, which the token's SMART scopes must leave; with `!` behind it, all of it; with `?`, the caller has looked
    for it among what its own organisation filed, and found none; with `=`, what stands there, or whose the choice is, did not let
    it be. `what` is the kind of content that is registered, several with spaces between, or `ANY_KIND`. `named` are records that
    were looked at already, which the row of a refusal names. `joined` is the
    transaction that the request is a part of.
    """

    async def __call__(
        self,
        patient: PatientRef,
        service: str,
        action: Action,
        *,
        basis: str = "",
        purpose: str = "",
        proven: bool = False,
        newcomer: Subject | None = None,
        asked: str = "",
        piece: str = "",
        what: str = "",
        named: Named = (),
        joined: Joined | None = None,
    ) -> Grant: ...


class Stale(Exception):
    """A fact about the patient changed after the `Grant` was made (raised by the store): ask the law again."""


ANY_KIND: Final = "*"
"""The kind of content of what is to be corrected or taken away, before it is found: the law is asked about its own after that."""


class OtherKind(Exception):
    """What lies there is of a kind of content that the `Grant` does not let be written (raised by the store): ask the law about
    that kind."""

    def __init__(self, what: str) -> None:
        super().__init__("another kind of content")
        self.what = what
        self.looked_at: Named | None = None


@contextlib.contextmanager
def looking_at(*named: tuple[int, UUID, int]) -> Iterator[None]:
    """What is refused inside is refused after these records were looked at, or after none was found to look at: a try to
    write that the patient's log has a row of (law, K82)."""
    try:
        yield
    except (Refusal, OtherKind) as refused:
        refused.looked_at = named
        raise


class Denied(Exception):
    """The law said no; the audit row of the refusal is already durable. The route's API shapes the answer."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.rule)
        self.denial = denial


class Unattested(Refusal):
    """Refused before anything is opened: an attestation or a login breaks a rule, or the register has no such health worker.

    `caller` is who was proven to ask, and the rule that is broken; `named` are whom it was about, whose logs have a row of it
    before this is answered (`policy.door.Door.write_down`; law, K101). `once` is the request's proof, which is noted with that.
    """

    def __init__(self, refused: Refusal, caller: Caller, named: tuple[PatientRef, ...]) -> None:
        super().__init__(
            refused.status, refused.says, where=refused.where, todo=refused.todo, code=refused.code, rule=refused.rule
        )
        self.caller = caller
        self.named = named
        self.once: Once | None = None

    def met(self, once: Once, asked: tuple[PatientRef, ...]) -> Unattested:
        """With the proof of the request that brought it, and whom the request itself `asked` about, where it says so."""
        self.once = once
        self.named = asked or self.named
        return self


def other_role(caller: Caller, where: str) -> Unattested:
    """What a caller hears whose header says another role than the attestation vouches for (ATT-32): it stands in the log of whom
    that is about, with what the token's issuer vouches for alone."""
    named = caller.attestation.patient_digests if caller.attestation else ()
    refused = Refusal(403, "the role in the header is not the one the attestation vouches for", where=where)
    proven = replace(
        caller, authorization="", point_of_care="", department="", attestation=None, basis="", broken="role-in-header"
    )
    return Unattested(refused, proven, tuple(PatientRef(digest=one) for one in named))


class NotFiled(Refusal):
    """Nothing is filed here about a person. As that may be her choice, it is said where nothing else is wrong with the request:
    what nobody's record could take in must not ask about her choices for free."""


def not_filed(denied: Denied, where: str = "") -> Refusal:
    """What a sender learns of a no: that nothing is filed here about this person, not whether she is known or has opted
    out. That the sender takes no part, and since when, is about nobody and is said."""
    denial = denied.denial
    if denial.of_caller:
        return Refusal(403, f"{sentences(denial.says, denial.of_caller)} ({denial.law})", rule=denial.rule)
    if denial.rule == NOT_REGISTERED:
        # Personnel where no choice may be told: the law's words, held back as a system's are.
        return NotFiled(403, f"{sentences(denial.says)} ({denial.law})", where=where, rule=denial.rule)
    what = "results" if denial.service == "results" else "records"
    return NotFiled(403, f"{what} about this person are not filed here", where=where, rule=denial.rule)


def of_several(refused: Refusal) -> NotFiled:
    """As `not_filed`, of a request about several people: neither about whom nor where. A place that is not the first would tell
    that nobody before it has opted out (law, K95)."""
    says = "records about somebody whom the request is about are not filed here"
    return NotFiled(403, says, rule=refused.rule)


class Call(msgspec.Struct, frozen=True):
    """One request, decoded under limits. Header names are lower case; `form` is a urlencoded body's pairs.

    `body` is empty where the wire consumed it as a form. `correlation` is the caller's correlation id or one made here.
    `joined` is the transaction that the request is a part of, and `new_id` the id that what it creates is to have: others in it
    refer to that. Where the patient turns out to be another than the id was made for, it is `Stale`. `meet` has the facts about
    many person keys read at once, for a handler that asks the law about each of them next. `tree` is what the body says, where
    it was read strictly already: nobody changes it. `beside` asks the law about others whose records name a grant's patient,
    and gives the grants about those whom it opens.
    """

    method: str
    path: str
    at: datetime
    correlation: str
    caller: Caller | None
    admit: Admit
    parameters: Mapping[str, str] = {}
    query: Pairs = ()
    form: Pairs = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""
    base_url: str = ""
    once: Once | None = None
    joined: Joined | None = None
    new_id: UUID | None = None
    meet: Callable[[Sequence[int]], Awaitable[None]] | None = None
    tree: dict[str, Any] | None = None
    beside: Callable[[Grant, Sequence[int], Joined | None], Awaitable[Sequence[Grant]]] | None = None

    def connection(self, pool: Asks) -> AbstractAsyncContextManager[Any]:
        """A connection for a block: of the pool, or the one of the transaction that the request is a part of."""
        return (self.joined or pool).acquire()


class Answer(msgspec.Struct, frozen=True):
    """What goes out: status, bytes and headers (lower case names)."""

    status: int
    body: bytes = b""
    media_type: str = "application/fhir+json"
    headers: Pairs = ()
    rest: AsyncIterator[bytes] | None = None
    """Where the body is long: what it is made of, while it is made. `body` is empty then."""


T = TypeVar("T")
ATTEMPTS: Final = 3
SCOPES: Final = "SMART scopes"
"""The rule of a refusal of a token that is too narrow."""


async def granted(
    admit: Admit,
    patient: PatientRef,
    service: str,
    action: Action,
    use: Callable[[Grant], Awaitable[T]],
    *,
    basis: str = "",
    purpose: str = "",
    proven: bool = False,
    asked: str = "",
    piece: str = "",
    what: str = "",
) -> T:
    """Asks the law and uses its answer; where a fact changed in between, or what lies there is of another kind, asks once more.

    `proven` (for the first time round), `asked`, `piece` and `what` as in `Admit`. Where `use` finds that the token's SMART
    scopes do not leave what is to be written, or that what stands there does not let it be (`looking_at`), that stands in the
    patient's log too. Raises `Denied`; `Refusal` 503 when the facts keep changing.
    """
    named: Named = ()
    for attempt in range(ATTEMPTS):
        try:
            again = proven and attempt == 0
            grant = await admit(
                patient,
                service,
                action,
                basis=basis,
                purpose=purpose,
                proven=again,
                asked=asked,
                piece=piece,
                what=what,
                named=named,
            )
            return await use(grant)
        except Stale:
            continue
        except OtherKind as other:
            what, named = other.what, other.looked_at or ()
        except Refusal as refusal:
            seen = refusal.looked_at
            if refusal.rule == SCOPES:
                await noted(admit, patient, service, action, piece, basis=basis, what=what, named=seen or ())
            elif seen is not None:
                await noted(
                    admit, patient, service, action, piece, "=", basis=basis, asked=asked, what=what, named=seen
                )
            raise
    raise unsettled()


async def noted(
    admit: Admit, patient: PatientRef, service: str, action: Action, piece: str, found: Literal["!", "?", "="] = "!",
    *, basis: str = "", asked: str = "", what: str = "", named: Named = (),
) -> None:  # fmt: skip
    """Has the law refuse what a room has found that the token's SMART scopes do not leave (`!`), that the caller has filed
    nothing of (`?`), or that what stands there does not let be (`=`): so it stands in the log, with the records `named`."""
    with contextlib.suppress(Denied):
        await admit(patient, service, action, basis=basis, piece=f"{piece}{found}", asked=asked, what=what, named=named)


class Unsettled(Refusal):
    """Said after so many `ATTEMPTS`: what was looked at changed each time before it could leave, or the facts of the law did."""


def unsettled() -> Unsettled:
    """503: nothing was silent, and the same request may be answered at once."""
    says = "what is registered about the patient, or her privacy choices, is being changed at this moment"
    return Unsettled(503, says, todo="Send the request again.")


Handler = Callable[[Call], Awaitable[Answer]]
ErrorShape = Literal["fhir", "apprec", "oauth", "json", "page", "indicator"]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table (`kjerne.app`). A route without `needs` cannot exist.

    `path` has `{name}` parts. `needs` is the OAuth scope the token must hold, or several with spaces between, of which it
    must hold one; or one of `PUBLIC` (no patient data behind it) and `SESSION` (a page's own login). `errors` is the shape
    of this API's refusals. `notes_proof` says that the handler's first statement notes the request's proof, which saves a
    round trip; any other handler begins after that.
    `conditional` says that the handler heeds the headers by which R4 makes a read or a create depend on what is there.
    `for_citizens` says that a citizen portal may call it too, with `kjerne:portal` instead of `needs`. `by_type` are the scopes,
    as in `needs`, of each type that its path's part `{type}` can be: those that stand instead of `needs` there. `joins` says that
    the handler does its work through `Call.connection`, so that it can be a part of a transaction. `reads_xml` says that it
    reads a body in FHIR's XML itself, and does not get it as JSON. `whole` says that an answer is sent when all of it is made;
    else it may go out in pieces (`Answer.rest`), and is no part of another.
    """

    method: str
    path: str
    handler: Handler
    needs: str
    errors: ErrorShape
    body_limit_bytes: int = 1_000_000
    notes_proof: bool = False
    for_citizens: bool = False
    conditional: bool = False
    by_type: Mapping[str, str] = field(default_factory=dict, hash=False)
    joins: bool = False
    reads_xml: bool = False
    whole: bool = True

    def needed(self, parameters: Mapping[str, str]) -> str:
        """The scopes of which a token must hold one, for the address with these parts."""
        return self.by_type.get(parameters.get("type", ""), self.needs)

    def check_scope(self, caller: Caller, parameters: Mapping[str, str]) -> None:
        """`Refusal` 403 where the caller's token holds no scope that this address asks for."""
        if not (self.for_citizens and PORTAL in caller.scopes):
            check_holds(caller, self.needed(parameters))


def check_holds(caller: Caller, needs: str) -> None:
    """`Refusal` 403 where a token holds none of some scopes (`Route.needs`)."""
    if caller.scopes.isdisjoint(needs.split()):
        raise Refusal(
            403,
            f"the token lacks the scope {' or '.join(needs.split())}",
            where="scope",
            headers=(("www-authenticate", f'DPoP error="insufficient_scope", scope="{needs}"'),),
        )


def any_of(scopes: Mapping[str, str]) -> str:
    """All the scopes of some types (`Route.by_type`), for what is no one type's."""
    return " ".join(dict.fromkeys(one for each in scopes.values() for one in each.split()))


NOT_REGISTERED: Final = "not-registered-here"
"""The rule that who would register hears where no choice of a patient's may be told (`policy.unsaid`)."""
PUBLIC = "public"
SESSION = "session"
