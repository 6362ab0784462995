"""The commands `kjerne participation` and `kjerne persons`: registers that an operator keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kjerne.commands.options import Data, Json, say, settings_of

Basis = Annotated[str, typer.Option("--basis", help="Law or agreement, in words.")]
Areas = Annotated[
    str | None,
    typer.Option("--areas", help="Municipalities (4 digits) and counties (2), with commas; '' is everywhere."),
]
Phase = Annotated[str | None, typer.Option("--phase", help="pilot, rollout or national.")]
Until = Annotated[str | None, typer.Option("--until", help="A day or an instant; '' is for good.")]
Plan = Annotated[bool, typer.Option("--plan", help="Only tell what it would do.")]

participation = typer.Typer(help="The register of participation: who takes part in which service, and where.")
persons = typer.Typer(help="Two person numbers of one human: linked, and a wrong link undone.")


@participation.command("list")
def participation_list(
    service: Annotated[str, typer.Option("--service", help="Of this service only.")] = "",
    part: Annotated[str, typer.Option("--part", help="source or consumer.")] = "",
    phase: Annotated[str, typer.Option("--phase", help="pilot, rollout or national.")] = "",
    organisation: Annotated[str, typer.Option("--organisation", help="Of this number only.")] = "",
    state: Annotated[str, typer.Option("--state", help="in-force, coming or ended; '' is all.")] = "in-force",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Show who takes part."""
    from kjerne.commands.participating import listed, table

    asked = {"service": service, "part": part, "phase": phase, "organisation": organisation, "state": state}
    rows = listed(settings_of(data=data), asked)
    say({"participation": rows}, as_json=json_, text=table(rows))


@participation.command("open")
def participation_open(
    organisation: Annotated[str, typer.Argument(help="Organisation number of a legal entity, or a unit of one.")],
    part: Annotated[str, typer.Option("--part", help="source (sends in) or consumer (looks).")],
    basis: Basis,
    service: Annotated[str, typer.Option("--service", help="The service.")] = "results",
    phase: Phase = "pilot",
    areas: Areas = "",
    since: Annotated[str, typer.Option("--since", help="A day or an instant; '' is now.")] = "",
    until: Until = "",
    plan: Plan = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Take an organisation in."""
    given = {"organisation": organisation, "service": service, "part": part, "phase": phase, "areas": areas,
             "since": since, "until": until, "basis": basis}  # fmt: skip
    _participation("open", 0, given, plan=plan, data=data, json_=json_)


@participation.command("widen")
def participation_widen(
    number: Annotated[int, typer.Argument(help="The row, from `participation list`.")],
    basis: Basis,
    phase: Phase = None,
    areas: Areas = None,
    until: Until = None,
    plan: Plan = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """End a row and begin a wider one; what is not named stays as it is."""
    given = {"phase": phase, "areas": areas, "until": until, "basis": basis}
    _participation("widen", number, given, plan=plan, data=data, json_=json_)


@participation.command("close")
def participation_close(
    number: Annotated[int, typer.Argument(help="The row, from `participation list`.")],
    why: Annotated[str, typer.Option("--why", help="The reason, in words.")],
    at: Annotated[str, typer.Option("--at", help="A day or an instant; '' is now.")] = "",
    plan: Plan = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Give a row its end; it holds on every worker within two seconds."""
    _participation("close", number, {"at": at, "why": why}, plan=plan, data=data, json_=json_)


def _participation(
    kind: str, number: int, given: dict[str, str | None], *, plan: bool, data: Path | None, json_: bool
) -> None:
    from kjerne.commands.participating import change, sentence, told
    from kjerne.services.participation.register import Asked

    fields = {name: value for name, value in given.items() if value is not None}
    number, made = change(settings_of(data=data), Asked(kind, fields, number), plan=plan)  # type: ignore[arg-type]
    say(told(number, made), as_json=json_, text=sentence(number, made, plan=plan))


@persons.command("links")
def persons_links(data: Data = None, json_: Json = False) -> None:
    """Show which links were made and undone, and why."""
    from kjerne.commands.linking_persons import listed, table

    rows = listed(settings_of(data=data))
    say({"links": rows}, as_json=json_, text=table(rows))


@persons.command("link")
def persons_link(
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; both persons read it in their logs.")],
    plan: Plan = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Say that two person numbers are one human. The numbers are asked for, or two lines of standard input."""
    from kjerne.commands.linking_persons import compared, link, two_numbers

    told = link(settings_of(data=data), two_numbers(), reason, plan=plan)
    say(told, as_json=json_, text=compared(told, plan=plan))


@persons.command("unlink")
def persons_unlink(
    number: Annotated[int, typer.Argument(help="The link, from `persons links`.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; both persons read it in their logs.")],
    plan: Plan = False,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Undo a link, and say what was shown over it."""
    from kjerne.commands.linking_persons import meanwhile, unlink

    told = unlink(settings_of(data=data), number, reason, plan=plan)
    say(told, as_json=json_, text=meanwhile(told, plan=plan))
