"""What all commands of the command line share: options, the settings that they make, and how an answer is printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kjerne.errors import Refusal

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
Data = Annotated[
    Path | None, typer.Option("--data", file_okay=False, help="The data directory (made if it is not there).")
]
ClosedZone = Annotated[
    bool, typer.Option("--closed-zone", envvar="KJERNE_CLOSED_ZONE", help="This is where its training data may lie.")
]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="The port to listen on.")]
People = Annotated[
    int | None,
    typer.Option("--people", min=15, max=1_000_000, help="Synthetic people to make on the first start."),
]
Sources = Annotated[
    int | None, typer.Option("--sources", min=0, max=3, help="Document sources to start beside the platform.")
]
As = Annotated[str, typer.Option("--as", help="Who calls: a name from `kjerne personas`.")]
Patient = Annotated[str, typer.Option("--patient", help="The patient: a number, or a persona with one.")]
Purpose = Annotated[str, typer.Option("--purpose", help="What for: TREAT, ETREAT, COC, BTG; PATRQT, FAMRQT, PWATRNY.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in words the patient will read.")]
SelfSelected = Annotated[bool, typer.Option("--self-selected", help="The caller gave herself the access.")]
Decision = Annotated[
    str,
    typer.Option(
        "--decision", help="The decision's id in the caller's system. A page link opens to the same one alone."
    ),
]
Declared = Annotated[str, typer.Option("--basis", help="What is declared: SAMTYKKE, AKUTT, UNNTAK.")]
Portal = Annotated[bool, typer.Option("--portal", help="As a citizen through the citizen portal (token exchange).")]

Policy = Annotated[
    str, typer.Option("--policy", help="The access policy (ACP) that the portal signs: 3 as a guardian (with PWATRNY).")
]


def settings_of(**given: Any) -> Any:
    """The settings: the command's own options over the environment over the defaults."""
    from pydantic import ValidationError

    from kjerne.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        raise Refusal(
            400, f"the setting {name} cannot be used: {first['msg']}", where=f"KJERNE_{name.upper()}"
        ) from error


def say(value: object, *, as_json: bool, text: str) -> None:
    """One JSON document on standard output, or `text`."""
    import msgspec

    try:
        if as_json:  # JSON is UTF-8 whatever the terminal speaks
            sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        else:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads us (`head`) has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
