"""What the log says of one call of the console's, found by the correlation id that the console made for it.

The rule, its law and how many records left: nothing of any record, and of no call that somebody else made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from kjerne.sandbox.front.calling import Reason
from kjerne.store.pool import Pool

ROWS_LIMIT: Final = 20
EARLIER: Final = timedelta(seconds=5)
"""Of the moment before the call, so that the database's clock and ours may differ."""
_ROWS: Final = """
SELECT outcome = 0, action, service, rule, max(law), max(says), count(*), coalesce(sum(cardinality(ids)), 0)
  FROM audit WHERE correlation = $1 AND at >= $2
 GROUP BY outcome, action, service, rule ORDER BY min(at), rule LIMIT $3
"""


async def of(pool: Pool, correlation: str, since: datetime) -> Sequence[Reason]:
    """The rules by which a call was given or refused, in the order in which they were asked."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(_ROWS, correlation, since - EARLIER, ROWS_LIMIT)
    return [Reason(*row) for row in rows]
