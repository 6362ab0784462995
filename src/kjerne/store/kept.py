"""Which service a request is about, of the types that two services keep (decision 40): told by the id, the body, or the token.

No record is looked at for it. By an id everybody is sent to the law of the service that the id names, whatever her token
opens, and hears of a record that is there what she hears of none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kjerne.access import PORTAL, Caller
from kjerne.errors import Refusal
from kjerne.exchange import check_holds
from kjerne.registries.contents import service_of
from kjerne.registries.homes import SECOND, SERVICE_BY_TYPE, row_number
from kjerne.store.sealed_id import SealedIds


@dataclass(frozen=True)
class Kept:
    """`reads` and `writes` are the scopes that each service asks for, as in `Route.needs`."""

    ids: SealedIds
    reads: Mapping[str, str]
    writes: Mapping[str, str]

    def service(self, name: str, id_: UUID | None) -> str:
        """The service of the record of a type that an id names."""
        second = SECOND.get(name)
        return second if second and id_ is not None and self.ids.is_beside(id_) else SERVICE_BY_TYPE[name]

    def number(self, name: str, id_: UUID) -> int:
        """The number of its type in rows."""
        return row_number(name, self.service(name, id_))

    def new_id(self, patient: int, tree: Mapping[str, Any]) -> UUID:
        """An id for a new record."""
        return self.ids.make(patient, beside=is_beside(tree))

    def searched(self, caller: Caller | None, name: str) -> tuple[str, ...]:
        """The services that a search of a type is about: all that keep it and that the token opens. One at least."""
        first = SERVICE_BY_TYPE[name]
        if name not in SECOND or caller is None:
            return (first,)
        every, opened = (first, SECOND[name]), opened_by(caller, self.reads)
        return tuple(one for one in every if one in opened) or (first,)

    def by_criteria(self, caller: Caller | None, name: str) -> str:
        """The service in which criteria look for what is to be deleted or referred to; `Refusal` 400 where it may be two."""
        first, second = SERVICE_BY_TYPE[name], SECOND.get(name)
        if second is None or caller is None or not _holds(caller, self.writes[second]):
            return first
        if _holds(caller, self.writes[first]):
            says = f"two services keep a {name}, and criteria do not say which is meant"
            todo = "Name the record by its id, or ask with a token of one of them."
            raise Refusal(400, says, where="query", code="not-supported", todo=todo)
        return second

    def check_files(self, caller: Caller | None, name: str, service: str) -> None:
        """`Refusal` 403 where the token does not reach the service that a new record of a type belongs to."""
        if name in SECOND and caller is not None:
            check_holds(caller, self.writes[service])


def is_beside(tree: Mapping[str, Any]) -> bool:
    """Whether a resource belongs to the second service that keeps its type."""
    second = SECOND.get(tree["resourceType"])
    return second is not None and service_of(tree) == second


def opened_by(caller: Caller, reads: Mapping[str, str]) -> tuple[str, ...]:
    """The services that a token opens; `reads` as in `Kept`."""
    return tuple(one for one, scopes in reads.items() if PORTAL in caller.scopes or _holds(caller, scopes))


def _holds(caller: Caller, scopes: str) -> bool:
    return not caller.scopes.isdisjoint(scopes.split())
