"""The commands `kjerne view`: tables made of resources that somebody has fetched already.

No command here asks a platform or the database for anything: what is not in the files is not in the tables, and nothing is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kjerne.commands.options import Json, say
from kjerne.errors import Refusal

if TYPE_CHECKING:  # `kjerne --help` needs none of it
    from kjerne.commands.view_sinks import Writer
    from kjerne.commands.view_sources import Resource
    from kjerne.fhir.views.definition import View

VIEW_LIMIT_BYTES: Final = 1_000_000
BATCH_ROWS: Final = 2_000

Which = Annotated[str, typer.Argument(help="A ViewDefinition (JSON file), or the name of one that is shipped.")]

views = typer.Typer(help="Tables of FHIR resources: SQL on FHIR ViewDefinitions over NDJSON files.")


@views.command("list")
def view_list(json_: Json = False) -> None:
    """Show the views that are shipped."""
    from kjerne.fhir.views.shelf import names, shipped

    found = [shipped(name) for name in names()]
    told = [
        {"name": one.name, "resource": one.resource, "title": one.title, "columns": len(one.columns)} for one in found
    ]
    width = max(len(one.name) for one in found)
    lines = [f"{one.name:<{width}}  {one.resource:<20}  {one.title}" for one in found]
    say({"views": told}, as_json=json_, text="\n".join([*lines, f"{len(found)} views"]))


@views.command("show")
def view_show(which: Which, json_: Json = False) -> None:
    """Hold a view against R4, and show the columns of its table and their types."""
    from kjerne.commands.view_sinks import schema

    view = _view(which)
    notes = [f"note: {one}" for one in view.notes]
    told = {"view": view.name, "resource": view.resource, "title": view.title, "description": view.description,
            "columns": _columns(view), "notes": view.notes}  # fmt: skip
    say(told, as_json=json_, text="\n".join([schema(view), *notes]))


@views.command("run")
def view_run(
    which: Which,
    paths: Annotated[
        list[Path],
        typer.Argument(help="NDJSON files (.gz, .zst too), folders of them with or without manifest.json; -."),
    ],
    to: Annotated[
        str, typer.Option("--to", help="csv or ndjson (standard output), or FILE.csv, .ndjson, .parquet or .duckdb.")
    ] = "csv",
    json_: Json = False,
) -> None:
    """Make the table of a view from files: one row for each thing that it selects. Nothing is fetched, and nothing sent."""
    import sys

    from kjerne.commands import view_sinks, view_sources
    from kjerne.commands.console import loading

    view, format_ = _view(which), view_sinks.format_of(to)
    if json_ and to in view_sinks.STREAMS:
        raise typer.BadParameter("the rows go to a file where the answer is JSON", param_hint="--to")
    found = view_sources.files(paths, view.resource)
    _check_target(to, found)
    began, counts = time.monotonic(), dict[str, int]()
    with loading(quiet=json_) as step, view_sinks.writing(view, to) as write:
        counts = made(
            view, view_sources.resources(found, view.resource, step), write, typed=format_ in view_sinks.TYPED
        )
    if not counts:  # whoever reads us has read enough
        return
    told = {"view": view.name, "resource": view.resource, "to": to, "format": format_, "files": len(found), **counts,
            "columns": _columns(view), "notes": view.notes, "seconds": round(time.monotonic() - began, 3)}  # fmt: skip
    text = f"{counts['rows']} rows of {counts['resources']} {view.resource}"
    if counts["others"]:
        text += f"; {counts['others']} resources of other types were passed by"
    lines = [*(f"note: {one}" for one in view.notes), text]
    if to in view_sinks.STREAMS:
        print("\n".join(f"kjerne: {line}" for line in lines), file=sys.stderr)
    else:
        say(told, as_json=json_, text="\n".join(lines))


def made(view: View, found: Iterator[Resource], write: Writer, *, typed: bool) -> dict[str, int]:
    """Writes the rows of all resources, and counts them. `Refusal` with file and line where one does not fit the view."""
    from kjerne.clock import SystemClock
    from kjerne.fhir.views.columns import Misfit
    from kjerne.fhir.views.running import Row, runner

    run, batch = runner(view, SystemClock().now(), typed=typed), list[Row]()
    counts = {"resources": 0, "others": 0, "rows": 0}
    for one in found:
        if one.tree is None:
            counts["others"] += 1
            continue
        counts["resources"] += 1
        try:
            batch += run(one.tree)
        except Misfit as misfit:
            raise Refusal(422, misfit.says, where=f"{one.where}, {misfit.where}", todo=misfit.todo) from None
        if len(batch) >= BATCH_ROWS:
            counts["rows"] += len(batch)
            write(batch)
            batch.clear()
    write(batch)
    counts["rows"] += len(batch)
    return counts


def _view(which: str) -> View:
    import msgspec

    from kjerne.fhir.views.definition import read
    from kjerne.fhir.views.shelf import names, shipped

    path = Path(which)
    if not path.is_file():
        if which in names():
            return shipped(which)
        raise Refusal(
            404, "there is no such file, and no such view is shipped", where=which, todo="See kjerne view list."
        )
    try:
        raw = path.read_bytes()
        tree = msgspec.json.decode(raw) if len(raw) <= VIEW_LIMIT_BYTES else None
    except OSError as error:
        raise Refusal(400, f"the view cannot be read: {error.strerror}", where=which) from None
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"the view is no JSON: {error}", where=which) from None
    if tree is None:
        raise Refusal(422, f"the view is longer than {VIEW_LIMIT_BYTES} bytes", where=which)
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in path.stem)
    try:
        return read(tree, name if name[:1].isalpha() else f"view_{name}")
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.says, where=f"{which}: {refusal.where}", todo=refusal.todo) from None


def _check_target(to: str, found: Sequence[Path]) -> None:
    target = Path(to)
    if target.is_dir():
        raise Refusal(400, "it is a folder", where=to)
    if target.exists() and any(file.exists() and file.samefile(target) for file in found):
        raise Refusal(400, "it is one of the files that are read", where=to, todo="Name another file.")


def _columns(view: View) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "type": one.type,
            "sql": one.sql.name,
            "collection": one.collection,
            "description": one.description,
        }
        for one in view.columns
    ]
