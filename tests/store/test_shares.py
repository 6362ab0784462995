"""Key shares: each person and service has one for ever, until it is destroyed, and then nobody makes it again."""

from __future__ import annotations

import os
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.store.keys import Keys, Sealer
from kjerne.store.shares import MESSAGES, NAME, Destroyed, Gone, Shares

NOW = datetime(2026, 11, 26, tzinfo=UTC)
KEYS = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
SERVICES = ["results", "maternity"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outside" / NAME


@pytest.fixture
def shares(path: Path) -> Shares:
    return Shares.made(path, KEYS, SERVICES)


def gone(index: int, generation: int = 0, service: str = "results") -> Gone:
    return Gone(service, index, generation, NOW)


def test_a_share_is_the_same_in_every_process_and_after_a_restart(shares: Shares, path: Path) -> None:
    key = secrets.randbits(62)
    assert shares.share("results", key) == Shares(path, KEYS).share("results", key)
    assert shares.share("results", key) == Shares.made(path, KEYS, SERVICES).share("results", key)
    assert path.stat().st_mode & 0o777 == 0o600


def test_persons_services_and_generations_share_nothing(shares: Shares) -> None:
    made = {
        shares.share(service, index, generation)
        for service in (*SERVICES, MESSAGES)
        for index in (0, 1, 2, 2**62, 2**64 - 1)
        for generation in (0, 1)
    }
    assert len(made) == 3 * 5 * 2
    assert all(len(one) == 32 for one in made)


def test_a_destroyed_share_is_never_made_again_and_its_next_generation_is(shares: Shares, path: Path) -> None:
    key = secrets.randbits(62)
    later = shares.share("results", key, 2)
    shares.destroy([gone(key)])
    for one in (shares, Shares(path, KEYS)):
        with pytest.raises(Destroyed):
            one.share("results", key)
        assert one.share("results", key, 2) == later
    shares.destroy([gone(key, 1)])
    with pytest.raises(Destroyed):
        shares.share("results", key, 1)
    assert shares.share("results", key, 2) == later


def test_an_opt_out_in_one_service_leaves_the_others_key(shares: Shares) -> None:
    key = secrets.randbits(62)
    other = shares.share("maternity", key)
    shares.destroy([gone(key)])
    assert shares.share("maternity", key) == other


indexes = st.integers(0, 7) | st.integers(2**63, 2**63 + 7) | st.integers(0, 2**64 - 1)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(SERVICES), indexes, st.integers(0, 2)), max_size=5),
    st.lists(indexes, max_size=4),
)
def test_after_any_history_all_that_was_not_destroyed_is_as_it_was(
    tmp_path: Path, history: list[tuple[str, int, int]], others: list[int]
) -> None:
    """Against a model: a dictionary of every share, from which the destroyed ones are taken out."""
    path = tmp_path / secrets.token_hex(8) / NAME
    shares = Shares.made(path, KEYS, SERVICES)
    asked = {index for _, index, _ in history} | set(others)
    model = {(s, i, g): shares.share(s, i, g) for s in SERVICES for i in asked for g in range(4)}
    for service, index, generation in history:
        shares.destroy([gone(index, generation, service)])
        for before in range(generation + 1):
            model.pop((service, index, before), None)
        reopened = Shares(path, KEYS)
        for s in SERVICES:
            for i in asked:
                for g in range(4):
                    if (s, i, g) in model:
                        assert reopened.share(s, i, g) == model[s, i, g]
                    else:
                        with pytest.raises(Destroyed):
                            reopened.share(s, i, g)


def test_another_process_forgets_with_its_next_share(shares: Shares, path: Path) -> None:
    other, key = Shares(path, KEYS), secrets.randbits(62)
    assert other.share("results", key)
    shares.destroy([gone(key)])
    with pytest.raises(Destroyed):
        other.share("results", key)
    assert other.listed() == (gone(key),)


def test_two_that_destroy_at_the_same_time_both_have_it_kept(shares: Shares, path: Path) -> None:
    keys = [secrets.randbits(62) for _ in range(12)]

    def work(own: list[int]) -> None:
        mine = Shares(path, KEYS)
        for key in own:
            mine.destroy([gone(key)])

    threads = [threading.Thread(target=work, args=(keys[at::3],)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.index for one in Shares(path, KEYS).listed()} == set(keys)


def test_done_again_it_is_listed_once(shares: Shares) -> None:
    shares.destroy([gone(5)])
    shares.destroy([gone(5), gone(6)])
    assert shares.listed() == (gone(5), gone(6))


def test_what_the_old_file_held_is_written_over(shares: Shares, path: Path) -> None:
    """Where the disk writes in place; a hard link stands for whoever undeletes the old file."""
    kept = path.with_name("undeleted")
    os.link(path, kept)
    sealer = Sealer(KEYS.derived("shares"))
    before = kept.read_bytes()
    assert sealer.open(before, b"key-shares/1")
    shares.destroy([gone(5)])
    assert len(kept.read_bytes()) == len(before)
    with pytest.raises(InvalidTag):
        sealer.open(kept.read_bytes(), b"key-shares/1")


def test_the_file_is_sealed_and_does_not_open_under_other_keys(shares: Shares, path: Path) -> None:
    for wrong in (Keys(b"x" * 32, b"p" * 32, b"s" * 32), None):
        if wrong is None:
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
        with pytest.raises(Refusal) as refusal:
            Shares(path, wrong or KEYS)
        assert (refusal.value.status, refusal.value.where) == (409, "KJERNE_KEY_SHARES")


def test_a_missing_file_is_refused_and_one_that_goes_away_stops_no_read(shares: Shares, path: Path) -> None:
    share = shares.share("results", 5)
    path.unlink()
    with pytest.raises(Refusal, match="missing"):
        Shares(path, KEYS)
    assert shares.share("results", 5) == share


def test_a_thousand_destroyed_shares_take_less_than_four_thousand_bytes_each(tmp_path: Path) -> None:
    shares = Shares.made(tmp_path / NAME, KEYS, ["results"])
    shares.destroy([gone(secrets.randbits(62)) for _ in range(1000)])
    assert (tmp_path / NAME).stat().st_size < 4_000_000
