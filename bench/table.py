"""What a run found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from corpus import ANALYSES
from inflow import Filed
from run import CREATE, READ, SEARCH, TRANSACTION, Report

ROW: Final = {
    READ: "read one Observation",
    SEARCH: "a patient's 20 Observations by code, sorted by date",
    CREATE: "create an Observation",
    TRANSACTION: "a transaction of 21 entries: a report and its results",
}
BUSY_LOAD: Final = 0.5
ROUNDS_WANTED: Final = 3


def markdown(report: Report) -> str:
    """The whole table; every figure in it was measured in this run."""
    return "\n".join((*_head(report), *_rates(report), *_cpu(report), *_inflow(report), *_sizes(report), ""))


def as_json(report: Report) -> str:
    """Every round with all its figures."""
    rounds = {f"{what} {name}": measured for (what, name), measured in report.rounds.items()}
    told = msgspec.to_builtins(report) | {"rounds": msgspec.to_builtins(rounds)}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def lacks(rounds: int, busy: float) -> list[str]:
    """Why the figures of a run are not to be taken for final: what was fewer or more than wanted, and nothing else."""
    said = []
    if rounds < ROUNDS_WANTED:
        said.append(f"only {rounds} of {ROUNDS_WANTED} rounds were run")
    if busy > BUSY_LOAD:
        said.append(f"the machine's load was {busy:.1f} when they began (under {BUSY_LOAD} is wanted)")
    return said


def _head(report: Report) -> Iterator[str]:
    extent = report.extent
    yield "# Figures\n"
    yield f"Made by `make bench` on {report.machine}."
    if lacking := lacks(extent.rounds, report.busy):
        yield f"\n**Not final:** {' and '.join(lacking)}."
    yield (
        f"\nServer, PostgreSQL and load generator share the machine. {extent.lanes} connections, {extent.rounds} rounds "
        f"of {extent.seconds:g} s that alternate; medians. fsync and synchronous_commit are on, and SQLite's like. "
        "kjerne: proof of possession, attestation, law, validation, sealing and durable audit on; sekmet: checks off; "
        "floor: one signature check and one statement with replay note and durable audit row, in bare ASGI. "
        "Names with x2 are two worker processes; sekmet has no option for more than one, since it counts its versions in memory. "
        f"Each of {extent.lanes} patients has {extent.each} results of each of "
        f"{len(ANALYSES)} analyses when reads and searches begin; creates go to other patients.\n"
    )


def _rates(report: Report) -> Iterator[str]:
    names = list(dict.fromkeys(name for _, name in report.rounds))
    pairs = (("kjerne", "sekmet"), ("kjerne x2", "sekmet"), ("kjerne", "floor"), ("kjerne x2", "floor x2"))
    told_pairs = " | ".join(f"{one} / {other}" for one, other in pairs)
    yield "| answers a second | " + " | ".join(names) + f" | {told_pairs} |"
    yield "|---" * (1 + len(names) + len(pairs)) + "|"
    for what, told in ROW.items():
        rates = [_number(report.middle(what, name)) for name in names]
        ratios = [_ratio(report.ratio(what, *pair)) for pair in pairs]
        yield f"| {told} | " + " | ".join(rates + ratios) + " |"


def _cpu(report: Report) -> Iterator[str]:
    yield "\nMicroseconds of CPU for each answer: server + PostgreSQL, and the client's apart; median and 99th percentile of"
    yield "the time to the answer.\n"
    yield "| | server | PostgreSQL | client | p50 ms | p99 ms |"
    yield "|---|---|---|---|---|---|"
    for what, name in report.rounds:
        parts = ("server_us", "postgres_us", "client_us")
        used = [f"{report.middle(what, name, part):.0f}" for part in parts]
        waits = [f"{report.middle(what, name, part):.1f}" for part in ("median_ms", "p99_ms")]
        yield f"| {what}, {name} | " + " | ".join(used + waits) + " |"


def _inflow(report: Report) -> Iterator[str]:
    yield "\n| in and up | | |"
    yield "|---|---|---|"
    if law := report.decisions:
        told = f"{len(law.us)} kinds of case, {len(law.refused)} of them refused; the dearest: {law.dearest}"
        yield f"| one answer of the law, its facts proven by the statement that reads | {max(law.us.values()):.0f} us | {told} |"
    for name, taken in report.kith.items():
        filed = taken.filed
        rate, results = filed.reports / filed.seconds, filed.resources / filed.seconds
        used = f"server {taken.server_us:,.0f} us, PostgreSQL {taken.postgres_us:,.0f} us"
        told = f"with {results:,.0f} results/s, each report new to the platform; {_cost(filed)}; {used}"
        yield f"| KITH reports through POST /pps/in, {name} | {rate:,.0f}/s | {told} |"
    if filed := report.bulk:
        rate = filed.resources / filed.seconds
        yield f"| FHIR resources through POST /fhir/R4/$import, durable | {rate:,.0f}/s | {_cost(filed)} |"
    for name, handed in report.exported.items():
        given = handed.given
        told = f"{given.bytes / given.resources:,.0f} bytes each, {given.resources / given.requests:,.0f} in a file; "
        told += f"CPU of each: server {handed.server_us:.1f} us, PostgreSQL {handed.postgres_us:.1f} us"
        yield f"| resources out through the files of an `$export`, {name} | {given.rate:,.0f}/s | {told} |"
    if report.copied:
        yield f"| their floor: the same rows, sealed as they lie, by one COPY | {report.copied:,.0f}/s | one connection |"
    for one in report.beside:
        told = f"{one.rate:,.0f} reads/s, median {one.median_ms:.1f} ms"
        told += f"; a search {one.search_ms:,.0f} ms" if one.searches else ""
        what = f"beside {one.searches} of the dearest searches" if one.searches else "alone"
        yield f"| 99th percentile of reads on 4 connections, {what} | {one.p99_ms:.1f} ms | {told} |"
    people, seconds = report.extent.people, report.first_page_seconds
    yield f"| `{report.first_page_by}` to the first page | {seconds:.1f} s | {people} people and their results made |"


def _cost(filed: Filed) -> str:
    """What was sent, and what sending it took of the client's CPU."""
    each, cpu_us = filed.bytes / filed.requests / 1000, 1_000_000 * filed.client_cpu_seconds / filed.requests
    return f"{filed.requests} requests of {each:,.1f} kB; client CPU {cpu_us:,.0f} us each"


def _sizes(report: Report) -> Iterator[str]:
    yield "\n| on disk, all indexes counted | bytes each | mean JSON |"
    yield "|---|---|---|"
    if filed := report.bulk:
        mean = filed.bytes / filed.resources
        yield f"| current resource, {filed.resources:,} Observations put in | {report.bulk_row_bytes:.0f} | {mean:.0f} |"
    if sizes := report.peopled:
        told = f"the population's results ({sizes.rows:,})"
        yield f"| current resource, {told} | {sizes.row_bytes:.0f} | {sizes.mean_json_bytes:.0f} |"
        for name in ("record_history", "audit"):
            if rows := sizes.rows_by_table[name]:
                yield f"| apart: a row of `{name}` ({rows:,}) | {sizes.bytes_by_table[name] / rows:.0f} | |"


def _number(value: float | None) -> str:
    return f"{value:,.0f}" if value else "-"


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value else "-"
