"""One line of the access log as plain values: made in `policy.insight`, shown by pages, told by `services.access_log`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from kjerne.access import Coded

By = Literal["self", "representative", "practitioner", "system"]
Chose = Literal["made", "ended"]
Unnamed = Literal["", "kept", "deleted", "anothers", "untold"]
"""Why a look that was given names no record: `kept` from this reader, by a label or until it is released; `deleted` since; or
`untold`, whether there was any: whoever stands in for the patient is not told that something is kept from her. Empty where it
names some, or gave none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One record that left, or was written: FHIR type, id and version; `gone` where that version is its deletion."""

    type: str
    id: str
    version: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of a line about choices: whether they were `seen`, or one of them was made or ended, its kind and its number.

    Kinds are those of `access.Choice`, and `notification`, which has no number.
    """

    deed: Literal["seen", "made", "ended"]
    kind: str = ""
    number: int = 0


NOBODYS: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a program reads beside the words: numbers and codes, never a person number.

    `patient` (the person key the row lies under), the line's time and `number` name the row; `token` is the access token's
    id, `asked` the search as it came. Places are organisation numbers, the patient's department `system|number`; all of
    them are empty where the line's places are withheld, and those `department` names are local.
    """

    patient: int = 0
    number: UUID = NOBODYS
    hpr: str = ""
    organisation: str = ""
    point_of_care: str = ""
    department: str = ""
    patient_point_of_care: str = ""
    patient_department: str = ""
    client: str = ""
    token: str = ""
    decision: str = ""
    attested_at: datetime | None = None
    correlation: str = ""
    asked: str = ""


NOWHERE: Final = Origin()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log. Codes stay codes (purpose, basis, action): the page has their words.

    `who` is a name, or empty where the system that asked gave none; `role` an authorisation code (Volven 9060).
    `organisation`, `point_of_care` and `department`, and where the patient is treated, are empty where `place_withheld`.
    `says` is the rule in words, `law` where it stands, `reason` what the one who asked wrote herself; `healthcare_service`
    and `purpose_details` are what her organisation attested of the care. A line with a `mark` is one the patient is
    always told of; `unnamed` is why a look names nothing; `chosen` is what was done with her choices (None: the line is of
    something else, or of before this was told). `origin` is for programs, and on no page.
    """

    at: datetime
    by: By
    who: str
    role: str
    organisation: str
    point_of_care: str
    department: str
    place_withheld: bool
    given: bool
    action: str
    service: str
    purpose: str
    basis: str
    says: str
    law: str
    rule: str
    seen: tuple[Seen, ...]
    acute: bool
    self_declared: bool
    mark: str
    unnamed: Unnamed = ""
    chosen: Chosen | None = None
    reason: str = ""
    healthcare_service: Coded | None = None
    purpose_details: Coded | None = None
    patient_point_of_care: str = ""
    patient_department: str = ""
    origin: Origin = field(default=NOWHERE, repr=False, compare=False)

    @property
    def ground(self) -> str:
        """The rule in words, and what was attested of the care where that has words too."""
        told = [code.text for code in (self.healthcare_service, self.purpose_details) if code and code.text]
        return f"{self.says} ({'; '.join(told)})" if told else self.says
