"""Chance in the tests: the same at each run of the suite, so that one who is told of a failure has made it; another each time
where `KJERNE_CHANCE` is set, which `make laws`, `make storm` and `make chance` do. A variable with a seed replays that run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from random import Random, randrange
from typing import Final

SUITE: Final = 20261127
ORDER: Final = "KJERNE_ORDER_SEED"
IS_NEW: Final = "KJERNE_CHANCE" in os.environ
"""Whether each run draws anew."""


_ELSE: Final = randrange(1, 2**31) if IS_NEW else SUITE


def seed(variable: str) -> int:
    """The seed that `variable` names, and otherwise the run's own, printed as it is given to replay it."""
    drawn = int(os.environ.get(variable) or _ELSE)
    print(f"{variable}={drawn}")
    return drawn


def order_seed() -> str:
    """The seed of the order in which files are run, "" where that is the suite's own. What is drawn stands in the environment,
    so that all workers of a run draw from the same."""
    if IS_NEW:
        os.environ.setdefault(ORDER, str(_ELSE))
    return os.environ.get(ORDER, "")


def drawn(files: Iterable[str], seed: str) -> Sequence[str]:
    """The files in the order that the seed says, whatever order they come in."""
    found = sorted(set(files))
    Random(seed).shuffle(found)
    return found
