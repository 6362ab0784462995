"""How a record is taken back and shown at the national interface. Who is written on it: `registries.recorders`.

Source: the profiles as in `registries.kj_profiles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.corrections import IN_ERROR, is_in_error
from kjerne.fhir.encode import decode, encode
from kjerne.registries.kj_profiles import BASE
from kjerne.registries.recorders import changed
from kjerne.registries.standing import has_run_out
from kjerne.registries.withholding import is_label_system

Tree = dict[str, Any]
VERIFIED: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}
"""The system of `verificationStatus`; the other types say in `status` that they are entered in error."""


def withdrawn(before: Tree, caller: Caller, at: datetime) -> Tree:
    """The version that says of a record that it was entered in error. `Refusal` 410 where it says so already."""
    if is_in_error(before):
        raise Refusal(410, "the record is entered in error already", where="id")
    return in_error(changed(before, before, caller, at))


def in_error(tree: Tree) -> Tree:
    """The same, said to be entered in error."""
    name = tree["resourceType"]
    if system := VERIFIED.get(name):
        tree["verificationStatus"] = {"coding": [{"system": system, "code": IN_ERROR}]}
        # R4 (ait-2, con-5): what was entered in error has no clinical status.
        tree.pop("clinicalStatus", None)
    else:
        tree["status"] = IN_ERROR
    return tree


def labelled(tree: Tree, before: Tree) -> Tree:
    """A version by another organisation than the record's source, with the security labels of the version before: they are for
    the source to say (law, K131)."""
    meta = {key: value for key, value in tree.get("meta", {}).items() if key != "security"}
    if "security" in before.get("meta", {}):
        meta["security"] = before["meta"]["security"]
    others = {key: value for key, value in tree.items() if key not in ("resourceType", "meta")}
    return {"resourceType": tree["resourceType"]} | ({"meta": meta} if meta else {}) | others


def names_labels(tree: Tree) -> bool:
    """Whether a record says anything of code system 9603."""
    return any(is_label_system(one.get("system", "")) for one in tree.get("meta", {}).get("security", ()))


def settled(sent: Tree) -> Tree:
    """As sent, without a clinical status beside *entered in error*: kjernejournal has `inactive` there, and R4 forbids any."""
    name = sent.get("resourceType")
    if isinstance(name, str) and name in VERIFIED and "clinicalStatus" in sent and is_in_error(sent):
        return {key: value for key, value in sent.items() if key != "clinicalStatus"}
    return sent


def profiled(tree: Tree, profile: str) -> Tree:
    """With the profile that it was held to named first."""
    meta = tree.get("meta", {})
    address = BASE + profile
    others = [one for one in meta.get("profile", ()) if one.partition("|")[0] != address]
    return {"resourceType": tree["resourceType"], "meta": {**meta, "profile": [address, *others]}} | {
        key: value for key, value in tree.items() if key not in ("resourceType", "meta")
    }


def shown(name: str, served: bytes, at: datetime) -> bytes:
    """A record of a type as it stands at this moment: a flag whose period is over is inactive."""
    if name != "Flag":
        return served
    tree = decode(served)
    is_over = tree.get("status") == "active" and has_run_out(tree, at)
    return encode(tree | {"status": "inactive"}) if is_over else served
