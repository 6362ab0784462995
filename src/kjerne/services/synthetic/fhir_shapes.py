"""What of a resource of R4 is decoded to learn from: nothing else of it is read, so names, texts and notes never enter."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class Concept(msgspec.Struct):
    coding: list[Coding] = []


class Quantity(msgspec.Struct):
    value: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    system: str = ""
    code: str = ""


class Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class Reference(msgspec.Struct):
    reference: str = ""
    type: str = ""
    identifier: Identifier | None = None


class Period(msgspec.Struct):
    start: str = ""


class Anything(msgspec.Struct):
    """That something is there, and nothing of it."""


class Range(msgspec.Struct):
    """A reference range: its ends, and whether it is for some people or of another kind than the normal one."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: Concept | None = None
    appliesTo: list[Anything] = []  # noqa: N815 - the members' names are FHIR's
    age: Anything | None = None


class Part(msgspec.Struct):
    """What is measured: an Observation, or a component of one."""

    code: Concept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815 - the members' names are FHIR's
    valueInteger: int | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueCodeableConcept: Concept | None = None  # noqa: N815
    dataAbsentReason: Concept | None = None  # noqa: N815
    referenceRange: list[Range] = []  # noqa: N815

    def has_value(self) -> bool:
        """Whether it says itself what was found."""
        found = (self.valueQuantity, self.valueInteger, self.valueBoolean, self.valueCodeableConcept)
        return any(one is not None for one in found)

    def is_there(self) -> bool:
        """Whether a component says something."""
        return self.code is not None and (self.has_value() or self.dataAbsentReason is None)


class Event(Part):
    status: str = ""
    verificationStatus: Concept | None = None  # noqa: N815
    clinicalStatus: Concept | None = None  # noqa: N815
    intent: str = ""
    doNotPerform: bool = False  # noqa: N815
    modifierExtension: list[Anything] = []  # noqa: N815
    focus: list[Anything] = []
    subject: Reference | None = None
    patient: Reference | None = None
    category: list[Concept] = []
    component: list[Part] = []
    type: list[Concept] = []
    class_: Coding | None = msgspec.field(default=None, name="class")
    vaccineCode: Concept | None = None  # noqa: N815
    medicationCodeableConcept: Concept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    onsetDateTime: str = ""  # noqa: N815
    onsetPeriod: Period | None = None  # noqa: N815
    recordedDate: str = ""  # noqa: N815
    effectiveDateTime: str = ""  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    effectiveInstant: str = ""  # noqa: N815
    issued: str = ""
    period: Period | None = None
    authoredOn: str = ""  # noqa: N815
    performedDateTime: str = ""  # noqa: N815
    performedPeriod: Period | None = None  # noqa: N815
    occurrenceDateTime: str = ""  # noqa: N815

    def when(self) -> str:
        """When it was, by the first of these that is told."""
        periods = (self.onsetPeriod, self.effectivePeriod, self.period, self.performedPeriod)
        told = (self.onsetDateTime, self.effectiveDateTime, self.performedDateTime, self.occurrenceDateTime,
                self.authoredOn, self.effectiveInstant, *(one.start for one in periods if one),
                self.recordedDate, self.issued)  # fmt: skip
        return next((one for one in told if one), "")


class Meta(msgspec.Struct, frozen=True):
    security: list[Coding] = []


class Person(msgspec.Struct):
    id: str = ""
    meta: Meta = Meta()
    gender: str = ""
    birthDate: str = ""  # noqa: N815
    deceasedDateTime: str = ""  # noqa: N815
    identifier: list[Identifier] = []


class Medication(msgspec.Struct):
    id: str = ""
    code: Concept | None = None


class Head(msgspec.Struct):
    resourceType: str = ""  # noqa: N815
