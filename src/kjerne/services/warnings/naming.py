"""What entries of critical information are called on a card. Which of them hold: `registries.standing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.registries import devices
from kjerne.registries.negatives import called, negative_of, with_substances

Tree = Mapping[str, Any]
ALLERGY: Final = "AllergyIntolerance"


def is_nothing(tree: Tree) -> bool:
    """Whether an allergy says that there is none, and nothing else."""
    return bool(negative_of(tree, tree.get("code")))


def name_of(tree: Tree) -> str:
    """What an entry is called: in its own words, by its device, by its category; else its type."""
    return (
        with_substances(called(tree, tree.get("code")) or named(tree.get("code")), tree)
        or _device(tree)
        or named(tree.get("category"))
        or _code(tree)
        or said(tree.get("resourceType"))
    )


def _device(tree: Tree) -> str:
    """By the Device that a statement contains, which the profile demands, else by what the reference is called."""
    reference = next(objects(tree.get("device")), {})
    address = said(reference.get("reference"))
    for one in objects(tree.get("contained")):
        is_it = one.get("resourceType") == "Device" and (address[:1] != "#" or address == f"#{one.get('id')}")
        if is_it and (text := devices.called(one)):
            return text
    return devices.referred_to(reference)


def _code(tree: Tree) -> str:
    return next((code for _, code, _ in codings(tree.get("code"))), "")
