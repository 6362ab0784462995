"""Who takes part in the sandbox: everybody who sends or treats, and one who does not."""

from __future__ import annotations

from datetime import UTC, datetime

from kjerne.sandbox.population import generate
from kjerne.sandbox.seeding import participants

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_every_organisation_takes_part_but_the_one_outside() -> None:
    population = generate(7000, 20261123, NOW.date())
    rows = participants(population, NOW)
    named = {row.organisation for row in rows}
    assert all(row.is_in_force(NOW) for row in rows)
    assert len({(row.organisation, row.part, row.service) for row in rows}) == len(rows)
    for one in population.practitioners:
        outside = one.organisation == population.units["outside"].number
        laboratory = one.organisation == population.units["private-lab-owner"].number
        consumes = any(row.organisation == one.organisation and row.part == "consumer" for row in rows)
        assert consumes == (not outside and not laboratory)
        own = {(row.service, row.part) for row in rows if row.organisation == one.organisation}
        registers = {("critical-information", "consumer"), ("critical-information", "source")}
        assert own >= registers if consumes else not own & registers
    assert population.units["outside"].number not in named


def test_a_pilot_a_roll_out_and_a_national_service_can_be_seen() -> None:
    population = generate(15, 20261123, NOW.date())
    sources = [row for row in participants(population, NOW) if row.part == "source"]
    assert {row.phase for row in sources} == {"pilot", "rollout", "national"}
    assert {row.areas for row in sources} == {(), ("50",), ("5001",)}


def test_each_service_is_taken_part_in_on_the_ground_of_its_own_law() -> None:
    population = generate(15, 20261123, NOW.date())
    national = {(row.service, row.basis) for row in participants(population, NOW) if row.phase == "national"}
    assert national == {
        ("results", "pasientjournalloven § 13; kjernejournalforskriften"),
        ("critical-information", "pasientjournalloven § 13; kjernejournalforskriften"),
        ("record", "pasientjournalloven § 19"),
        ("documents", "pasientjournalloven § 19"),
        ("settlement", "folketrygdloven § 22-2"),
    }
