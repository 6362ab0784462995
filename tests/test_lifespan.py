"""The life of the application in a server's."""

from __future__ import annotations

import gc

from kjerne.lifespan import COLLECT_AFTER, long_lived


def test_the_collector_leaves_what_stands_alone_and_is_as_before_afterwards() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with long_lived():
        assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
