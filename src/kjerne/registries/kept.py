"""Files that an operator keeps by hand and that are read again when they change: tables of one name in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from kjerne.errors import Refusal

Entry = TypeVar("Entry")
LOOPBACK: Final = ("127.0.0.1", "localhost")
"""Where the sandbox's own addresses may do without TLS."""


@dataclass
class KeptFile(Generic[Entry]):
    """The entries of one file as it stands: each `[[name]]` of it, made by `entry` of the table and of where it stands.

    `entry` raises `Refusal` 422 for a table that cannot be taken, and `check` for entries that cannot stand together."""

    path: Path
    name: str
    entry: Callable[[Mapping[str, Any], str], Entry]
    check: Callable[[Sequence[Entry], str], None] | None = None
    _read_at: tuple[int, int] | None = field(default=None, init=False)
    _known: tuple[Entry, ...] = field(default=(), init=False)
    fault: Refusal | None = field(default=None, init=False)
    """Why the file as `all` met it last cannot be taken."""

    def all(self) -> tuple[Entry, ...]:
        """Every entry, the same tuple until the file changes. Of a file that cannot be taken there is none, since what stands in
        it is what somebody vouches for."""
        try:
            stands = self.path.stat()
        except OSError:
            self._read_at, self._known, self.fault = None, (), None
            return ()
        read_at = (stands.st_mtime_ns, stands.st_size)
        if read_at != self._read_at:
            try:
                self._known, self.fault = self.read(), None
            except Refusal as refusal:
                self._known, self.fault = (), refusal
            self._read_at = read_at
        return self._known

    def read(self) -> tuple[Entry, ...]:
        """The entries, read now; `Refusal` 422 for one that cannot be taken, with its number."""
        try:
            tables = tomllib.loads(self.path.read_text("utf-8")).get(self.name, [])
        except (OSError, ValueError) as error:
            raise Refusal(422, f"the file cannot be read: {type(error).__name__}", where=str(self.path)) from None
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise Refusal(422, f"each entry is written as [[{self.name}]]", where=str(self.path))
        found = tuple(self.entry(one, f"{self.path}: {self.name} {place}") for place, one in enumerate(tables, 1))
        if self.check:
            self.check(found, str(self.path))
        return found
