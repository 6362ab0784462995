"""`kjerne synth generate`: people in shards, each a file of events and one of traits, with a manifest of their hashes.

A shard is whole blocks of people, written beside its place and moved there when it is done. A run that was broken off goes on
with the shards that are missing; those that are there are compared with the manifest. How many people a shard holds and which
engine makes it changes no byte of a person: `digest` in the manifest is over the people, not over the files.
"""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from kjerne import __version__
from kjerne.errors import Refusal
from kjerne.services.synthetic import kith_files, meds_files, model_file
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.families import Relative
from kjerne.services.synthetic.fhir_files import Writer
from kjerne.services.synthetic.identities import UNWISHED, Wishes
from kjerne.services.synthetic.origins import REAL, MadeBy
from kjerne.services.synthetic.releasing import approved_by
from kjerne.services.synthetic.row_files import columns_of, event_rows, trait_rows, written, written_rows
from kjerne.services.synthetic.rules import violations
from kjerne.services.synthetic.sampling import BLOCK, block, joined
from kjerne.services.synthetic.streams import Streams

MANIFEST: Final = "manifest.json"
ENGINES: Final = ("local", "dask")
WAVE: Final = 4
"""Shards for each worker between two looks at a cluster's answers."""


@dataclass(frozen=True)
class Order:
    """What is asked for: everything a shard needs, so that any process makes it alone. `wishes` say how people are named, in a
    format of FHIR or KITH."""

    model: str
    seed: int
    people: int
    shard_people: int
    format: str
    folder: str
    wishes: Wishes = UNWISHED
    model_hash: str = ""
    """Of the model that all shards are made with, where it is known."""

    @property
    def shards(self) -> int:
        return -(-self.people // self.shard_people)

    def named(self) -> dict[str, Any]:
        """How people are named, for the manifest; nothing where nobody is."""
        return self.wishes.told() if self.format in kith_files.NAMED else {}


class Shard(msgspec.Struct, frozen=True):
    """A shard as the manifest tells it: its people, events and broken rules; files with their SHA-256; a digest of each
    block."""

    number: int
    people: int
    events: int
    violations: int
    files: dict[str, str]
    blocks: list[str]


class Manifest(msgspec.Struct):
    """What lies in a folder of generated people. `generated` says to `fit` that nobody in it is real, `approved` who answers
    for a model of real people outside the closed zone."""

    model: str
    seed: int
    people: int
    shard_people: int
    format: str
    generated: bool
    complete: bool
    digest: str
    shards: list[Shard]
    card: dict[str, Any]
    identities: dict[str, Any] = {}
    approved: str = ""

    def made_by(self) -> MadeBy:
        """The model that made them."""
        return MadeBy(self.model, str(self.card.get("learned_from", REAL)), self.approved)

    def lacks(self, files: Iterable[Mapping[str, str]]) -> bool:
        """Whether any of these files (`file` and `sha256`) is none of those that were made."""
        made = {(name, sha) for shard in self.shards for name, sha in shard.files.items()}
        return any((one["file"], one["sha256"]) not in made for one in files)


def generate(order: Order, engine: str, workers: int, step: Callable[[int, int, str], None]) -> Manifest:
    """Make all shards that are not there yet. `Refusal` where the folder holds another generation, or cannot be written."""
    kept = model_file.opened(Path(order.model))
    if order.format == meds_files.FORMAT:
        meds_files.check(kept.model)
    if order.format == kith_files.FORMAT:
        kith_files.check(kept.model)
    folder, order = Path(order.folder), replace(order, model_hash=kept.hash)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refusal(400, f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
    manifest = _begun(order, kept, folder)
    _write(folder, manifest)  # so that whoever is killed before the first shard can go on too
    if order.format == meds_files.FORMAT:
        meds_files.metadata(folder, kept.model, kept.hash, __version__)
    there = {one.number for one in manifest.shards}
    missing = [number for number in range(order.shards) if number not in there]
    done = sum(one.people for one in manifest.shards)
    step(done, order.people, "people")
    for shard in _made_by(engine, order, missing, workers):
        manifest.shards.append(shard)
        done += shard.people
        _write(folder, manifest)
        step(done, order.people, "people")
    manifest.shards.sort(key=lambda one: one.number)
    manifest.complete = True
    manifest.digest = hashlib.sha256(
        "".join(name for one in manifest.shards for name in one.blocks).encode()
    ).hexdigest()
    _write(folder, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None where it has none."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        raise Refusal(422, "the manifest cannot be read", where=str(path), todo="Take another folder.") from None


def one_person(kept: model_file.Kept, seed: int, person: int) -> dict[str, Any]:
    """Somebody by her number, made without those before her but for the few of her block."""
    cohort = block(kept.model, Streams(kept.hash, seed), person // BLOCK, kept.copies)
    alone = cohort.of(np.arange(person % BLOCK, person % BLOCK + 1))
    _refuse_broken(kept, cohort)
    (told,) = trait_rows(kept.model, alone, person)
    return {
        **msgspec.json.decode(told),
        "events": [msgspec.json.decode(line) for line in event_rows(kept.model, alone, person)],
    }


def one_record(kept: model_file.Kept, seed: int, person: int, wishes: Wishes) -> list[dict[str, Any]]:
    """The resources of somebody by her number."""
    return [msgspec.json.decode(text) for _, _, text in _told_of(kept, seed, person, wishes)]


def one_persons_messages(kept: model_file.Kept, seed: int, person: int, wishes: Wishes) -> list[str]:
    """The messages (XML) about somebody by her number."""
    kith_files.check(kept.model)
    return [raw.decode() for _, raw in kith_files.messages(_told_of(kept, seed, person, wishes))]


def _told_of(kept: model_file.Kept, seed: int, person: int, wishes: Wishes) -> list[tuple[str, str, str]]:
    number, place = divmod(person, BLOCK)
    whole, writer = block(kept.model, Streams(kept.hash, seed), number, kept.copies), Writer(kept, seed, wishes)
    who = writer.identities(whole, number, place + 1)[place:]
    alone = whole.of(np.arange(place, place + 1))
    (told,) = writer.people(alone, person, who, bundled=False)
    return told


def _begun(order: Order, kept: model_file.Kept, folder: Path) -> Manifest:
    found = read_manifest(folder)
    if found is None:
        if any(folder.iterdir()):
            raise Refusal(409, "the folder holds something else", where=str(folder), todo="Take an empty one.")
        return Manifest(
            kept.hash,
            order.seed,
            order.people,
            order.shard_people,
            order.format,
            True,
            False,
            "",
            [],
            dict(kept.model.card),
            order.named(),
            approved_by(kept),
        )
    same = (found.model, found.seed, found.people, found.shard_people, found.format, found.identities)
    if same != (kept.hash, order.seed, order.people, order.shard_people, order.format, order.named()):
        says = "the folder holds people of another model, seed, number, shard, format or identity"
        raise Refusal(409, says, where=str(folder), todo="Take an empty one.")
    found.approved, found.complete, found.digest = approved_by(kept), False, ""  # until all are there again
    found.shards = [
        one
        for one in found.shards
        if not one.violations and all(_is_whole(folder / name, sha) for name, sha in one.files.items())
    ]
    return found


def _is_whole(path: Path, sha: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha and kith_files.is_whole(path)


def _write(folder: Path, manifest: Manifest) -> None:
    with written(folder / MANIFEST) as beside:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def _made_by(engine: str, order: Order, missing: Sequence[int], workers: int) -> Iterator[Shard]:
    try:
        if engine == "dask":
            yield from _by_dask(order, missing, workers)
        elif workers == 1 or len(missing) < 2:
            yield from (shard(order, number) for number in missing)
        else:
            yield from _by_processes(order, missing, workers)
    except BrokenExecutor:
        todo = "Run it again: it goes on. Where memory is short, with fewer --workers or a smaller --shard-people."
        raise Refusal(503, "a worker was killed", where="--workers", todo=todo) from None


def _by_processes(order: Order, missing: Sequence[int], workers: int) -> Iterator[Shard]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(missing)), mp_context=context, initializer=_ends_with, initargs=(os.getpid(),)
    ) as pool:
        tasks = [pool.submit(shard, order, number) for number in missing]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ends_with(parent: int) -> None:
    """A worker ends when the process that started it has, also where that was killed and could not say so."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _by_dask(order: Order, missing: Sequence[int], workers: int) -> Iterator[Shard]:
    try:
        dask = importlib.import_module("dask")
    except ImportError:
        raise Refusal(
            404, "Dask is not installed", where="--engine", todo="Install dask, or use the engine local."
        ) from None
    make, wave = dask.delayed(shard), workers * WAVE
    for place in range(0, len(missing), wave):
        tasks = [make(order, number) for number in missing[place : place + wave]]
        yield from dask.compute(*tasks, scheduler="processes", num_workers=workers)


@cache
def _kept(path: str, hash_: str) -> model_file.Kept:
    """The model of a path. `Refusal` where it is not the one that the other shards are made with."""
    found = model_file.opened(Path(path))
    if hash_ not in ("", found.hash):
        todo = "Run it again with the model that it was begun with, or into an empty folder."
        raise Refusal(409, "another model took this one's place meanwhile", where=path, todo=todo)
    return found


def shard(order: Order, number: int) -> Shard:
    """Make one shard and write its files."""
    kept, folder = _kept(order.model, order.model_hash), Path(order.folder)
    streams, first = Streams(kept.hash, order.seed), number * order.shard_people
    last = min(first + order.shard_people, order.people)
    blocks, digests, named = list[Cohort](), list[str](), list[tuple[int, Cohort, list[Relative]]]()
    writer = Writer(kept, order.seed, order.wishes) if order.format in kith_files.NAMED else None
    for place in range(first // BLOCK, -(-last // BLOCK)):
        whole = block(kept.model, streams, place, kept.copies)
        some = whole.of(np.arange(0, min(BLOCK, last - place * BLOCK)))
        digests.append(_digest(some))
        blocks.append(some)
        if writer:
            named.append((place * BLOCK, some, writer.identities(whole, place, some.people)))
    cohort = joined(blocks)
    _refuse_broken(kept, cohort)
    if writer and order.format == kith_files.FORMAT:
        told = (one for at, some, who in named for one in writer.people(some, at, who, bundled=False))
        files = kith_files.files(folder, number, told)
    else:
        files = writer.files(folder, order.format, number, named) if writer else _tables(order, kept, cohort, number)
    return Shard(number, cohort.people, len(cohort.code), 0, files, digests)


def _tables(order: Order, kept: model_file.Kept, cohort: Cohort, number: int) -> dict[str, str]:
    """A shard's tables, by name with their SHA-256."""
    folder, first, files = Path(order.folder), number * order.shard_people, dict[str, str]()
    if order.format == meds_files.FORMAT:
        name = meds_files.shard_file(folder, kept.model, cohort, number, first)
        return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()}
    for stem, rows in (("events", event_rows), ("static", trait_rows)):
        name = f"{stem}-{number:05d}.{order.format}"
        written_rows(folder / name, order.format, rows(kept.model, cohort, first), columns_of(kept.model, stem))
        files[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return files


def _refuse_broken(kept: model_file.Kept, cohort: Cohort) -> None:
    """`Refusal` where people who were made break a hard rule: none of them is written."""
    if broken := {name: count for name, count in violations(kept.model, cohort).items() if count}:
        told = ", ".join(f"{name} {count}" for name, count in broken.items())
        todo = "Nothing of them was written: fit the model anew, or tell us."
        raise Refusal(422, f"made people break a hard rule ({told})", where="the model", todo=todo)


def _digest(cohort: Cohort) -> str:
    parts = [cohort.first, cohort.times, cohort.code, cohort.values, *(one.numbers for one in cohort.traits)]
    return hashlib.sha256(b"".join(one.tobytes() for one in parts)).hexdigest()
