"""The keys kept outside the database, and what is derived from them.

Three roots, so that each can be handled as it must: `wrap` (wraps the data keys, may be rotated by re-wrapping),
`permanent` (ids and identifier digests, can never change) and `session` (page links and cookies, may change any night).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kjerne.errors import Refusal

ROOT_BYTES = 32
NONCE_BYTES = 12
SANDBOX_MARK = b"sandbox:"
"""What a sandbox's roots begin with, so that production can refuse them however they got there."""


def _derived(root: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kjerne/" + purpose.encode()).derive(root)


@dataclass(frozen=True)
class Keys:
    """The three roots, 32 bytes each. Their repr shows nothing."""

    wrap: bytes = field(repr=False)
    permanent: bytes = field(repr=False)
    session: bytes = field(repr=False)

    @property
    def sandbox(self) -> bool:
        """Whether any of the roots was made by a sandbox."""
        return any(root.startswith(SANDBOX_MARK) for root in (self.wrap, self.permanent, self.session))

    def derived(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose; `id`, `identifier` from the permanent root, `cursor`, `cookie` from the session's."""
        wraps = purpose in ("wrap", "shares")
        root = self.session if purpose in ("cursor", "cookie") else self.wrap if wraps else self.permanent
        return _derived(root, purpose)

    def marks(self) -> dict[str, bytes]:
        """What tells a database's own keys from others, and nothing about them (`store.key_marks`)."""
        return {name: _derived(root, "mark") for name, root in (("permanent", self.permanent), ("wrap", self.wrap))}

    @classmethod
    def parse(cls, text: str) -> Keys:
        """From the setting `keys`: three hex strings with commas between."""
        try:
            roots = [bytes.fromhex(part.strip()) for part in text.split(",")]
        except ValueError:
            roots = []
        if len(roots) != 3 or any(len(root) != ROOT_BYTES for root in roots):
            raise Refusal(422, "keys must be three hex strings of 32 bytes with commas between", where="KJERNE_KEYS")
        return cls(*roots)

    @classmethod
    def in_folder(cls, data: Path) -> Keys:
        """The sandbox's keys: read from `keys.json` in the data directory, made there (mode 0600) the first time."""
        path = data / "keys.json"
        if not path.exists():
            rest = ROOT_BYTES - len(SANDBOX_MARK)
            made = {name: (SANDBOX_MARK + secrets.token_bytes(rest)).hex() for name in ("wrap", "permanent", "session")}
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(made, file)
        with whole(path):
            kept = json.loads(path.read_text())
            return cls(*(bytes.fromhex(kept[name]) for name in ("wrap", "permanent", "session")))


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """What is read in the block comes from a file of the data directory; one that is spoiled is named, not shown."""
    try:
        yield
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise Refusal(
            422, f"{path} cannot be read: {type(error).__name__}", where=str(path),
            todo="Put it back from a backup of the data directory.",
        ) from error  # fmt: skip


class Sealer:
    """Seals short values under one purpose's key (AES-256-GCM, random nonce in front)."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, bound_to: bytes = b"") -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes = b"") -> bytes:
        """Raises `cryptography.exceptions.InvalidTag` when the bytes or what they are bound to were changed."""
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
