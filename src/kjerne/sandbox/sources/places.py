"""Whose sources these are: a hospital's, one that the general practitioners share, and a municipality's. All are made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Keeper = Literal["hospital", "offices", "municipality"]
FOLDER: Final = "sources"
"""In the data directory of the sandbox."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source. `unit` is the organisation that answers for it; `oid` its home community."""

    keeper: Keeper
    title: str
    unit: str
    oid: str

    @property
    def name(self) -> str:
        """In the file of sources and the logs: apart from whatever an integrator calls her own."""
        return f"sandbox-{self.keeper}"

    @property
    def home(self) -> str:
        return f"urn:oid:{self.oid}"

    @property
    def repository(self) -> str:
        return f"{self.oid}.1"

    @property
    def database(self) -> str:
        return f"source_{self.keeper}"

    def folder(self, data: Path) -> Path:
        """Where it keeps its documents."""
        return data / FOLDER / self.keeper


PLACES: Final = (
    Place("hospital", "Sundvika sykehus", "trust", "2.16.578.1.12.4.5.100.9001"),
    Place("offices", "Legekontorene i Sundvika", "office-1", "2.16.578.1.12.4.5.100.9002"),
    Place("municipality", "Sundvika kommune", "municipality", "2.16.578.1.12.4.5.100.9003"),
)
"""In the order in which `--sources N` takes them."""
