"""Being told when somebody has looked, behind the pages: what is chosen, under a grant to choose."""

from __future__ import annotations

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.pages.house import Identity, Visit
from kjerne.pages.live_takeout import TakeoutPages
from kjerne.pages.my_house import Telling
from kjerne.policy.reach import may_be_told
from kjerne.services import notification
from kjerne.services.notification import CHANNELS, HOWS, Channel
from kjerne.store import audit, notifying
from kjerne.store.notifying import Profile


class NotifyPages(TakeoutPages):
    """Implements the notification profile of `pages.my_house.MyHouse`. `channels` are those that the operator has a way to."""

    channels: tuple[Channel, ...] = ()

    async def telling(self, who: Identity, visit: Visit) -> Telling:
        """What is chosen now."""

        async def use(grant: Grant) -> Profile | None:
            _must_be_told(grant)
            async with self.store.pool.acquire() as conn, conn.transaction():
                found = await notifying.profile(conn, grant, self.store.wrap)
                await audit.insert_chosen_seen(conn, grant)
            return found

        held = await self.under(who, visit, "choose", use)
        if held is None:
            return Telling(self.channels)
        channel: Channel = "sms" if held.channel == "sms" else "email"
        shown = notification.masked(channel, held.address)
        return Telling(self.channels, held.how, channel, shown, held.since, held.last_sent)

    async def tell_me(
        self, who: Identity, visit: Visit, how: str, channel: str, address: str, language: str
    ) -> None:  # fmt: skip
        """Puts the choice in force; `how` empty stops it and takes the address away."""
        chosen = self._chosen(how, channel, address) if how else None

        async def use(grant: Grant) -> None:
            _must_be_told(grant)
            async with self.store.pool.acquire() as conn, conn.transaction():
                if chosen is None:
                    await notifying.stop(conn, grant)
                else:
                    profile = Profile(how, chosen[0], chosen[1], language, grant.at)
                    await notifying.choose(conn, grant, self.store.wrap, profile)
                await audit.insert_chosen(conn, grant, "made" if chosen else "ended", "notification")

        await self.under(who, visit, "choose", use)

    def _chosen(self, how: str, channel: str, address: str) -> tuple[Channel, str]:
        if how not in HOWS:
            raise Refusal(400, "There is no such choice.", where="how")
        known = next((one for one in CHANNELS if one == channel and one in self.channels), None)
        if known is None:
            raise Refusal(400, "Messages are not sent that way here.", where="channel")
        return known, notification.address(known, address)


def _must_be_told(grant: Grant) -> None:
    """A representative may set what shuts the record, and is told of looks at it by the log alone (docs/law.md, K64)."""
    if not may_be_told(grant):
        raise Refusal(
            403, "Messages about looks are the person's own to choose.", where="told", rule="profile-not-hers"
        )
