"""The rejected queue page by page, as its sender and as the operator of the platform see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call
from kjerne.fhir.encode import encode
from kjerne.store import messages
from kjerne.store.house import Store

QUEUE_PAGE: Final = 200


async def of_sender(store: Store, call: Call, sender: str) -> Answer:
    """One page of a sender's own rejected messages: id, time, and where what is wrong; nothing of their content.

    `Refusal` 400 for a query that asks for anything but `_count` (1 to `QUEUE_PAGE`) and `_after`, from a `next` link.
    """
    return await _page(store, call, _asked(call, "_count", "_after"), sender)


async def of_all(store: Store, call: Call) -> Answer:
    """The same of all senders, or of the one that the query names as `sender`."""
    asked = _asked(call, "_count", "_after", "sender")
    return await _page(store, call, asked, asked.get("sender", ""))


async def _page(store: Store, call: Call, asked: Mapping[str, str], sender: str) -> Answer:
    count = _count(asked)
    async with store.pool.acquire() as conn:
        waiting = await messages.rejected(conn, sender, count + 1, asked.get("_after", ""))
        total = await messages.rejected_total(conn, sender)
    listed = [
        {
            "sender": one.sender,
            "message": one.message,
            "receivedAt": one.received_at.isoformat(),
            "errors": [{"error": fault.says, "where": fault.where} for fault in one.faults],
        }
        for one in waiting[:count]
    ]
    told: dict[str, object] = {"total": total, "rejected": listed}
    if sender:
        told["sender"] = sender
    if len(waiting) > count:
        onward = {**asked, "_count": str(count), "_after": waiting[count - 1].place}
        told["link"] = [{"relation": "next", "url": f"{call.base_url}{call.path}?{urlencode(onward)}"}]
    return Answer(200, encode(told), "application/json")


def _asked(call: Call, *known: str) -> dict[str, str]:
    asked = dict(call.query)
    if not asked.keys() <= set(known) or len(asked) < len(call.query):
        raise Refusal(400, f"the queue takes {', '.join(known[:-1])} and {known[-1]}, each once", where="query")
    return asked


def _count(asked: Mapping[str, str]) -> int:
    count = asked.get("_count", str(QUEUE_PAGE))
    if not (count.isascii() and count.isdigit() and len(count) < 4 and 0 < int(count) <= QUEUE_PAGE):
        raise Refusal(400, f"_count is a number from 1 to {QUEUE_PAGE}", where="_count")
    return int(count)
