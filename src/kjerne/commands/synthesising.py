"""The commands `kjerne synth`: a model learned from tables, people made of it, and a report that holds both against real ones.

No command here asks a platform or the database for anything but `fit --store` and those about its permissions. NumPy is an extra
(`kjerne[synthetic]`), asked for when it is needed, and runs on one thread: with more, sums would be added in another order on
another machine.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kjerne.commands.options import ClosedZone, Data, Json, say, settings_of
from kjerne.errors import Refusal

if TYPE_CHECKING:  # `kjerne --help` needs none of it
    from kjerne.services.synthetic.copies import CopyFilter
    from kjerne.services.synthetic.fitting import Source, Wanted
    from kjerne.services.synthetic.learning import Effort, Step
    from kjerne.services.synthetic.people_model import Model
    from kjerne.services.synthetic.writing import Manifest
    from kjerne.settings import Settings

HELD_OUT: Final = 0.2
"""Of the people of a store, who are kept for the report."""
ONE_THREAD: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

synth = typer.Typer(help="Synthetic people, learned from tables of events or FHIR.")

From = Annotated[
    Path | None,
    typer.Argument(
        metavar="[SOURCE]",
        help="A folder with events.csv and static.csv (.csv.gz, .ndjson, .parquet, or parts), FHIR as NDJSON, MEDS, or OMOP.",
    ),
]
Events = Annotated[
    Path | None, typer.Option("--events", help="The events instead: id, days, code, value and perhaps unit.")
]
Static = Annotated[Path | None, typer.Option("--static", help="The people instead: id, and a column for each trait.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="The same seed makes the same.")]


@synth.command("fit")
def synth_fit(
    out: Annotated[Path, typer.Option("--out", help="The file of the model.")],
    source: From = None,
    events: Events = None,
    static: Static = None,
    age: Annotated[str, typer.Option("--age", help="The trait that is the age in years on day 0.")] = "",
    until: Annotated[str, typer.Option("--until", help="The trait that says on which day a person's time ends.")] = "",
    leave_out: Annotated[
        list[str] | None, typer.Option("--leave-out", help="A trait not to learn; may be repeated.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Hard rules (JSON), beside those that the table shows.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="What codes and traits are in FHIR (JSON), kept on the card.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Learn from 2,000 people whom the sandbox makes up.")] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Learn from the people in the platform's own database, each under the law.")
    ] = False,
    permission: Annotated[
        int | None, typer.Option("--permission", help="The permission (kjerne synth permit) where they are real.")
    ] = None,
    parts: Annotated[
        Path | None, typer.Option("--parts", help="With --store: keep who is learned from, and a fifth held out, here.")
    ] = None,
    data: Data = None,
    k: Annotated[int, typer.Option("--k", min=2, help="Nothing is learned of fewer people than this.")] = 10,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=1000, help="Rounds of learning at most.")] = 60,
    seed: Seed = 1,
    json_: Json = False,
) -> None:
    """Learn a model from tables, FHIR, MEDS or OMOP; direct identifiers, free text and rare codes do not enter."""
    _ready()
    from kjerne.commands.console import loading
    from kjerne.services.synthetic import fhir_mapping, fitting, learning, model_file
    from kjerne.services.synthetic import rules as hard

    _check_one_source(
        source or events or static, "parts" if parts else permission is not None and "permission", demo, store
    )
    _check_out(out, parts)
    given = hard.read_rules(_bytes(rules), str(rules)) if rules else None
    meaning = fhir_mapping.read_meaning(_bytes(mapping), str(mapping)) if mapping else None
    wanted = fitting.Wanted(k, age, until, leave_out or (), seed, given, str(rules or ""), meaning, str(mapping or ""))
    effort = learning.Effort(epochs=epochs)
    with loading(quiet=json_) as step:
        if demo:
            model, copies = _of_made_up(wanted, effort, step)
        elif store:
            model, copies = _of_store(settings_of(data=data), permission, parts, wanted, effort, step)
        else:
            model, copies = fitting.fit(_source(source, events, static), wanted, effort, step)
    hash_, card = model_file.saved(model, copies, out), model.card
    says = f"{out}: {hash_[:12]}, learned from {card['people']} {card['learned_from']} ({card['form']})"
    lines = [
        *(f"note: {one}" for one in card["notes"]),
        f"{says} with {card['events']} events of {card['codes']} codes",
    ]
    say({"model": str(out), "hash": hash_, "card": card}, as_json=json_, text="\n".join(lines))


def _of_made_up(wanted: Wanted, effort: Effort, step: Step) -> tuple[Model, CopyFilter]:
    from kjerne.sandbox import teaching
    from kjerne.services.synthetic import fitting

    told = teaching.taught(teaching.PEOPLE, wanted.seed)
    return fitting.learned_from(told, told.lineage(), wanted, effort, step, generated=True)


def _check_one_source(given: Path | None, of_store: str | bool, demo: bool, store: bool) -> None:
    """`of_store` is an option that is given and asked of a store alone."""
    if of_store and not store:
        raise Refusal(400, "this is asked of a store alone", where=f"--{of_store}")
    if demo and (given or store):
        raise Refusal(400, "a demonstration has people of its own", where="--demo", todo="Leave the source out.")
    if store and given:
        raise Refusal(400, "a store has people of its own", where="--store", todo="Leave the source out.")


def _check_out(out: Path, parts: Path | None) -> None:
    """`Refusal` where what is learned could not be kept: before somebody waits for it, or a store is read."""
    if out.is_dir() or not out.parent.is_dir():
        says = "it is a folder, and a model is a file" if out.is_dir() else "there is no such folder"
        raise Refusal(404, says, where=str(out if out.is_dir() else out.parent), todo="Name a file in a folder.")
    if parts and any((parts / name).exists() for name in ("train", "holdout")):
        raise Refusal(409, "there are parts in it already", where=str(parts), todo="Name another folder.")


@synth.command("permit")
def synth_permit(
    export: Annotated[int, typer.Option("--export", help="The export of everybody that two persons have approved.")],
    until: Annotated[str, typer.Option("--until", help="The last day, as 2026-12-31; at most 92 days from now.")],
    data: Data = None,
    json_: Json = False,
) -> None:
    """Record that the recipient of an approved export may learn from the real people of this database, until a day.

    It stands in the log."""
    from kjerne.commands import learning

    told = learning.permit(settings_of(data=data), export, until)
    say(told, as_json=json_, text=f"{told['number']}: {told['who']} may learn from this store until {told['until']}")


@synth.command("permissions")
def synth_permissions(data: Data = None, json_: Json = False) -> None:
    """Show who may learn, or might, from the people of this database."""
    from kjerne.commands import learning

    rows = learning.listed(settings_of(data=data))
    say({"permissions": rows}, as_json=json_, text=learning.table(rows))


@synth.command("forbid")
def synth_forbid(
    number: Annotated[int, typer.Argument(help="The permission's number.")],
    why: Annotated[str, typer.Option("--why", help="Why it ends before its time.")],
    data: Data = None,
    json_: Json = False,
) -> None:
    """End a permission before its time. It stands in the log."""
    from kjerne.commands import learning

    told = learning.end(settings_of(data=data), number, why)
    say(told, as_json=json_, text=f"{number}: ended")


@synth.command("split")
def synth_split(
    out: Annotated[Path, typer.Option("--out", help="The folder in which train and holdout are made.")],
    source: From = None,
    events: Events = None,
    static: Static = None,
    share: Annotated[float, typer.Option("--share", min=0.01, max=0.99, help="Of the people, who are held out.")] = 0.2,
    seed: Seed = 1,
    json_: Json = False,
) -> None:
    """Divide people into those who are learned from and those who are held out for the report."""
    _ready()
    from kjerne.services.synthetic import splitting

    found = splitting.split(_source(source, events, static), share, seed, out)
    text = f"{out}: {found['train']} people to learn from, {found['holdout']} held out"
    say({"folder": str(out), **found}, as_json=json_, text=text)


@synth.command("show")
def synth_show(
    model: Annotated[Path, typer.Argument(help="The file of a model.")],
    json_: Json = False,
) -> None:
    """Show a model's card: what it was learned from, how, which rules it keeps, and who approved it."""
    _ready()
    import json

    import msgspec

    from kjerne.services.synthetic import model_file

    kept = model_file.opened(model)
    approval = msgspec.to_builtins(kept.approval) if kept.approval else None
    told = {"hash": kept.hash, "approval": approval, "card": kept.model.card}
    say(told, as_json=json_, text=json.dumps(told, indent=2, ensure_ascii=False))


@synth.command("approve")
def synth_approve(
    model: Annotated[Path, typer.Argument(help="The file of a model that was learned from real people.")],
    report: Annotated[Path, typer.Option("--report", help="The report.json of this model, whose gates all pass.")],
    name: Annotated[str, typer.Option("--name", help="Who answers for it: given name and family name.")],
    why: Annotated[str, typer.Option("--why", help="What it leaves the closed zone for.")],
    json_: Json = False,
) -> None:
    """Record in a model's file that a named person answers for its use outside the closed zone."""
    _ready()
    import msgspec

    from kjerne.clock import SystemClock
    from kjerne.commands.participating import author
    from kjerne.services.synthetic import releasing

    found = releasing.approve(model, report, name, why, author().name, SystemClock().now())
    text = f"{model}: {found.model[:12]} may leave the closed zone, and {found.name} answers for it"
    say(msgspec.to_builtins(found), as_json=json_, text=text)


@synth.command("generate")
def synth_generate(
    model: Annotated[Path, typer.Argument(help="The file of a model.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder: new, empty, or with a run that was broken off.")
    ] = None,
    people: Annotated[int, typer.Option("--people", min=1, max=10**9, help="How many.")] = 1000,
    person: Annotated[
        int | None, typer.Option("--person", min=0, max=10**9, help="Show this one alone instead.")
    ] = None,
    format_: Annotated[
        str,
        typer.Option("--format", help="Tables: ndjson, csv, parquet or meds. With identities: fhir, bundles or kith."),
    ] = "ndjson",
    engine: Annotated[str, typer.Option("--engine", help="local, or dask where it is installed.")] = "local",
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes beside each other.")] = 1,
    shard_people: Annotated[
        int, typer.Option("--shard-people", min=1, help="People in a file: whole blocks of 4,096.")
    ] = 20_480,
    month: Annotated[int, typer.Option("--month", help="Added to the month of a number: 80, or 65.")] = 80,
    checksum: Annotated[str, typer.Option("--checksum", help="The rule of 1964, or the one of 2032.")] = "1964",
    d_numbers: Annotated[float, typer.Option("--d-numbers", min=0, max=1, help="The share with a D-number.")] = 0.02,
    happened_by: Annotated[
        str, typer.Option("--happened-by", help="The day by which everything has happened.")
    ] = "2025-12-31",
    span_years: Annotated[
        int, typer.Option("--span-years", min=1, max=60, help="Day 0 lies within so many years.")
    ] = 10,
    pool: Annotated[
        Path | None, typer.Option("--pool", help="Synthetic people of another register (CSV: number, given, ...).")
    ] = None,
    exclude: Annotated[Path | None, typer.Option("--exclude", help="Numbers not to give out, one a line.")] = None,
    closed_zone: ClosedZone = False,
    seed: Seed = 1,
    json_: Json = False,
) -> None:
    """Make people of a model: the same for the same seed, whichever engine, however many shards; goes on where it was broken
    off."""
    _ready()
    from kjerne.commands import generating
    from kjerne.services.synthetic import identities, writing

    generating.check(format_, engine, shard_people, pool or exclude)
    generating.released(model, closed_zone=closed_zone)
    wishes = identities.wished(month, checksum, d_numbers, happened_by, span_years, pool, exclude)
    if person is not None:
        generating.somebody(model, seed, person, format_, wishes, as_json=json_)
        return
    if out is None:
        raise Refusal(400, "where they go is not said", where="--out", todo="Name a folder, or one --person.")
    order = writing.Order(str(model), seed, people, shard_people, format_, str(out), wishes)
    generating.everybody(order, engine, workers, as_json=json_)


@synth.command("report")
def synth_report(
    model: Annotated[Path, typer.Argument(help="The file of a model.")],
    real: Annotated[Path, typer.Option("--real", help="The folder that the model was learned from.")],
    holdout: Annotated[Path, typer.Option("--holdout", help="A folder of real people whom it never saw.")],
    made: Annotated[
        Path | None, typer.Option("--synthetic", help="A folder of made people; else some are made now.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A folder for report.html and report.json.")] = None,
    shadows: Annotated[
        int, typer.Option("--shadows", min=0, max=64, help="Shadow models of an attack: an even number, or 0 for none.")
    ] = 4,
    seed: Seed = 1,
    json_: Json = False,
) -> int:
    """Hold made people against real ones: fidelity, use, privacy, attacks, rules. Exit code 1 where a gate does not pass."""
    _ready()
    if shadows % 2:
        raise Refusal(
            400, "shadow models learn in pairs, from opposite halves", where="--shadows", todo="Ask for an even number."
        )
    import json

    from kjerne.commands.console import loading
    from kjerne.services.synthetic import model_file, report_page, reporting

    kept = model_file.opened(model)
    learned, held = _source(real, None, None), _source(holdout, None, None)
    own = _source(made, None, None) if made else None
    with loading(quiet=json_) as step:
        found = reporting.report(kept, learned, held, own, seed, step, shadows)
    told = {"model": kept.hash, **found.told()}
    if out:
        page = report_page.page(found, dict(kept.model.card), kept.hash)
        reporting.written(
            out, {"report.html": page, "report.json": json.dumps(told, indent=1, ensure_ascii=False) + "\n"}
        )
    width = max(len(one.name) for one in found.gates)
    lines = [
        f"{'ok  ' if one.passed else 'FAIL'}  {one.name:<{width}}  {_figure(one.value)} (at most {one.limit:g})"
        for one in found.gates
    ]
    notes = [f"note: {side}: {one}" for side, some in found.figures["left_out"].items() for one in some]
    say(told, as_json=json_, text="\n".join([*notes, *lines]))
    return 0 if found.passed else 1


def _figure(value: float) -> str:
    return "no figure" if value != value else f"{value:g}"  # noqa: PLR0124 - not a number


def _of_store(
    settings: Settings, permission: int | None, parts: Path | None, wanted: Wanted, effort: Effort, step: Step
) -> tuple[Model, CopyFilter]:
    from kjerne.commands import learning as stores
    from kjerne.services.synthetic import fitting

    people = stores.read(settings, permission)
    people = stores.divided(people, parts, wanted.seed, HELD_OUT) if parts else people
    lineage = fitting.lineage_of(people.files) if people.files else people.told.lineage()
    found = fitting.learned_from(
        people.told, lineage, wanted, effort, step, generated=people.generated, form=fitting.STORE,
        permission=people.permission,
    )  # fmt: skip
    if people.permission:
        stores.still_permitted(settings, int(people.permission["number"]))
    return found


def _ready() -> None:
    for name in ONE_THREAD:
        os.environ[name] = "1"  # whatever it was: people must not hang on it
    if importlib.util.find_spec("numpy") is None:
        todo = "Install kjerne[synthetic]."
        raise Refusal(404, "NumPy is not installed, and synthetic people are learned and made with it", todo=todo)


def _source(folder: Path | None, events: Path | None, static: Path | None) -> Source:
    from kjerne.services.synthetic import fitting, source_forms

    if folder is not None and (events or static):
        raise Refusal(400, "a source is a folder, or --events and --static", where="SOURCE")
    if folder is not None:
        if (manifest := _manifest(folder)) is None or not manifest.generated:
            return source_forms.found_in(folder, generated=False)
        if not manifest.complete:
            raise Refusal(
                409, "the people in it were not all made", where=str(folder), todo="Run generate again: it goes on."
            )
        found = source_forms.found_in(folder, generated=True, made_by=manifest.made_by())
        if manifest.lacks(found.lineage()):
            todo = "Put real people into a folder of their own, without a manifest.json."
            raise Refusal(422, "its files are not those that were made", where=str(folder), todo=todo)
        return found
    if events is None or static is None:
        raise Refusal(400, "a source is a folder, or --events and --static", where="SOURCE")
    for path in (events, static):
        if not path.is_file():
            raise Refusal(404, "there is no such file", where=str(path))
    found = fitting.Source([events], [static], generated=False)
    manifest = _manifest(events.parent)
    if manifest is None or not manifest.generated or manifest.lacks(found.lineage()):
        return found
    return replace(found, generated=True, made_by=manifest.made_by())


def _manifest(folder: Path) -> Manifest | None:
    """What a folder of made people says of them; nothing where it has no such manifest, or another program's."""
    from kjerne.services.synthetic import writing

    try:
        return writing.read_manifest(folder)
    except Refusal:
        return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(400, f"it cannot be read: {error.strerror}", where=str(path)) from None
