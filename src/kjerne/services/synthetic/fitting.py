"""`kjerne synth fit`: from tables to a model with its card and its filter of copies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from kjerne.errors import Refusal
from kjerne.services.synthetic import fhir_reading, meds_reading, omop_reading, origins
from kjerne.services.synthetic.cohorts import Cohort, Trait, cohort_of
from kjerne.services.synthetic.copies import CopyFilter, filter_of
from kjerne.services.synthetic.fhir_mapping import Meaning, counted_meaning, kept_meaning, meaning_of
from kjerne.services.synthetic.fhir_reading import AGE, Told
from kjerne.services.synthetic.learning import Effort, Step, learned
from kjerne.services.synthetic.origins import MadeBy
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.rules import RuleFile, in_order, rules_of, told_rules
from kjerne.services.synthetic.sampling import TOO_MANY, block
from kjerne.services.synthetic.streams import Streams
from kjerne.services.synthetic.tables import EventTable, TraitTable, read_events, read_traits
from kjerne.services.synthetic.tuning import tuned
from kjerne.services.synthetic.vocabulary import guarded, parent_of, rare_levels_joined

_LONG_NUMBER: Final = re.compile(r"\d{6}")
TABLES, FHIR, MEDS, OMOP, STORE = "tables of events", "FHIR", "MEDS", "OMOP", "a platform's own store"
"""The forms that a source may have."""
PRIVACY: Final = (
    "No differential privacy. That single people cannot be told from this model is what the report measures, and no proof: "
    "keep it where its training data may lie until the report's gates pass and somebody answers for letting it out."
)


@dataclass(frozen=True)
class Wanted:
    """What a fit is asked for. `age` and `until` are names of traits, or empty."""

    k: int = 10
    age: str = ""
    until: str = ""
    leave_out: Collection[str] = ()
    seed: int = 1
    rules: RuleFile | None = None
    rules_from: str = ""
    meaning: Meaning | None = None
    meaning_from: str = ""


@dataclass(frozen=True)
class Source:
    """The files of a cohort, and whether they hold real people or generated ones, and made by whom: tables, or `resources` in
    another form."""

    events: Sequence[Path]
    traits: Sequence[Path]
    generated: bool
    resources: Sequence[Path] = ()
    form: str = FHIR
    made_by: MadeBy | None = None

    @property
    def is_of(self) -> str:
        """Which form it has, as a card says it."""
        return self.form if self.resources else TABLES

    @property
    def base(self) -> Path:
        """The folder in which a manifest lies, where it has one."""
        first = [*self.events, *self.resources][0]
        return meds_reading.base_of(first) if self.is_of == MEDS else first.parent

    def lineage(self) -> list[dict[str, str]]:
        """Each file's name and SHA-256."""
        files = (*self.events, *self.traits, *self.resources)
        return lineage_of(files, meds_reading.name_of if self.is_of == MEDS else attrgetter("name"))

    def told(self, known: Meaning | None = None, k: int = Wanted.k, *, everybody: bool = False) -> Told:
        """What the files say; codes by the names that `known` has for them. `everybody`: whom the source itself holds out too."""
        if self.is_of == MEDS:
            told = meds_reading.read(self.resources, k, generated=self.generated, known=known)
        elif self.is_of == OMOP:
            told = omop_reading.read(self.resources, known)
        elif self.resources:
            told = fhir_reading.read(self.resources, known)
        else:
            told = Told(read_events(self.events), read_traits(self.traits))
        return told if everybody or not told.held_out else _without_held_out(told)


def lineage_of(files: Iterable[Path], name: Callable[[Path], str] = attrgetter("name")) -> list[dict[str, str]]:
    """Each file's name and SHA-256."""
    return [{"file": name(one), "sha256": _digest(one)} for one in files]


def like(source: Source, model: Model) -> Cohort:
    """The cohort of a source with the codes and traits of a model."""
    kept = [Trait(one.name, one.levels, np.zeros(0)) for one in model.traits]
    told = source.told(meaning_of(model), 1)  # which traits there are the model says
    return cohort_of(told.events, told.traits, codes=model.codes, kept=kept, ticks=model.ticks, above=parent_of)


def fit(source: Source, wanted: Wanted, effort: Effort, step: Step) -> tuple[Model, CopyFilter]:
    """Learn a model. `Refusal` where the cohort is too small, or holds what cannot be learned."""
    told = source.told(k=wanted.k)
    generated = source.generated or told.is_made_up
    return learned_from(
        told, source.lineage(), wanted, effort, step, generated=generated, form=source.is_of, made_by=source.made_by
    )


def _without_held_out(told: Told) -> Told:
    """The tables without the people whom the source itself holds out."""
    kept = [one not in told.held_out for one in told.traits.ids]
    rows = [one not in told.held_out for one in told.events.ids]
    of = told.events
    events = EventTable(list(compress(of.ids, rows)), list(compress(of.days, rows)), list(compress(of.codes, rows)),
                        list(compress(of.values, rows)), list(compress(of.units, rows)), of.where)  # fmt: skip
    traits = {name: list(compress(cells, kept)) for name, cells in told.traits.traits.items()}
    note = f"{len(told.held_out)} people whom the source itself holds out were left out"
    table = TraitTable(list(compress(told.traits.ids, kept)), traits, told.traits.where)
    return replace(told, events=events, traits=table, notes=(note, *told.notes))


def learned_from(
    told: Told, lineage: list[dict[str, str]], wanted: Wanted, effort: Effort, step: Step, *, generated: bool,
    form: str = TABLES, permission: Mapping[str, str] | None = None, made_by: MadeBy | None = None,
) -> tuple[Model, CopyFilter]:  # fmt: skip
    """As `fit`, of what was told; `lineage` says by whom, `form` in which form, `permission` under which permission, and
    `made_by` of which model they are who were `generated`."""
    measured = (wanted.age or (AGE if told.meaning is not None else ""), wanted.until)
    cohort = cohort_of(told.events, told.traits, wanted.leave_out, measured=measured)
    notes = [*told.notes, *cohort.notes]
    if told.meaning is not None:
        aged = any(one.name == AGE and not one.is_choice for one in cohort.traits)
        wanted = replace(wanted, age=wanted.age or (AGE if aged else ""))
    joined = (rare_levels_joined(one, wanted.k, notes) if one.is_choice else one for one in cohort.traits)
    if not (traits := tuple(one for one in joined if one is not None)):
        raise Refusal(422, "no trait is left to learn", where=told.traits.where)
    as_told, cohort = cohort, guarded(replace(cohort, traits=traits, notes=tuple(notes)), wanted.k)
    if told.meaning is not None:
        known, given = (
            counted_meaning(told.meaning, told.categorised, told.ranged, as_told, cohort, wanted.k),
            wanted.meaning or Meaning(),
        )
        wanted = replace(wanted, meaning=Meaning({**known.codes, **given.codes}, given.sex, given.died))
    for name in (wanted.age, wanted.until):
        if name and not any(one.name == name and not one.is_choice for one in cohort.traits):
            raise Refusal(404, f"there is no measured trait {name}", where=told.traits.where)
    _check_until(cohort, wanted.until)
    cohort = in_order(cohort, wanted.rules)
    rules = rules_of(cohort, wanted.rules, wanted.rules_from, wanted.age)
    by_place = {place: (one.name, one.levels) for place, one in enumerate(cohort.traits)}
    fhir = (
        kept_meaning(wanted.meaning, cohort.codes, dict(by_place.values()), wanted.meaning_from)
        if wanted.meaning
        else {}
    )
    model = learned(cohort, wanted.k, wanted.age, wanted.until, rules, effort, wanted.seed, step)
    model = tuned(model, cohort, wanted.seed)
    made_by = made_by or (origins.UNKNOWN if told.is_second_hand else None)
    origin = origins.learned_from(generated=generated, made_by=made_by)
    card: dict[str, Any] = {
        "learned_from": origin, "form": form,
        "people": cohort.people, "events": len(cohort.code), "codes": len(cohort.codes), "k": wanted.k,
        "traits": [one.name for one in cohort.traits], "age": wanted.age, "until": wanted.until,
        "rules": told_rules(rules, cohort.codes, by_place), "notes": list(cohort.notes), "privacy": PRIVACY,
        "effort": asdict(effort), "seed": wanted.seed, "lineage": _told_lineage(lineage), **model.card,
    }  # fmt: skip
    if fhir:
        card["fhir"] = fhir
    if permission:
        card["permission"] = dict(permission)
    card |= origins.said_of(origin, made_by)
    copies = filter_of(model, cohort, wanted.seed)
    card["made_anew"] = round(_made_anew(model, copies, wanted.seed), 4)
    return replace(model, card=card), copies


def _told_lineage(lineage: list[dict[str, str]]) -> list[dict[str, str]]:
    """Files by name and hash; one with a long number in its name by its place, since a file for each person has hers in it."""
    return [
        {**one, "file": f"file {place}"} if _LONG_NUMBER.search(one["file"]) else one
        for place, one in enumerate(lineage, 1)
    ]


def _made_anew(model: Model, copies: CopyFilter, seed: int) -> float:
    """The share of people who come out as a copy at first, and are made anew. `Refusal` where the model does little else."""
    streams = Streams("trial", seed)
    share = float(copies.copied(model, block(model, streams, 0, None)).mean())
    if share > TOO_MANY:
        block(model, streams, 0, copies)
    return share


def _check_until(cohort: Cohort, until: str) -> None:
    if not until:
        return
    ends = next(one.numbers for one in cohort.traits if one.name == until) * cohort.ticks
    if broken := int((cohort.times > np.ceil(ends)[cohort.persons]).sum()):  # times are rounded to a tick
        says = f"{broken} events are later than the trait {until} says that a person's time ends"
        raise Refusal(422, says, where="--until", todo="Name another trait, or mend the table.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
