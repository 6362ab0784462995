"""What each service's key is made with beside the person's data key: secrets outside the database that can be destroyed.

There is one secret for every person and service, made when it is asked for: they are the leaves of a tree whose nodes are
hashed from the node above (a puncturable pseudorandom function, after Goldreich, Goldwasser and Micali). At first one root
is kept. To destroy a leaf, the nodes on the way to it are replaced by the nodes beside the way: every other leaf can be
made as before, and that one never again. A leaf that was destroyed is followed by its next generation, which does not
lead back.

The file is sealed under the wrapping key, and lists what was destroyed. It must not be in the database's backup, and a
copy of it is destroyed when a newer one is made (docs/decisions/0017-keys-that-can-be-destroyed.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.store.keys import Keys, Sealer

NAME: Final = "key-shares"
MESSAGES: Final = "messages"
"""Beside the services: messages that were not taken in, each by a number of its own."""
SHARE_BYTES: Final = 32
PATH_BITS: Final = 64
STEP_BITS: Final = 2
"""Four nodes below each: 32 hashes to a leaf (some 40 us), and at most 96 nodes of 41 bytes for one that is destroyed."""
STEPS: Final = PATH_BITS // STEP_BITS
REMEMBERED: Final = 20_000
_BOUND: Final = b"key-shares/1"


class Destroyed(Stale):
    """The share was destroyed: what it sealed is being deleted, or was. The law is asked again."""


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """One share that was destroyed. `index` is a person key, or a message's number; `opted_out_at` began it."""

    service: str
    index: int
    generation: int
    at: datetime
    opted_out_at: datetime | None = None


class _Tree(msgspec.Struct, array_like=True):
    """The nodes that are kept, by the first leaf below each; they share no leaf, and miss those alone that are destroyed."""

    starts: bytes
    depths: bytes
    nodes: bytes


class _Next(msgspec.Struct, frozen=True, array_like=True):
    """What follows a destroyed leaf: the generation that can be made now, and the secret of it and those after it."""

    service: str
    index: int
    generation: int
    secret: bytes


class _Kept(msgspec.Struct, array_like=True):
    id: bytes
    trees: dict[str, _Tree]
    nexts: list[_Next]
    gone: list[Gone]


def _below(node: bytes, step: bytes) -> bytes:
    return hashlib.blake2b(step, key=node, digest_size=SHARE_BYTES).digest()


class _Cover:
    """A tree in memory, in arrays: a country's destroyed leaves are some hundred thousand nodes."""

    def __init__(self, kept: _Tree) -> None:
        self.starts = array("Q")
        self.starts.frombytes(kept.starts)
        self.depths = bytearray(kept.depths)
        self.nodes = bytearray(kept.nodes)

    @classmethod
    def fresh(cls) -> _Cover:
        return cls(_Tree(bytes(8), b"\0", secrets.token_bytes(SHARE_BYTES)))

    def kept(self) -> _Tree:
        return _Tree(self.starts.tobytes(), bytes(self.depths), bytes(self.nodes))

    def _place(self, index: int) -> tuple[int, int, bytes]:
        place = bisect_right(self.starts, index) - 1
        return place, self.depths[place], bytes(self.nodes[place * SHARE_BYTES : (place + 1) * SHARE_BYTES])

    def leaf(self, index: int) -> bytes:
        """The secret of a leaf that was never destroyed."""
        _, depth, node = self._place(index)
        for level in range(depth, STEPS):
            node = _below(node, bytes((_step(index, level),)))
        return node

    def without(self, index: int) -> None:
        """Replaces the node above a leaf by all that leads to its other leaves."""
        place, depth, node = self._place(index)
        beside: list[tuple[int, int, bytes]] = []
        for level in range(depth, STEPS):
            own, width = _step(index, level), PATH_BITS - STEP_BITS * (level + 1)
            start = index >> (width + STEP_BITS) << (width + STEP_BITS)
            children = [_below(node, bytes((step,))) for step in range(1 << STEP_BITS)]
            beside += [
                (start + (step << width), level + 1, child) for step, child in enumerate(children) if step != own
            ]
            node = children[own]
        beside.sort()
        self.starts[place : place + 1] = array("Q", [start for start, _, _ in beside])
        self.depths[place : place + 1] = bytes(level for _, level, _ in beside)
        self.nodes[place * SHARE_BYTES : (place + 1) * SHARE_BYTES] = b"".join(child for _, _, child in beside)


def _step(index: int, level: int) -> int:
    return index >> (PATH_BITS - STEP_BITS * (level + 1)) & ((1 << STEP_BITS) - 1)


class Shares:
    """The shares of one database. Any number of processes read the file; `destroy` writes it, one at a time."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self._path = path
        self._sealer = Sealer(keys.derived("shares"))
        self._seen: tuple[int, int] = (0, 0)
        self._load()

    @classmethod
    def made(cls, path: Path, keys: Keys, services: Collection[str]) -> Self:
        """Opens the file, made (mode 0600) if it is not there, with a tree for each of the services."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(path):
            sealer = Sealer(keys.derived("shares"))
            kept = _read(path, sealer) if path.exists() else _Kept(secrets.token_bytes(16), {}, [], [])
            missing = {*services, MESSAGES} - kept.trees.keys()
            if missing:
                kept.trees |= {name: _Cover.fresh().kept() for name in sorted(missing)}
                _write(path, sealer, kept)
        return cls(path, keys)

    @classmethod
    def known(cls, path: Path, keys: Keys, services: Collection[str]) -> Self:
        """As `made`, for a database that has its file: `Refusal` 409 where that is missing."""
        if not path.exists():
            raise missing()
        return cls.made(path, keys, services)

    def _load(self) -> None:
        # Looked at first: a file that was put in its place meanwhile is read again with the next share.
        seen = _stands(self._path) if self._path.exists() else (0, 0)
        kept = _read(self._path, self._sealer)
        self.id = kept.id
        self._covers = {name: _Cover(tree) for name, tree in kept.trees.items()}
        self._nexts = {(one.service, one.index): one for one in kept.nexts}
        self._gone = tuple(kept.gone)
        self._remembered: dict[tuple[str, int], bytes] = {}
        self._seen = seen

    def _fresh(self) -> None:
        """What another process destroyed is forgotten here too."""
        try:
            stands = _stands(self._path)
        except FileNotFoundError:
            return  # a folder that is away for a moment stops no read; the next start refuses
        if stands != self._seen:
            self._load()

    def knows(self, service: str) -> bool:
        """Whether a service has shares; what is kept of no service lies under the person's data key alone."""
        return service in self._covers

    def listed(self) -> tuple[Gone, ...]:
        """Everything that was destroyed, in order."""
        self._fresh()
        return self._gone

    def share(self, service: str, index: int, generation: int = 0) -> bytes:
        """The share of a person in a service, or of a message. Raises `Destroyed`."""
        self._fresh()
        first, secret = self._secret(service, index)
        if generation < first:
            raise Destroyed
        for _ in range(generation - first):
            secret = _below(secret, b"next")
        return _below(secret, b"share")

    def _secret(self, service: str, index: int) -> tuple[int, bytes]:
        """The first generation that can still be made, and the secret it is made of."""
        after = self._nexts.get((service, index))
        if after is not None:
            return after.generation, after.secret
        known = self._remembered.get((service, index))
        if known is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            known = self._remembered[service, index] = self._covers[service].leaf(index)
        return 0, known

    def destroy(self, gone: Sequence[Gone]) -> None:
        """Destroys shares, and waits until that is on disk. What was destroyed before stays so."""
        with _turn(self._path):
            self._load()
            added = [one for one in gone if self._destroyed(one)]
            if added:
                kept = _Kept(
                    self.id,
                    {name: cover.kept() for name, cover in self._covers.items()},
                    list(self._nexts.values()),
                    [*self._gone, *added],
                )
                _write(self._path, self._sealer, kept)
            self._load()

    def _destroyed(self, gone: Gone) -> bool:
        first, secret = self._secret(gone.service, gone.index)
        if gone.generation < first:
            return False
        for _ in range(gone.generation + 1 - first):
            secret = _below(secret, b"next")
        if (gone.service, gone.index) not in self._nexts:
            self._covers[gone.service].without(gone.index)
        self._nexts[gone.service, gone.index] = _Next(gone.service, gone.index, gone.generation + 1, secret)
        return True


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """One writer at a time, on every host that shares the folder."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stands(path: Path) -> tuple[int, int]:
    """What tells one state of the file from the next."""
    found = os.stat(path)  # noqa: PTH116 - asked with every key; by way of the Path it takes half as long again
    return found.st_ino, found.st_mtime_ns


def _read(path: Path, sealer: Sealer) -> _Kept:
    try:
        stood = _stands(path)
        try:
            return msgspec.msgpack.decode(sealer.open(path.read_bytes(), _BOUND), type=_Kept)
        except InvalidTag:
            # What was read may be the old file, that another process was writing over just then.
            if _stands(path) == stood:
                raise
            return _read(path, sealer)
    except FileNotFoundError as error:
        raise missing() from error
    except (InvalidTag, msgspec.DecodeError) as error:
        raise Refusal(
            409,
            "the file of key shares does not open",
            where="KJERNE_KEY_SHARES",
            todo="It belongs to other keys (KJERNE_KEYS), or was changed. Bring the right one.",
        ) from error


def missing() -> Refusal:
    return Refusal(
        409,
        "the file of key shares is missing",
        where="KJERNE_KEY_SHARES",
        todo="Bring it back from where it is kept; without it no record opens, and nobody knows what was destroyed.",
    )


def _write(path: Path, sealer: Sealer, kept: _Kept) -> None:
    """Puts a new file in the place of the old one, whole and on disk, and writes over what the old one held."""
    sealed = sealer.seal(msgspec.msgpack.encode(kept), _BOUND)
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(path.open("r+b")) if path.exists() else None
        part.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        stack.callback(os.close, folder)
        os.fsync(folder)
        if old is not None:
            # On a disk that writes elsewhere this is no promise; see the decision.
            old.write(os.urandom(os.fstat(old.fileno()).st_size))
            old.flush()
            os.fsync(old.fileno())
