"""A named person answers for a model that leaves the closed zone: her approval lies in the model's file, behind its hash.

Only a model whose report passes all gates can be approved. The hash by which a model is known stays what it was, and with it
who is made of it. The approval is no signature: it says who answers for what, and is held against damage and against being moved
to another model.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL
from kjerne.registries import wording
from kjerne.registries.identifiers import numbers_in
from kjerne.services.synthetic import model_file
from kjerne.services.synthetic.judging import LIMITS
from kjerne.services.synthetic.model_file import Approval, Kept
from kjerne.services.synthetic.origins import REAL, is_generated

K_LEAST: Final = 10
MADE_LEAST: Final = 8_192
"""People made for a report: of fewer, chance alone moves the shares of codes by some hundredths, and some sample passes."""
NAME_CHARACTERS: Final = (5, 200)


class _Gate(msgspec.Struct):
    gate: str
    value: float | None = None


class _Report(msgspec.Struct):
    model: str
    gates: list[_Gate]
    people: dict[str, int] = {}


def approve(path: Path, report: Path, name: str, why: str, by: str, at: datetime) -> Approval:
    """Write a named person's approval into a model's file. `by` is who was logged in.

    `Refusal` where the model needs none, has one, the report is another model's, or a gate does not pass by the limits of
    this program.
    """
    kept = model_file.opened(path)
    if is_generated(kept.model.card):
        says = "the model was learned from generated people, and needs no approval"
        raise Refusal(409, says, where=str(path))
    if kept.approval:
        says = f"the model was approved already, by {kept.approval.name} at {kept.approval.at}"
        raise Refusal(409, says, where=str(path))
    if (k := kept.model.card.get("k", 0)) < K_LEAST:
        says = f"the model tells what only {k} people have, and at least {K_LEAST} must have whatever leaves the closed zone"
        raise Refusal(409, says, where=str(path), todo="Fit it anew without --k.")
    told, sha = _read(report)
    if told.model != kept.hash:
        todo = "Make one of this model with kjerne synth report --out."
        raise Refusal(422, "the report is another model's", where=str(report), todo=todo)
    if (made := told.people.get("made", 0)) < MADE_LEAST:
        todo = "Make it without --synthetic, or of a folder of as many people."
        says = f"the report is of {made} made people, and at least {MADE_LEAST} are asked for"
        raise Refusal(409, says, where=str(report), todo=todo)
    gates = _passed(told, report)
    found = Approval(
        kept.hash, _name(name), wording.reason(why, where="--why"), at.isoformat(timespec="seconds"), by, gates, sha
    )
    model_file.approved(path, kept, found)
    return found


def check(kept: Kept, where: str, *, closed_zone: bool) -> None:
    """`Refusal` 403 where a model of real people, or of people whom one made, is used outside the closed zone and nobody answers
    for it."""
    card = kept.model.card
    if closed_zone or is_generated(card) or approved_by(kept):
        return
    learned_from = card.get("learned_from") or REAL
    says = f"the model was learned from {learned_from}, and nobody has approved that it leaves the closed zone"
    todo = (
        "Where its training data may lie say --closed-zone; else have it approved there: kjerne synth report, then "
        "kjerne synth approve."
    )
    raise Refusal(403, says, where=where, todo=todo)


def approved_by(kept: Kept) -> str:
    """Who answers for a model outside the closed zone, and since when: of people whom a model of real people made, whoever
    answered for that one. Nothing where nobody does."""
    if kept.approval:
        return f"{kept.approval.name}, {kept.approval.at}"
    return str(kept.model.card.get("made_by", {}).get("approved", ""))


def _read(path: Path) -> tuple[_Report, str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Refusal(400, f"the report cannot be read: {error.strerror}", where=str(path)) from None
    try:
        return msgspec.json.decode(raw, type=_Report), hashlib.sha256(raw).hexdigest()
    except msgspec.DecodeError:
        todo = "Name the report.json that kjerne synth report --out wrote."
        raise Refusal(422, "it is no report of kjerne synth report", where=str(path), todo=todo) from None


def _passed(told: _Report, where: Path) -> dict[str, float]:
    """The figure of each gate. `Refusal` 409 where one is missing or beyond its limit."""
    values: dict[str, Any] = {one.gate: one.value for one in told.gates}
    failed = [
        f"{name} ({'missing' if (value := values.get(name)) is None else f'{value:g}'}, at most {limit:g})"
        for name, limit in LIMITS.items()
        if values.get(name) is None or not values[name] <= limit
    ]
    if failed:
        says = f"the report does not pass its gates, so the model cannot be approved: {', '.join(failed)}"
        raise Refusal(409, says, where=str(where), todo="Fit it otherwise, or keep it in the closed zone.")
    return {name: float(values[name]) for name in LIMITS}


def _name(text: str) -> str:
    """A person's name: at least two words, and no number of hers."""
    name, (fewest, most) = " ".join(text.split()), NAME_CHARACTERS
    if not fewest <= len(name) <= most or len(name.split()) < 2 or numbers_in(name) or CONTROL.search(text):
        says = f"who approves is named in full, in {fewest} to {most} characters and not by number"
        raise Refusal(400, says, where="--name")
    return name
