"""Whoever asks: one client for all callers, of whom the check of the token alone is stood in for."""

from __future__ import annotations

from typing import Any, NoReturn

from kjerne.access import Caller, Once
from kjerne.app import House
from kjerne.wire.edge import Edge
from services.results.conftest import LAB

from .straight import Straight


class Anybody:
    """One client for all callers: whoever is named by `caller` when a request leaves."""

    def __init__(self, house: House) -> None:
        self.caller: Caller = LAB
        self.edge = Edge(house.settings, house.store, house.routes(), self._authenticate, clock=house.clock)
        self.http = Straight(self.edge)

    async def _authenticate(self, *_: Any) -> tuple[Caller, Once]:
        return self.caller, Once((0, b"", 0), self._refuse, noted=True)

    async def _refuse(self) -> NoReturn:
        raise AssertionError("a proof that is new was called old")
