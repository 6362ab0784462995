"""Named forgeries over HTTP, as production stands: two workers over one database, stopped and started between.

Each forgery is refused by both, before and after, with the right status and a sentence that tells nothing; the rule that
refused stands in the log alone. A proof that was used is used everywhere. `KJERNE_STORM` adds a tenth as many requests
that are damaged at random, `KJERNE_STORM_SEED` replays them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

import seeds
from assertion_forgeries import FORGERIES as ASSERTIONS
from assertions import METADATA, Said, of_a_citizen, of_staff
from attested import ATTESTATION, DOCTOR, PATIENT, details, put
from clinic import ISSUER, KEYS, SEARCH, SECOND, errand, filled, laboratory, observation, opened, staff, visitor
from forgeries import ISSUER_JWKS, OTHER_KEY, PROOF, TOKEN, Headers, Sent, proof_of
from kjerne.clock import SystemClock
from kjerne.store.embedded import PROGRAM
from kjerne.store.shares import NAME
from ports import free_port

from .test_damaged_assertions import damaged, is_damaged
from .test_forged_credentials import DAMAGE

pytestmark = pytest.mark.slow

START_SECONDS: Final = 60
BODY: Final = b"_count=5"
AHEAD_SECONDS: Final = 60
"""The workers' clocks go on while a request is on its way: what lies ahead of them lies this much further."""
# A law that is quoted beside a refusal's words is meant to be read; a rule's own name is not.
NEVER_TOLD: Final = re.compile(
    r"(?<![0-9a-z])[0-9]{11}(?![0-9a-z])|(?<!Tillitsrammeverket )(?<!, )ATT-|section 5|Kari|Poliklinikk|valueQuantity|"
    r"invalid_|attestation-of|scope-missing|errand-(?:about|without)|portal-(?:act|err|pat|pur|acc|sco)"
)

_numbers = itertools.count(1)


def asked(**claims: Any) -> Sent:
    """A search by the doctor, good until something is changed."""
    now = int(time.time())
    said = claims.pop("authorization_details", [details() | {"toa": now}])
    token = staff(**claims) | ({"authorization_details": said} if said is not None else {})
    return Sent(
        url=Workers.public_url + SEARCH, issuer=ISSUER, audience="nhn:pps", at=now, slack=AHEAD_SECONDS,
        jti=f"http-{next(_numbers)}", token=token,
    )  # fmt: skip


def visited(*errands: dict[str, Any], **claims: Any) -> Sent:
    """A search by the citizen at her portal, good until something is changed."""
    now = int(time.time())
    return Sent(
        url=Workers.public_url + SEARCH, issuer=ISSUER, audience="nhn:pps", at=now, slack=AHEAD_SECONDS,
        jti=f"http-{next(_numbers)}", token=visitor(*errands, **claims),
    )  # fmt: skip


@dataclass(frozen=True)
class Asserted:
    """The same search with an assertion instead of token and proof."""

    said: Said

    def headers(self) -> Headers:
        return [(b"host", b""), self.said.header()]


def instant() -> datetime:
    """Now, to the whole second: issued before it is sent."""
    return datetime.fromtimestamp(int(time.time()), UTC)


SERVES: Final = (
    "from kjerne.registries import made_up; made_up.MadeUp.of = classmethod(lambda *_: made_up.SANDBOX); "
    "from kjerne.cli import main; main()"
)
"""`kjerne serve` as it is but for one rule: the people of tests are made up, and production takes none (law, K200)."""


@dataclass
class Workers:
    """Two processes of `kjerne serve` over one database, each behind its own port of one public address."""

    environment: dict[str, str]
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            trust_env=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0)
        )
    )
    read_to: int = 0
    public_url: Final = "http://127.0.0.1:8453"  # type: ignore[misc]

    def start(self) -> None:
        self.urls = []
        for _ in range(2):
            port = free_port()
            with self.log.open("ab") as log:
                command = [sys.executable, "-c", SERVES, "serve", "--port", str(port)]
                self.processes.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))
            self.urls.append(f"http://127.0.0.1:{port}")
        for url in self.urls:
            self._wait_for(url)

    def _wait_for(self, url: str) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if self.http.get(url + "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text(encoding="utf-8")[-2000:])

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(START_SECONDS)
        self.processes = []

    def send(
        self, worker: int, headers: Headers, *, path: str = SEARCH, query: str = "", about: str = PATIENT, **more: str
    ) -> httpx.Response:
        """The request on a connection of its own, with exactly these credentials."""
        own = [
            (b"person-id", about.encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
            *((name.replace("_", "-").encode(), value.encode()) for name, value in more.items()),
        ]
        given = [*(pair for pair in headers if pair[0] != b"host"), (b"host", b"127.0.0.1:8453"), *own]
        return self.http.post(self.urls[worker] + path + query, content=BODY, headers=given)

    def rule_of(self, answer: httpx.Response) -> str:
        """The rule in the log's line about an answer."""
        wanted = answer.headers["x-correlation-id"]
        with self.log.open(encoding="utf-8") as log:
            log.seek(self.read_to)
            lines = log.readlines()
            self.read_to = log.tell()
        (line,) = (line for line in lines if wanted in line and '"answered"' in line)
        told = str(json.loads(line).get("rule", ""))
        # A citizen without a tie is told of anybody what she is told of nobody: what held is in the audit row alone.
        return asyncio.run(self._audited(wanted)) if told == "unknown-person" else told

    async def _audited(self, correlation: str) -> str:
        conn = await asyncpg.connect(self.environment["KJERNE_DSN"])
        try:
            return str(await conn.fetchval("SELECT rule FROM audit WHERE correlation = $1", correlation))
        finally:
            await conn.close()


@pytest.fixture(scope="module")
def workers(clusters: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    cluster = clusters("18")
    cluster.create("forged_over_http")
    dsn = cluster.server.dsn(PROGRAM, "forged_over_http")

    folder = tmp_path_factory.mktemp("workers")

    async def fill() -> None:
        async with opened(dsn, folder, clock := SystemClock()) as house:
            await filled(house, clock.now())

    asyncio.run(fill())
    (folder / "jwks.json").write_bytes(ISSUER_JWKS)
    (folder / "metadata.xml").write_bytes(METADATA)
    found = Workers(
        {
            **os.environ,
            "KJERNE_DSN": dsn,
            "KJERNE_KEYS": ",".join(root.hex() for root in (KEYS.wrap, KEYS.permanent, KEYS.session)),
            "KJERNE_KEY_SHARES": str(folder / NAME),
            "KJERNE_ISSUER": ISSUER,
            "KJERNE_JWKS_FILE": str(folder / "jwks.json"),
            "KJERNE_PUBLIC_URL": Workers.public_url,
            "KJERNE_SAML_METADATA": str(folder / "metadata.xml"),
            "KJERNE_AUDIT_CHECKPOINTS": str(folder),
            "KJERNE_POOL_SIZE": "4",
            "KJERNE_DPOP_SECONDS": "120",
        },
        folder / "log",
    )
    found.start()
    try:
        # A database that has just begun its memory of proofs takes none that may be older than it.
        wait_until_taken(found)
        yield found
    finally:
        found.stop()
        found.http.close()
        cluster.drop("forged_over_http")


def wait_until_taken(workers: Workers) -> None:
    until = time.monotonic() + START_SECONDS
    while workers.send(0, asked().headers()).status_code != 200:
        assert time.monotonic() < until, workers.log.read_text(encoding="utf-8")[-2000:]
        time.sleep(0.2)


def filed(workers: Workers) -> None:
    """A result of the patient, so that there is something to give away."""
    now = int(time.time())
    sent = Sent(
        url=Workers.public_url + "/fhir/R4/Observation", issuer=ISSUER, audience="nhn:pps", at=now,
        jti=f"http-{next(_numbers)}", token=laboratory(),
    )  # fmt: skip
    headers = [pair for pair in sent.headers() if pair[0] != b"host"]
    more = [(b"person-id", PATIENT.encode()), (b"content-type", b"application/fhir+json"), (b"host", b"127.0.0.1:8453")]
    answer = workers.http.post(workers.urls[0] + "/fhir/R4/Observation", json=observation(), headers=[*headers, *more])
    assert answer.status_code == 201, answer.text


@dataclass(frozen=True)
class Forgery:
    """One way to ask without a right to: what is sent, and with which status it is refused. `rule` as the log has it."""

    name: str
    sent: Callable[[], Sent | Asserted]
    status: tuple[int, ...]
    rule: str = ""
    more: dict[str, str] = field(default_factory=dict)


def spoiled(change: Callable[[Sent], Any]) -> Callable[[], Sent]:
    def made() -> Sent:
        sent = asked()
        change(sent)
        return sent

    return made


def attested(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Sent]:
    """A token that the issuer signed, with an attestation that breaks a rule."""

    def made() -> Sent:
        now = int(time.time())
        tree = details() | {"toa": now}
        change(tree)
        if tree.get("toa") not in (None, now):
            tree["toa"] += now - details()["toa"] + (AHEAD_SECONDS if tree["toa"] - details()["toa"] == 6 else 0)
        return asked(authorization_details=[tree])

    return made


def with_headers(change: Callable[[Headers], Headers]) -> Callable[[], Sent]:
    return spoiled(lambda sent: setattr(sent, "after", change))


def claimed(**claims: Any) -> Callable[[], Sent]:
    return lambda: asked(**claims)


def two_spellings(tree: dict[str, Any]) -> None:
    tree["care_relation"] = tree["care_relationship"]


def unsigned_patient(sent: Sent) -> None:
    """The signed token of one patient, its payload exchanged for another's."""
    other = asked(authorization_details=[details() | {"patients": [{"identifier": {"id": SECOND}}]}]).headers()

    def changed(headers: Headers) -> Headers:
        mine, theirs = headers[1][1].split(b"."), other[1][1].split(b".")
        return [headers[0], (b"authorization", b".".join((mine[0], theirs[1], mine[2]))), headers[2]]

    sent.after = changed


OTHERS: Final = (
    Forgery("no token", with_headers(lambda h: h[:1]), (401,)),
    Forgery("a bearer token", with_headers(lambda h: [h[0], (h[1][0], h[1][1].replace(b"DPoP", b"Bearer"))]), (401,)),
    Forgery("basic credentials", with_headers(lambda h: [h[0], (b"authorization", b"Basic YTpi"), h[2]]), (401,)),
    Forgery("two tokens", with_headers(lambda h: [*h, h[1]]), (400,)),
    Forgery("two proofs", with_headers(lambda h: [*h, h[2]]), (400,)),
    Forgery("a token in the address", asked, (400,), more={"query": "?access_token=abc"}),
    Forgery("a stolen token with the thief's proof", spoiled(proof_of(OTHER_KEY)), (401,)),
    Forgery("the payload of another token", spoiled(unsigned_patient), (401,)),
    Forgery("an attestation about another patient", asked, (403,), "attestation-of-another-patient", {"about": SECOND}),
    Forgery("no attestation", claimed(authorization_details=None), (403,)),
    Forgery("two attestations", claimed(authorization_details=[details(), details()]), (403,), "ATT-4"),
    Forgery("an attestation of another type", attested(put("urn:another", "type")), (403,), "attestation-missing"),
    Forgery("an attestation in two spellings", attested(two_spellings), (401,)),
    Forgery("no scope", claimed(scope="openid"), (403,)),
    Forgery("a scope by prefix", claimed(scope="nhn:pps/provesvar-read2"), (403,)),
    Forgery("a citizen's and staff's scope at once", claimed(scope="kjerne:citizen nhn:pps/provesvar-read"), (403,)),
    Forgery("a citizen with an attestation", claimed(scope="kjerne:citizen"), (403,)),
    Forgery("a machine with an attestation", claimed(**{"helseid://claims/identity/pid": None}), (403,)),
    Forgery("a login at level 3", claimed(**{"helseid://claims/identity/security_level": "3"}), (403,), "ATT-9"),
    Forgery("a login at level 40", claimed(**{"helseid://claims/identity/security_level": "40"}), (403,), "ATT-9"),
    Forgery("another login's HPR number", claimed(**{"helseid://claims/hpr/hpr_number": "9002"}), (403,), "ATT-29"),
    Forgery("another role in the header", asked, (403,), more={"requester_hpr_role": "SP"}),
)


def at_the_portal(*errands: dict[str, Any], **claims: Any) -> Callable[[], Sent]:
    return lambda: visited(*errands, **claims)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in errand().items() if key != name}


CHAIN: Final = {"sub": "portal", "act": {"sub": "another-portal"}}
STAFFS: Final = "kjerne:citizen kjerne:portal nhn:pps/provesvar-read"
ANOTHERS_POLICY: Final = {"access_policy": "urn:oid:2.16.578.1.12.4.1.7.2.2.1"}
PORTAL: Final = (
    Forgery("portal: a chain of actors", at_the_portal(act=CHAIN), (401,), "invalid_token"),
    Forgery("portal: an actor that is a text", at_the_portal(act="portal"), (401,), "invalid_token"),
    Forgery("portal: another actor than the client", at_the_portal(act={"sub": "epj"}), (403,), "portal-actor"),
    Forgery("portal: no actor", at_the_portal(act=None), (403,), "portal-actor"),
    Forgery("portal: no scope of a portal", at_the_portal(scope="kjerne:citizen"), (403,), "portal-scope"),
    Forgery("portal: the portal's scope alone", at_the_portal(scope="kjerne:portal"), (403,), "portal-errand"),
    Forgery("portal: staff's scope as well", at_the_portal(scope=STAFFS), (403,), "one role"),
    Forgery("portal: nobody logged in", at_the_portal(**{"helseid://claims/identity/pid": None}), (403,), "one role"),
    Forgery("portal: a login at level 3", at_the_portal(**{"helseid://claims/identity/security_level": "3"}), (403,),
            "ATT-9"),
    Forgery("portal: no errand", at_the_portal(authorization_details=None), (403,), "portal-errand"),
    Forgery("portal: two errands", at_the_portal(errand(), errand(SECOND)), (403,), "portal-errand"),
    Forgery("portal: an attestation instead", at_the_portal(details()), (403,), "portal-errand"),
    Forgery("portal: an attestation as well", at_the_portal(errand(), details()), (403,), "ATT-4"),
    Forgery("portal: an errand about nobody", at_the_portal(without("patient")), (403,), "portal-patient"),
    Forgery("portal: an errand of the wrong kind", at_the_portal(errand() | {"patient": PATIENT}), (401,)),
    Forgery("portal: a clinician's purpose", at_the_portal(errand(purpose="TREAT")), (403,), "portal-purpose"),
    Forgery("portal: no purpose", at_the_portal(without("purpose_of_use")), (403,), "portal-purpose"),
    Forgery("portal: a parent's purpose for oneself", at_the_portal(errand(purpose="FAMRQT")), (403,),
            "portal-access-policy"),
    Forgery("portal: a clinician's access policy", at_the_portal(errand(policy="7")), (403,), "portal-access-policy"),
    Forgery("portal: another list's policy", at_the_portal(errand() | ANOTHERS_POLICY), (403,), "portal-access-policy"),
    Forgery("portal: herself, about another", at_the_portal(errand(SECOND)), (403,), "errand-without-right",
            {"about": SECOND}),
    Forgery("portal: parent of nobody's child", at_the_portal(errand(SECOND, "FAMRQT", "1")), (403,),
            "errand-without-right", {"about": SECOND}),
    Forgery("portal: proxy without a power of attorney", at_the_portal(errand(SECOND, "PWATRNY", "2")), (403,),
            "errand-without-right", {"about": SECOND}),
    Forgery("portal: guardian of nobody's ward", at_the_portal(errand(SECOND, "PWATRNY", "3")), (403,),
            "errand-without-right", {"about": SECOND}),
    Forgery("portal: an errand about herself, asked about another", visited, (403,), "errand-about-another",
            {"about": SECOND}),
    Forgery("portal: a citizen without a portal", at_the_portal(act=None, scope="kjerne:citizen",
            authorization_details=None), (403,)),
)  # fmt: skip
FORGERIES: Final = (
    *(Forgery(f"token: {name}", spoiled(change), (401,), "invalid_token") for name, change in TOKEN.items()),
    *(Forgery(f"proof: {name}", spoiled(change), (401,), "invalid_dpop_proof") for name, change in PROOF.items()),
    *(Forgery(f"attestation: {name}", attested(one), (403,), rule) for name, (one, rule) in ATTESTATION.items()),
    *OTHERS,
    *PORTAL,
    *(
        Forgery(
            f"assertion: {name}",
            lambda made=one.make: Asserted(made(instant())),
            (one.status,),
            one.rule,
            dict(one.more) | {"about": one.about},
        )
        for name, one in ASSERTIONS.items()
    ),
)


def judged(workers: Workers, worker: int, forgery: Forgery) -> str:
    """What is wrong with the answer to a forgery, in words; empty where nothing is."""
    answer = workers.send(worker, forgery.sent().headers(), **forgery.more)
    if answer.status_code not in forgery.status:
        return f"{forgery.name}: {answer.status_code} {answer.text[:300]}"
    if found := NEVER_TOLD.search(answer.text):
        return f"{forgery.name} tells {found[0]}: {answer.text[:300]}"
    issues = answer.json()["issue"]
    if not all(issue["severity"] == "error" and len(issue["diagnostics"]) > 10 for issue in issues):
        return f"{forgery.name}: no sentence: {answer.text[:300]}"
    if forgery.rule and (rule := workers.rule_of(answer)) != forgery.rule:
        return f"{forgery.name}: {rule} in the log, not {forgery.rule}"
    return ""


def test_every_named_forgery_is_refused_by_both_workers_before_and_after_a_restart(workers: Workers) -> None:
    filed(workers)
    least = {"token": 20, "proof": 15, "attestation": 15, "portal": 20, "assertion": 100}
    kinds = {kind: sum(one.name.startswith(kind) for one in FORGERIES) for kind in least}
    assert all(kinds[kind] >= count for kind, count in least.items()), kinds
    wrong: list[str] = []
    for restarted in (False, True):
        if restarted:
            workers.stop()
            workers.start()
        for worker in (0, 1):
            for one in (asked(), visited(), Asserted(of_staff(instant())), Asserted(of_a_citizen(instant()))):
                good = workers.send(worker, one.headers())
                assert good.status_code == 200 and "valueQuantity" in good.text
            wrong += [told for one in FORGERIES if (told := judged(workers, worker, one))]
            assert workers.send(worker, asked().headers()).status_code == 200
    assert not wrong, "\n".join(wrong)
    log = workers.log.read_text(encoding="utf-8")
    assert DOCTOR not in log and PATIENT not in log and SECOND not in log


def test_a_proof_is_used_once_over_both_workers_and_over_a_restart(workers: Workers) -> None:
    used = asked()
    headers = used.headers()
    assert workers.send(0, headers).status_code == 200
    used_again = "used before"
    for worker in (0, 1):
        answer = workers.send(worker, headers)
        assert answer.status_code == 401 and used_again in answer.text
    workers.stop()
    workers.start()
    for worker in (0, 1):
        answer = workers.send(worker, headers)
        assert answer.status_code == 401 and used_again in answer.text
    another = asked()
    # The memory of proofs is by their minute; one that the client signs anew in another is no replay of a stolen one.
    another.proof |= {"jti": used.proof["jti"], "iat": used.proof["iat"]}
    assert workers.send(1, another.headers()).status_code == 401
    assert workers.send(1, asked().headers()).status_code == 200


def test_an_assertion_is_used_once_over_both_workers_and_over_a_restart(workers: Workers) -> None:
    said = Asserted(of_staff(instant()))
    headers = said.headers()
    assert workers.send(0, headers).status_code == 200
    for restarted in (False, True):
        if restarted:
            workers.stop()
            workers.start()
        for worker in (0, 1):
            answer = workers.send(worker, headers)
            assert answer.status_code == 401 and "used before" in answer.text
    assert workers.send(1, Asserted(of_staff(instant())).headers()).status_code == 200


def test_an_assertion_that_was_used_for_a_refused_request_is_used(workers: Workers) -> None:
    headers = Asserted(of_staff(instant())).headers()
    assert workers.send(0, headers, about=SECOND).status_code == 403
    assert workers.send(1, headers).status_code == 401


def test_a_proof_that_was_used_for_a_refused_request_is_used(workers: Workers) -> None:
    headers = asked().headers()
    assert workers.send(0, headers, about=SECOND).status_code == 403
    assert workers.send(1, headers).status_code == 401


def test_no_randomly_damaged_credentials_pass_over_http(workers: Workers) -> None:
    chance = random.Random(seeds.seed("KJERNE_STORM_SEED"))
    damage = [one for one in DAMAGE if one.__name__ != "put_in"]
    for number in range(int(os.environ.get("KJERNE_STORM", "1000")) // 10):
        if number % 4 == 0:
            not_taken(workers, number, chance)
            continue
        host, token, proof = asked().headers()
        spoil = chance.choice(damage)
        which = chance.random() < 0.5
        changed = [
            host,
            (token[0], b"DPoP " + spoil(token[1][5:], chance)) if which else token,
            proof if which else (proof[0], spoil(proof[1], chance)),
        ]
        if changed == [host, token, proof]:
            continue
        try:
            answer = workers.send(number % 2, changed)
        except (httpx.LocalProtocolError, ValueError):
            continue  # no client can send such a header
        assert answer.status_code in (400, 401), (number, answer.text[:300])
        assert not NEVER_TOLD.search(answer.text)


def not_taken(workers: Workers, number: int, chance: random.Random) -> None:
    """One damaged assertion."""
    said = of_staff(instant())
    raw = said.document()
    while not is_damaged(text := damaged(raw, chance), raw):
        pass
    try:
        answer = workers.send(number % 2, [(b"host", b""), (b"authorization", b"SAML " + text)])
    except (httpx.LocalProtocolError, ValueError):
        return  # no client can send such a header
    assert answer.status_code in (400, 401, 431), (number, answer.text[:300])
    assert not NEVER_TOLD.search(answer.text)
