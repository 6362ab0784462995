"""Which results are of the same material: the code tells, where there is one that every laboratory shares.

Laboratories call one code "Serum", "SERUM" and "Blodserum"; others send the word alone, which then is that code's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kjerne.fhir.circumstances import specimen_of
from kjerne.fhir.systems import VOLVEN, canonical
from kjerne.services.results.kith.codes import is_shared
from kjerne.services.results.points import reference_id
from kjerne.services.results.values import Resource, concept_text

NATIONAL: Final = VOLVEN + "8351"
_NOTHING: Final[Mapping[str, Any]] = {}


class Materials:
    """The materials of one chart's results. What is asked of a result is asked of the specimen that it points to, which may
    be contained in it; else of what the result calls that."""

    def __init__(self, specimens: Iterable[Resource], observations: Iterable[Resource]) -> None:
        self._kinds = {str(one.get("id", "")): one.get("type") or _NOTHING for one in specimens}
        self._by_words: dict[str, str] = {}
        inside = (specimen_of(one).get("type") or _NOTHING for one in observations)
        for kind in (*self._kinds.values(), *inside):
            if (code := _code(kind)).startswith(NATIONAL):
                for words in _words(kind):
                    self._by_words[words] = min(code, self._by_words.get(words, code))

    def words(self, observation: Resource) -> str:
        """The words of what a result is of, as they were sent."""
        return concept_text(self._kind(observation)) or str(specimen_of(observation).get("display", ""))

    def key(self, observation: Resource) -> str:
        """What two results of one material share; empty where none is told."""
        kind, words = self._kind(observation), self.words(observation).strip().casefold()
        code = _code(kind)
        return code if code.startswith(NATIONAL) else self._by_words.get(words, code or words)

    def _kind(self, observation: Resource) -> Mapping[str, Any]:
        specimen = specimen_of(observation)
        known = self._kinds.get(reference_id(specimen), _NOTHING)
        return known if concept_text(known) else specimen.get("type") or _NOTHING


def _code(kind: Mapping[str, Any]) -> str:
    sent = [(canonical(str(c.get("system", ""))), str(c["code"])) for c in kind.get("coding", []) if c.get("code")]
    shared = sorted((one for one in sent if is_shared(one[0])), key=lambda one: one[0] != NATIONAL)
    return "|".join(shared[0]) if shared else ""


def _words(kind: Mapping[str, Any]) -> set[str]:
    said = [kind.get("text", ""), *(c.get("display", "") for c in kind.get("coding", []))]
    return {str(one).strip().casefold() for one in said if one}
