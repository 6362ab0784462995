"""`authorization_details` (RFC 9396) of the Norwegian trust framework and of citizen portals, read into typed values.

Two spellings are on the wire: the specification says `care_relation`, HelseID `care_relationship`; `hpr_nr` is also
written `hpr-nr`. Both are read, but not both at once: two readers could choose different ones. Null counts as absent, and
what the specification does not name is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kjerne.policy.claims import Representation, TrustFramework

TYPE: Final = "nhn:tillitsrammeverk:parameters"
REPRESENTATION: Final = "kjerne:representation"
"""A citizen's errand at a portal. No national type was found for it: its members are the trust framework's own words."""
_SPELLINGS: Final = {"care_relation": "care_relationship", "hpr-nr": "hpr_nr"}


def read(details: list[dict[str, Any]]) -> tuple[TrustFramework, ...]:
    """Every attestation in the list; `msgspec.ValidationError` names the path of a member of the wrong kind."""
    ours = [_plain(entry) for entry in details if entry.get("type") == TYPE]
    return tuple(msgspec.convert(entry, TrustFramework) for entry in ours)


def errands(details: list[dict[str, Any]]) -> tuple[Representation, ...]:
    """What a citizen came to a portal for, every entry of it; `msgspec.ValidationError` as in `read`."""
    ours = [_plain(entry) for entry in details if entry.get("type") == REPRESENTATION]
    return tuple(msgspec.convert(entry, Representation) for entry in ours)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        known = {_SPELLINGS.get(name, name): _plain(inner) for name, inner in value.items() if inner is not None}
        if len(known) < sum(inner is not None for inner in value.values()):
            raise msgspec.ValidationError("a member stands there in both of its spellings")
        return known
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
