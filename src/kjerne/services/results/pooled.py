"""The versions under a laboratory's number of a report, as they are gathered to be filed anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kjerne.services.results.kith import chain, lineage
from kjerne.store.chains import Source

Versions = list[chain.Versioned]


class Pool:
    """The versions under a number that a filing may read, as they lie in the records of those it concerns."""

    def __init__(self, version: chain.Versioned, mark: lineage.Mark) -> None:
        self._lying: dict[tuple[int, bytes], Versions] = {}
        self._known: dict[tuple[datetime, str], list[chain.Versioned]] = {}
        self._named: dict[int, dict[tuple[datetime, str], chain.Versioned]] = {}
        self._put(mark.person, version)

    def _put(self, patient: int, version: chain.Versioned) -> None:
        name = version.generated_at, version.message
        self._known.setdefault(name, []).append(version)
        if not chain.is_absent(version) and not version.samplings:
            self._named.setdefault(patient, {})[name] = version

    def add(self, patient: int, report: bytes, sources: Iterable[Source]) -> None:
        """What lies in the patient's record under a name."""
        found = self._lying[patient, report] = [chain.unpack(one.raw) for one in sources]
        for version in found:
            self._put(patient, version)

    def before(self, patient: int, report: bytes) -> Versions:
        """A chain as it lies in the patient's record."""
        return self._lying[patient, report]

    def after(self, standing: lineage.Standing) -> Versions:
        """A report's versions for its owner's record: another's are `absent`, and withhold nothing where they only took back."""
        found = []
        for mark in standing.marks:
            name = mark.made_at, mark.message
            if mark.person == standing.owner and name in self._named.get(mark.person, {}):
                version = self._named[mark.person][name]
                found.append(chain.only(version, mark.times) if mark.of else version)
            elif mark.person != standing.owner and name in self._known:
                found.append(chain.absent(self._known[name][0], withholds=not standing.takes_back(mark)))
        return found

    def content(self, mark: lineage.Mark) -> chain.Versioned | None:
        """What a version says, whomever it names, as much of it as lies in the mark's report; None where it cannot be read."""
        version = self._named.get(mark.person, {}).get((mark.made_at, mark.message))
        return chain.only(version, mark.times) if version and mark.of else version

    def unchanged(self, plan: lineage.Plan) -> Iterable[tuple[int, Versions]]:
        """The reports under the number that a plan leaves as they are, with whose they are."""
        return ((key, of) for (key, name), of in self._lying.items() if name in plan.chains and name not in plan.before)

    def naming(self, patient: int) -> list[Source]:
        """Every version that names the patient, whole."""
        return [source_of(version) for version in self._named.get(patient, {}).values()]


def source_of(version: chain.Versioned) -> Source:
    """A version as it is kept."""
    return Source(version.generated_at, version.message, chain.pack(version))
