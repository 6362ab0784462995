"""Whether an entry warns of a medicine, written from docs/cds-hooks.md and importing nothing of the product.

A world is small: substances and brands are numbers. Substance 0 has two ATC codes, each other one has its own; substances 0 and 1
may cross react, and so may 2 and 3. A part is what is said in one place: codes, or words alone where it has none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ATC: Final = {0: ("B01AC06", "N02BA01"), 1: ("J01CA04",), 2: ("J01DB01",), 3: ("M01AE01",)}
BRANDS: Final = {0: (0,), 1: (1,), 2: (2, 3)}
GROUPS: Final = ({0, 1}, {2, 3})
UNKNOWN_ATC: Final = "V03AB99"
ATC_GROUP: Final = "J01"
UNKNOWN: Final = 9
"""A substance or a brand that no register has."""
RULES: Final = ("same-medicine", "same-substance", "excipient", "cross-reactivity", "same-use", "not-checked")

Named = tuple[str, int | str]
"""("substance", n), ("brand", n), ("atc", code), or ("strange", n): a code of a system that nobody knows."""
Part = tuple[Named, ...]


class Entry(NamedTuple):
    """`codes` are what it is coded by; none for an entry in words alone. `words`: it has words that no code accounts for."""

    clinical: str
    verification: str
    criticality: str
    category: str
    codes: Part
    words: bool = False


class Order(NamedTuple):
    """What a prescription says of its medicine: which it is, and what is in it."""

    own: Part
    words: bool
    active: tuple[Part, ...]
    excipients: tuple[Part, ...]


def stands(entry: Entry) -> bool:
    return entry.verification not in ("refuted", "entered-in-error") and entry.clinical not in ("inactive", "resolved")


def inside(part: Part) -> set[int]:
    """The substances that a part names, or that are in what it names."""
    found: set[int] = set()
    for kind, value in part:
        if kind == "substance":
            found.add(int(value))
        elif kind == "brand":
            found |= set(BRANDS.get(int(value), ()))
        elif kind == "atc":
            found |= {one for one, codes in ATC.items() if value in codes}
    return found


def perhaps(part: Part) -> set[int]:
    """FEST has brand 2, of two substances, under the ATC code of one."""
    return {3} if ("atc", "J01DB01") in part and not is_exact(part) else set()


def is_exact(part: Part) -> bool:
    return any(kind == "brand" and int(value) in BRANDS for kind, value in part)


def is_understood(part: Part, words: bool, *, is_own: bool = False, is_entry: bool = False) -> bool:
    substances = {int(value) for kind, value in part if kind == "substance"}
    if is_exact(part):
        return not substances - ATC.keys()  # what nobody knows beside a medicine may be in it
    whole = {code for codes in ATC.values() for code in codes}
    given = {str(value) for kind, value in part if kind == "atc"}
    brands = any(kind == "brand" for kind, _ in part)
    strange = any(kind == "strange" for kind, _ in part)
    if words or substances - ATC.keys() or given - whole - ({ATC_GROUP} if is_entry else set()):
        return False
    if given & whole:
        return True
    return bool(given or substances) and not brands and not (is_own and strange)


def atc_of(part: Part) -> set[str]:
    own = {str(value) for kind, value in part if kind == "atc"}
    of_brands = {ATC[BRANDS[int(value)][0]][0] for kind, value in part if kind == "brand" and int(value) in BRANDS}
    return own | of_brands | {code for one in inside(part) if one in ATC for code in ATC[one]}


def kin(some: set[int], others: set[int]) -> bool:
    return any(group & some and group & others for group in GROUPS)


def both(parts: tuple[Part, ...]) -> set[int]:
    return {one for part in parts for one in inside(part)}


def strange(parts: tuple[Part, ...]) -> set[Named]:
    return {one for part in parts for one in part if one[0] == "strange"}


def own_parts(order: Order) -> tuple[Part, ...]:
    return (order.own,) if order.own or order.words else ()


def rule(entry: Entry, order: Order) -> str:
    """The rule that is told; empty for none."""
    if not stands(entry):
        return ""
    main = (*own_parts(order), *order.active)
    reacts, holds, beside = inside(entry.codes), both(main), both(order.excipients)
    own_atc = set().union(*(atc_of(one) for one in main)) if main else set()
    brands = {one for part in main for one in part if one[0] == "brand"}
    by_codes = {one for one, codes in ATC.items() if set(codes) & own_atc}
    entry_codes = {
        one
        for one, codes in ATC.items()
        if any(code.startswith(each) for code in codes for each in atc_of(entry.codes))
    }
    same = strange((entry.codes,))
    holds_good = {
        "same-medicine": bool(brands & set(entry.codes)),
        "same-substance": bool(reacts & holds or same & strange(main)),
        "excipient": bool(reacts & beside or same & strange(order.excipients)),
        "cross-reactivity": kin(reacts | entry_codes, holds | beside | by_codes),
        "same-use": any(mine.startswith(theirs) for theirs in atc_of(entry.codes) for mine in own_atc),
        "not-checked": not is_compared(entry, order),
    }
    return next((name for name in RULES if holds_good[name]), "")


def is_compared(entry: Entry, order: Order) -> bool:
    """Whether nothing in common means anything: every part of both is understood, and what may be in one is not in the other."""
    known_beside = all(is_understood(one, not one) for one in order.excipients)
    if not entry.codes:
        return False
    if entry.category == "food" and all(kind == "strange" for kind, _ in entry.codes):
        return not order.excipients
    known = all(is_understood(one, order.words, is_own=True) for one in own_parts(order))
    known = known and all(is_understood(one, not one) for one in order.active) and known_beside
    main = (*own_parts(order), *order.active)
    if not (known and both(main) and is_understood(entry.codes, entry.words, is_entry=True)):
        return False
    maybe = set().union(*(perhaps(one) for one in (*main, *order.excipients)))
    mine = perhaps(entry.codes)
    holds = both(main) | both(order.excipients)
    may_share = maybe & inside(entry.codes) or mine & holds or maybe & mine
    by_group = ("atc", ATC_GROUP) in entry.codes and any(
        code.startswith(ATC_GROUP) for one in maybe for code in ATC[one]
    )
    return not may_share and not by_group


def indicator(entry: Entry, told: str) -> str:
    """How strongly: nothing interrupts that is neither of high criticality nor confirmed."""
    high, confirmed = entry.criticality == "high", entry.verification == "confirmed"
    if told == "not-checked":
        return "warning" if high else "info"
    if told == "same-use":
        return "critical" if high else "warning" if confirmed else "info"
    if told == "cross-reactivity":
        return "critical" if high else "warning"
    return "critical" if high or confirmed else "warning"
