"""What leaves and what the log says left are the same: the ids in every answer equal the ids in its audit row.

Many random searches, pages, includes, reads, histories, `$lastn`, batches, "already done" questions and critical
information, each found again in the log by its correlation id. `KJERNE_STORM` sets how many (a release runs 10,000),
`KJERNE_STORM_SEED` replays a failure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import httpx

import seeds
from bundles import bundle, entry, send
from kjerne.fhir.encode import encode
from kjerne.services.critical.kinds import TYPES as CRITICAL
from platform_fixture import Answered, Standing
from services.critical import records as critical

TYPES: Final = ("Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "PractitionerRole")
CRITERIA: Final = (
    ("code", "NPU27300"), ("code", "NPU03577,NPU03579"), ("code:not", "NPU27300"), ("code:text", "glukose"),
    ("status", "final"),
    ("status:not", "final"), ("date", "ge2026-01-01"), ("date", "lt2026-06-01"), ("date:missing", "true"),
    ("_lastUpdated", "ge2020"),
    ("value-quantity", "gt5"), ("category", "CLIN"), ("_tag", "http://nothing.example|x"),
    ("_id", "00000000-0000-0000-0000-000000000000"),
    ("issued", "ge2026"), ("authored", "ge2026"), ("collected", "ge2026"), ("_summary", "count"),
    ("_total", "accurate"), ("_count", "0"),
)  # fmt: skip
INCLUDES: Final = (
    ("_include", "DiagnosticReport:result"), ("_include", "DiagnosticReport:based-on"),
    ("_include", "Observation:specimen"),
    ("_include", "Observation:has-member"), ("_include:iterate", "Observation:has-member"),
    ("_revinclude", "DiagnosticReport:result"),
    ("_include", "ServiceRequest:requester"), ("_revinclude", "Observation:based-on"),
    ("_include", "DiagnosticReport:specimen"),
)  # fmt: skip
SORTS: Final = ("-date", "date", "_id", "-_lastUpdated", "-date,_id", "status", "-issued", "-authored", "collected")
PAIRS: Final = (
    ("gp", "citizen"), ("gp", "parent"), ("hospital-doctor", "citizen"), ("nurse", "citizen"),
    ("blocked-doctor", "citizen"),
    ("gp", "restricted"), ("gp", "opted-out"), ("outsider", "citizen"), ("pharmacist", "citizen"), ("gp", "new-mother"),
    ("gp", "renumbered"), ("hospital-doctor", "restricted"),
)  # fmt: skip
READ_FIRST, WAITING = "NPU28842", "NPU08669"
"""Of the new mother's, one of these has words beside its value for a while, and the other waits (`of_each_use`)."""
CODES: Final = ("NPU27300", "NPU03577", "NPU01566", "NPU03429", READ_FIRST, WAITING, "a,b", "x$y|z")
BASES: Final = ("", "", "", "SAMTYKKE", "AKUTT")


def audited_ids(platform: Standing, answer: httpx.Response) -> set[str]:
    return {str(id_) for row in platform.audited(answer) for id_ in row["ids"]}


def named_in(answer: httpx.Response) -> set[str]:
    """Every id of a record in an answer: entries, a resource that is the answer, or references in Parameters."""
    if answer.status_code != 200:
        return set()
    return ids_in(Answered(answer).tree)


def ids_in(tree: dict[str, Any]) -> set[str]:
    if tree["resourceType"] == "Bundle":
        found = [one["resource"] for one in tree.get("entry", ()) if "resource" in one]
        return set().union(*map(ids_in, found))
    if tree["resourceType"] == "Parameters":
        # Whatever such a part is called: what an answer refers to has left.
        references = [part["valueReference"]["reference"] for part in tree["parameter"] if "valueReference" in part]
        return {reference.partition("/")[2] for reference in references}
    return set() if tree["resourceType"] == "OperationOutcome" else {tree["id"]}


class Asking:
    """A random reader of a platform."""

    def __init__(self, platform: Standing, chance: random.Random) -> None:
        self.platform = platform
        self.chance = chance
        self.known = ["00000000-0000-0000-0000-000000000000"]
        self.next = ""

    def form(self) -> list[tuple[str, str]]:
        chance = self.chance
        form: dict[str, str] = dict(chance.sample(CRITERIA, chance.randrange(3)))
        form.setdefault("_count", chance.choice(("1", "2", "3", "7", "50", "1000")))
        if chance.random() < 0.4:
            form["_sort"] = chance.choice(SORTS)
        if chance.random() < 0.15:
            form["skip"] = str(chance.randrange(5))
        return [*form.items(), *chance.sample(INCLUDES, chance.choice((0, 0, 1, 2)))]

    def search(self) -> httpx.Response:
        (as_, about), type_ = self.chance.choice(PAIRS), self.chance.choice(TYPES)
        lenient = {"prefer": "handling=lenient"} if self.chance.random() < 0.7 else {}
        found = self.platform.search(
            type_, self.form(), as_=as_, about=about, basis=self.chance.choice(BASES), headers=lenient
        )  # fmt: skip
        self._learn(found, as_, about)
        return found.response

    def page(self) -> httpx.Response:
        """The next page of the last search that had one."""
        if not self.next:
            return self.search()
        (as_, about, url), self.next = self.next, ""  # type: ignore[misc]
        path = url.removeprefix(self.platform.url)
        found = Answered(self.platform.client.call("POST", path, as_=as_, patient=self.platform.nin(about)))
        assert found.status == 200, found.tree
        self._learn(found, as_, about)
        return found.response

    def _learn(self, found: Answered, as_: str, about: str) -> None:
        if found.status == 200:
            self.known += sorted(found.every_id)[:3]
            if url := found.link("next"):
                self.next = as_, about, url  # type: ignore[assignment]

    def standard(self) -> httpx.Response:
        (as_, about), type_ = self.chance.choice(PAIRS), self.chance.choice(TYPES)
        pairs = [pair for pair in self.form() if pair[0] != "skip"]
        query = str(httpx.QueryParams(pairs))
        return self.platform.get(
            f"{type_}?{query}", as_=as_, about=about, headers={"prefer": "handling=lenient"}
        ).response

    def read(self) -> httpx.Response:
        (as_, about), type_ = self.chance.choice(PAIRS), self.chance.choice(TYPES)
        end = self.chance.choice(("", "", "/_history", "/_history/1", "/_history/2", "/_history/0"))
        return self.platform.get(f"{type_}/{self.chance.choice(self.known)}{end}", as_=as_, about=about).response

    def critical(self) -> httpx.Response:
        """Critical information at its national address."""
        (as_, about), type_ = self.chance.choice(PAIRS), self.chance.choice((*CRITICAL, "Conditions"))
        end = self.chance.choice(("", "", f"/{self.chance.choice(self.known)}"))
        found = critical.ask(self.platform, "GET", type_ + end, as_=as_, about=about, basis=self.chance.choice(BASES))
        if found.status == 200 and not end:
            self.known += found.ids()[:3]
        return found.response

    def last(self) -> httpx.Response:
        as_, about = self.chance.choice(PAIRS)
        asked = {"code": self.chance.choice((*CODES[:4], ",".join(CODES[:4]))), "max": self.chance.choice("123")}
        return self.platform.get(f"Observation/$lastn?{httpx.QueryParams(asked)}", as_=as_, about=about).response

    def batch(self) -> httpx.Response:
        (as_, about), entries = self.chance.choice(PAIRS), []
        for _ in range(self.chance.randrange(1, 5)):
            type_, code = self.chance.choice(TYPES), self.chance.choice(CODES[:4])
            address = self.chance.choice(
                (f"{type_}/{self.chance.choice(self.known)}", f"{type_}?_count=3", f"Observation?code={code}&_count=2",
                 f"Observation/$lastn?code={code}")
            )  # fmt: skip
            entries.append(entry("GET", address))
        return send(self.platform, bundle("batch", *entries), as_=as_, about=about).response

    def ask(self) -> httpx.Response:
        as_, about = self.chance.choice(PAIRS)
        return asked(self.platform, self.chance.choice(CODES), as_, about)


def asked(platform: Standing, code: str, as_: str = "gp", about: str = "new-mother") -> httpx.Response:
    """The "already done" answer."""
    return platform.client.call(
        "POST", "/pps/v2/already-done", as_=as_, patient=platform.nin(about), form=[("code", code)]
    )


def filed(platform: Standing, code: str, said: dict[str, Any], about: str = "citizen") -> str:
    """The id of a result that was taken yesterday."""
    taken = (platform.clock.now() - timedelta(days=1)).isoformat(timespec="seconds")
    coding = {"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": code}
    tree = {"resourceType": "Observation", "status": "final", "code": {"coding": [coding]}, "effectiveDateTime": taken}
    made = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", patient=platform.nin(about), body=encode(tree | said),
        headers={"content-type": "application/fhir+json"},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(Answered(made).tree["id"])


def spoiled(platform: Standing) -> None:
    """Among the newest results of what is asked for lie some that no "already done" answer names."""
    for code in CODES[:4]:
        for said in ({"valueString": "Hemolysert"}, {"dataAbsentReason": {"text": "for lite materiale"}}):
            filed(platform, code, said)


@contextmanager
def of_each_use(platform: Standing) -> Iterator[None]:
    """One analysis has words beside its value, and another waits; both results are gone again afterwards."""
    with_words = {"valueQuantity": {"value": 5}, "note": [{"text": "Merket med et annet navn"}]}
    told: dict[str, dict[str, Any]] = {READ_FIRST: with_words, WAITING: {"status": "preliminary"}}
    made = [filed(platform, code, said, "new-mother") for code, said in told.items()]
    try:
        yield
    finally:
        for number in made:
            gone = platform.client.call(
                "DELETE", f"/fhir/R4/Observation/{number}", as_="lab", patient=platform.nin("new-mother")
            )
            assert gone.status_code in (200, 204), gone.text


def test_the_ids_in_every_answer_are_the_ids_in_its_audit_row(platform: Standing) -> None:
    spoiled(platform)
    for tree in critical.every(platform):
        critical.registered(platform, tree)
    asking = Asking(platform, random.Random(seeds.seed("KJERNE_STORM_SEED")))
    ways: tuple[Callable[[], httpx.Response], ...] = (
        asking.search, asking.search, asking.search, asking.page, asking.page, asking.standard,
        asking.read, asking.read, asking.ask, asking.last, asking.batch, asking.critical,
    )  # fmt: skip
    named = 0
    with of_each_use(platform):
        for _ in range(int(os.environ.get("KJERNE_STORM", "300"))):
            answer = asking.chance.choice(ways)()
            assert answer.status_code < 500, answer.text
            in_answer = named_in(answer)
            logged = audited_ids(platform, answer)
            assert in_answer == logged, (
                answer.request.url,
                answer.request.content,
                answer.text[:500],
            )
            named += len(in_answer)
    assert named > 100


def test_a_result_that_must_be_read_first_or_waits_is_in_the_log_as_in_the_answer(platform: Standing) -> None:
    with of_each_use(platform):
        for code, part in ((READ_FIRST, "readFirst"), (WAITING, "waiting")):
            answer = asked(platform, code)
            assert part in {one["name"] for one in Answered(answer).tree["parameter"]}, answer.text
            assert named_in(answer) == audited_ids(platform, answer) != set()


def test_a_batch_names_what_left_in_all_its_entries(platform: Standing) -> None:
    found = platform.search("Observation", [("_count", "3")])
    first = found.ids()[0]
    entries = [entry("GET", f"Observation/{first}"), entry("GET", "Observation?code=NPU27300&_count=2")]
    answer = send(platform, bundle("batch", *entries), as_="gp", about="citizen").response
    named = named_in(answer)
    assert first in named
    assert len(named) >= 2
    assert named == audited_ids(platform, answer)


def test_a_refused_read_is_in_the_log_without_any_record(platform: Standing) -> None:
    refused = platform.search("Observation", as_="outsider")
    (row,) = platform.audited(refused.response)
    assert (refused.status, row["outcome"], row["rule"], row["ids"]) == (403, 1, "no-relation", [])


def test_the_log_names_the_versions_that_left(platform: Standing) -> None:
    found = platform.search("Observation", [("_count", "20")])
    (row,) = platform.audited(found.response)
    logged = {str(id_): version for id_, version in zip(row["ids"], row["versions"], strict=True)}
    assert logged == {tree["id"]: int(tree["meta"]["versionId"]) for tree in found.resources()}
