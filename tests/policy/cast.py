"""The people of the policy tests: a GP and her patient, as plain values that a test changes where it matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from kjerne.access import PORTAL, Attestation, Caller, Choice, Errand, Label, Part, Subject, Tie

SHUTTING = [label for label in Label if label != Label.WITHDRAWN_WITH_REPORT]
"""What shuts a record to somebody."""
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSPITAL, WARD, CLINIC = "983658725", "974760673", "993467049"
CONSUMER = Part("results", "consumer", NOW - timedelta(days=400), None)
SOURCE = Part("results", "source", NOW - timedelta(days=400), None)
PATIENT, DOCTOR, RELATIVE = b"patient's digest", b"doctor's digest.", b"relative digest."


def attestation(**changes: Any) -> Attestation:
    made = Attestation(
        practitioner_digest=DOCTOR,
        hpr="9144900",
        authorization="LE",
        legal_entity=HOSPITAL,
        point_of_care=WARD,
        department="",
        healthcare_service=None,
        purpose="TREAT",
        purpose_details=None,
        decision_id="1",
        decision_text="time i dag",
        user_selected=False,
        patient_digests=(PATIENT,),
        made_at=NOW - timedelta(minutes=1),
    )
    return replace(made, **changes)


def doctor(
    *, purpose: str = "TREAT", user_selected: bool = False, reason: str = "time i dag", **changes: Any
) -> Caller:
    """A doctor at the ward, attested for the patient; `changes` go to the `Caller` and its attestation alike."""
    both = {name: changes[name] for name in ("hpr", "authorization") if name in changes}
    made = Caller(
        kind="practitioner",
        client="journal",
        scopes=frozenset({"nhn:pps/provesvar-read"}),
        digest=DOCTOR,
        name="Kari Lege",
        hpr="9144900",
        authorization="LE",
        organisation=HOSPITAL,
        point_of_care=WARD,
        level=4,
        jti="token",
        attestation=attestation(purpose=purpose, user_selected=user_selected, decision_text=reason, **both),
        parts=(CONSUMER,),
    )
    return replace(made, **changes)


def citizen(digest: bytes = PATIENT, **changes: Any) -> Caller:
    made = Caller(kind="citizen", client="portal", scopes=frozenset({"kjerne:citizen"}), digest=digest, level=4)
    return replace(made, **changes)


def at_a_portal(purpose: str, policy: str, *, digest: bytes = RELATIVE, about: bytes = PATIENT) -> Caller:
    """A citizen at the portal `portal`, her relative unless `digest` says that it is herself."""
    return citizen(digest, scopes=frozenset({"kjerne:citizen", PORTAL}), errand=Errand(purpose, policy, about))


def laboratory(**changes: Any) -> Caller:
    made = Caller(
        kind="system", client="lab", scopes=frozenset({"nhn:pps/provesvar-write"}), organisation=CLINIC, parts=(SOURCE,)
    )
    return replace(made, **changes)


def patient(*, age: int = 46, caller_key: int | None = None, **changes: Any) -> Subject:
    """A patient whose birthday is today; `caller_key` 1 is herself, 7 her relative."""
    made = Subject(
        patient=1,
        keys=(1,),
        stamp=1,
        wrapped=(b"",),
        birth_date=date(2026 - age, 11, 23),
        sex="female",
        protection="ugradert",
        deceased=False,
        choices=(),
        ties=(),
        caller_key=caller_key,
        synthetic=True,
        digests=frozenset({PATIENT}),
        caller_birth_date=date(1970, 1, 1),
    )
    return replace(made, **changes)


def choice(kind: Any, *, hpr: str = "", organisation: str = "", service: str = "results", **changes: Any) -> Choice:
    return replace(Choice(kind, service, hpr, organisation, NOW - timedelta(days=1), None), **changes)


GP_LIST = Tie("practice-list", hpr="9144900")
COURSE = Tie("care", organisation=WARD)
PARENT = Tie("parent", key=7)
PROXY = Tie("proxy", key=7, areas=("innsyn",))
GUARDIAN = Tie("guardian", key=7, areas=("personligeInteresser",), form="voksen")
MINORS_GUARDIAN = Tie("guardian", key=7, areas=("personligeInteresser",), form="mindreaarig")
