"""The headers of the national interface of critical information, checked, and said in the words that the rest of the house knows.

Source: the utviklerportal pages of the interface. Each has an older name (`hit-...`), which is taken as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from kjerne.errors import Fault, Refusal
from kjerne.exchange import CONTROL, Call, other_role
from kjerne.fhir.systems import canonical
from kjerne.registries.identifiers import id_without_numbers, numbers_in

NEWER: Final = "nhn-"
OLDER: Final = "hit-"
NAMES: Final = ("patient-nin", "user-role", "access-basis", "source-system", "event-id")
"""What the headers are called behind `nhn-`, or behind the older `hit-`."""
ROLES: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"
PORTAL_ROLES: Final = "kjernejournal_userrole"
"""The system of roles that kjernejournal's own portal sends: they are not compared with an authorisation."""
BASES: Final[Mapping[str, str]] = {
    **{one: one for one in ("SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK")},
    "HPMOTTATTSAMTYKKE": "SAMTYKKE",
    "HPAKUTT": "AKUTT",
    "HPUNNTAK": "UNNTAK",
}
"""The bases, by their names here and in the interface before this one."""
SOURCE_SHORTEST: Final = 3
SOURCE_LONGEST: Final = 512
EVENT_LONGEST: Final = 128
_TODO: Final = f"Send them as {NEWER}..., each once."


def heard(call: Call, **parameters: str) -> Call:
    """The request with its patient and its basis under the names that the rest of the house reads (`person-id`,
    `access-basis`), and these `parameters` of its address.

    `Refusal` 400 with every header that is missing or wrong, named as it was sent; 403 for a role that the attestation does
    not vouch for (ATT-32).
    """
    sent: dict[str, str] = {}
    faults: list[Fault] = []
    for name in NAMES:
        value, wrong = _value(call.headers, name)
        sent[name] = value
        faults += wrong or _wrong(name, value, _named(call.headers, name), call)
    if (other := call.headers.get("person-id")) and other != sent["patient-nin"]:
        faults.append(Fault("the request names more than one patient", "person-id", "invalid"))
    if faults:
        first, *rest = faults
        raise Refusal(400, first.says, where=first.where, todo=_TODO, code=first.code, faults=tuple(rest))
    _check_role(call, sent["user-role"])
    basis = BASES.get(sent["access-basis"].upper(), "")
    headers = {**call.headers, "person-id": sent["patient-nin"], "access-basis": basis}
    return msgspec.structs.replace(call, headers=headers, parameters={**call.parameters, **parameters})


def _named(headers: Mapping[str, str], name: str) -> str:
    older = OLDER + name
    return older if older in headers and NEWER + name not in headers else NEWER + name


def _value(headers: Mapping[str, str], name: str) -> tuple[str, list[Fault]]:
    newer, older = headers.get(NEWER + name, "").strip(), headers.get(OLDER + name, "").strip()
    if newer and older and newer != older:
        return newer, [Fault(f"the header {NEWER}{name} and its older name say two things", NEWER + name, "invalid")]
    return newer or older, []


def _wrong(name: str, value: str, where: str, call: Call) -> Iterator[Fault]:
    """What is wrong with one header; nothing of its value is told, since it may be somebody's number."""
    if not value:
        if name != "access-basis" and not (name == "user-role" and _has_no_role(call)):
            yield Fault(f"the header {where} is missing", where, "required")
    elif name == "user-role" and _role(value) is None:
        says = 'is not URL-encoded JSON such as {"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}'
        yield Fault(f"the header {where} {says}", where, "value")
    elif name == "access-basis" and value.upper() not in BASES:
        yield Fault(f"the header {where} is none of {', '.join(BASES)}", where, "value")
    elif name == "source-system" and (
        not SOURCE_SHORTEST <= len(value) <= SOURCE_LONGEST or CONTROL.search(value) or numbers_in(value)
    ):
        says = f"has not {SOURCE_SHORTEST} to {SOURCE_LONGEST} characters, without a person number"
        yield Fault(f"the header {where} {says}", where, "value")
    elif name == "event-id" and (
        len(value) > EVENT_LONGEST or CONTROL.search(value) or id_without_numbers(value) != value
    ):
        yield Fault(
            f"the header {where} is longer than {EVENT_LONGEST} characters, or holds a person number", where, "value"
        )


def _has_no_role(call: Call) -> bool:
    return call.caller is not None and call.caller.kind != "practitioner"


def _role(value: str) -> tuple[str, str] | None:
    """System and code of a role; None where it is not spelled as one."""
    try:
        found: Any = json.loads(unquote(value, errors="strict"))
        system, code = found["system"], found["code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_known = isinstance(system, str) and (system == PORTAL_ROLES or canonical(system) == ROLES)
    return (system, code) if is_known and isinstance(code, str) and 0 < len(code) <= 64 else None


def _check_role(call: Call, value: str) -> None:
    role, caller = _role(value), call.caller
    if role is None or role[0] == PORTAL_ROLES or caller is None or not caller.authorization:
        return
    if role[1].upper() != caller.authorization:
        raise other_role(caller, _named(call.headers, "user-role"))
