"""Where each version of a record stands among all that was written: in the order of the transactions that wrote them.

A row's `xid` is that of its last change, marks and all, so that a feed of changes misses none. A version's own place is its
`wrote`, or its `xid` where that is NULL (migration 0045): a mark leaves it where it is. A writer may have begun, and got its
transaction's number, before another that wrote the same record first: its version stands where that one does, and not before.
That loses nobody anything, since a reader stays below the oldest open transaction (`store.feed`).
"""

from __future__ import annotations

from typing import Final

_AT: Final = "coalesce(r.wrote, r.xid)"
NEXT: Final = f"greatest({_AT}, pg_current_xact_id())"
"""The place of what is written now behind the row `r`."""
KEPT: Final = f"wrote = NULLIF({_AT}, pg_current_xact_id())"
"""An assignment to `record r`, of which no version is written."""
BEHIND: Final = f"wrote = NULLIF({NEXT}, pg_current_xact_id())"
"""An assignment to `record r`, where a version is written, or the record is taken away."""
BEHIND_ITSELF: Final = BEHIND.replace("r.", "record.")
"""The same in `ON CONFLICT DO UPDATE`."""
PLACE: Final = _AT
"""Of a current version."""
FORMER_PLACE: Final = "coalesce(r.wrote, r.stood_xid)"
"""Of a former one; NULL of those that were followed by another before migration 0040."""
