"""What a list of documents over many sources takes: `python documents.py [ROUNDS]` on a platform of its own with one worker.

Wanted over 20 sources that sleep 50 ms over prepared answers: 120 ms in the middle, and never later than the deadline and 50 ms
where some of them hang. Each list is asked for anew: its sources under another address, so that none is kept from before, and
about another patient than the one before it. A list costs each source a signature and an exchange; ten documents come of each.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import host
import httpx
import ours
from load import Signer

from kjerne.sandbox.people import Person

PATH: Final = "/phr/R4/fhir/DocumentReference/_search"
ROUNDS: Final = 8
PATIENTS: Final = 8
PEOPLE: Final = 60
SLEEP_SECONDS: Final = 0.05
COUNTS: Final = (3, 20)
HANGING: Final = 2
DEADLINE_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 10.0
"""Where none hangs: what is measured is how long they take, and not whether."""
FORM: Final = b"status=current&_count=200"


@contextlib.contextmanager
def stand_ins(count: int, hanging: int = 0) -> Iterator[list[int]]:
    """Sources in a process of their own: their ports."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("stand_ins.py")),
        str(count),
        str(SLEEP_SECONDS),
        str(hanging),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=host.ROOT) as process:
        assert process.stdout is not None
        try:
            yield [int(process.stdout.readline()) for _ in range(count)]
        finally:
            process.terminate()


def named(kjerne: ours.Kjerne, ports: Sequence[int], round_: int, seconds: float = PATIENCE_SECONDS) -> None:
    """The sources at addresses that no list was asked for at before."""
    organisation = kjerne.population.units["trust"].number
    entries = [
        f'[[source]]\nname = "stand-in-{place}"\norganisation = "{organisation}"\nhome = "urn:oid:1.2.{place + 1}"\n'
        f'url = "http://127.0.0.1:{port}/round-{round_}"\naudience = "bench"\nseconds = {seconds}\n'
        'addresses = ["127.0.0.0/8"]\n'
        for place, port in enumerate(ports)
    ]
    (kjerne.data / "document-sources.toml").write_text("\n".join(entries), encoding="utf-8")


class Asking:
    """One client system: a token for each patient, and a connection that it keeps."""

    def __init__(self, kjerne: ours.Kjerne, patients: Sequence[Person]) -> None:
        self._url = f"{kjerne.url}{PATH}"
        self._http = httpx.Client(trust_env=False, timeout=60)
        tokens = [kjerne.client.token("gp", patient=one.nin, path=PATH) for one in patients]
        self._lanes = [
            (one.nin, held.token, Signer(held.key.private_jwk(), held.token))
            for one, held in zip(patients, tokens, strict=True)
        ]

    def lists(self, documents: int) -> list[float]:
        """A list about each patient, one after another, in seconds each."""
        taken = []
        for nin, token, signer in self._lanes:
            headers = {
                "content-type": "application/x-www-form-urlencoded", "nhn-patient-nin": nin, "authorization": f"DPoP {token}",
                "dpop": signer.proof("POST", self._url).decode(),
            }  # fmt: skip
            begun = time.perf_counter()
            answer = self._http.post(self._url, content=FORM, headers=headers)
            taken.append(time.perf_counter() - begun)
            if answer.status_code != 200 or answer.json()["total"] != documents:
                sys.exit(f"expected {documents} documents, got {answer.status_code}: {answer.text[:500]}")
        return taken


def main() -> None:
    """Start a platform, ask over few and many sources and over some that hang, and print what it took."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder, ours.standing(Path(folder), PEOPLE) as kjerne:
        asking = Asking(kjerne, ours.patients(kjerne.population)[0][:PATIENTS])
        for count in COUNTS:
            with stand_ins(count) as ports:
                taken = list[float]()
                before = host.cpu_seconds(kjerne.root)
                for round_ in range(rounds + 1):
                    named(kjerne, ports, round_)
                    measured = asking.lists(10 * count)
                    taken += measured if round_ else []
                spent = (host.cpu_seconds(kjerne.root) - before) / (rounds + 1) / PATIENTS
            ordered = sorted(taken)
            print(
                f"a list over {count} sources: p50 {statistics.median(ordered) * 1000:.0f} ms, p99 "
                f"{ordered[int(len(ordered) * 0.99)] * 1000:.0f} ms, {spent * 1000:.1f} ms of a processor"
            )
        with stand_ins(COUNTS[-1], HANGING) as ports:
            named(kjerne, ports, rounds + 1, DEADLINE_SECONDS)
            # Fewer than a source may fail before it is left alone.
            longest = max(asking.lists(10 * (COUNTS[-1] - HANGING))[:4])
        print(
            f"{HANGING} of {COUNTS[-1]} hang, within {DEADLINE_SECONDS:g} s each: {longest * 1000:.0f} ms at the longest"
        )


if __name__ == "__main__":
    main()
