"""What a Bulk Data kick-off says, in its address or its body (Bulk Data Access 2.0, kick-off request)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, Call, Pairs, PatientRef
from kjerne.fhir.dates import interval
from kjerne.fhir.definitions import type_number
from kjerne.fhir.interaction import OF_A_WRITE, heeded
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.prefer import preferred
from kjerne.registries.identifiers import numbers_in
from kjerne.registries.naming import in_address, is_national
from kjerne.services.exports import filters
from kjerne.services.exports.filters import Filters
from kjerne.store.exports import Asked
from kjerne.store.keys import Sealer
from kjerne.store.patient_ids import key_of
from kjerne.store.sealed_id import SealedIds

TEXT_CHARACTERS: Final = (8, 500)
BODY_LIMIT_BYTES: Final = 2_000_000
PEOPLE_LIMIT: Final = 10_000
"""As many may be named, in a kick-off or on a list."""
TAKES: Final = ("_outputFormat", "_since", "_type", filters.NAME, "ground", "purpose", "recipient")
REPEATED: Final = ("_type", filters.NAME)
CHECK: Final = "check"
PURPOSES: Final = ("export", CHECK)
"""What the records are for: to leave, or to be held against the rules of today, by which their ids alone leave."""
NDJSON: Final = "application/fhir+ndjson"
OUTPUT_FORMATS: Final = frozenset({NDJSON, "application/ndjson", "ndjson"})
OF_TESTS: Final = "Testing med oppdiktede personer"
"""The ground of the sandbox's test client, which names none."""


@dataclass(frozen=True, slots=True)
class Said:
    """A kick-off as it was read; `people` None where it names none."""

    types: tuple[str, ...]
    since: datetime | None
    ground: str
    recipient: str
    people: tuple[PatientRef, ...] | None
    request: str
    checking: bool = False
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kickoffs:
    """Reads them. `types` can be exported, `checked` can be checked."""

    types: Sequence[str]
    checked: Sequence[str]
    parse_json: Callable[[bytes], dict[str, Any]]
    ids: SealedIds
    identify: Callable[[str], PatientRef]
    filters: Filters

    def read(self, call: Call, *, of_patients: bool, testing: bool) -> Said:
        """`Refusal` for what is not understood, whatever the handling: what narrows an export and is passed over would give more
        than was asked for. `of_patients`: persons may be named; `testing`: no ground is."""
        if "respond-async" not in preferred(call.headers):
            raise Refusal(400, "an export is asked for with Prefer: respond-async", where="prefer")
        check_accepted(call)
        pairs, named = (
            (in_address(call), None) if call.method == "GET" else self._in_body(call, of_patients=of_patients)
        )
        said = _alone(tuple(pair for pair in pairs if pair[0] not in OF_A_WRITE), in_body=call.method != "GET")
        written = said.get("_outputFormat", NDJSON).replace(" ", "+")
        if written not in OUTPUT_FORMATS:
            raise Refusal(400, f"files are {NDJSON}", where="_outputFormat", code="not-supported")
        checking = _is_check(said, testing=testing)
        named_types = [value for name, value in pairs if name == "_type"]
        types = _types(named_types, self.checked if checking else self.types)
        chosen = self.filters.read([value for name, value in pairs if name == filters.NAME], types, call.at)
        query = urlencode([pair for pair in pairs if pair[0] not in OF_A_WRITE]) if call.method == "GET" else ""
        return Said(
            types, _moment(said.get("_since")), ground(said, testing=testing), recipient(said, testing=testing), named,
            f"{call.path}?{query}" if query else call.path, checking, chosen,
        )  # fmt: skip

    def _in_body(self, call: Call, *, of_patients: bool) -> tuple[Pairs, tuple[PatientRef, ...] | None]:
        heeded(call, OF_A_WRITE)
        check_sent(call)
        tree = self.parse_json(call.body)
        rows = tree.get("parameter")
        if tree.get("resourceType") != "Parameters" or not isinstance(rows, list):
            raise Refusal(400, "an export is asked for with a Parameters resource", where="resourceType")
        pairs, people = list[tuple[str, str]](), list[PatientRef]()
        for place, row in enumerate(rows):
            name = row.get("name") if isinstance(row, dict) else None
            values = [value for key, value in row.items() if key.startswith("value")] if isinstance(row, dict) else []
            if name == "patient" and of_patients and len(values) == 1:
                people.append(self.person(values[0], f"parameter[{place}]"))
            elif isinstance(name, str) and name in TAKES and len(values) == 1 and isinstance(values[0], str):
                pairs.append((name, values[0]))
            else:
                raise _not_taken("parameter", of_patients=of_patients)
        if len(people) > PEOPLE_LIMIT:
            raise Refusal(413, f"an export names at most {PEOPLE_LIMIT} patients", where="patient")
        return tuple(pairs), tuple(people) or None

    def person(self, reference: Any, where: str) -> PatientRef:
        """Whom a Reference means: by her address here, or by a national number. Whether she is known is not looked for."""
        if isinstance(reference, Mapping):
            text, identifier = reference.get("reference"), reference.get("identifier")
            if isinstance(text, str) and (key := key_of(self.ids, text)):
                return PatientRef(key=key)
            if text is None and isinstance(identifier, Mapping) and is_national(identifier.get("system", "")):
                try:
                    return self.identify(str(identifier.get("value", "")))
                except Refusal as refusal:
                    raise Refusal(422, "the number is no person number", where=where, code="value") from refusal
        raise Refusal(
            422, "no patient is named", where=where, code="value",
            todo="Name her by Patient/id, as this server writes it, or by a national number in identifier.",
        )  # fmt: skip


def _types(texts: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    names = [name for text in texts for name in text.split(",")] or list(known)
    if any(name not in known for name in names):
        raise Refusal(422, f"only these can be asked for: {', '.join(known)}", where="_type")
    return tuple(dict.fromkeys(names))


def _is_check(said: Mapping[str, str], *, testing: bool) -> bool:
    purpose = said.get("purpose", PURPOSES[0])
    if purpose not in PURPOSES:
        raise Refusal(422, f"purpose is {' or '.join(PURPOSES)}", where="purpose", code="value")
    if purpose == CHECK and testing:
        raise Refusal(403, "the test client checks nothing that is stored", where="purpose")
    return purpose == CHECK


def _alone(pairs: Pairs, *, in_body: bool) -> Mapping[str, str]:
    """The parameters by name. `Refusal` 400 for one that is not taken, and for one that comes twice and may not."""
    said: dict[str, str] = {}
    for name, value in pairs:
        if name not in TAKES or (name in said and name not in REPEATED):
            raise _not_taken("parameter" if in_body else name[:64], of_patients=False)
        said[name] = value
    return said


def _not_taken(where: str, *, of_patients: bool) -> Refusal:
    names = (*TAKES, "patient") if of_patients else TAKES
    return Refusal(
        400, f"an export takes {', '.join(names)}, each once; _type, _typeFilter and patient may be repeated", where=where,
        code="not-supported", todo="Leave the others out: what is passed over would give more than was asked for.",
    )  # fmt: skip


def _moment(text: str | None) -> datetime | None:
    try:
        return interval(text)[0] if text is not None else None
    except ValueError:
        raise Refusal(400, "_since is an instant", where="_since", code="value") from None


def ground(said: Mapping[str, str], *, testing: bool) -> str:
    """The provision of law on which something leaves."""
    if testing and "ground" not in said:
        return OF_TESTS
    text = _text(said, "ground")
    if "§" not in text and "artikkel" not in text.lower():
        raise Refusal(
            422, "the ground names no provision of law", where="ground", todo="Name the act and its paragraph (§)."
        )
    return text


def recipient(said: Mapping[str, str], *, testing: bool) -> str:
    return OF_TESTS if testing and "recipient" not in said else _text(said, "recipient")


def _text(said: Mapping[str, str], name: str) -> str:
    text = said.get(name, "").strip()
    fewest, most = TEXT_CHARACTERS
    if not fewest <= len(text) <= most or CONTROL.search(text) or numbers_in(text):
        raise Refusal(
            422, f"{name} is one line of {fewest} to {most} characters and names nobody by number", where=name
        )
    return text


def asked(said: Said, sealer: Sealer, author: str, people: Sequence[PatientRef] | None, *, testing: bool) -> Asked:
    """The row of an export of these people; None: of everybody."""
    named = None if people is None else sealer.seal(msgspec.msgpack.encode([(one.digest, one.key) for one in people]))
    return Asked(
        author, said.ground, said.recipient, [type_number(name) for name in said.types], said.request, said.since,
        named, len(people or ()), testing, said.checking, said.filters,
    )  # fmt: skip


def people_of(cohort: bytes, sealer: Sealer) -> list[PatientRef]:
    """Who was named, from a row."""
    found = msgspec.msgpack.decode(sealer.open(cohort), type=list[tuple[bytes, int]])
    return [PatientRef(digest=digest, key=key) for digest, key in found]
