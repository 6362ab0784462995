"""All that a grant opens of one service, looked at for what is told of it together: no record leaves, and the log names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kjerne.access import Grant
from kjerne.store import audit
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, door, stamped_and_noted, under

_FIRST: Final = 8
_WEIGHED: Final = f"""r AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[])
  ORDER BY r.at DESC, r.id LIMIT $7
), a AS (
  INSERT INTO audit ({audit.COLUMNS}, types, ids, versions)
  SELECT {audit.placeholders(_FIRST)}, '{{}}'::smallint[], '{{}}'::uuid[], '{{}}'::integer[] FROM s WHERE s.ok
) SELECT s.*, r.* FROM s LEFT JOIN r ON true"""
_PLAIN: Final = f"WITH {STAMPED}, {_WEIGHED}"
_NOTING: Final = f"WITH {stamped_and_noted(_FIRST + audit.WIDTH)}, {_WEIGHED}"


async def weighed(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], limit: int) -> list[Record]:
    """The newest records of some types, at most so many, in one statement with the row of the log: all of them, so ask first that
    the token's SMART scopes leave the types whole. Raises `Stale`."""
    values = (*door(grant), list(types), limit, *audit.given(grant, noting=True))
    return reader.opened(grant, await under(conn, grant, _PLAIN, _NOTING, values))
