"""What is wrong with a request, in the words of a RegistryResponse (ITI TF-3, 4.2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from kjerne.xds.names import ERROR


@dataclass(frozen=True, slots=True)
class RegistryError:
    """One error: its code of the table, a sentence (never with a number of a person's in it), and where it is."""

    code: str
    says: str
    where: str = ""
    severity: str = ERROR


class Rejected(Exception):
    """The request is refused whole; each error is told."""

    def __init__(self, *errors: RegistryError) -> None:
        super().__init__("; ".join(f"{one.code}: {one.says}" for one in errors))
        self.errors = errors


def unreadable(says: str, where: str) -> Rejected:
    """Metadata that cannot be read in one way alone."""
    return Rejected(RegistryError("XDSRegistryMetadataError", says, where))
