"""What both kinds of patch have in common: their limits, and how a refusal names an operation without what it says.

A patch is taken whole or not at all: whoever applies one works on a tree of her own and throws it away when it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.effort import TooCostly, limited, spend
from kjerne.fhir.encode import decode, encode

OPERATIONS_LIMIT: Final = 100
"""A change of more places than this is a new version, and is sent as one."""
GROWTH_LIMIT_VALUES: Final = 5_000
GROWTH_LIMIT_CHARACTERS: Final = 200_000
"""What the copies of one patch may hold together: each may be of what the one before it made."""
STEPS_OF_A_COPY: Final = 5
"""Of each value that a copy adds: it is copied, written, read and validated."""
BYTES_OF_A_STEP: Final = 20
SHOWN_CHARACTERS: Final = 200

_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'?")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.\[\]()'=\-~ @:]*")
_LONG_NUMBER: Final = re.compile(r"[0-9]{5}")


def shown(path: str) -> str:
    """A path as a refusal may repeat it: what stands in quotes is left out, and all of it where it may be a number."""
    text = _QUOTED.sub("''", path)
    told = len(text) <= SHOWN_CHARACTERS and _PLAIN.fullmatch(text) and not _LONG_NUMBER.search(text)
    return text if told else "(path not shown)"


def refused(number: int, path: str, says: str, *, status: int = 422, code: str = "processing") -> Refusal:
    """A refusal that names the operation, counted from 1, and its path."""
    where = f"operation {number}, {shown(path)}" if path else f"operation {number}"
    return Refusal(status, f"operation {number}: {says}", where=where, code=code)


def check_count(count: int) -> None:
    """`Refusal` 413 where a patch has more operations than one may have."""
    if count > OPERATIONS_LIMIT:
        raise Refusal(413, f"a patch has at most {OPERATIONS_LIMIT} operations", todo="Send the new version by PUT.")


class Growth:
    """Counts what copies add, so that a short patch cannot make a document that fills the memory."""

    def __init__(self) -> None:
        self._values, self._characters = GROWTH_LIMIT_VALUES, GROWTH_LIMIT_CHARACTERS

    def take(self, number: int, path: str, value: Any) -> None:
        """`Refusal` 413 once the copies of a patch hold too much together, before anything is copied."""
        waiting = [value]
        while waiting:
            one = waiting.pop()
            spend(STEPS_OF_A_COPY)
            self._values -= 1
            if isinstance(one, dict):
                self._characters -= sum(map(len, one))
                waiting += one.values()
            elif isinstance(one, list):
                waiting += one
            elif isinstance(one, str):
                self._characters -= len(one)
            if self._values < 0 or self._characters < 0:
                raise refused(number, path, "the copies of this patch are too large", status=413, code="too-long")


def outcome(before: bytes, patch: Callable[[Any], Any]) -> bytes:
    """What comes of a patch of a record, its operations held to one sum of steps.

    `Refusal` 422 too-costly beyond that, and for what is nested too deep.
    """
    try:
        with limited():
            spend(len(before) // BYTES_OF_A_STEP)
            raw = encode(patch(decode(before)))
            spend(len(raw) // BYTES_OF_A_STEP)
            return raw
    except TooCostly:
        says, todo = "the patch takes more steps than one may", "Send the new version by PUT."
        raise Refusal(422, says, where="body", code="too-costly", todo=todo) from None
    except RecursionError:
        raise Refusal(422, "what comes of the patch is nested too deep", where="body", code="structure") from None
