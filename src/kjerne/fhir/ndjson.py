"""NDJSON: a resource on each line, and empty lines that say nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from kjerne.errors import Refusal

LINE_LIMIT: Final = 50_000
"""What one request writes, and one transaction holds its patients for, stays within a few seconds."""

EMPTY_LIMIT: Final = 50_000
"""As many empty lines are passed over."""


class Lines(NamedTuple):
    """The lines of an import that say something, and the number of each in the body, where empty ones count."""

    lines: list[bytes]
    numbers: Sequence[int]

    @classmethod
    def of(cls, body: bytes) -> Self:
        """`Refusal` for a body without a line, and for one of too many."""
        if body.count(b"\n") > LINE_LIMIT + EMPTY_LIMIT:  # before it is split: 60 kB can unpack to 60 million lines
            says = f"the import has more than {LINE_LIMIT} lines and {EMPTY_LIMIT} empty ones"
            raise Refusal(413, says, todo="Leave the empty lines out, and send it in parts.")
        lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
        numbers: Sequence[int] = range(1, len(lines) + 1)
        if not all(map(bytes.strip, lines)):
            numbers = [number for number, line in zip(numbers, lines, strict=True) if line.strip()]
            lines = [lines[number - 1] for number in numbers]
        if not lines:
            raise Refusal(400, "the body is empty", where="body", todo="Send one resource on each line.")
        if len(lines) > LINE_LIMIT:
            raise Refusal(413, f"the import has more than {LINE_LIMIT} lines", todo="Send it in parts.")
        return cls(lines, numbers)

    def some(self, begin: int, most: int) -> tuple[Sequence[int], list[bytes]]:
        """As many from that place on, with their numbers."""
        return self.numbers[begin : begin + most], self.lines[begin : begin + most]

    def line(self, number: int) -> bytes:
        return self.lines[self.place(number)]

    def place(self, number: int) -> int:
        """Where the line with this number stands among those that say something."""
        return bisect_left(self.numbers, number)
