"""Attacks find a generator that gives away whom it learned from, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kjerne.services.synthetic import attacks, fitting, memberships, model_file, portraits, risks, sampling, tuning
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.risks import Risk, Tries
from kjerne.services.synthetic.streams import Streams
from services.synthetic.made_tables import tables

PEOPLE = 2000
KINDS = (attacks.SINGLING_OUT, attacks.LINKAGE, attacks.INFERENCE)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> list[Cohort]:
    """People learned from, people held out, and people of an honest generator: the law itself, by which all were drawn."""
    found = list[Cohort]()
    for seed in (11, 12, 13):
        folder = tables(tmp_path_factory.mktemp("law") / "tables", people=PEOPLE, seed=seed)
        told = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False).told()
        codes = ("hb", "smoker", "birth", "diabetes", "death")
        found.append(cohort_of(told.events, told.traits, codes=codes, ticks=1))
    return found


def attacked(sides: list[Cohort], made: Cohort) -> tuple[list[Risk], list[Risk]]:
    train, holdout = sides[:2]
    codes = portraits.commonest(train, holdout)
    names, shown = portraits.side_by_side(train, holdout, made, codes=codes)
    rows = [np.stack([one[name] for name in names], axis=1) for one in shown]
    rng = np.random.default_rng(1)
    people = attacks.known(names, ["sex"], rows, [train.codes[code] for code in codes], rng)
    return attacks.attacked(people, rng)


@pytest.fixture(scope="module")
def honest(sides: list[Cohort]) -> tuple[list[Risk], list[Risk]]:
    return attacked(sides, sides[2])


def worst(sides: list[Cohort], made: Cohort) -> dict[str, float]:
    found, secrets = attacked(sides, made)
    return {kind: attacks.worst(found, secrets, kind) for kind in KINDS}


def thinned(cohort: Cohort) -> Cohort:
    """Every fourth event left out: no whole record is copied, and of five events in a row only those that a gap lies beside."""
    kept = np.arange(len(cohort.code)) % 4 != 3
    owners = cohort.persons[kept]
    first = np.searchsorted(owners, np.arange(cohort.people + 1))
    return replace(cohort, first=first, times=cohort.times[kept], code=cohort.code[kept], values=cohort.values[kept])


def test_honest_generator_passes_each_attack_with_the_attacks_that_are_asked_for(
    honest: tuple[list[Risk], list[Risk]],
) -> None:
    found, secrets = honest
    for one in found:
        assert one.attacks >= 2000, one
        assert one.low <= one.risk <= one.high
        assert one.guessing < one.control, "made people tell of anybody what guessing does not"
    for kind in KINDS:
        assert attacks.worst(found, secrets, kind) <= 0.05, found


def test_copies_of_training_people_are_found_by_each_attack(sides: list[Cohort]) -> None:
    found, _ = attacked(sides, sides[0])
    assert all(one.risk > 0.9 and one.low > 0.9 for one in found), found


def test_copies_with_every_fourth_event_left_out_are_found_by_each_attack(sides: list[Cohort]) -> None:
    assert all(bound > 0.3 for bound in worst(sides, thinned(sides[0])).values())


def test_a_few_copies_among_honest_people_are_found(sides: list[Cohort]) -> None:
    mixed = sampling.joined([sides[0].of(np.arange(200)), sides[2].of(np.arange(PEOPLE - 200))])
    bounds = worst(sides, mixed)
    assert bounds[attacks.LINKAGE] > 0.08
    assert bounds[attacks.INFERENCE] > 0.08


def test_one_secret_that_leaks_alone_is_not_lost_among_the_others(
    sides: list[Cohort], honest: tuple[list[Risk], list[Risk]]
) -> None:
    train, _, own = sides
    weight = [one.name for one in train.traits].index("weight")
    found, secrets = honest
    (one,) = (secret for secret in secrets if secret.by == "trait weight")
    leaks = [replace(secret, risk=0.2, low=0.14) if secret is one else secret for secret in secrets]
    by_chance = [replace(secret, risk=0.2, low=0.06) if secret is one else secret for secret in secrets]
    assert attacks.worst(found, by_chance, attacks.INFERENCE) <= 0.05, "one of many secrets lies so high by chance"
    assert attacks.worst(found, secrets, attacks.INFERENCE) <= 0.05 < attacks.worst(found, leaks, attacks.INFERENCE)
    given_away = replace(train, traits=tuple(
        trait if place == weight else replace(trait, numbers=own.traits[place].numbers)
        for place, trait in enumerate(train.traits)
    ))  # fmt: skip
    assert worst(sides, given_away)[attacks.INFERENCE] > 0.05


def test_attack_that_nobody_could_be_asked_in_has_no_figure(sides: list[Cohort]) -> None:
    nobody = Tries(np.zeros(0, np.bool_), np.zeros(0, np.int64))
    none = risks.risk_of(attacks.SINGLING_OUT, "one fact", nobody, nobody, 0.0)
    assert (none.attacks, none.told()["risk"]) == (0, None)
    assert np.isnan(attacks.worst([none], [], attacks.SINGLING_OUT))
    all_ = Tries(np.ones(50, np.bool_), np.arange(50))
    certain = risks.risk_of(attacks.LINKAGE, "halves", all_, all_, 0.0)
    assert np.isnan(attacks.worst([certain], [], attacks.LINKAGE)), (
        "who is found without the model cannot be found by it"
    )


def test_interval_is_wilsons() -> None:
    """Newcombe (Statistics in Medicine 1998), table I: 81 of 263 is 0.2553 to 0.3662 and 15 of 148 is 0.0624 to 0.1605."""
    for right, of, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        middle, about = Tries(np.arange(of) < right, np.arange(of)).rate()
        assert middle - about == pytest.approx(low, abs=1e-4)
        assert middle + about == pytest.approx(high, abs=1e-4)


def test_attacks_on_one_account_count_as_one() -> None:
    alone = Tries(np.arange(100) < 30, np.arange(100))
    repeated = Tries(np.repeat(alone.succeeded, 10), np.repeat(alone.accounts, 10))
    assert repeated.rate()[1] == pytest.approx(alone.rate()[1], rel=0.02)
    apart = Tries(repeated.succeeded, np.arange(1000))
    assert apart.rate()[1] < alone.rate()[1] / 2


def test_one_person_found_by_many_attacks_tells_of_one() -> None:
    succeeded, accounts = np.arange(1000) < 200, np.arange(1000)
    often = Tries(succeeded, accounts, np.where(succeeded, 7, -1), 500)
    each = Tries(succeeded, accounts, np.where(succeeded, np.arange(1000), -1), 500)
    assert often.rate()[0] == each.rate()[0]
    assert often.rate()[1] > 5 * each.rate()[1]
    assert each.rate()[1] < 1.2 * Tries(succeeded, accounts).rate()[1]
    nobody = Tries(np.zeros(1000, np.bool_), accounts, np.full(1000, -1), 20)
    assert nobody.rate()[1] == pytest.approx(Tries(np.zeros(20, np.bool_), np.arange(20)).rate()[1]), "of 20 people"


def test_risk_is_what_fails_on_others_and_succeeds_on_those_learned_from() -> None:
    """As the package anonymeter 1.1.0 reckons it: 600 of 2,000 against 200 of 2,000 is 0.22199 (0.19693 to 0.24704)."""
    found = risks.risk_of("x", "y", *(Tries(np.arange(2000) < right, np.arange(2000)) for right in (600, 200)), 0.0)
    assert (found.risk, found.low, found.high) == pytest.approx((0.22199, 0.19693, 0.24704), abs=1e-5)
    less = risks.risk_of("x", "y", *(Tries(np.arange(2000) < right, np.arange(2000)) for right in (100, 200)), 0.0)
    assert (less.risk, less.low, less.high) == (0, 0, 0)


@pytest.fixture(scope="module")
def shadowed(
    kept: model_file.Kept, source: fitting.Source, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, float]]:
    """What shadow models find in people of the model, in copies, and in copies of half a life among people of the model."""
    folder: Path = tables(tmp_path_factory.mktemp("shadowed") / "held", people=400, seed=2)
    model, train = kept.model, fitting.like(source, kept.model)
    holdout = fitting.like(fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False), model)
    own = sampling.block(model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(1200))
    mixed = sampling.joined([thinned(train), own.of(np.arange(800))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "BLOCKS", 1)
        made = dict[int, Cohort]()
        learn = memberships._shadow

        def once(model: model_file.Model, cohort: Cohort, number: int, seed: int) -> Cohort:
            made[number] = made.get(number) or learn(model, cohort, number, seed)
            return made[number]

        patch.setattr(memberships, "_shadow", once)
        return {name: memberships.by_shadows(model, train, holdout, one, 2, 1, lambda *_: None)
                for name, one in (("own", own), ("copies", train), ("mixed", mixed))}  # fmt: skip


def test_shadow_models_find_copies_and_nothing_in_honest_people(shadowed: dict[str, dict[str, float]]) -> None:
    assert shadowed["copies"]["area"] > 0.99
    assert shadowed["copies"]["sure"] > 0.9
    assert shadowed["mixed"]["area"] > 0.7
    assert shadowed["own"]["area"] < 0.56, "of 400 people on each side chance alone makes 0.54 of a coin"
    assert shadowed["own"]["shadows"] == 2
    assert shadowed["own"]["asked"] == 800
