"""PATCH of one record: a JSON Patch, an XML Patch or a FHIRPath Patch, through the same door as an update (R4 http.html#patch).

The patch is read before anybody is looked for, and applied to the record as it is served, while no other writer can reach it.
What comes out is validated as any body is, and is kept as a version of its own: new bytes, with the digits that were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ANY_KIND, Answer, Call, PatientRef, Route, any_of
from kjerne.fhir import fhirpath_patch, json_patch, messages, xml_patch
from kjerne.fhir.capability import PATCH_FORMATS
from kjerne.fhir.from_xml import read as read_xml
from kjerne.fhir.interaction import (
    OF_A_WRITE,
    Made,
    absent,
    answer_of,
    basis_of,
    hidden_as_absent,
    known,
    no_such_id,
    version_to_change,
)
from kjerne.fhir.negotiation import JSON, check_accepted, media_type
from kjerne.fhir.patching import outcome
from kjerne.fhir.splice import served, splice
from kjerne.fhir.validate import check
from kjerne.fhir.xml_format import to_xml
from kjerne.registries.guides import Guides
from kjerne.registries.naming import check_header
from kjerne.store.changing import Changer, Next, check_valid
from kjerne.store.kept import Kept
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader
from kjerne.store.records import Current, Records, Written
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
PATCH_LIMIT_BYTES: Final = 1_000_000
Tree = dict[str, Any]
Patch = Callable[[Tree], Any]


@dataclass(frozen=True)
class PatchApi:
    """The handler. `kept` says which service keeps a record, `types` what each service keeps, `writes` the scopes that
    each type asks for."""

    pool: Pool
    ids: SealedIds
    reader: Reader
    records: Records
    kept: Kept
    types: Mapping[str, Sequence[int]]
    type_of: Callable[[str], int]
    parse_json: Callable[[bytes], Tree]
    parse_list: Callable[[bytes], list[Any]]
    parse_xml: Callable[[bytes], etree._Element]
    identify: Callable[[str], PatientRef]
    writes: Mapping[str, str]
    guides: Guides

    def routes(self) -> list[Route]:
        needs = any_of(self.writes)
        at = BASE + "/{type}/{id}"
        return [Route("PATCH", at, self.patch, needs, "fhir", PATCH_LIMIT_BYTES, by_type=self.writes, joins=True)]

    async def patch(self, call: Call) -> Answer:
        """A new version of a record, from the organisation that filed it; `If-Match` is demanded, as of an update."""
        name = call.parameters["type"]
        self.type_of(name)
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        patch = self.read(call)
        expected = version_to_change(call)
        id_ = self.ids.parse(call.parameters["id"])
        service = self.kept.service(name, id_)
        if id_ is None:
            await no_such_id(call, service, "correct", "u", ANY_KIND)
        type_ = self.kept.number(name, id_)

        async def use(grant: Grant) -> tuple[Next, Written] | None:
            def make(current: Current) -> Next:
                check_header(call, grant, self.identify)
                return self._patched(call, current, patch)

            types = self.types[grant.service]
            changer = Changer(self.ids, self.records, self.reader, types, self.identify, call.joined)
            async with call.connection(self.pool) as conn, conn.transaction():
                return await changer.change(conn, grant, (type_, id_), expected, make, aside=True)

        patient = PatientRef(key=self.ids.patient(id_))
        changed = await hidden_as_absent(
            call, patient, service, "correct", "u", use, basis=basis_of(call), what=ANY_KIND
        )
        if changed is None:
            raise absent(call)
        after, written = changed
        made = Made(str(written.id), written.version, written.at, after.raw)
        return answer_of(call, BASE, made, 200, f"version {written.version} was written", after.advice)

    def read(self, call: Call) -> Patch:
        """The patch of a body, by what it says that it is; `Refusal` 415 for any other."""
        sent = media_type(call.headers.get("content-type", ""))
        if sent == json_patch.MEDIA_TYPE:
            operations = json_patch.read(self.parse_list(call.body))
            return lambda tree: json_patch.apply(tree, operations)
        if sent in JSON:
            parameters = self.parse_json(call.body)
            if call.joined is not None and messages.LINKS in call.headers:
                return lambda tree: messages.led_anew(tree, parameters)
            if faults := check(parameters, "Parameters"):
                raise Refusal(400, faults[0].says, where=faults[0].where, code="invalid", faults=tuple(faults[1:]))
            steps = fhirpath_patch.read(parameters)
            if not steps:
                raise Refusal(400, "the patch has no operation", where="Parameters.parameter", code="required")
            return lambda tree: fhirpath_patch.apply(tree, steps)
        if sent == xml_patch.MEDIA_TYPE:
            document = xml_patch.read(self.parse_xml(call.body))
            return lambda tree: read_xml(xml_patch.apply(to_xml(tree, self.parse_xml), document)).tree
        takes = f"{json_patch.MEDIA_TYPE}, {xml_patch.MEDIA_TYPE}, or application/fhir+json (Parameters)"
        raise Refusal(
            415, f"a patch is sent as {takes}", where="content-type", code="not-supported",
            headers=(("accept-patch", ", ".join(PATCH_FORMATS)),),
        )  # fmt: skip

    def _patched(self, call: Call, current: Current, patch: Patch) -> Next:
        """The version that comes of the patch; `Refusal` where it is none that an update would be let in with."""
        name, id_ = call.parameters["type"], call.parameters["id"]
        raw = outcome(served(current.raw, splice(current.raw), id_, current.version, current.at), patch)
        # Read again as any body is: depth and size are held to what may come in.
        tree = self.parse_json(raw)
        if tree.get("resourceType") != name or tree.get("id") != id_:
            raise Refusal(422, "a patch changes neither type nor id of a record", where=f"{name}.id")
        advice = check_valid(raw, tree, name, self.guides)
        return Next.of(raw, tree, call.at, advice)
