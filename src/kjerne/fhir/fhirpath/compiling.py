"""An expression's tree made into closures: `compiled(text)` once, then a call for each element.

An `Expression` is called with `this` (what `$this` is, and what a bare name starts from) and the environment of one
evaluation. Where FHIRPath says that an evaluation fails, `Misuse` is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath import operators
from kjerne.fhir.fhirpath.calling import Arguments, Environment, Expression, Invocation, once
from kjerne.fhir.fhirpath.functions import FUNCTIONS
from kjerne.fhir.fhirpath.navigating import FREE_ITEMS, is_type, known_type, step
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.reading import Term, is_fixed, parse
from kjerne.fhir.fhirpath.values import Items, Node, plain

_RESOURCES: Final = frozenset(TYPES)
_ADDRESSES: Final = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


@lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """The closure of an expression. `ValueError` where it cannot be read or uses what is not known here."""
    return _expression(parse(text))


def evaluate(text: str, node: Node, now: datetime | None = None) -> Items:
    """An expression on a whole resource."""
    return compiled(text)([node], Environment(node, node, context=[node], now=now))


def _expression(term: Term) -> Expression:
    """The closure of one node of the tree. What no item of a list can change is computed once in an evaluation."""
    made = _MAKERS[term.kind](term)
    return once(made) if term.kind in ("dot", "operator") and is_fixed(term) else made


def _dot(term: Term) -> Expression:
    left, invoked = _expression(term.parts[0]), _invocation(term.parts[1])
    return lambda this, env: invoked(left(this, env), this, env)


def _call(term: Term) -> Expression:
    called = _invocation(term)
    return lambda this, env: called(this, this, env)


def _constant(term: Term) -> Expression:
    constant = [] if term.kind == "nothing" else [term.value]
    return lambda this, env: constant


def _index(term: Term) -> Expression:
    items, place = (_expression(part) for part in term.parts)
    return lambda this, env: operators.indexed(items(this, env), place(this, env))


def _sign(term: Term) -> Expression:
    inner, negative = _expression(term.parts[0]), term.value == "-"
    return lambda this, env: operators.signed(inner(this, env), negative=negative)


def _first_name(name: str) -> Expression:
    """A path may begin with the type of what it is about: `Patient.name`."""
    if name in _RESOURCES or name in ("Resource", "DomainResource"):

        def typed(this: Items, env: Environment) -> Items:
            return [one for one in this if is_type(one, name)] or step(this, name)

        return typed
    return lambda this, env: step(this, name)


def _variable(name: str) -> Expression:
    if name == "$this":
        return lambda this, env: this
    if name == "$index":
        return lambda this, env: [env.index]
    if name == "$total":
        return lambda this, env: env.total
    if name in ("%resource", "%rootResource", "%context"):
        return {
            "%resource": lambda this, env: [env.resource],
            "%rootResource": lambda this, env: [env.root],
            "%context": lambda this, env: env.context,
        }[name]
    bare = name[1:]
    if bare in _ADDRESSES or bare.startswith(("vs-", "ext-")):
        kind = "ValueSet/" if bare.startswith("vs-") else "StructureDefinition/"
        constant: Items = [_ADDRESSES.get(bare) or f"http://hl7.org/fhir/{kind}{bare.split('-', 1)[1]}"]
        return lambda this, env: constant

    def variable(this: Items, env: Environment) -> Items:
        if bare not in env.variables:
            raise Misuse(f"no variable {bare}")
        return env.variables[bare]

    return variable


def _typed(term: Term) -> Expression:
    (operator, wanted), inner = term.value, _expression(term.parts[0])
    if not known_type(wanted):
        raise ValueError(f"no type {wanted}")
    if operator == "as":
        return lambda this, env: [one for one in inner(this, env) if is_type(one, wanted)]

    def checked(this: Items, env: Environment) -> Items:
        found = inner(this, env)
        if len(found) > 1:
            raise Misuse("is: more than one item")
        return [is_type(found[0], wanted)] if found else []

    return checked


def _operator(term: Term) -> Expression:
    name = term.value
    left, right = (_expression(part) for part in term.parts)
    if name in operators.LOGIC:
        # Most rules end at their left side: the right one is evaluated where it can still decide.
        decided, joined = operators.LOGIC[name]

        def logical(this: Items, env: Environment) -> Items:
            one = operators.truth(left(this, env))
            if one is not None and one in decided:
                return decided[one]
            return joined(one, operators.truth(right(this, env)))

        return logical
    if name in ("contains", "in"):
        return _held(name, term, left, right)
    return _counted(name, left, right)


def _counted(name: str, left: Expression, right: Expression) -> Expression:
    """An operator on two collections; what is alike is sought in the other one, item by item."""
    binary, crosses = operators.BINARY[name], name in ("~", "!~")

    def both(this: Items, env: Environment) -> Items:
        one, two = left(this, env), right(this, env)
        if len(one) + len(two) > FREE_ITEMS:
            spend(len(one) * len(two) if crosses else len(one) + len(two))
        return binary(one, two)

    return both


def _held(name: str, term: Term, left: Expression, right: Expression) -> Expression:
    """`contains` and `in`. A text is looked up where the list stays the same: it is not gone through for each text."""
    at = 0 if name == "contains" else 1
    many, sought = (left, right) if name == "contains" else (right, left)
    contains = _counted("contains", many, sought)
    if not is_fixed(term.parts[at]):
        return contains
    texts = once(lambda this, env: {value for one in many(this, env) if type(value := plain(one)) is str})

    def held(this: Items, env: Environment) -> Items:
        wanted = sought(this, env)
        text = plain(wanted[0]) if len(wanted) == 1 else None
        return [text in texts(this, env)] if type(text) is str else contains(this, env)

    return held


def _invocation(term: Term) -> Invocation:
    if term.kind == "name":
        name: str = term.value
        return lambda focus, this, env: step(focus, name)
    if term.kind == "variable" and term.value.startswith("$"):
        inner = _variable(term.value)
        return lambda focus, this, env: inner(this, env)
    if term.kind != "call":
        raise ValueError("not something to invoke")
    made = FUNCTIONS.get(term.value)
    if made is None:
        raise ValueError(f"no function {term.value}")
    return made(Arguments(term.value, term.parts, _expression))


_MAKERS: Final[dict[str, Callable[[Term], Expression]]] = {
    "dot": _dot,
    "name": lambda term: _first_name(term.value),
    "call": _call,
    "literal": _constant,
    "nothing": _constant,
    "variable": lambda term: _variable(term.value),
    "index": _index,
    "sign": _sign,
    "type": _typed,
    "operator": _operator,
}
