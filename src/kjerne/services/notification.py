"""What a citizen may choose of being told when somebody has looked: how often, and where."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from kjerne.errors import Refusal
from kjerne.registries.identifiers import stands_in

How = Literal["at-once", "daily"]
Channel = Literal["email", "sms"]
HOWS: Final[tuple[How, ...]] = get_args(How)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
ADDRESS_CHARACTERS: Final = 200

# Narrower than RFC 5321 allows: what a header or a gateway could read as anything else than one address is none.
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
_MOBILE: Final = re.compile(r"\+?[0-9]{8,15}")


def address(channel: Channel, text: str) -> str:
    """The address as it is kept; `Refusal` 400 where it is none."""
    plain = re.sub(r"[ -]", "", text) if channel == "sms" else text.strip()
    pattern = _MOBILE if channel == "sms" else _EMAIL
    if len(plain) > ADDRESS_CHARACTERS or not pattern.fullmatch(plain) or (channel == "email" and stands_in(plain)):
        raise Refusal(400, "this is no address that a message can be sent to", where="address")
    return plain


def masked(channel: Channel, kept: str) -> str:
    """Enough of the address for its owner to know it by; nothing of one that was given under another number of hers."""
    if not kept:
        return ""
    if channel == "sms":
        return f"{'•' * (len(kept) - 2)}{kept[-2:]}"
    name, _, host = kept.partition("@")
    return f"{name[:1]}•••@{host}"
