"""Messages made here, with people who do not exist: the smallest Svarrapport that says what a test is about."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kjerne.registries.identifiers import control_digits
from kjerne.services.results.kith import chain, mapping
from kjerne.services.results.kith.model import Message
from kjerne.services.results.kith.read import read
from kjerne.wire import msghead

NAMESPACE: Final = {
    "1.4": "http://www.kith.no/xmlstds/labsvar/2012-02-15",
    "1.3": "http://www.kith.no/xmlstds/labsvar/2008-12-01",
}
OID: Final = "2.16.578.1.12.4.1.1."

Tree = dict[str, Any]


def _number() -> str:
    nines = (f"128175{individual}" for individual in range(100, 500))
    return next(nine + control_digits(nine) for nine in nines if control_digits(nine))


NUMBER: Final = _number()
"""A synthetic number: born 12 January 1975, month plus 80."""

PROVIDER: Final = (
    "<ServProvider><HCP><Inst><Name>Prøvelaboratoriet</Name><Id>77001</Id><TypeId V='HER'/>"
    "<Dept><Name>Biokjemi</Name><Id>77002</Id><TypeId V='HER'/></Dept></Inst></HCP></ServProvider>"
)
REQUESTER: Final = (
    "<Requester><HCP><Inst><Name>Legesenteret</Name><Id>88001</Id><TypeId V='HER'/>"
    "<HCPerson><Name>Lege Legesen</Name><Id>7654321</Id><TypeId V='HPR'/></HCPerson></Inst></HCP></Requester>"
)
SAMPLE: Final = (
    "<AnalysedSubject><CollectedSample><CollectedDate V='2026-03-02T08:15:00'/></CollectedSample>"
    f"<TypeCoded S='{OID}8351' V='S' DN='Serum'/><IdByServProvider>P1</IdByServProvider></AnalysedSubject>"
)


def person(contents: str = "", *, number: str = NUMBER, kind: str = "FNR", before: str = "", relation: str = "") -> str:
    who = f"<Name>Prøve, Person</Name><OffId>{number}</OffId><TypeOffId V='{kind}'/>"
    return f"<Patient>{before}{who}{relation}{contents}</Patient>"


def item(
    code: str = "NPU03429",
    value: str = "<NumResult><NumResultValue V='140' U='mmol/L'/></NumResult>",
    *,
    id_: str = "",
    ref: str = "",
    service: str = "N",
    state: str = "3",
    extra: str = "",
    inside: str = "",
) -> str:
    """One ResultItem; `extra` stands where the schema has RefInterval and what follows Investigation."""
    return (
        f"<ResultItem>{value}"
        + (f"<ServType V='{service}'/>" if service else "")
        + (f"<Investigation><Id V='{code}' S='{OID}7280' DN='Analyse {code}'/></Investigation>" if code else "")
        + extra
        + (f"<IdResultItem>{id_}</IdResultItem>" if id_ else "")
        + (f"<RefIdResultItem>{ref}</RefIdResultItem>" if ref else "")
        + (f"<StatusInvestigation V='{state}'/>" if state else "")
        + inside
        + "</ResultItem>"
    )


def number(value: str, unit: str = "mmol/L", comparator: str = "") -> str:
    sign = f"<ArithmeticComp V='{comparator}'/>" if comparator else ""
    return f"<NumResult>{sign}<NumResultValue V='{value}' U='{unit}'/></NumResult>"


def text(words: str, heading: str = "LR", codes: str = "") -> str:
    return f"<TextResult><Heading V='{heading}'/><TextResultValue>{words}</TextResultValue>{codes}</TextResult>"


def report(
    items: str = "",
    *,
    service: str = "N",
    status: str = "F",
    discipline: str = "CLIN",
    id_: str = "R-1",
    issued: str = "2026-03-02T12:00:00",
    subjects: str = SAMPLE,
    patient: str = "",
    head: str = "",
    provider: str = PROVIDER,
    requester: str = REQUESTER,
    tail: str = "",
) -> str:
    return (
        f"<ServReport><ServType V='{service}'/><IssueDate V='{issued}'/><Status V='{status}'/>"
        f"<MsgDescr V='{discipline}'/><ServProvId>{id_}</ServProvId>{head}"
        f"{patient or person(subjects + items)}{provider}{requester}{tail}</ServReport>"
    )


def message(
    reports: str, *, id_: str = "M-1", generated: str = "2026-03-02T12:00:05", version: str = "1.4", head: str = ""
) -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<Message xmlns='{NAMESPACE[version]}'>\n<Type V='SVAR_LAB'/>"
        f"<MIGversion>v{version}</MIGversion><GenDate V='{generated}'/><MsgId>{id_}</MsgId>{head}\n{reports}\n</Message>"
    ).encode()


def understood(raw: bytes) -> Message:
    """Bytes through the same door as the program uses."""
    envelope = msghead.opened(raw)
    head = envelope.head
    return read(
        envelope.body,
        attachments=envelope.attachments,
        notes=envelope.notes,
        patient_numbers=head.patient_numbers if head else (),
        envelope_id=head.id if head else "",
        envelope_generated=head.generated if head else "",
        sender=head.sender if head else None,
        addressed=head.receiver if head else None,
    )


def mapped(*raws: bytes) -> list[Tree]:
    """The resources of all versions together, with readable ids."""
    versions = [version for raw in raws for version in chain.versions(understood(raw))]
    return mapping.resources(chain.fold(versions), lambda type_, key: f"{type_}:{key}")


def observations(trees: list[Tree]) -> list[Tree]:
    return [tree for tree in trees if tree["resourceType"] == "Observation"]


def only(trees: list[Tree], type_: str) -> Tree:
    [found] = [tree for tree in trees if tree["resourceType"] == type_]
    return found


class Kith:
    """What the tests of this folder share."""

    NUMBER = NUMBER
    OID = OID
    PROVIDER = PROVIDER
    REQUESTER = REQUESTER
    SAMPLE = SAMPLE
    person = staticmethod(person)
    item = staticmethod(item)
    number = staticmethod(number)
    text = staticmethod(text)
    report = staticmethod(report)
    message = staticmethod(message)
    understood = staticmethod(understood)
    mapped = staticmethod(mapped)
    observations = staticmethod(observations)
    only = staticmethod(only)

    @staticmethod
    def observed(items: str, **report_: Any) -> list[Tree]:
        """The Observations of one report with these items."""
        return observations(mapped(message(report(items, **report_))))

    @staticmethod
    def extensions(tree: Tree, url: str) -> list[Tree]:
        return [found for found in tree.get("extension", ()) if found["url"] == url]


@pytest.fixture(scope="session")
def kith() -> type[Kith]:
    return Kith
