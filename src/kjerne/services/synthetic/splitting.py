"""`kjerne synth split`: who is learned from and who is held out, by person and by chance, before anything is learned."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from kjerne.errors import Refusal
from kjerne.services.synthetic.fhir_reading import Told
from kjerne.services.synthetic.fitting import Source
from kjerne.services.synthetic.row_files import written

PARTS: Final = ("train", "holdout")
MAPPING: Final = "mapping.json"
"""What the codes of resources are: beside the tables that they became, for `--mapping`."""


def split(source: Source, share: float, seed: int, out: Path) -> dict[str, int]:
    """Two folders in `out`, with every row of each person in one of them; how many people are in each."""
    told = None if source.generated else source.told(everybody=True)
    if told is None or told.is_made_up:
        raise Refusal(422, "its people were generated: there is nobody to hold out", where=str(out))
    return divided(told, share, seed, out)


def divided(told: Told, share: float, seed: int, out: Path) -> dict[str, int]:
    """As `split`, of what was told."""
    events, traits = told.events, told.traits
    held = np.random.default_rng(seed).random(len(traits.ids)) < share
    if told.held_out:  # as the source has divided its people already
        held = np.array([one in told.held_out for one in traits.ids])
    if held.all() or not held.any():
        raise Refusal(
            422, "one of the parts would be empty", where="--share", todo="Take another share or more people."
        )
    part_of = dict(zip(traits.ids, held.tolist(), strict=True))
    units = any(events.units)
    cells = list(zip(*traits.traits.values(), strict=True))
    for place, name in enumerate(PARTS):
        folder = out / name
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise Refusal(400, f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
        mine = [number for number, person in enumerate(traits.ids) if part_of[person] == bool(place)]
        _write(folder / "static.csv", ["id", *traits.traits], ([traits.ids[one], *cells[one]] for one in mine))
        rows = zip(events.ids, events.days, events.codes, events.values, events.units, strict=True)
        chosen = (row if units else row[:4] for row in rows if part_of.get(row[0]) == bool(place))
        _write(folder / "events.csv", ["id", "days", "code", "value", *["unit"] * units], chosen)
        if told.meaning:
            with written(folder / MAPPING) as beside:
                beside.write_bytes(msgspec.json.format(msgspec.json.encode(told.meaning), indent=1) + b"\n")
    return {"train": int((~held).sum()), "holdout": int(held.sum())}


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(head)
        table.writerows(rows)
