"""A profile's elements made into closures: what each asks is decided once, and an element that asks nothing is not walked to.

Made from the slots that `fhir.profiles` reads, for the FHIR type that stands in a place. A look is given one value and says what
is wrong with it, seen from there; where all is right it makes no path and no node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from kjerne.errors import Fault
from kjerne.fhir import definitions
from kjerne.fhir.bounds import Value, as_bounded, as_leading, ordering, where_of
from kjerne.fhir.bundles import Entries
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import spend
from kjerne.fhir.faults import Faults, fault, under
from kjerne.fhir.fhirpath.calling import Environment
from kjerne.fhir.fhirpath.navigating import is_type, members, root
from kjerne.fhir.fhirpath.operators import Misuse, truth
from kjerne.fhir.fhirpath.values import PRIMITIVES, Node
from kjerne.fhir.invariants import EVALUATION_STEPS, led_to
from kjerne.fhir.placing import without_places
from kjerne.fhir.slices import (
    CORE,
    SINGLE,
    Test,
    Told,
    all_of,
    fitting,
    held,
    in_list,
    is_asked,
    keys,
    reaching,
    told_apart,
)
from kjerne.fhir.systems import UCUM

if TYPE_CHECKING:
    from kjerne.fhir.profiles import Profile, Rule, Slot
    from kjerne.fhir.value_sets import Has

EXTENSION_DEPTH: Final = 5
_TYPES: Final = frozenset(TYPES)
_CODED: Final = SINGLE | {"CodeableConcept"}
_BOUND: Final = _CODED | {"code", "string", "uri", "Element", ""}
"""Types that a value set can be bound to (R4 terminologies.html, 4.1.1): that of `value[x]` says nothing of a boolean."""
NESTED_STEPS: Final = 10
"""What it costs to hold a part of a resource against a profile of its own."""
EXTENSIBLE: Final = "extensible-binding"
"""The rule of what is advised against and not wrong: a code beside those of an extensible value set."""


UNTOLD: Final = "binding-not-at-hand"
"""The rule of a code that could not be held against its value set: it is told, and nobody is judged by it."""
ADVICE: Final = frozenset({EXTENSIBLE, UNTOLD})


def _is_advice(found: list[Fault]) -> bool:
    """Whether a part keeps to a profile: nothing but advice is left of what is known of it by itself."""
    return all(one.rule in ADVICE for one in without_places(found)) if found else True


class Run:
    """One resource (or a part with a profile of its own) while it is held against a profile.

    `found` keeps what a part is found to lack under a profile: slices ask the same of it that their elements do. `around` is the
    resource whose contained resources a reference means, `bundle` the Bundle that it is an entry of. `seen` are extensions that
    have been held against their definitions, `untold` the value sets of slices of which a code could not be told.
    """

    __slots__ = ("around", "bundle", "depth", "find", "found", "look", "resource", "seen", "untold")

    def __init__(
        self,
        find: Callable[[str], Profile | None],
        look: Callable[[Slot, str], Look | None],
        resource: Node,
        depth: int,
    ) -> None:
        self.find = find
        self.look = look
        self.resource = resource
        self.depth = depth
        self.around = resource
        self.bundle: Entries | None = None
        self.found: dict[tuple[int, str, int], list[Fault]] = {}
        self.seen: set[int] = set()
        self.untold: set[str] = set()

    def under(self, profile: Profile, part: Node) -> list[Fault]:
        """What is wrong with a part under a profile, one deeper; of a resource within another, about itself."""
        key = id(part.value), profile.address, self.depth
        if key not in self.found:
            spend(NESTED_STEPS)
            look = self.look(profile.top, part.type)
            within = self._within(part)
            self.found[key] = (look(part.value, part.beside, within) if look is not None else None) or []
        return self.found[key]

    def _within(self, part: Node) -> Run:
        made = Run(self.find, self.look, part if part.type in _TYPES else self.resource, self.depth + 1)
        made.found, made.seen, made.untold = self.found, self.seen, self.untold
        made.bundle, made.around = self.bundle, self.around
        if made.resource is not self.resource and self.resource.type == "Bundle":
            made.bundle, made.around = self._entries(), part
        return made

    def _entries(self) -> Entries:
        if self.bundle is None:
            self.bundle = Entries(self.resource.value)
        return self.bundle

    def keeps(self, profile: Profile, part: Node) -> bool | None:
        """Whether a part keeps to a profile; None where it stands too deep to be asked."""
        if self.depth >= EXTENSION_DEPTH:
            return None
        return _is_advice(self.under(profile, part))

    def led_to(self, reference: Node) -> tuple[Node | None, bool]:
        """What a reference leads to and whether all of it is at hand, or its type alone; None where not even that is told."""
        value = reference.value if type(reference.value) is dict else {}
        text, named = value.get("reference"), value.get("type")
        found = self.resolved(text) if type(text) is str else None
        if found is None and type(named) is str and named in _TYPES:
            found = root({"resourceType": named})
        return found, found is not None and len(found.value) > 1

    def resolved(self, text: str) -> Node | None:
        """What is contained, an entry of the Bundle around, or a resource of which the reference tells the type alone."""
        around = self.around.value
        if type(around) is not dict:
            return None
        if text[:1] != "#" and (self.bundle is not None or self.around.type == "Bundle"):
            found = self._entries().led_to(text, around)
            if found is not None:
                return root(found)
        return led_to(around, text)

    def environment(self, node: Node) -> Environment:
        """What an expression on an element may look at."""
        return Environment(self.resource, self.resource, context=[node], resolve=self.resolved)


Look = Callable[[Any, Any, Run], Faults]
"""What is wrong with a value and the `_name` beside it."""


Judge = Callable[[list[Value], Run], Faults]
"""What is wrong with all values of an element together."""


def look_at(slot: Slot, of: str) -> Look | None:
    """The look at one value of type `of` under an element of a profile; None where nothing is asked of it."""
    own, below = _own(slot, of), _below(slot, of)
    if not own and below is None:
        return None
    every = own if below is None else [*own, below]
    if len(every) == 1:
        return every[0]

    def look(value: Any, beside: Any, run: Run) -> Faults:
        found: list[Fault] = []
        for one in every:
            if inner := one(value, beside, run):
                found += inner
        return found

    return look


def _below(slot: Slot, of: str) -> Look | None:
    """What stands below a value: its own members or, of a primitive, those of the `_name` beside it."""
    primitive = of in PRIMITIVES
    looks = [
        one for name, inner in slot.members.items() if (one := _member(inner, name, "Element" if primitive else of))
    ]
    if not looks:
        return None

    def below(value: Any, beside: Any, run: Run) -> Faults:
        parent = beside if primitive else value
        if type(parent) is not dict:
            return None
        found: list[Fault] = []
        for one in looks:
            if inner := one(parent, run):
                found += inner
        return found

    return below


@cache
def _rows(type: str, name: str) -> tuple[tuple[str, str, str], ...]:
    """JSON name, the name beside it and FHIR type of a member, which may be named whole (`value`) or by one type
    (`valueQuantity`)."""
    known = members(type) if type in definitions.table().elements else {}
    keys = known.get(name) or tuple(pair for pairs in known.values() for pair in pairs if pair[0] == name)
    return tuple((key, f"_{key}", of) for key, of in keys)


Rows = tuple[tuple[str, str, str], ...]


def _values(parent: dict[str, Any], rows: Rows) -> list[Value]:
    found: list[Value] = []
    for key, shadow, of in rows:
        value, beside = parent.get(key), parent.get(shadow)
        if beside is None and type(value) is list:
            if of == "Resource":
                found += [(key, place, one, None, _type(one, of)) for place, one in enumerate(value)]
            else:
                found += [(key, place, one, None, of) for place, one in enumerate(value)]
        elif type(value) is list or type(beside) is list:
            many, shadows = (one if type(one) is list else [] for one in (value, beside))
            for place in range(max(len(many), len(shadows))):
                one = many[place] if place < len(many) else None
                found.append((key, place, one, shadows[place] if place < len(shadows) else None, _type(one, of)))
        elif value is not None or beside is not None:
            found.append((key, -1, value, beside, _type(value, of)))
    return found


def _type(value: Any, of: str) -> str:
    if of != "Resource" or type(value) is not dict:
        return of
    named = value.get("resourceType")
    return named if type(named) is str and named in _TYPES else ""


def _member(slot: Slot, name: str, type: str) -> Callable[[dict[str, Any], Run], Faults] | None:
    """What is asked of a member of an object; None where nothing is that R4 does not ask itself."""
    rows = _rows(type, name)
    judge = _judge(slot, frozenset(of for _, _, of in rows), name)
    many = any(one.many for one in definitions.elements(type).values() if one.name == slot.name) if rows else False
    counts = slot.least > 0 or (slot.most is not None and (slot.most == 0 or many))
    if judge is None and not counts:
        return None
    by_name = {one: row for row in rows for one in row[:2]}
    names = frozenset(by_name)

    least, most, where = slot.least, slot.most if slot.most is not None else 1 << 60, f".{name}"
    few = len(rows) < 4

    def judged(parent: dict[str, Any], run: Run) -> Faults:
        if names.isdisjoint(parent):
            return missing
        # A choice has up to fifty names, and an object few members.
        values = _values(parent, rows if few else tuple(dict.fromkeys(by_name[one] for one in parent if one in names)))
        found = judge(values, run) if judge is not None else None
        if least <= len(values) <= most:
            return found
        return [*(_counted(slot, len(values), where) or ()), *(found or ())]

    # Most elements are absent, and what that breaks is the same in every resource.
    missing = _absent(slot, judge, f".{name}")
    if judge is None and not many and slot.most != 0:
        return lambda parent, _run: missing if names.isdisjoint(parent) else None
    return judged


def _absent(slot: Slot, judge: Judge | None, where: str) -> Faults:
    """What is wrong where an element has no value."""
    nobody = Run(lambda _: None, lambda _slot, _of: None, Node({}, ""), 0)
    return (_counted(slot, 0, where) or []) + ((judge([], nobody) or []) if judge is not None else []) or None


def _counted(slot: Slot, count: int, where: str) -> Faults:
    must = f"must have the slice {slot.slice}" if slot.slice else "must be there"
    if count < slot.least:
        return fault(f"{must} {slot.least} times or more", where, "required", "profile-cardinality")
    if slot.most is not None and count > slot.most:
        says = f"{must} {slot.most} times at most" if slot.most else must.replace("must", "must not", 1)
        return fault(says, where, "structure", "profile-cardinality")
    return None


def _judge(slot: Slot, ofs: frozenset[str], name: str) -> Judge | None:
    """What is asked of the values of an element, one by one and as slices. `ofs` are the types that can stand there."""
    types = slot.types - {"Resource", "DomainResource"}
    sliced = _sliced(slot, ofs, name)
    fixed = "Resource" not in ofs
    looks = {of: look_at(slot, of) for of in ofs} if fixed else {}
    wrong = {of for of in ofs if fixed and types and not _is_one(of, types)}
    if fixed and not wrong and sliced is None and not any(looks.values()):
        return None
    if not fixed and not types and sliced is None and not slot.members and not _own(slot, "Resource"):
        return None

    nothing = not wrong and not any(looks.values())

    def judge(values: list[Value], run: Run) -> Faults:
        found: list[Fault] = []
        for one in () if fixed and nothing else values:
            of = one[4]
            if of in wrong if fixed else types and not _is_one(of, types):
                found += fault(f"must be one of {', '.join(sorted(types))}", where_of(one), "structure", "profile-type")
            look = looks[of] if fixed else run.look(slot, of)
            if look is not None and (inner := look(one[2], one[3], run)):
                found += under(where_of(one), inner)
        if sliced is not None and (inner := sliced(values, run)):
            found += inner
        return found

    return judge


@cache
def _is_one(of: str, types: frozenset[str]) -> bool:
    return any(is_type(Node(None, of), one) for one in types)


def _sliced(slot: Slot, ofs: frozenset[str], name: str) -> Judge | None:
    """Each value in its slice. A slice that cannot be told from others is not judged, nor what may be of it."""
    told = [(one, tests) for one in slot.slices.values() if (tests := told_apart(slot, one, conforms)) is not None]
    closed = slot.closed and len(told) == len(slot.slices)
    if not slot.slices or (not told and not closed):
        return None
    sort, where = _sorting(slot, told), f".{name}"
    ordered = ordering(slot, all_told=len(told) == len(slot.slices))
    judges = [(one, judge, _absent(one, judge, f".{name}")) for one, _ in told for judge in [_judge(one, ofs, name)]]
    if (
        not closed
        and ordered is None
        and not any(judge is not None or one.least or one.most is not None for one, judge, _ in judges)
    ):
        return None
    needed = frozenset(place for place, (_, _, missing) in enumerate(judges) if missing)
    every, few = range(len(judges)), len(judges) < 6

    def sliced(values: list[Value], run: Run) -> Faults:
        found: list[Fault] = []
        taken: dict[int, list[Value]] = {}
        # Slices that a value may be of which nobody can tell: they may have it, and lack nothing.
        doubtful: set[int] = set()
        if len(values) > 1:
            spend(len(values) * len(judges))
        for value in values:
            place, unsure = sort(value, run)
            if place >= 0:
                taken.setdefault(place, []).append(value)
            else:
                doubtful.update(unsure)
                found += _of_none(value, unsure, run, closed=closed)
        found += (ordered and ordered(values, taken, doubtful)) or ()
        # Of most slices there is no value, and nothing is wrong with that.
        for place in every if few else sorted(needed.union(taken)):
            one, judge, missing = judges[place]
            own = taken.get(place)
            if own is None:
                if missing and place not in doubtful:
                    found += missing
                continue
            if len(own) >= one.least or place not in doubtful:
                found += _counted(one, len(own), where) or ()
            if judge is not None and (inner := judge(own, run)):
                found += inner
        return found

    return sliced


Sort = Callable[[Value, Run], tuple[int, Sequence[int]]]
"""The place of the slice that a value is of, or -1; then those that it may be of, since that cannot be told."""
_SURE: Final[Sequence[int]] = ()


def _sorting(slot: Slot, told: Sequence[tuple[Slot, list[Told]]]) -> Sort:
    reaches = [reaching(path) for _, path in slot.discriminators]
    every = [tests for _, tests in told]
    texts = [keys(slot, one) for one, _ in told]
    places: dict[str, int] = {}
    for place, some in enumerate(texts):
        for text in some or ():
            places.setdefault(text, place)

    def by_test(value: Value, run: Run) -> tuple[int, Sequence[int]]:
        run.untold.clear()
        node = Node(value[2], value[4], value[3])
        reached = [reach(node, run) for reach in reaches]
        unsure: list[int] = []
        for place, tests in enumerate(every):
            verdict = all_of([test(nodes, run) for test, nodes in zip(tests, reached, strict=True)])
            if verdict:
                return place, _SURE
            if verdict is None:
                unsure.append(place)
        return -1, unsure

    def by_text(value: Value, run: Run) -> tuple[int, Sequence[int]]:
        reached = reaches[0](Node(value[2], value[4], value[3]), run)
        known = [places[one.value] for one in reached if type(one.value) is str and one.value in places]
        return min(known) if known else -1, _SURE

    def by_address(value: Value, _: Run) -> tuple[int, Sequence[int]]:
        text = value[2].get("url") if type(value[2]) is dict else None
        return places.get(text, -1) if type(text) is str else -1, _SURE

    if not texts or None in texts:
        return by_test
    return by_address if slot.discriminators[0][1] == "url" else by_text


def _of_none(value: Value, unsure: Sequence[int], run: Run, *, closed: bool) -> list[Fault]:
    """What is said of a value that is of no slice, or of none that can be told."""
    if not unsure:
        says = "must be one of the profile's slices"
        return fault(says, where_of(value), "structure", "profile-slice") if closed else []
    return [one for address in sorted(run.untold) for one in _untold(address, where_of(value))]


def _own(slot: Slot, of: str) -> list[Look]:
    """What is asked of a value itself."""
    looks: list[Look] = []
    if slot.value is not None:
        looks.append(_as_fixed(slot))
    if slot.listed is not None and of in _BOUND and not _is_unit_beside(slot, of):
        looks.append(_as_listed(slot, of))
    elif slot.asked is not None and of in _BOUND:
        looks.append(_as_asked(slot, slot.asked, of))
    looks += [_as_ruled(rule, of) for rule in slot.rules]
    looks += as_bounded(slot, of)
    if of == "Reference" and slot.leads:
        looks.append(as_leading(slot))
    if of not in _BY_ADDRESS and (profiles := slot.by_type.get(of)):
        looks.append(_as_profiled(profiles, of))
    if of == "Extension" and not slot.slice and slot.name != "Extension":
        # A value of a slice has been looked at as one of its element, and the top of a definition is where this leads to.
        looks.append(partial(_as_defined, slot.name))
    return looks


def _is_unit_beside(slot: Slot, of: str) -> bool:
    """Whether a list of units is of the quantities among the types of `value[x]`: a concept there is what was found."""
    return (
        of == "CodeableConcept"
        and "Quantity" in slot.types
        and slot.listed is not None
        and slot.listed.keys() == {UCUM}
    )


def _as_fixed(slot: Slot) -> Look:
    fits = fitting(slot)
    kind = "have the pattern" if slot.is_pattern else "be the value"
    wrong = fault(f"must {kind} of the profile", "", "value", "profile-value")
    return lambda value, _beside, _run: None if fits(value) else wrong


def _as_listed(slot: Slot, of: str) -> Look:
    assert slot.listed is not None
    test = in_list(slot.listed, of)
    if slot.extensible:
        # A text alone is right, and so is a code of a system that the list knows nothing of where it has none for it.
        advice = fault(f"should have a code of the value set {_address(slot)}", "", "code-invalid", EXTENSIBLE)
        return lambda value, _beside, _run: advice if held(value, of) and not test(value) else None
    wrong = fault(f"must have a code of the value set {_address(slot)}", "", "code-invalid", "required-binding")
    return lambda value, _beside, _run: None if test(value) else wrong


def _address(slot: Slot) -> str:
    return slot.value_set.partition("|")[0]


def _untold(value_set: str, where: str = "") -> list[Fault]:
    address = value_set.partition("|")[0]
    says = f"was not held against the value set {address}: it is not at hand with its codes"
    return fault(says, where, "not-found", UNTOLD)


def _as_asked(slot: Slot, has: Has, of: str) -> Look:
    """A binding that only the store of terminology can tell of one code."""
    says = "should" if slot.extensible else "must"
    rule = EXTENSIBLE if slot.extensible else "required-binding"
    wrong = fault(f"{says} have a code of the value set {_address(slot)}", "", "code-invalid", rule)
    untold = _untold(slot.value_set)

    def look(value: Any, _beside: Any, _run: Run) -> Faults:
        if value is None or (slot.extensible and not held(value, of)):
            return None
        told = is_asked(value, of, has)
        return None if told else untold if told is None else wrong

    return look


def _as_ruled(rule: Rule, of: str) -> Look:
    wrong = fault(f"must hold: {rule.says} ({rule.key})", "", "invariant", rule.key)
    needed, expression = rule.needs(of), rule.expression

    def look(value: Any, beside: Any, run: Run) -> Faults:
        if type(value) is dict and any(one.isdisjoint(value) for one in needed):
            return None
        spend(EVALUATION_STEPS)
        node = Node(value, of, beside)
        try:
            return wrong if truth(expression([node], run.environment(node))) is False else None
        except Misuse:
            return None

    return look


_BY_ADDRESS: Final = frozenset(("Extension", "Reference"))
"""An extension is known by its own address, and what a reference leads to stands elsewhere."""


def _as_profiled(profiles: tuple[str, ...], of: str) -> Look:
    """A value whose type has profiles keeps to one of them; those that are not at hand are not judged."""

    def look(value: Any, beside: Any, run: Run) -> Faults:
        known = [one for one in map(run.find, profiles) if one is not None and is_type(Node(None, of), one.type)]
        if len(known) < len(profiles) or run.depth >= EXTENSION_DEPTH:
            return None
        tried = [run.under(one, Node(value, of, beside)) for one in known]
        right = next((one for one in tried if _is_advice(one)), None)
        if right is not None:
            return right
        says = "must keep to one of the profiles of its type"
        return tried[0] if len(tried) == 1 else fault(says, rule="profile-type")

    return look


def _as_defined(name: str, value: Any, beside: Any, run: Run) -> Faults:
    """An extension's own definition, where a package has it."""
    address = value.get("url") if type(value) is dict else None
    run.seen.add(id(value))
    # A part of an extension has a name in place of an address.
    if type(address) is not str or ":" not in address or run.depth >= EXTENSION_DEPTH:
        return None
    profile = run.find(address)
    if profile is None or profile.type != "Extension":
        return None
    found = run.under(profile, Node(value, "Extension", beside))
    if profile.misplaced or name in profile.misnamed:
        return [*found, *profile.misplaced, *profile.misnamed.get(name, ())]
    return found


def strewn(value: dict[str, Any], run: Run) -> Faults:
    """The extensions that stand where the profile opens no element, each held against its own definition."""
    found: list[Fault] = []
    for name, inner in value.items():
        if type(inner) is dict:
            if below := strewn(inner, run):
                found += under(f".{name.removeprefix('_')}", below)
        elif type(inner) is list:
            extends = name in _EXTENDING
            for place, one in enumerate(inner):
                if type(one) is not dict:
                    continue
                below = strewn(one, run) or []
                if extends and id(one) not in run.seen:
                    below += _as_defined(name, one, None, run) or ()
                if below:
                    found += under(f".{name.removeprefix('_')}[{place}]", below)
    return found or None


_EXTENDING: Final = frozenset(("extension", "modifierExtension"))


def conforms(slot: Slot) -> Test:
    """Whether what stands here is of one of a slot's profiles; of a base type, whether it is one."""
    addresses = slot.profiles or tuple(CORE + name for name in slot.types)

    def test(node: Node, run: Run) -> bool:
        for address in addresses:
            if address.startswith(CORE) and is_type(node, address.removeprefix(CORE)):
                return True
            profile = run.find(address)
            if profile is not None and is_type(node, profile.type) and run.depth < EXTENSION_DEPTH:
                return _is_advice(run.under(profile, node))
        return False

    return test
