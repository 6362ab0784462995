"""All versions of one report folded into what holds now.

A laboratory sends a report again when it grows (preliminary, partial, final), changes, is added to or is cancelled.
The versions of a chain share laboratory, discipline and ServProvId and more (`lineage`; see also `kin`), and are ordered
by GenDate; the fold starts from nothing each time, so the order of arrival cannot matter, and a version that comes twice
counts once.

A version that named another patient is a part of her report's history, not of its content: here it is only an `absent`
one, of which nothing is shown.

A newer version repeats the whole report (ServType H on a result: unchanged), except an addition (A), which holds
only what is new. What a full version leaves out is not deleted: see `entries`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kjerne.services.results.kith import additions, codes, kept_files, sampled, samplings
from kjerne.services.results.kith.entries import Entries, Result
from kjerne.services.results.kith.kept_files import Kept
from kjerne.services.results.kith.model import AnalysedSubject, Message, Patient, Report, Request
from kjerne.services.results.kith.read_actors import identifier_of
from kjerne.services.results.kith.samples import Samples, collected
from kjerne.services.results.kith.statuses import REPORT_WAITING, report_status
from kjerne.services.results.kith.taken import around, place

RANK: Final = {"N": 0, "H": 1, "A": 2, "M": 3, "C": 4}
"""Orders versions made in the same second: a change follows what it changes."""


NOBODY: Final = Patient("", "")
"""Whom an `absent` version names; a message without a number is refused."""


class Versioned(msgspec.Struct, frozen=True, array_like=True):
    """One report as one message carried it: what is stored for each version, and what `fold` takes.

    `part` counts the reports of the message (1.3 lets it hold several). `samplings` are the times of those alone that it was
    reduced to (`only`), or of which an `absent` one told; empty where it is whole. `elsewhere`: the times of the others, which
    lie with somebody else.
    """

    message: str
    generated: str
    generated_at: datetime
    report: Report
    part: int = 0
    samplings: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def name(self) -> tuple[str, str, int]:
        """What tells it from other versions, whole or not."""
        return self.message, self.generated, self.part


class State(msgspec.Struct, frozen=True, array_like=True):
    """The report as it holds now. `report` is the newest version that is no bare cancellation; `issued` the newest
    GenDate, `first_issued` the first version's issue date, whomever that named. `files` are those that came embedded, former
    ones too."""

    status: str
    message: str
    first_issued: str
    issued: str
    versions: int
    report: Report
    subjects: dict[str, AnalysedSubject]
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    files: tuple[Kept, ...] = ()
    completes: bool = False
    """Whether the newest version is sent as a change and finishes what was only waited for: nothing that stood was corrected."""
    named: dict[str, str] = msgspec.field(default_factory=dict)
    """When the newest version that names each of the `subjects` was made."""
    made_of: dict[str, str] = msgspec.field(default_factory=dict)
    """What each was made from, by their keys."""

    def collected(self, key: str) -> str:
        """When one of the `subjects` was collected, or what it was made from."""
        return collected(key, self.subjects, self.made_of)


def versions(message: Message) -> list[Versioned]:
    """Each report of the message as a version of its chain.

    1.3 lets a message hold several under one number. They were made one after the other, a microsecond apart: so each of them
    has a name of its own among the versions under the number, and `lineage` keeps them reports of their own.
    """
    if len(message.reports) == 1:
        return [Versioned(message.id, message.generated, message.generated_at, message.reports[0])]
    found: list[Versioned] = []
    before: set[tuple[str, ...]] = set()
    for part, report in enumerate(message.reports):
        keys = {report_key(message, report), report_key(message, report, numbered=False)}
        after = timedelta(microseconds=0 if keys.isdisjoint(before) else part)
        found.append(Versioned(message.id, message.generated, message.generated_at + after, report, part))
        before |= keys
    return found


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Versioned)


def pack(version: Versioned) -> bytes:
    """The version as bytes, to be sealed and stored; `unpack` gives an equal value."""
    return _ENCODER.encode(version)


def unpack(packed: bytes) -> Versioned:
    return _DECODER.decode(packed)


def absent(version: Versioned, *, withholds: bool = True) -> Versioned:
    """A version as it stands in the record of somebody it does not name: that it was there, when, what it `withholds`, and when
    that was taken of which it told: a later version that tells of it corrects no other sampling's time."""
    report = version.report
    asked = report.requests if withholds else ()
    requests = tuple(Request(reservations=one.reservations) for one in asked if one.reservations)
    bare = Report(
        line=report.line, service=report.service, status=report.status, issued=report.issued, approved="",
        discipline=report.discipline, id=report.id, patient=NOBODY, provider=report.provider, requests=requests,
    )  # fmt: skip
    told = version.samplings or tuple(sorted(sampled.of_report(report)))
    return msgspec.structs.replace(version, report=bare, samplings=told, elsewhere=())


def only(version: Versioned, times: sampled.Times) -> Versioned:
    """A version as it stands where its other samplings are another report's, of somebody else."""
    told = samplings.only(version.report, times)
    others = sampled.of_report(version.report) - times
    return msgspec.structs.replace(
        version, report=told, samplings=tuple(sorted(times)), elsewhere=tuple(sorted(others))
    )


def is_absent(version: Versioned) -> bool:
    return version.report.patient == NOBODY


def report_key(message: Message, report: Report, *, numbered: bool = True) -> tuple[str, ...]:
    """What the versions of one report share: laboratory, discipline, and its number of the report.

    The patient is no part of it, so that a corrected patient number finds the report it corrects; what else shares it is
    told apart by `lineage`. Without ServProvId, or where it is no number of a report (`numbered` is false), the
    laboratory's number of the request and the issue date serve; without those the message stands alone.
    """
    return key_of(message.id, report, numbered=numbered)


def key_of(message: str, report: Report, *, numbered: bool = True) -> tuple[str, ...]:
    """As `report_key`, of a report whose message had this id."""
    house = laboratory(report)
    if report.id and numbered:
        return house, report.discipline.code, report.id
    request = next((r.provider_id or r.id for r in report.requests if r.provider_id or r.id), "")
    if request and report.issued:
        return house, report.discipline.code, "request", request, report.issued
    return house, report.discipline.code, "message", message, *([] if numbered else [report.id])


def report_digest(key: tuple[str, ...]) -> bytes:
    """A report's key as 16 bytes, for `report_source`."""
    return hashlib.blake2b("\x1f".join(key).encode(), digest_size=16).digest()


_HOUSE_KINDS: Final = ("ENH", "HER", "RSH")


def laboratory(report: Report) -> str:
    """Who answers: organisation number, else HER-id, else RESH-id, else name."""
    provider = report.provider
    known = identifier_of(_HOUSE_KINDS, provider.organisation_ids, provider.department_ids)
    if known is not None:
        return f"{known.kind}:{known.value}"
    return (provider.organisation or provider.department or provider.person).casefold()


def laboratories(report: Report) -> list[str]:
    """The same by every number that the message gives the laboratory, the one of `laboratory` first: it may give another of
    them alone next time. A department's number is its own."""
    house = laboratory(report)
    others = (f"{one.kind}:{one.value}" for one in report.provider.organisation_ids if one.kind in _HOUSE_KINDS)
    return list(dict.fromkeys((house, *others)))


def fold(reports: Sequence[Versioned]) -> State:
    """What holds after all of `reports`, which are versions of one chain in any order. Some of them are not `absent`."""
    every = ordered(reports)
    laid = [version for version in every if not is_absent(version)]
    headless = every[0].report.service in ("M", "C", "A")
    entries = Entries(headless=headless or len(laid) < len(every))
    notes: dict[str, None] = {}
    shown = laid[0].report
    samples = Samples()
    files: tuple[Kept, ...] = ()
    told = set[str]()
    for version in every:
        if is_absent(version):
            told.update(version.samplings)
            continue
        report = version.report
        told.update(version.elsewhere)
        notes.update(dict.fromkeys(report.notes))
        entries.apply(report, version.generated, told)
        sent = keyed(report.subjects)
        entries.place(place(entries.results(), entries.repeated(), sent, report.service, version.generated, samples))
        if len(laid) > 1:
            entries.surround(around(report, version.generated, entries.results(), samples), version.generated)
        if report.service != "C" or report.items:
            shown = _carried(shown, report)
        files = kept_files.after(files, shown.attachments, version.generated)
    if headless:
        notes["The first version of this report has not been received."] = None
    if every[0].report.service == "C" and any(one.report.service != "C" for one in every):
        notes["A cancellation that was made before every version of this report cancels none of them."] = None
    whole = next((one for one in reversed(laid) if one.report.service not in ("A", "C")), laid[-1])
    if whole.samplings and (shown.comment or files or samplings.tells_of_all(whole.report)):
        notes[codes.PARTED] = None
    newest = laid[-1]
    if newest.report.service == "C":
        words = newest.report.comment or shown.comment
        shown = msgspec.structs.replace(shown, comment=words, cancellation=newest.report.cancellation)
    results = entries.results()
    completes = not headless and _completes(every, newest, results)
    if completes:
        results = tuple(msgspec.structs.replace(one, waited=not one.finished) for one in results)
    return State(
        status=report_status(newest.report.status, newest.report.service),
        message=newest.message,
        first_issued=first_issued(every),
        issued=newest.generated,
        versions=len(every),
        report=shown,
        subjects=samples.standing({one.key: one.objects for one in results}),
        results=results,
        notes=tuple(notes),
        files=files,
        completes=completes,
        named=samples.named,
        made_of=samples.made_of,
    )


def _completes(every: Sequence[Versioned], newest: Versioned, results: Sequence[Result]) -> bool:
    """Whether all before the newest version was waited for, or stands in it as it was."""
    if not REPORT_WAITING.issuperset(one.report.status for one in every if one is not newest):
        return False
    at = newest.generated
    return not any(one.finished and (one.issued == at or any(c.at == at for c in one.changes)) for one in results)


def first_issued(every: Sequence[Versioned]) -> str:
    """The first issue date of `ordered` versions."""
    return next((v.report.issued for v in every if v.report.issued), every[0].generated)


def ordered(reports: Sequence[Versioned]) -> list[Versioned]:
    """Each version once, oldest first."""
    once = {(version.message, version.generated, version.report.id, version.part): version for version in reports}
    return sorted(once.values(), key=lambda v: (v.generated_at, RANK.get(v.report.service, 0), v.message, v.part))


def keyed(subjects: Sequence[AnalysedSubject]) -> dict[str, AnalysedSubject]:
    """The analysed objects by the number of their Patient element and their id; a second one with an id is numbered."""
    found: dict[str, AnalysedSubject] = {}
    numbers: dict[str, int] = {}
    for index, subject in enumerate(subjects):
        stem = key = f"{subject.of}:{subject.id}" if subject.id else f"{subject.of}:#{index}"
        number = numbers.get(stem, 1)
        while key in found:
            number += 1
            key = f"{stem}#{number}"
        found[key] = subject
        numbers[stem] = number
    return found


def _carried(older: Report, newer: Report) -> Report:
    """`newer`, with the requests and attachments of `older` where it sends none: they are seldom sent twice. An addition
    takes nothing away (`additions.report`)."""
    if older is newer:
        return newer
    if newer.service == "A":
        return additions.report(older, newer)
    return msgspec.structs.replace(
        newer, requests=newer.requests or older.requests, attachments=newer.attachments or older.attachments
    )
