"""What a citizen says is wrong, from her words to the answer: reported misuse of the log, and requests for correction.

pasientjournalloven § 22 has the data controller follow up the log; personvernforordningen article 16 gives a right to
correction, helsepersonelloven § 42 says that whoever keeps the record corrects it. So nothing is altered here: it is sent
to whoever answers for it, and the citizen sees how far it has come. Each step leaves a row in her log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.registries.identifiers import numbers_in, stands_in
from kjerne.store import audit, inquiries, log_pages
from kjerne.store.codec import Wrap
from kjerne.store.inquiries import STATUSES, Inquiry, Kind, Named, Status, Step, Told
from kjerne.store.looks import Place
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.records import hold

WHYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "misuse": ("no-care", "acquaintance", "too-much", "other"),
    "correction": ("wrong-value", "wrong-person", "wrong-text", "other"),
}
"""Why, to choose from."""
REACHES: Final = ("here", "phone", "email")
TEXT_CHARACTERS: Final = (10, 2_000)
CONTACT_CHARACTERS: Final = (5, 200)
REASON_CHARACTERS: Final = (8, 500)
OPEN_LIMIT: Final = 50
"""Most of one patient's that may wait at once: what more she has to say stands in one of them."""

# A text may have lines; what turns its direction, or ends a line unseen, it may not.
_UNSEEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Written:
    """What a form holds; nothing in it is checked yet."""

    why: str
    text: str
    reach: str = "here"
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """One of them with all that it says; `look` is the row of the log that is called misuse."""

    inquiry: Inquiry
    told: Told
    steps: tuple[Step, ...]
    look: Mapping[str, object] | None = None


def checked(kind: Kind, form: Written) -> Written:
    """The form with its texts trimmed; `Refusal` 400 with the field that is wrong."""
    if form.why not in WHYS[kind]:
        raise Refusal(400, "there is no such reason to choose", where="why")
    if form.reach not in REACHES:
        raise Refusal(400, "there is no such way to reach anybody", where="reach")
    text = written(form.text, TEXT_CHARACTERS, "text")
    contact = "" if form.reach == "here" else written(form.contact, CONTACT_CHARACTERS, "contact")
    if "\n" in contact or (form.reach == "email" and "@" not in contact):
        raise Refusal(400, "this is no telephone number or e-mail address", where="contact")
    return Written(form.why, text, form.reach, contact)


def written(text: str, characters: tuple[int, int], where: str) -> str:
    """A text of so many characters without a person number, its lines ended alike; `Refusal` 400 otherwise."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    fewest, most = characters
    if not fewest <= len(plain) <= most:
        raise Refusal(400, f"this is written in {fewest} to {most} characters", where=where)
    if _UNSEEN.search(plain):
        raise Refusal(400, "this is plain text", where=where)
    if stands_in(plain):
        raise Refusal(400, "a person number has no place here", where=where)
    return plain


class Desk:
    """Takes in, opens and answers. `reader` opens the record that is said to be wrong."""

    def __init__(self, wrap: Wrap, reader: Reader) -> None:
        self._wrap = wrap
        self._reader = reader

    async def misuse(self, conn: Connection, grant: Grant, look: Place, about: str, form: Written) -> Inquiry:
        """Reports a look by personnel as misuse; `Refusal` 404 where her log has no such row."""
        form = checked("misuse", form)
        row = await log_pages.one(conn, grant, self._wrap, look)
        if row is None or row["caller_kind"] != "practitioner" or row["caller_digest"] in grant.subject.digests:
            raise Refusal(404, "there is no such look by personnel in the log", where="look")
        made = replace(_made(grant, "misuse", row["organisation"], look=look), service=row["service"])
        return await self._taken_in(conn, grant, made, about, form)

    async def correction(self, conn: Connection, grant: Grant, record: Named, about: str, form: Written) -> Inquiry:
        """Asks for a correction of a record that the grant opens; `Refusal` 404 where it opens none of this id."""
        form = checked("correction", form)
        (held,) = await self._reader.named(conn, grant, [(record.type, record.id)]) or (None,)
        if held is None:
            raise Refusal(404, "there is no such result", where="report")
        organisation = await inquiries.source_of(conn, grant, record.id)
        made = _made(grant, "correction", organisation, record=Named(held.type, held.id, held.version))
        return await self._taken_in(conn, grant, made, about, form)

    async def _taken_in(self, conn: Connection, grant: Grant, made: Inquiry, about: str, form: Written) -> Inquiry:
        told = Told(grant.caller.name, about, form.why, form.text, form.reach, form.contact)
        async with conn.transaction():
            await hold(conn, grant)
            rows = await inquiries.of_patient(conn, grant, self._wrap)
            waiting = [(one, said) for one, said, _ in rows if one.status != "answered"]
            for one, said in waiting:
                if said == told and (one.kind, one.look, one.record) == (made.kind, made.look, made.record):
                    await audit.insert(conn, audit.given(grant))
                    return one  # sent twice by a double click, or by going back
            if len(waiting) >= OPEN_LIMIT:
                raise Refusal(409, "too many are waiting already", where="waiting")
            await inquiries.add(conn, grant, self._wrap, made, told)
            await audit.insert_explained(conn, audit.given(grant), about_of(made), "")
        return made

    async def own(self, conn: Connection, grant: Grant) -> tuple[Opened, ...]:
        """All that were sent about the patient, newest first, with their answers."""
        async with conn.transaction():
            rows = await inquiries.of_patient(conn, grant, self._wrap)
            await audit.insert(conn, audit.given(grant))
        return tuple(Opened(one, told, tuple(steps)) for one, told, steps in rows)

    async def opened(self, conn: Connection, grant: Grant, held: Inquiry, reason: str) -> Opened:
        """One of them for whoever handles it, for a reason that stands in the patient's log."""
        reason = written(reason, REASON_CHARACTERS, "reason")
        if "\n" in reason or numbers_in(reason):
            raise Refusal(400, "a reason is one line and names nobody by number", where="reason")
        async with conn.transaction():
            await hold(conn, grant)
            found = await inquiries.opened(conn, grant, self._wrap, held.number)
            if found is None:
                raise Stale
            inquiry, told, steps = found
            look = await log_pages.one(conn, grant, self._wrap, inquiry.look) if inquiry.look else None
            await audit.insert_explained(conn, audit.given(grant), about_of(inquiry), reason)
        return Opened(inquiry, told, tuple(steps), look)

    async def moved(
        self, conn: Connection, grant: Grant, held: Inquiry, status: str, answer: str, by: str, step: int
    ) -> Inquiry:
        """The next step: `under-way`, or `answered` with an answer. `step` is the last that whoever does it had seen."""
        if status not in STATUSES[1:]:
            raise Refusal(400, "it is set under way or answered", where="status")
        text = written(answer, TEXT_CHARACTERS, "answer") if status == "answered" or answer.strip() else ""
        if step != held.step:
            raise Refusal(409, "somebody else has just done something with it", where="inquiry")
        new: Status = "answered" if status == "answered" else "under-way"
        async with conn.transaction():
            await hold(conn, grant)
            await inquiries.move(conn, grant, self._wrap, held, Step(grant.at, new, by, text))
            await audit.insert_explained(conn, audit.given(grant), about_of(held), "")
        return held


def about_of(inquiry: Inquiry) -> str:
    """What a row of the log says that it is about."""
    return f"inquiry/{inquiry.kind}/{inquiry.reference}"


def _made(
    grant: Grant, kind: Kind, organisation: str, *, look: Place | None = None, record: Named | None = None
) -> Inquiry:
    return Inquiry(
        patient=grant.subject.patient, number=uuid4(), kind=kind, made_at=grant.at, organisation=organisation, look=look,
        record=record,
    )  # fmt: skip
