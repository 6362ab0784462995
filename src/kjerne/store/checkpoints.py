"""The chain's heads signed outside the database: a file that is only added to, one JSON object a line.

Each line says how many rows a seal and all before it cover, and its head; it holds the digest of the line before it and ends
in a signature (Ed25519, RFC 8032) over everything in front of it. So a line that is edited, taken away or put in shows, and
the last line's signature vouches for all the lines that lead to it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kjerne.errors import Refusal
from kjerne.store.private_files import made_once

VERSION: Final = 1
GENESIS: Final = "0" * 64
TAIL_BYTES: Final = 16_000
"""As far back as another process may have got while one was held up between seal and line: some fifty lines."""
LINE_LIMIT_BYTES: Final = 4096
_SIGNATURE: Final = b',"signature":"'
_END: Final = b'"}'
_SIGNATURE_CHARACTERS: Final = 88
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line says, without its signature. `before` is the SHA-256 of the line before, `key` names who signed."""

    version: int
    shard: int
    seal: int
    rows: int
    head: str
    at: datetime
    before: str
    key: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: its number, the byte it begins at, its bytes, and what it says (None: it cannot be read)."""

    place: int
    start: int
    raw: bytes
    said: Checkpoint | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True)
class Keys:
    """Public keys by name, and the one that signs where we hold it."""

    public: Mapping[str, Ed25519PublicKey]
    signs: Ed25519PrivateKey | None = None

    @property
    def name(self) -> str:
        """Of the first key in the file, the one in use."""
        return next(iter(self.public))

    def signed(self, line: Line) -> bool:
        """Whether a line bears the signature of the key that it names."""
        key = self.public.get(line.said.key) if line.said else None
        content, _, signature = line.raw.rpartition(_SIGNATURE)
        try:
            text = signature.removesuffix(_END)
            raw = base64.b64decode(text, validate=True)
            if key is None or base64.b64encode(raw) != text:  # one way to write it
                return False
            key.verify(raw, content + b"}")
        except (InvalidSignature, ValueError):
            return False
        return True


class Checkpoints:
    """The file of one shard. Adding to it needs the private key."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self.path = path
        self.keys = keys

    def add(self, shard: int, seal: int, rows: int, head: bytes, at: datetime) -> bool:
        """Signs a seal and waits until the line is on disk; one that is there already is left alone.

        False where the line does not continue the one before it: the file or the database is not what it was.
        """
        with self._held() as file:
            size = os.fstat(file).st_size
            start = max(0, size - TAIL_BYTES)
            tail = os.pread(file, size - start, start)
            lines = _parsed(tail[tail.find(b"\n") + 1 :] if start else tail)
            if any(_tells(line, seal, head) and self.keys.signed(line) for line in lines):
                return True
            last = next((line for line in reversed(lines) if self.keys.signed(line)), None)
            before = last.digest if last else GENESIS
            said = Checkpoint(VERSION, shard, seal, rows, head.hex(), at, before, self.keys.name)
            # A line that a crash cut short is ended, and the new one follows the whole line before it.
            os.write(file, (b"\n" if tail and not tail.endswith(b"\n") else b"") + self._line(said))
            os.fsync(file)
        return seal == (last.said.seal if last and last.said else 0) + 1

    def ready(self) -> Checkpoints:
        """Itself, where the file can be added to. Refusal 422 where it cannot, or the private key is not here."""
        if self.keys.signs is None:
            raise _unreadable("it holds no private key to sign with")
        try:
            with self._held():
                return self
        except OSError as error:
            raise Refusal(
                422,
                f"the log's signed checkpoints cannot be written: {error.strerror}",
                where="KJERNE_AUDIT_CHECKPOINTS",
                todo="Name a folder that this user may write to and that the database cannot reach.",
            ) from error

    def lines(self, until: int | None = None, start: int = 0) -> Iterator[Line]:
        """Every line that begins before the byte `until`, in order from the byte `start`; none where there is no file."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(start)
            place = 0
            while (until is None or start < until) and (raw := file.readline(LINE_LIMIT_BYTES)):
                place += 1
                line = raw.removesuffix(b"\n")
                yield Line(place, start, line, _said(line))
                start += len(raw)

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def ends_whole(self, until: int) -> bool:
        """Whether the byte before `until` ends a line."""
        if not until:
            return True
        with self.path.open("rb") as file:
            file.seek(until - 1)
            return file.read(1) == b"\n"

    def _line(self, said: Checkpoint) -> bytes:
        assert self.keys.signs is not None
        content = msgspec.json.encode(said)
        return content[:-1] + _SIGNATURE + base64.b64encode(self.keys.signs.sign(content)) + _END + b"\n"

    @contextlib.contextmanager
    def _held(self) -> Iterator[int]:
        """The file, made the first time, for one writer alone."""
        new = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                _keep_name(self.path)
            yield file
        finally:
            os.close(file)


def _parsed(tail: bytes) -> list[Line]:
    return [Line(0, 0, raw, _said(raw)) for raw in tail.split(b"\n")]


def _tells(line: Line, seal: int, head: bytes) -> bool:
    return line.said is not None and (line.said.seal, line.said.head) == (seal, head.hex())


def _said(raw: bytes) -> Checkpoint | None:
    """What a whole line says; None where it was cut short or is no checkpoint."""
    content, _, signature = raw.rpartition(_SIGNATURE)
    if len(signature) != _SIGNATURE_CHARACTERS + len(_END) or not signature.endswith(_END):
        return None
    try:
        return msgspec.json.decode(content + b"}", type=Checkpoint)
    except (msgspec.DecodeError, ValueError):
        return None


def _keep_name(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def made_key(path: Path) -> Keys:
    """The sandbox's own key, made (mode 0600) the first time."""
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made_once(path, made)
    return read_keys(path)


def read_keys(path: Path) -> Keys:
    """The keys in a PEM file: the one in use first, private or public, then the public keys of former ones."""
    try:
        blocks = [match.group() for match in _PEM.finditer(path.read_bytes())]
        keys = [
            serialization.load_pem_private_key(one, None)
            if b"PRIVATE" in one
            else serialization.load_pem_public_key(one)
            for one in blocks
        ]
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(type(error).__name__) from error
    public = [key.public_key() if isinstance(key, Ed25519PrivateKey) else key for key in keys]
    named = {_name(key): key for key in public if isinstance(key, Ed25519PublicKey)}
    if not named or len(named) != len(keys):
        raise _unreadable("it must hold Ed25519 keys as PEM, and nothing else")
    return Keys(named, keys[0] if isinstance(keys[0], Ed25519PrivateKey) else None)


def _name(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _unreadable(why: str) -> Refusal:
    return Refusal(
        422,
        f"the audit key file cannot be used: {why}",
        where="KJERNE_AUDIT_KEY_FILE",
        todo="Make one: openssl genpkey -algorithm ed25519 -out FILE.",
    )
