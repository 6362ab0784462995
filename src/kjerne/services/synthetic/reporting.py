"""`kjerne synth report`: from files to a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from kjerne.errors import Refusal
from kjerne.services.synthetic.fitting import Source, like
from kjerne.services.synthetic.judging import Report, judged
from kjerne.services.synthetic.memberships import Step
from kjerne.services.synthetic.model_file import Kept
from kjerne.services.synthetic.origins import is_generated
from kjerne.services.synthetic.releasing import MADE_LEAST
from kjerne.services.synthetic.row_files import written as in_place
from kjerne.services.synthetic.sampling import BLOCK, block, joined
from kjerne.services.synthetic.streams import Streams
from kjerne.services.synthetic.writing import read_manifest

PEOPLE_LEAST: Final = 50
"""Of each side: fewer say nothing."""


def report(
    kept: Kept, real: Source, holdout: Source, made: Source | None, seed: int, step: Step, shadows: int = 0
) -> Report:
    """A report about a model, with so many shadow models (an even number). `Refusal` where the hold-out was learned from, the
    real people are others than the card's, or the made people are not this model's."""
    lineage = {one["sha256"] for one in kept.model.card.get("lineage", ())}
    if lineage & {one["sha256"] for one in holdout.lineage()}:
        raise Refusal(
            422, "the model was learned from the hold-out", where="--holdout", todo="Name people whom it never saw."
        )
    if lineage and not {one["sha256"] for one in real.lineage()} <= lineage:
        raise Refusal(422, "the model was learned from other tables", where="--real", todo="Name those of its card.")
    if holdout.generated and not is_generated(kept.model.card):
        todo = "Name real people whom the model never saw."
        raise Refusal(422, "the people held out were generated themselves", where="--holdout", todo=todo)
    if made:
        _check_made(kept, made)
    model, train, held = kept.model, like(real, kept.model), like(holdout, kept.model)
    if made is None:
        streams, people = Streams(kept.hash, seed), max(train.people, held.people, MADE_LEAST)
        blocks = [block(model, streams, number, kept.copies) for number in range(-(-people // BLOCK))]
        own = joined(blocks).of(np.arange(people))
    else:
        own = like(made, model)
    for where, cohort in (("--real", train), ("--holdout", held), ("--synthetic", own)):
        if cohort.people < PEOPLE_LEAST:
            raise Refusal(422, f"there are too few people to judge: {cohort.people}", where=where)
    found = judged(model, train, held, own, seed, step, shadows)
    left_out = {"train": list(train.notes), "holdout": list(held.notes), "made": list(own.notes)}
    return replace(found, figures=found.figures | {"left_out": left_out})


def _check_made(kept: Kept, made: Source) -> None:
    """`Refusal` where a folder of made people does not say that this model made them, or is not as it was made."""
    manifest = read_manifest(made.base)
    todo = "Name a folder that kjerne synth generate made of this model, or none."
    if manifest is None or manifest.model != kept.hash:
        says = "made by another model" if manifest else "without a manifest of who made them"
        raise Refusal(422, f"its people are {says}", where="--synthetic", todo=todo)
    told = {name: sha for shard in manifest.shards for name, sha in shard.files.items()}
    if told != {one["file"]: one["sha256"] for one in made.lineage()}:
        raise Refusal(422, "its files are not those that were made", where="--synthetic", todo=todo)


def written(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a report, each whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refusal(400, f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
    for name, text in files.items():
        with in_place(folder / name) as beside:
            beside.write_text(text, encoding="utf-8")
