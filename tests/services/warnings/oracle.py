"""Whether an entry warns of a medicine, written from docs/cds-hooks.md and importing nothing of the product.

A world is small: substances and brands are numbers. Substance 0 has two ATC codes, each other one has its own; substances 0 and 1
may cross react, and so may 2 and 3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ATC: Final = {0: ("B01AC06", "N02BA01"), 1: ("J01CA04",), 2: ("J01DB01",), 3: ("M01AE01",)}
BRANDS: Final = {0: (0,), 1: (1,), 2: (2, 3)}
GROUPS: Final = ({0, 1}, {2, 3})
UNKNOWN_ATC: Final = "V03AB99"
ATC_GROUP: Final = "J01"


class Entry(NamedTuple):
    """`codes` are ("substance", n), ("brand", n), ("atc", code); none for an entry in words alone."""

    clinical: str
    verification: str
    criticality: str
    category: str
    codes: tuple[tuple[str, int | str], ...]


class Order(NamedTuple):
    """What a prescription says of its medicine."""

    brand: int | None
    atc: str
    active: tuple[int, ...]
    excipients: tuple[int, ...]


def stands(entry: Entry) -> bool:
    return entry.verification not in ("refuted", "entered-in-error") and entry.clinical not in ("inactive", "resolved")


def named(entry: Entry) -> set[int]:
    found: set[int] = set()
    for kind, value in entry.codes:
        if kind == "substance":
            found.add(int(value))
        elif kind == "brand":
            found |= set(BRANDS[int(value)])
        else:
            found |= {one for one, codes in ATC.items() if value in codes}
    return found


def atc_of(entry: Entry) -> set[str]:
    own = {str(value) for kind, value in entry.codes if kind == "atc"}
    return own | {ATC[BRANDS[int(value)][0]][0] for kind, value in entry.codes if kind == "brand"}


def inside(order: Order) -> set[int]:
    found = set(order.active)
    if order.brand is not None:
        found |= set(BRANDS[order.brand])
    if not found and order.atc:
        found = {one for one, codes in ATC.items() if order.atc in codes}
    return found


def codes_of(order: Order) -> set[str]:
    own = {order.atc} - {""}
    return own | ({ATC[BRANDS[order.brand][0]][0]} if order.brand is not None else set())


def kin(some: set[int], others: set[int]) -> bool:
    return any(group & some and group & others for group in GROUPS)


def rule(entry: Entry, order: Order) -> str:
    """The rule that is told; empty for none."""
    if not stands(entry):
        return ""
    reacts, holds, beside = named(entry), inside(order), set(order.excipients)
    # A code of ATC that means a substance by itself has that one's kin too.
    by_codes = {one for one, codes in ATC.items() if set(codes) & codes_of(order)}
    entry_codes = {one for one, codes in ATC.items() if set(codes) & atc_of(entry)}
    reacts |= entry_codes
    by_use = any(mine.startswith(theirs) for theirs in atc_of(entry) for mine in codes_of(order))
    rules = {
        "same-medicine": order.brand is not None and ("brand", order.brand) in entry.codes,
        "same-substance": bool(reacts & holds),
        "excipient": bool(reacts & beside),
        "cross-reactivity": kin(reacts, holds | beside | by_codes),
        "same-use": by_use,
        "not-checked": not is_compared(entry, order, reacts, holds),
    }
    return next((name for name, holds_good in rules.items() if holds_good), "")


def is_compared(entry: Entry, order: Order, reacts: set[int], holds: set[int]) -> bool:
    """Whether nothing in common means anything: both are known by substance, or the entry is a group of ATC."""
    if not entry.codes or entry.category == "food":
        return bool(entry.codes)
    return bool(reacts and holds) or (not reacts and ATC_GROUP in atc_of(entry) and bool(codes_of(order)))


def indicator(entry: Entry, told: str) -> str:
    """How strongly: nothing interrupts that is neither of high criticality nor confirmed."""
    high, confirmed = entry.criticality == "high", entry.verification == "confirmed"
    if told == "same-use":
        return "info"
    if told == "not-checked":
        return "warning" if high else "info"
    if told == "cross-reactivity":
        return "critical" if high else "warning"
    return "critical" if high or confirmed else "warning"
