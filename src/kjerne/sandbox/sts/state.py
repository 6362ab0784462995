"""What the provider must remember for a moment: pushed requests, codes, and what may be used once."""

from __future__ import annotations

from typing import Generic, TypeVar

from kjerne.clock import Clock
from kjerne.errors import Refusal

T = TypeVar("T")


class Shelf(Generic[T]):
    """Values that live `seconds` and are at most `limit` many; a full shelf refuses new ones (503), it forgets none."""

    def __init__(self, clock: Clock, seconds: int, limit: int = 10_000) -> None:
        self.seconds = seconds
        self._clock = clock
        self._limit = limit
        self._held: dict[str, tuple[float, T]] = {}

    def put(self, key: str, value: T) -> None:
        self._clear()
        if len(self._held) >= self._limit:
            raise Refusal(503, "The sandbox has too many logins under way.", code="temporarily_unavailable")
        self._held[key] = self._clock.now().timestamp() + self.seconds, value

    def see(self, key: str) -> T | None:
        self._clear()
        held = self._held.get(key)
        return held[1] if held else None

    def take(self, key: str) -> T | None:
        """The value, which is then gone: a code or a request counts once."""
        value = self.see(key)
        self._held.pop(key, None)
        return value

    def _clear(self) -> None:
        # All live equally long, so the oldest are first.
        now = self._clock.now().timestamp()
        while self._held:
            first = next(iter(self._held))
            if self._held[first][0] > now:
                break
            del self._held[first]
