"""Where a source takes a Bundle with documents (ITI-65), which is answered entry by entry, or with an OperationOutcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kjerne.errors import Fault, Refusal
from kjerne.fhir.encode import encode
from kjerne.fhir.outcome import operation_outcome
from kjerne.source.house import Source
from kjerne.source.mhd import BUNDLE_LIMIT_BYTES
from kjerne.wire import http, journal
from kjerne.xds.errors import Rejected
from kjerne.xds.messages import Submission

ADDRESS: Final = "/r4/fhir/bundle"
TYPE: Final = "application/fhir+json"


async def answered(source: Source, scope: http.Scope, receive: http.Receive, key: str) -> tuple[int, bytes]:
    """Status and body of the answer."""
    correlation = http.correlation_sent(scope)
    try:
        # A stranger is refused before anything of hers is read.
        raw = b"" if not source.configured.submitter(key) else await _read(scope, receive)
        kept, kinds = await source.provide(raw, key, correlation)
        status, body = 200, encode(_told(kept, kinds))
    except Rejected as rejected:
        faults = [Fault(one.says, one.where, "processing", one.code) for one in rejected.errors]
        refusal = Refusal(422, faults[0].says, where=faults[0].where, fault=faults[0], faults=tuple(faults[1:]))
        status, body = 422, operation_outcome(refusal)
    except Exception as error:  # noqa: BLE001 - noted with its trace
        refusal = error if isinstance(error, Refusal) else journal.met(error, correlation, ADDRESS)
        status, body = refusal.status, operation_outcome(refusal)
    journal.answered(correlation, ADDRESS, status)
    return status, body


async def _read(scope: http.Scope, receive: http.Receive) -> bytes:
    headers = http.headers_of(scope["headers"])
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (TYPE, "application/json"):
        raise Refusal(415, f"Send {TYPE}.", where="content-type")
    return await http.body_of(receive, headers, BUNDLE_LIMIT_BYTES)


def _told(kept: Submission, kinds: Sequence[str]) -> dict[str, Any]:
    """The transaction-response: for each entry of the Bundle that it was taken, and where a kept object is known by its id."""
    ids = {"List": iter([kept.sent.id]), "DocumentReference": iter([one.id for one in kept.entries])}
    entries = []
    for kind in kinds:
        response = {"status": "200 OK" if kind == "Patient" else "201 Created"}
        if kind in ids:
            response["location"] = f"{kind}/{next(ids[kind]).removeprefix('urn:uuid:')}"
        entries.append({"response": response})
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
