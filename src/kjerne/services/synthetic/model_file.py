"""The file of a model: a head that anybody can read, arrays behind it, and a hash over all.

`kjerne-synth` and the number of the form; the length of the head; the head as JSON (card, shape, where each array lies); the
arrays, little-endian, as they lie in memory; and SHA-256 of all before it. Behind that an approval may lie: who answers for the
model, as JSON, with a SHA-256 of the model's and of it. A file that is damaged, or of a newer form, is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from kjerne.errors import Refusal
from kjerne.services.synthetic.copies import CopyFilter
from kjerne.services.synthetic.network import Network
from kjerne.services.synthetic.people_model import Model, Rules, TraitModel
from kjerne.services.synthetic.vocabulary import Grid

MAGIC: Final = b"kjerne-synth\n"
FORM: Final = 3
"""3 since rules have an order between codes, 2 since they have ages; older models have none."""
MARK: Final = b"kjerne-approval\n"
"""Before and behind an approval."""
HEAD_MOST: Final = 64_000_000
_KINDS: Final = {"f4": np.float32, "f8": np.float64, "u1": np.uint8}


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a person answers for a model outside the closed zone: its hash, her name, why and when (ISO 8601), who was logged
    in, what each gate of its report was, and the SHA-256 of that report."""

    model: str
    name: str
    why: str
    at: str
    by: str
    gates: dict[str, float]
    report: str


@dataclass(frozen=True)
class Kept:
    """A model with its filter of copies, the hash by which it is known (hexadecimal SHA-256 of its file before any approval), and
    who approved it."""

    model: Model
    copies: CopyFilter
    hash: str
    approval: Approval | None = None


class _Arrays:
    """Arrays as they are put in a file: each is told by its kind, shape and place."""

    def __init__(self) -> None:
        self.parts, self.length = list[bytes](), 0

    def put(self, array: Any) -> dict[str, Any]:
        kind = next(name for name, type_ in _KINDS.items() if array.dtype == type_)
        raw = np.ascontiguousarray(array).astype(f"<{kind}" if kind != "u1" else "u1").tobytes()
        told = {"kind": kind, "shape": list(array.shape), "at": self.length}
        self.parts.append(raw)
        self.length += len(raw)
        return told

    def grid(self, grid: Grid | None) -> dict[str, Any] | None:
        if grid is None:
            return None
        return {"decimals": grid.decimals, **{name: self.put(getattr(grid, name)) for name in _GRID}}

    def network(self, network: Network | None) -> list[Any] | None:
        if network is None:
            return None
        return [[self.put(weights), self.put(bias)] for weights, bias in network.layers]


_GRID: Final = ("low", "high", "edges", "middle")


def packed(model: Model, copies: CopyFilter) -> bytes:
    """The bytes of a model's file."""
    arrays = _Arrays()
    head = {
        "codes": model.codes, "units": model.units, "ticks": model.ticks, "age": model.age, "until": model.until,
        "valued": model.valued, "to_index": model.to_index, "events_most": model.events_most,
        "rules": {"once": model.rules.once, "terminal": model.rules.terminal, "after": model.rules.after,
                  "only": model.rules.only, "ages": model.rules.ages, "needs": model.rules.needs},
        "traits": [
            {"name": one.name, "levels": one.levels, "grid": arrays.grid(one.grid),
             "presence": arrays.network(one.presence), "network": arrays.network(one.network)}
            for one in model.traits
        ],
        "starts": arrays.grid(model.starts), "gaps": arrays.grid(model.gaps),
        "values": [arrays.grid(one) for one in model.values],
        "networks": {name: arrays.network(getattr(model, name)) for name in ("start", "gap", "code", "value")},
        "copies": {"salt": str(copies.salt), "bits": arrays.put(copies.bits)},
        "card": dict(model.card),
    }  # fmt: skip
    told = msgspec.json.encode(head)
    whole = b"".join([MAGIC, FORM.to_bytes(4, "little"), len(told).to_bytes(4, "little"), told, *arrays.parts])
    return whole + hashlib.sha256(whole).digest()


def unpacked(raw: bytes, where: str) -> Kept:
    """The model of a file. `Refusal` where it is none, is of a newer form, or is damaged."""
    if not raw.startswith(MAGIC):
        raise Refusal(422, "it is no model of kjerne synth fit", where=where)
    raw, approval = _parted(raw, where)
    start = len(MAGIC) + 8
    form = int.from_bytes(raw[len(MAGIC) : len(MAGIC) + 4], "little")
    if form > FORM:
        todo = "Use the version of kjerne that made it, or a later one."
        raise Refusal(422, f"the model is of form {form}, and this program reads up to {FORM}", where=where, todo=todo)
    if len(raw) < start + 32 or hashlib.sha256(raw[:-32]).digest() != raw[-32:]:
        raise Refusal(422, "the model is damaged: its hash does not fit", where=where, todo="Fit or copy it again.")
    length = int.from_bytes(raw[start - 4 : start], "little")
    try:
        kept = _read(msgspec.json.decode(raw[start : start + length]), raw[start + length : -32], raw[-32:].hex())
        return replace(kept, approval=approval)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise Refusal(422, "the model's head is not as this program writes it", where=where) from None


def saved(model: Model, copies: CopyFilter, path: Path) -> str:
    """Write a model's file, whole or not at all, its owner's alone; the hash by which it is known."""
    raw = packed(model, copies)
    _written(path, raw)
    return raw[-32:].hex()


def approved(path: Path, kept: Kept, approval: Approval) -> None:
    """Put an approval behind the model of a file, whole or not at all."""
    told = msgspec.json.encode(approval)
    raw = path.read_bytes()
    behind = [MARK, told, _bound(kept.hash, told), len(told).to_bytes(4, "little"), MARK]
    _written(path, b"".join([raw, *behind]))


def _bound(hash_: str, told: bytes) -> bytes:
    """What holds an approval to its model."""
    return hashlib.sha256(bytes.fromhex(hash_) + told).digest()


def _parted(raw: bytes, where: str) -> tuple[bytes, Approval | None]:
    """The model's own bytes, and the approval behind them. `Refusal` where that is damaged, or another model's."""
    if not raw.endswith(MARK):
        return raw, None
    end = len(raw) - len(MARK) - 4
    length = int.from_bytes(raw[end : end + 4], "little")
    begin = end - 32 - length
    told, bound = raw[max(begin, 0) : end - 32], raw[end - 32 : end]
    own = raw[: max(begin - len(MARK), 0)]
    if raw[len(own) : begin] == MARK and bound == _bound(own[-32:].hex(), told):
        try:
            return own, msgspec.json.decode(told, type=Approval)
        except msgspec.DecodeError:
            pass
    todo = "Take the model as it was before it was approved, and approve it again."
    raise Refusal(422, "the approval is damaged, or another model's", where=where, todo=todo)


def _written(path: Path, raw: bytes) -> None:
    """A file, whole or not at all, its owner's alone."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            Path(name).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise Refusal(400, f"the model cannot be written: {error.strerror}", where=str(path)) from None


def opened(path: Path) -> Kept:
    """The model of a path."""
    try:
        return unpacked(path.read_bytes(), str(path))
    except OSError as error:
        raise Refusal(400, f"the model cannot be read: {error.strerror}", where=str(path)) from None


def _read(head: dict[str, Any], arrays: bytes, hash_: str) -> Kept:
    def array(told: dict[str, Any]) -> Any:
        kind = np.dtype(f"<{told['kind']}" if told["kind"] != "u1" else "u1")
        count = int(np.prod(told["shape"], dtype=np.int64))
        found = np.frombuffer(arrays, kind, count, told["at"]).reshape(told["shape"])
        return found.astype(_KINDS[told["kind"]])

    def grid(told: dict[str, Any] | None) -> Grid | None:
        return Grid(**{name: array(told[name]) for name in _GRID}, decimals=told["decimals"]) if told else None

    def network(told: list[Any] | None) -> Network | None:
        return Network([(array(weights), array(bias)) for weights, bias in told]) if told else None

    traits = tuple(
        TraitModel(
            one["name"],
            tuple(one["levels"]),
            grid(one["grid"]),
            network(one["presence"]),
            _there(network(one["network"])),
        )
        for one in head["traits"]
    )
    told = head["rules"]
    rules = Rules(tuple(told["once"]), tuple(told["terminal"]), tuple(told["after"]), tuple(map(tuple, told["only"])),
                  tuple((low, high) for low, high in told.get("ages", ())),
                  tuple((code, first) for code, first in told.get("needs", ())))  # fmt: skip
    nets = {name: network(one) for name, one in head["networks"].items()}
    model = Model(
        tuple(head["codes"]), tuple(head["units"]), head["ticks"], traits, head["age"], head["until"],
        _there(grid(head["starts"])), _there(grid(head["gaps"])), tuple(grid(one) for one in head["values"]),
        tuple(head["valued"]), head["to_index"], rules, _there(nets["start"]), _there(nets["gap"]), _there(nets["code"]),
        nets["value"], head["events_most"], head["card"],
    )  # fmt: skip
    return Kept(model, CopyFilter(int(head["copies"]["salt"]), array(head["copies"]["bits"])), hash_)


def _there(one: Any) -> Any:
    if one is None:
        raise KeyError
    return one
