"""What `kjerne synth generate` does: people in files, or one of them shown."""

from __future__ import annotations

import json
import time
from pathlib import Path

from kjerne.commands.console import loading
from kjerne.commands.options import say
from kjerne.errors import Refusal
from kjerne.services.synthetic import (
    fhir_files,
    kith_files,
    meds_files,
    model_file,
    releasing,
    row_files,
    sampling,
    writing,
)
from kjerne.services.synthetic.identities import Wishes


def check(format_: str, engine: str, shard_people: int, named_by: Path | None) -> None:
    """`Refusal` 400 where options are none, or do not go together."""
    formats = (*row_files.FORMATS, meds_files.FORMAT, *kith_files.NAMED)
    for word, words, option in ((format_, formats, "--format"), (engine, writing.ENGINES, "--engine")):
        if word not in words:
            raise Refusal(400, f"it is none of {', '.join(words)}", where=option)
    if shard_people % sampling.BLOCK:
        raise Refusal(400, f"a shard is whole blocks of {sampling.BLOCK} people", where="--shard-people")
    if named_by is not None and format_ not in kith_files.NAMED:
        says = "nobody has a number in a table"
        raise Refusal(400, says, where="--format", todo=f"Take {' or '.join(kith_files.NAMED)}.")


def released(model: Path, *, closed_zone: bool) -> None:
    """`Refusal` 403 where a model of real people is used outside the closed zone, and nobody answers for it."""
    releasing.check(model_file.opened(model), str(model), closed_zone=closed_zone)


def somebody(model: Path, seed: int, person: int, format_: str, wishes: Wishes, *, as_json: bool) -> None:
    """Show one person: her traits and events, her resources, or the messages about her."""
    kept = model_file.opened(model)
    told: object = writing.one_person(kept, seed, person)
    if format_ in fhir_files.FORMATS:
        told = writing.one_record(kept, seed, person, wishes)
    elif format_ == kith_files.FORMAT:
        found = writing.one_persons_messages(kept, seed, person, wishes)
        say(found, as_json=as_json, text="".join(found))
        return
    say(told, as_json=as_json, text=json.dumps(told, indent=1, ensure_ascii=False))


def everybody(order: writing.Order, engine: str, workers: int, *, as_json: bool) -> None:
    """Make all, with a progress bar."""
    began = time.monotonic()
    with loading(quiet=as_json) as step:
        found = writing.generate(order, engine, workers, step)
    events, broken = sum(one.events for one in found.shards), sum(one.violations for one in found.shards)
    seconds = round(time.monotonic() - began, 3)
    told = {"folder": order.folder, "people": found.people, "events": events, "violations": broken, "digest": found.digest,
            "shards": len(found.shards), "seconds": seconds}  # fmt: skip
    text = (
        f"{order.folder}: {found.people} people with {events} events in {len(found.shards)} shards, "
        f"digest {found.digest[:12]}"
    )
    say(told, as_json=as_json, text=text)
