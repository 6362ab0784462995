"""What a document source takes: `python source_lists.py` on a source of its own, in a folder that is removed.

Wanted: 500 lists a second of documents whose metadata it has, on two cores; 10 MB in constant memory; 500 assertions a second
signed and checked by one core. What is told is processor time, of the source and of its PostgreSQL, which a busy machine changes
less than it changes the clock. Lists are asked for over one connection, about patients of 50 documents in turn.
"""

from __future__ import annotations

import base64
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

import host
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from kjerne.clock import SystemClock
from kjerne.sandbox.numbers import person_number
from kjerne.wire import mtom, soap
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from kjerne.wire.xua_signing import Signer, ce, cx, decision, ii, self_signed
from kjerne.xds import messages, names, queries
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import Submission, Wanted
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, Author, Code, DocumentEntry, SubmissionSet
from kjerne.xml_door import parsed

LISTS, ASSERTIONS, PATIENTS, DOCUMENTS = 400, 200, 8, 50
LARGE_BYTES: Final = 10_000_000
HOME, REPOSITORY, AUDIENCE, KEY = "urn:oid:1.2.9", "1.2.9.1", "bench", "the key of a benchmark's own system"
FNR: Final = "2.16.578.1.12.4.1.4.1"
PATHS: Final = {
    names.PROVIDE: "/Repository/services/RepositoryService", names.CROSS_QUERY: "/XCA/Services/RespondingGatewayService",
    names.CROSS_RETRIEVE: "/XCA/Services/RespondingGatewayService",
}  # fmt: skip


class Client:
    """A gateway, and a hospital's system that sends."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self._signer = signer

    def assertion(self, patient: CX) -> bytes:
        """Of a doctor who has the patient in care."""
        parts = {
            "name": "Kari Prøve", "npi": "9001", "level": "4", "scope": "journaldokumenter_helsepersonell",
            "provider": ii({"id": "9001", "system": "urn:oid:2.16.578.1.12.4.1.4.4"}),
            "role": ce("Role", {"code": "LE", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"}),
            "organisation": ii({"id": "999999901", "system": "urn:oid:2.16.578.1.12.4.1.4.101"}),
            "purpose": ce("PurposeOfUse", {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"}),
            "decision": decision({"id": "42", "description": "Poliklinikk", "user_selected": False}),
            "patient": cx({"id": patient.number, "system": f"urn:oid:{FNR}"}), "policy": "urn:oid:2.16.578.1.12.4.1.7.2.1.4",
        }  # fmt: skip
        return self._signer.assertion("9001", AUDIENCE, parts.items(), 3_000)

    def sent(self, action: str, raw: bytes, kind: str = soap.TYPE) -> bytes:
        """The answer to a message; who sends documents is known by its key."""
        headers = {"content-type": kind, "authorization": f"Bearer {KEY}"}
        answer = self._http.post(PATHS[action], content=raw, headers=headers)
        if answer.status_code != 200 or b"errorCode" in answer.content:
            sys.exit(f"{action} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.content

    def asking(self, action: str, body: etree._Element, patient: CX) -> bytes:
        """A request with an assertion that may be sent again and again."""
        return soap.enveloped(action, body, message_id=f"urn:uuid:{uuid4()}", assertion=self.assertion(patient))


def _entry(place: int, patient: CX, mime_type: str) -> DocumentEntry:
    table = "2.16.578.1.12.4.1.1."
    return DocumentEntry(
        id=f"urn:uuid:{uuid4()}", unique_id=f"2.25.{uuid4().int}", patient=patient, mime_type=mime_type,
        title=f"Epikrise {place}", class_code=Code("A00-1", f"{table}9602", "Epikriser og sammenfatninger"),
        type_code=Code("A03-2", f"{table}9602", "Epikrise"), format_code=Code("urn:no:ehelse:document:text", "1.2"),
        facility_type=Code("86.101", f"{table}1303"), practice_setting=Code("S03", f"{table}8655"),
        confidentiality=(Code("N", "2.16.840.1.113883.5.25", "Normal"),), created="20260310101500", language="nb-NO",
        authors=(
            Author(
                XCN("9001", "Prøve", "Kari", authority="2.16.578.1.12.4.1.4.4"),
                (XON("Sykehuset", "999999901", "2.16.578.1.12.4.1.4.101"),), ("LE",),
            ),
        ),
        service_start="20260303", service_stop="20260304", source_patient=patient,
    )  # fmt: skip


def submission(patient: CX, count: int, mime_type: str = "text/plain") -> Submission:
    """A set of so many documents."""
    entries = tuple(_entry(place, patient, mime_type) for place in range(count))
    sent = SubmissionSet(
        id=f"urn:uuid:{uuid4()}", unique_id=f"2.25.{uuid4().int}", source_id="1.2.9", patient=patient,
        submitted="20260310142520", content_type=entries[0].type_code,
    )  # fmt: skip
    members = (
        Association(id=f"urn:uuid:{uuid4()}", kind=names.HAS_MEMBER, source=sent.id, target=one.id, is_original=True)
        for one in entries
    )
    return Submission(sent, entries, tuple(members))


def filled(client: Client, patient: CX) -> None:
    """Gives a patient her documents."""

    def put(element: etree._Element) -> None:
        element.text = base64.b64encode(b"Pasienten er skrevet ut.").decode()

    body = messages.written_provision(sent := submission(patient, DOCUMENTS), {one.id: put for one in sent.entries})
    client.sent(names.PROVIDE, soap.enveloped(names.PROVIDE, body, message_id=f"urn:uuid:{uuid4()}"))


def lists(client: Client, patients: Sequence[CX], process: int, postgres: int) -> str:
    """What a list takes, when each has been asked for before."""
    asked = []
    for patient in patients:
        said = {"$XDSDocumentEntryPatientId": (f"{patient.number}^^^&{FNR}&ISO",)}
        query = Query(names.FIND_DOCUMENTS, said=tuple((said | {"$XDSDocumentEntryStatus": (names.APPROVED,)}).items()))
        asked.append(client.asking(names.CROSS_QUERY, queries.written(query), patient))
    size = max(len(client.sent(names.CROSS_QUERY, one)) for one in asked)
    before = host.cpu_seconds(process, postgres), host.cpu_seconds(postgres)
    begun = time.perf_counter()
    for place in range(LISTS):
        client.sent(names.CROSS_QUERY, asked[place % len(asked)])
    took = time.perf_counter() - begun
    own, beside = host.cpu_seconds(process, postgres) - before[0], host.cpu_seconds(postgres) - before[1]
    each = [1000 * one / LISTS for one in (own, beside, took)]
    return (
        f"a list of {DOCUMENTS} documents, {size} bytes: {each[0]:.2f} ms of the source's processor, {each[1]:.2f} of "
        f"PostgreSQL's, {each[2]:.1f} by the clock"
    )


def large(client: Client, patient: CX, process: int, folder: Path) -> str:
    """What a large document takes in and out, and how much more memory the source ever had."""
    (folder / "large").write_bytes(b"%PDF-1.7 " + bytes(LARGE_BYTES))
    sent = submission(patient, 1, "application/pdf")
    body = messages.written_provision(sent, {sent.entries[0].id: lambda element: mtom.included(element, "0@bench")})
    envelope = soap.enveloped(names.PROVIDE, body, message_id=f"urn:uuid:{uuid4()}")
    file = ("0@bench", "application/pdf", os.open(folder / "large", os.O_RDONLY))
    package = b"".join(mtom.packed("b-1", envelope, [file]))
    before, begun = _most_bytes(process), time.perf_counter()
    client.sent(names.PROVIDE, package, mtom.content_type("b-1"))
    stored = time.perf_counter()
    wanted = messages.written_wanted([Wanted(sent.entries[0].unique_id, REPOSITORY, HOME)])
    given = client.sent(names.CROSS_RETRIEVE, client.asking(names.CROSS_RETRIEVE, wanted, patient))
    told = [1000 * one for one in (stored - begun, time.perf_counter() - stored)]
    more = (_most_bytes(process) - before) / 1e6
    return f"{len(given)} bytes: in {told[0]:.0f} ms, out {told[1]:.0f} ms, {more:.1f} MB more at the most"


def _most_bytes(process: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def assertions(client: Client, signer: Signer, patient: CX) -> str:
    """How many assertions one core signs and checks in a second, in this process."""
    checks = Assertions(trusted(signer.metadata()), (AUDIENCE,), signer.clock, seconds=3_600)
    begun = time.process_time()
    for place in range(ASSERTIONS):
        checks.carried(parsed(client.assertion(patient)), f"http://{place}")
    return f"{ASSERTIONS / (time.process_time() - begun):.0f} assertions a second signed and checked by a core"


def main() -> None:
    """Start a source, fill it, and print what it takes."""
    key, port = ec.generate_private_key(ec.SECP256R1()), host.free_port()
    signer = Signer("https://bench.example", key, self_signed("bench", key), SystemClock())
    taken, rng = set[str](), Random(1)
    patients = [CX(person_number(rng, date(1970, 1, 1), "female", taken), FNR) for _ in range(PATIENTS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may run as another user
        data = folder / "source"
        data.mkdir()
        (data / "bench.xml").write_bytes(signer.metadata())
        (data / "source.toml").write_text(
            f'home = "{HOME}"\nrepository = "{REPOSITORY}"\nsaml_metadata = "bench.xml"\naudiences = ["{AUDIENCE}"]\n'
            f'[submitters]\nbench = "{sha256(KEY.encode()).hexdigest()}"\n'
        )
        command = [sys.executable, "-m", "kjerne.cli", "source", "--port", str(port), "--data", str(data)]
        url, log = f"http://127.0.0.1:{port}", folder / "log"
        with host.started(command, log) as process:
            host.answering(process, f"{url}/health", log)
            postgres = int(next(data.rglob("postmaster.pid")).read_text().split()[0])
            client = Client(url, signer)
            for patient in patients:
                filled(client, patient)
            print(lists(client, patients, process.pid, postgres))
            print(large(client, patients[0], process.pid, folder))
            print(assertions(client, signer, patients[0]))


if __name__ == "__main__":
    main()
