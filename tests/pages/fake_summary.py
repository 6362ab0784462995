"""Patient summaries of the made-up house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kjerne.pages.house import Identity, Patient, Visit
from kjerne.pages.summary_house import Held, Made
from kjerne.reading.about import compared
from pages.documents import whole

TAG = {"system": "http://kjerne.example/fhir/CodeSystem/patient-summary", "code": "incomplete"}

HERS = "15887099918"
"""The number of whoever is open."""


@dataclass
class FakeSummary:
    """`read_about` are the numbers of the documents that were read, `summaries` the languages of the summaries that were made.
    `lacking`: the next ones say that they are incomplete."""

    read_about: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    lacking: bool = False

    def must_open(self, who: Identity, visit: Visit) -> Patient:
        """The patient, or the refusal that the law has for her."""
        raise NotImplementedError

    async def summary(self, who: Identity, visit: Visit, language: str) -> Made:
        patient = self.must_open(who, visit)
        self.summaries.append(language)
        document: dict[str, Any] = whole()
        return Made(document | ({"meta": {"tag": [TAG]}} if self.lacking else {}), patient)

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        self.read_about += numbers

    async def held_against(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Held | None:
        return Held(compared(numbers, {HERS}), self.must_open(who, visit))
