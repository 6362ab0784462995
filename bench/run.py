"""One run of all benchmarks: everything stands at once on one machine, and the rounds alternate between what is compared.

A figure is the median of its rounds. Ratios come from the same run and mean more than the figures, which are of this
machine on this day. Load, server and database share the cores; what each used of them is told beside the rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import beside
import decisions
import floor
import host
import inflow
import ours
import outflow
import peer_sekmet
import sizes
from load import Lane, Load, Outcome, drive

READ, SEARCH, CREATE, TRANSACTION = "read", "search", "create", "transaction"
WHATS: Final = (READ, SEARCH, CREATE, TRANSACTION)
WARM_SECONDS: Final = 2.0
STATUS: Final = {READ: 200, SEARCH: 200, CREATE: 201, TRANSACTION: 200}
NO_FLOOR: Final = frozenset({TRANSACTION})
"""What no floor is made for: it would be twenty-one of a create's statements."""


@dataclass(frozen=True)
class Extent:
    """How much is measured. `each`: results of every analysis for each patient."""

    rounds: int = 3
    seconds: float = 4.0
    lanes: int = 16
    each: int = 20
    people: int = 60
    """Enough that one doctor has as many free patients as there are lanes, whatever the day."""
    kith_people: int = 600
    bulk_resources: int = 40_000
    export_rounds: int = 4
    """Times that every file of an export is fetched."""
    dear_records: int = 12_000
    """Records of somebody in whom a search takes all its steps."""
    workers: tuple[int, ...] = (1, 2)


SHORT: Final = Extent(
    rounds=1, seconds=1.0, lanes=8, each=20, kith_people=40, bulk_resources=2_000, export_rounds=1, dear_records=200
)
"""To see that everything works; its figures mean little."""


@dataclass(frozen=True)
class Target:
    """One server under load: where it listens, what it is asked, and whose CPU time it uses (process numbers)."""

    name: str
    port: int
    root: int
    postgres: int
    lanes: Callable[[str], list[Lane]]


@dataclass(frozen=True)
class Round:
    """One measurement; CPU in microseconds for each answer."""

    rate: float
    median_ms: float
    p99_ms: float
    server_us: float
    postgres_us: float
    client_us: float


@dataclass(frozen=True)
class Taken:
    """The laboratory messages that a server took, and what each cost; CPU in microseconds."""

    filed: inflow.Filed
    server_us: float
    postgres_us: float


@dataclass(frozen=True)
class Handed:
    """An export that a server gave, and what each resource of it cost; CPU in microseconds."""

    given: outflow.Given
    server_us: float
    postgres_us: float


@dataclass
class Report:
    """All that was measured."""

    machine: str
    busy: float
    extent: Extent
    rounds: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    first_page_seconds: float = 0.0
    first_page_by: str = ""
    decisions: decisions.Decisions | None = None
    kith: dict[str, Taken] = field(default_factory=dict)
    """By target: kjerne with one worker, and with more."""
    bulk: inflow.Filed | None = None
    exported: dict[str, Handed] = field(default_factory=dict)
    beside: list[beside.Beside] = field(default_factory=list)
    copied: float = 0.0
    """Rows a second, as they lie, by COPY."""
    peopled: sizes.Sizes | None = None
    """The database with the population's own results and nothing else."""
    bulk_row_bytes: float = 0.0

    def middle(self, what: str, target: str, of: str = "rate") -> float | None:
        """The median over the rounds."""
        measured = self.rounds.get((what, target))
        return statistics.median(getattr(one, of) for one in measured) if measured else None

    def ratio(self, what: str, target: str, to: str) -> float | None:
        one, other = self.middle(what, target), self.middle(what, to)
        return one / other if one and other else None


def measure(extent: Extent) -> Report:
    """Everything, from an empty folder to the end."""
    report = Report(host.described(), host.busy(), extent)
    host.CACHE.mkdir(parents=True, exist_ok=True)
    peer_sekmet.installed()
    report.decisions = decisions.measured()
    with _folder() as folder, contextlib.ExitStack() as stack:
        kjerne = stack.enter_context(ours.standing(folder, extent.people))
        report.first_page_seconds = kjerne.first_page_seconds
        report.first_page_by = kjerne.started_by
        report.peopled = _sizes(kjerne)
        asked = ours.Asked.of(kjerne, extent.lanes, extent.each)
        targets = _targets(stack, asked, folder, extent)
        for what in WHATS:
            _rounds(report, what, [one for one in targets if what not in NO_FLOOR or not one.name.startswith("floor")])
        for place, target in enumerate(one for one in targets if one.name.startswith("kjerne")):
            report.kith[target.name] = _taken(kjerne, target, extent.kith_people, place)
        inflow.warmed(kjerne, asked.others)
        before = _sizes(kjerne)
        report.bulk = inflow.bulk(kjerne, asked.others, extent.bulk_resources)
        report.bulk_row_bytes = sizes.grown(before, _sizes(kjerne))
        export = outflow.opened(kjerne)
        for target in targets:
            if target.name.startswith("kjerne"):
                report.exported[target.name] = _handed(kjerne, target, export, extent.export_rounds)
        rows, seconds = outflow.copied(kjerne)
        report.copied = rows / seconds
        report.beside = beside.measured(asked, extent.dear_records, extent.seconds)
    return report


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="run-", dir=host.CACHE))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sizes(kjerne: ours.Kjerne) -> sizes.Sizes:
    return asyncio.run(sizes.measured(ours.dsn(kjerne.data, "postgres", "kjerne"), kjerne.data))


def _targets(stack: contextlib.ExitStack, asked: ours.Asked, folder: Path, extent: Extent) -> list[Target]:
    """Starts what kjerne is compared with, and gives all of them the same to hold and the same to do."""
    kjerne = asked.kjerne
    ids = asyncio.run(floor.prepared(kjerne.data, extent.lanes, extent.each))
    peer = stack.enter_context(peer_sekmet.standing(folder / "sekmet"))
    paths = peer_sekmet.fill(peer, extent.lanes, extent.each)
    targets = [
        Target("kjerne", kjerne.port, kjerne.root, kjerne.postgres, asked.lanes),
        Target("sekmet", peer.port, peer.root, 0, lambda what: peer_sekmet.lanes(what, paths)),
    ]
    for what, told, lanes in (
        ("floor", floor.environment(kjerne.data), lambda what: floor.lanes(asked.lanes(what), what, ids)),
        ("kjerne", ours.environment(kjerne), asked.lanes),
    ):
        for count in extent.workers:
            if (what, count) != ("kjerne", 1):  # that one stands already
                name = what if count == 1 else f"{what} x{count}"
                port, root = stack.enter_context(ours.workers(what, count, folder / f"{name}.log", told))
                targets.append(Target(name, port, root, kjerne.postgres, lanes))
    return targets


def _rounds(report: Report, what: str, targets: Sequence[Target]) -> None:
    for target in targets:
        _load(target, what, WARM_SECONDS)
    for number in range(report.extent.rounds):
        turn = number % len(targets)
        for target in (*targets[turn:], *targets[:turn]):
            report.rounds.setdefault((what, target.name), []).append(_round(target, what, report.extent.seconds))


def _load(target: Target, what: str, seconds: float) -> Outcome:
    found = drive(Load("127.0.0.1", target.port, target.lanes(what), seconds))
    ours.expect(found, STATUS[what])
    return found


def _round(target: Target, what: str, seconds: float) -> Round:
    before = _used(target)
    found = _load(target, what, seconds)
    in_server, in_postgres = (now - then for now, then in zip(_used(target), before, strict=True))
    each = 1_000_000 / found.done
    client = found.client_cpu_seconds
    return Round(found.rate, found.median_ms, found.p99_ms, in_server * each, in_postgres * each, client * each)


def _taken(kjerne: ours.Kjerne, target: Target, people: int, place: int) -> Taken:
    """As many people's messages, others for each target: a message that came before would cost nothing."""
    before = _used(target)
    filed = inflow.kith(replace(kjerne, port=target.port), people, inflow.SEED + place)
    in_server, in_postgres = (now - then for now, then in zip(_used(target), before, strict=True))
    each = 1_000_000 / filed.requests
    return Taken(filed, in_server * each, in_postgres * each)


def _handed(kjerne: ours.Kjerne, target: Target, export: outflow.Export, rounds: int) -> Handed:
    """Once without a watch: each worker remembers the people whom it has met."""
    outflow.fetched(kjerne, target.port, export, 1)
    before = _used(target)
    given = outflow.fetched(kjerne, target.port, export, rounds)
    in_server, in_postgres = (now - then for now, then in zip(_used(target), before, strict=True))
    each = 1_000_000 / given.resources
    return Handed(given, in_server * each, in_postgres * each)


def _used(target: Target) -> tuple[float, float]:
    """CPU seconds so far of the server and of PostgreSQL."""
    in_postgres = host.cpu_seconds(target.postgres) if target.postgres else 0.0
    return host.cpu_seconds(target.root, without=target.postgres), in_postgres
