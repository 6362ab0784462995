"""Numbers are judged against an own implementation of the check digits, written from the rules, not from the code."""

from __future__ import annotations

import hmac
import pickle
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.registries.identifiers import (
    control_digits,
    digest,
    hpr_number,
    id_without_numbers,
    organisation_control_digit,
    organisation_number,
    parse,
    stands_in,
)

BOTH_RULES = ("02013299997", "02013299806", "30108299920")
ONLY_2032 = ("02013299903", "30108299939")


def official(number: str) -> str:
    """Which rule a number meets: the sums with their control digits must leave 0, or for k1 from 2032 at most 3."""
    digits = [int(one) for one in number]
    k1 = sum(a * b for a, b in zip(digits[:10], [3, 7, 6, 1, 8, 9, 4, 5, 2, 1], strict=True)) % 11
    k2 = sum(a * b for a, b in zip(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], strict=True)) % 11
    if k2:
        return "none"
    return {0: "1964", 1: "2032", 2: "2032", 3: "2032"}.get(k1, "none")


@pytest.mark.parametrize(
    ("number", "kind", "born", "synthetic"),
    [
        ("30108299920", "FNR", date(1982, 10, 30), False),
        ("02013299997", "FNR", date(2032, 1, 2), False),
        ("13717404089", "FNR", date(1974, 6, 13), True),
        ("02686525891", "FNR", date(1965, 3, 2), True),
        ("45920040881", "DNR", date(1900, 12, 5), True),
    ],
)
def test_public_examples_are_read_as_their_sources_say(number: str, kind: str, born: date, *, synthetic: bool) -> None:
    read = parse(number)
    assert (read.kind, read.birth_date, read.synthetic, read.rule) == (kind, born, synthetic, "1964")


@pytest.mark.parametrize("number", ONLY_2032)
def test_a_number_that_only_the_2032_rule_accepts_tells_no_birth_date(number: str) -> None:
    read = parse(number)
    assert read.rule == "2032"
    assert read.birth_date is None


def test_numbers_of_both_rules_count_as_the_older_rule() -> None:
    assert {parse(number).rule for number in BOTH_RULES} == {"1964"}


@given(st.dates(date(1854, 1, 1), date(2039, 12, 31)), st.integers(0, 99999), st.sampled_from([0, 65, 80]))
def test_exactly_the_numbers_with_right_control_digits_are_taken(born: date, tail: int, offset: int) -> None:
    number = f"{born.day:02d}{born.month + offset:02d}{born.year % 100:02d}{tail:05d}"
    rule = official(number)
    try:
        read = parse(number)
    except Refusal as refused:
        assert rule == "none" or "century" in refused.says or "date" in refused.says
    else:
        assert read.rule == rule
        assert read.synthetic == (offset != 0)
        assert read.birth_date is None or (read.birth_date.day, read.birth_date.month) == (born.day, born.month)


@given(st.integers(0, 999_999_999))
def test_made_control_digits_pass_the_official_check(nine: int) -> None:
    tail = control_digits(f"{nine:09d}")
    assert not tail or official(f"{nine:09d}{tail}") == "1964"


def test_month_plus_forty_is_a_hospitals_number_unless_the_source_says_otherwise() -> None:
    begin = "114770003"
    number = begin + control_digits(begin)
    assert parse(number).kind == "HNR"
    assert parse(number).system == ""
    assert parse(number, declared="HNR").kind == "HNR"
    declared = parse(number, declared="FNR")
    assert (declared.kind, declared.synthetic) == ("FNR", True)


def test_a_common_help_number_has_no_birth_date() -> None:
    begin = next(f"8{n:08d}" for n in range(100) if control_digits(f"8{n:08d}"))
    read = parse(begin + control_digits(begin))
    assert (read.kind, read.birth_date, read.system) == ("FHN", None, "urn:oid:2.16.578.1.12.4.1.4.3")


def test_the_29th_of_february_needs_a_leap_year() -> None:
    leap = next(n for n in range(100, 400) if control_digits(f"290280{n}"))
    assert parse(f"290280{leap}" + control_digits(f"290280{leap}")).birth_date == date(1980, 2, 29)
    common = next(n for n in range(100, 400) if control_digits(f"290281{n}"))
    with pytest.raises(Refusal):
        parse(f"290281{common}" + control_digits(f"290281{common}"))


@pytest.mark.parametrize(
    "text", ["", "123", "3010829992", "301082999200", "30108299921", "3010829992x", "٣0108299920", "99999999999"]
)
def test_what_is_no_number_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(text)
    assert refused.value.status == 400
    assert not text or text not in str(refused.value)


def test_documentations_wrong_examples_pass_when_strictness_is_off() -> None:
    assert parse("10086055555", strict=False).rule == "unchecked"


@given(st.sampled_from([*BOTH_RULES, *ONLY_2032]))
def test_no_way_of_printing_a_number_shows_its_digits(number: str) -> None:
    read = parse(number)
    for shown in (repr(read), str(read), f"{read}", f"{read!r}", repr([read]), repr({"patient": read})):
        assert number not in shown
    assert pickle.loads(pickle.dumps(read)) == read


def test_a_number_may_be_typed_with_a_space() -> None:
    assert parse("301082 99920") == parse("30108299920")


@given(st.binary(max_size=200), st.text(max_size=100))
def test_the_digest_is_an_hmac_of_sha_256(key: bytes, name: str) -> None:
    assert digest(key, name) == hmac.digest(key, name.encode(), "sha256")[:16]


@given(st.binary(min_size=16, max_size=64), st.sampled_from(BOTH_RULES))
def test_the_digest_depends_on_key_and_number_alone(key: bytes, number: str) -> None:
    assert len(digest(key, number)) == 16
    assert digest(key, number) == digest(key, number)
    assert digest(key + b"x", number) != digest(key, number) != digest(key, ONLY_2032[0])


def test_organisation_numbers_follow_enhetsregisterets_check() -> None:
    assert organisation_number("974 760 673") == "974760673"
    assert organisation_control_digit("99459875") == "9"
    for wrong in ("921592761", "314159265", "97476067", "", "97476067a"):
        with pytest.raises(Refusal):
            organisation_number(wrong)
    assert organisation_number("314159265", strict=False) == "314159265"


def test_hpr_numbers_lose_their_leading_zeros() -> None:
    assert hpr_number("009144889") == "9144889"
    for wrong in ("", "0", "1234567890", "91x"):
        with pytest.raises(Refusal):
            hpr_number(wrong)


def test_a_number_that_stands_in_a_text_by_itself_is_seen_and_no_other_digits() -> None:
    for text in (
        "Patient/01825110190",
        "urn:oid:2.16.578.1.12.4.1.4.1.01825110190",
        "01825110190",
        "x|01825110190&y",
        "018251 10190",
        "Practitioner/018251-10190",
        "０１８２５１１０１９０",
        "٠١٨٢٥١١٠١٩٠",
    ):
        assert stands_in(text), text
    for text in (
        "",
        "01825110191",
        "101825110190",
        "0182511019",
        "8f01825110190",
        "12345678901",
        "20261123120000",
        "018251  10190",
    ):
        assert not stands_in(text), text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a12345678901f", "a12345678901f"),
        ("13916900216", ""),
        ("sak 139169 00216", "sak"),
        ("4-13916900216-x", "4--x"),
        ("42", "42"),
    ],
)
def test_an_id_keeps_digits_among_letters_and_no_number_by_itself(text: str, kept: str) -> None:
    assert id_without_numbers(text) == kept


def test_others_numbers_are_masked_however_they_are_spelled_and_ones_own_stands() -> None:
    own, other = "13916900216", "15877912345"
    assert not identifiers.stands_in(other), "wrong control digits: no number of anybody"
    valid = next(f"158779{last:05}" for last in range(10_000, 99_999) if identifiers.stands_in(f"158779{last:05}"))
    said = f"{own}, {valid[:6]} {valid[6:]} og {valid}; rapport {other}"
    masked = identifiers.without_others(said, lambda number: number == own)
    assert masked == f"{own}, 158779 ***** og 158779 *****; rapport {other}"
    record = f"Observation/2e768930-9228-e53c-6d27-f{valid}"
    assert identifiers.without_others(record, lambda number: number == own) == record


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (29876837658, True), (Decimal("29876837658.0"), True), (Decimal("2.9876837658E10"), True),
        (Decimal("298768.37658"), True), (-29876837658, True),
        (29876837659, False), (Decimal("10.752245412"), False), (Decimal("1E+999999"), False), (10**400, False), (0, False),
    ],
)  # fmt: skip
def test_a_number_of_json_may_be_a_person_number(value: int | Decimal, is_one: bool) -> None:
    assert identifiers.is_a_number(value) == is_one


def test_the_digits_of_a_uuid_are_nobodys_number() -> None:
    number = "29876837658"
    id_ = f"95728855-09a0-4eda-a7df-{number}d"
    assert identifiers.numbers_in(f"{id_}.ndjson") == set()
    assert identifiers.numbers_in(f"{id_}/298768 37658") == {number}


def test_a_person_number_is_seen_however_its_digits_are_written_and_set_apart() -> None:
    number = "29876837658"
    own = f"Organization/0193b2b0-0000-7000-8000-f{number}"
    arabic = "".join(chr(0x660 + int(one)) for one in number)
    for text in (f"x{number}y", "298 768 376 58", ".".join(number), "\u200b".join(number), arabic, "298768 - 37658"):
        assert identifiers.holds_a_number(text), text
    for text in ("2987683765", f"{number}9", "29.8.7.6.8.3.7.6.5.8.1.2", "00000000-0000-4298-7683-765800000000", own):
        assert not identifiers.holds_a_number(text), text
