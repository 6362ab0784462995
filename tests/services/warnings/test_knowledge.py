"""What loaded terminology says of codes: FEST, the map of substances, SNOMED CT's hierarchy; and an installation without any."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest

from kjerne.errors import Refusal
from kjerne.fhir.terminology.parts import Known, Under, Valued
from kjerne.fhir.terminology.parts import Part as Said
from kjerne.sandbox import substances
from kjerne.services.warnings.api import compared
from kjerne.services.warnings.kin import check, kin_of
from kjerne.services.warnings.knowledge import ACTIVE_INGREDIENTS, MODIFICATION, OF_PRODUCTS, OF_SUBSTANCES, Knowledge
from kjerne.services.warnings.reading import ATC, FEST, MEDICINES, SNOMED, SUBSTANCES, Allergy, Code, Medicine, Part
from kjerne.services.warnings.registers import UNKNOWN, atc_of, fest_of
from kjerne.store import loading
from services.warnings.worlds import loaded as loaded_code
from services.warnings.worlds import medicine

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
AMOXICILLIN = Code(SUBSTANCES, substances.AMOXICILLIN.id)


def entry(*codes: Code) -> Allergy:
    return Allergy("1", "noe", frozenset({Part(frozenset(codes))}))


def brand(number: int) -> Medicine:
    return called(Code(MEDICINES, substances.BRANDS[number - 1].id))


def called(*codes: Code, said: str = "", name: str = "") -> Medicine:
    """A medicine that is only named."""
    part = Part(frozenset(codes), frozenset({said} - {""}), frozenset({name} - {""}))
    return Medicine("M/1", "noe", own=frozenset({part}))


def holding(*codes: Code) -> Medicine:
    """A medicine with these ingredients."""
    return Medicine("M/1", "noe", active=frozenset(Part(frozenset({one})) for one in codes))


async def rules(conn: Any, allergy: Allergy, medicine: Medicine) -> list[str]:
    return [one.rule for one in await compared(await Knowledge.at(conn), [allergy], [medicine])]


@pytest.fixture
async def empty(dsn: str) -> Any:
    conn = await asyncpg.connect(dsn)
    turn = conn.transaction()
    await turn.start()
    yield conn
    await turn.rollback()
    await conn.close()


@pytest.fixture
async def loaded(empty: Any) -> Any:
    await substances.keep(empty, NOW)
    return empty


async def test_without_files_a_medicine_of_fest_could_not_be_checked(empty: Any) -> None:
    assert await rules(empty, entry(AMOXICILLIN), brand(1)) == ["not-checked"]


async def test_a_brand_is_known_by_the_substance_that_fest_has_of_it(loaded: Any) -> None:
    assert await rules(loaded, entry(AMOXICILLIN), brand(1)) == ["same-substance"]
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == ["cross-reactivity"]
    assert await rules(loaded, entry(AMOXICILLIN), brand(5)) == []


async def test_a_reaction_to_a_brand_is_one_to_its_substance_in_another_brand(loaded: Any) -> None:
    of_heart = entry(Code(MEDICINES, substances.BRANDS[2].id))
    assert await rules(loaded, of_heart, brand(3)) == ["same-medicine"]
    assert await rules(loaded, of_heart, brand(4)) == ["same-substance"]


async def test_what_is_loaded_anew_is_what_is_asked(loaded: Any) -> None:
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == ["cross-reactivity"]
    smaller = substances.substance_map()
    del smaller["group"][1]
    await loading.keep_definition(loaded, smaller, NOW + timedelta(hours=1))
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == []


async def test_a_kind_of_what_she_reacts_to_is_found_by_the_hierarchy_of_snomed(empty: Any) -> None:
    parts = [Known("764146007", "Penicillin"), Known("372687004", "Amoxicillin"), Known("387207008", "Ibuprofen")]
    parts += [Known(OF_SUBSTANCES, "Substance"), Known("91936005", "Allergy to penicillin")]
    under = [Under("764146007", OF_SUBSTANCES), Under("372687004", "764146007"), Under("387207008", OF_SUBSTANCES)]
    await loading.load(empty, loading.Of(SNOMED, "x", "made up", "test", b"x"), [*parts, *under], NOW)
    penicillin = entry(Code(SNOMED, "764146007"))
    for code, told in (("372687004", ["same-substance"]), ("387207008", [])):
        medicine = holding(Code(SNOMED, code))
        assert await rules(empty, penicillin, medicine) == told
        # A finding is no substance, so that another code says nothing.
        assert await rules(empty, entry(Code(SNOMED, "91936005")), medicine) == ["not-checked"]


async def test_without_snomed_only_the_same_code_is_known(empty: Any) -> None:
    penicillin = entry(Code(SNOMED, "764146007"))
    for code, told in (("764146007", "same-substance"), ("387207008", "not-checked")):
        medicine = holding(Code(SNOMED, code))
        assert await rules(empty, penicillin, medicine) == [told]


async def test_a_product_of_snomed_is_known_by_what_is_in_it_and_else_not_at_all(empty: Any) -> None:
    """Loading SNOMED CT turns no *could not be checked* into silence."""
    parts: list[Said] = [Known(OF_SUBSTANCES, "Substance"), Known(OF_PRODUCTS, "Product")]
    parts += [Known("372687004", "Amoxicillin"), Known("27658006", "Product containing amoxicillin")]
    parts += [Known("96068000", "Amoxicillin trihydrate"), Known("38268001", "Product containing ibuprofen")]
    parts += [Under("372687004", OF_SUBSTANCES), Under("96068000", OF_SUBSTANCES)]
    parts += [Under("27658006", OF_PRODUCTS), Under("38268001", OF_PRODUCTS)]
    (leads, *_) = sorted(ACTIVE_INGREDIENTS)
    parts += [
        Valued("27658006", leads, "valueCode", "96068000"),
        Valued("96068000", MODIFICATION, "valueCode", "372687004"),
    ]
    await loading.load(empty, loading.Of(SNOMED, "x", "made up", "test", b"x"), parts, NOW)
    amoxicillin, product = Code(SNOMED, "372687004"), Code(SNOMED, "27658006")
    assert await rules(empty, entry(amoxicillin), called(product)) == ["same-substance"]
    assert await rules(empty, entry(product), holding(amoxicillin)) == ["same-substance"]
    assert await rules(empty, entry(amoxicillin), called(Code(SNOMED, "38268001"))) == ["not-checked"]
    assert await rules(empty, entry(Code(SNOMED, "38268001")), holding(amoxicillin)) == ["not-checked"]


def test_equal_codes_share_their_equals_and_their_groups() -> None:
    def target(code: str, equivalence: str) -> dict[str, Any]:
        return {"code": code, "equivalence": equivalence}

    kin = kin_of(
        {
            "group": [
                {
                    "source": ATC,
                    "target": SUBSTANCES,
                    "element": [{"code": one, "target": [target("s", "equal")]} for one in "ab"],
                },
                {"source": SUBSTANCES, "target": "urn:g", "element": [{"code": "s", "target": [target("G", "wider")]}]},
                {
                    "source": SUBSTANCES,
                    "target": "urn:g",
                    "element": [{"code": "t", "target": [target("G", "disjoint")]}],
                },
            ]
        }
    )
    assert kin.same[Code(ATC, "A")] == {Code(ATC, "A"), Code(ATC, "B"), Code(SUBSTANCES, "s")}
    assert kin.groups[Code(ATC, "B")] == {Code("urn:g", "G")}
    assert Code(SUBSTANCES, "t") not in kin.groups


def registers_of(
    medicines: dict[str, tuple[str, tuple[str, ...]]], stuff: dict[str, tuple[str, tuple[str, ...]]], **atc: str
) -> Knowledge:
    """FEST and ATC as they are loaded: medicines with their code of ATC and substances, these with what they are forms of."""
    fest = fest_of(
        [medicine(one, one, code, held) for one, (code, held) in medicines.items()],
        [
            loaded_code(one, name, [("RefVirkestoff", "valueString", each) for each in forms])
            for one, (name, forms) in stuff.items()
        ],
    )
    return Knowledge(fest, kin_of({}), None, atc_of([loaded_code(one, name) for one, name in atc.items()]))


PAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Ibux": ("M01AE01", ("IBU",)),
    "Ibulys": ("M01AE01", ("LYS",)),
    "Paracet": ("N02BE01", ("PCM",)),
    "Paracet koffein": ("N02BE01", ("PCM", "KOF")),
    "Paralgin": ("N02AJ06", ("PCM", "KODFOS")),
    "Halvdikt": ("N02AJ99", ("PCM", "GONE")),
    "Gentamer": ("J01GB03", ("GENT",)),
}
STUFF: dict[str, tuple[str, tuple[str, ...]]] = {
    "IBU": ("Ibuprofen", ()), "LYS": ("Ibuprofenlysin", ("IBU",)), "PCM": ("Paracetamol", ()), "KOF": ("Koffein", ()),
    "KOD": ("Kodein", ()), "KODFOS": ("Kodeinfosfat", ("KOD",)), "GENT": ("Gentamicin", ()), "KETO": ("Ketorolak", ()),
    "ALONE": ("Ensomin", ()),
}  # fmt: skip
TERMS: Final = {
    "M01": "Antiinflammatory", "M01A": "NSAIDs", "M01AE01": "ibuprofen", "C01EB16": "ibuprofen", "M01AB15": "ketorolak",
    "S01BC05": "ketorolak", "N02BE01": "paracetamol", "J01": "Antibacterials", "J01G": "Aminoglycosides",
    "J01GB03": "gentamicin", "S01AA11": "gentamicin", "P01AB": "Nitroimidazoles", "P01AB01": "metronidazole",
    "J01XD01": "metronidazole", "A07XX01": "combinations", "B05XX01": "combinations",
}  # fmt: skip


def stuff(code: str) -> Code:
    return Code(SUBSTANCES, code)


def told(allergy: Allergy, other: Medicine, **terms: str) -> list[str]:
    made = asyncio.run(compared(registers_of(PAIN, STUFF, **terms), [allergy], [other]))
    return [one.rule for one in made]


@pytest.mark.parametrize(
    ("entry_code", "medicine_code"),
    [
        (stuff("IBU"), Code(MEDICINES, "Ibulys")), (stuff("KOD"), Code(MEDICINES, "Paralgin")),
        (stuff("LYS"), Code(MEDICINES, "Ibux")), (stuff("IBU"), Code(ATC, "M01AE01")),
    ],
)  # fmt: skip
def test_a_salt_is_a_form_of_its_substance_and_so_are_its_other_salts(entry_code: Code, medicine_code: Code) -> None:
    assert told(entry(entry_code), called(medicine_code)) == ["same-substance"]


def test_two_substances_of_one_code_of_atc_are_told_of_as_of_one_use() -> None:
    apart = {one: (name, ()) for one, (name, _) in STUFF.items()}
    knows = registers_of(PAIN, apart)
    made = asyncio.run(compared(knows, [entry(stuff("IBU"))], [called(Code(MEDICINES, "Ibulys"))]))
    assert [one.rule for one in made] == ["same-use"]


@pytest.mark.parametrize("code", ["NONE", "Ibux", "ibu"])
def test_an_id_that_the_loaded_fest_does_not_have_is_no_other_substance(code: str) -> None:
    assert told(entry(stuff(code)), holding(stuff("PCM"))) == ["not-checked"]
    assert told(entry(stuff("PCM")), called(stuff(code))) == ["not-checked"]


def test_a_medicine_with_a_substance_that_fest_does_not_have_is_not_known_by_the_other() -> None:
    assert told(entry(stuff("IBU")), called(Code(MEDICINES, "Halvdikt"))) == ["not-checked"]
    assert told(entry(stuff("PCM")), called(Code(MEDICINES, "Halvdikt"))) == ["same-substance"]
    assert told(entry(Code(MEDICINES, "Halvdikt")), holding(stuff("IBU"))) == ["not-checked"]


def test_a_medicine_that_the_loader_marked_is_not_known_whole() -> None:
    marked = loaded_code("M", "M", [("RefVirkestoff", "valueString", "PCM"), (UNKNOWN, "valueString", "MS")])
    fest = fest_of([marked], [loaded_code(one, name) for one, (name, _) in STUFF.items()])
    knows = Knowledge(fest, kin_of({}), None)
    for code, rule in (("IBU", "not-checked"), ("PCM", "same-substance")):
        made = asyncio.run(compared(knows, [entry(stuff(code))], [called(Code(MEDICINES, "M"))]))
        assert [one.rule for one in made] == [rule]


def test_an_excipient_that_is_known_in_another_system_is_not_checked() -> None:
    """Both are understood, and nothing says whether they are one."""
    group = {
        "source": SNOMED,
        "target": "urn:g",
        "element": [{"code": "1", "target": [{"code": "g", "equivalence": "wider"}]}],
    }
    fest = fest_of([], [loaded_code(one, name) for one, (name, _) in STUFF.items()])
    knows = Knowledge(fest, kin_of({"group": [group]}), None)
    beside = frozenset({Part(frozenset({Code(SNOMED, "1")}))})
    for excipients, rules_ in ((frozenset[Part](), []), (beside, ["not-checked"])):
        other = holding(stuff("PCM"))._replace(excipients=excipients)
        made = asyncio.run(compared(knows, [entry(stuff("IBU"))], [other]))
        assert [one.rule for one in made] == rules_


def test_what_some_medicines_under_a_code_of_atc_have_is_not_ruled_out_for_another() -> None:
    of_caffeine, by_use = entry(stuff("KOF")), Code(ATC, "N02BE01")
    assert told(of_caffeine, called(by_use)) == ["not-checked"]
    assert told(of_caffeine, called(by_use, Code(MEDICINES, "a package"))) == ["not-checked"]
    assert told(of_caffeine, called(by_use, Code(MEDICINES, "Paracet"))) == []
    assert told(entry(by_use), holding(stuff("KOF"))) == ["not-checked"]
    assert told(entry(stuff("IBU")), called(by_use)) == []


def test_a_code_of_a_combination_that_is_not_known_is_not_known_by_a_substance_beside_it() -> None:
    assert told(entry(stuff("IBU")), called(Code(ATC, "J01CR02"), stuff("PCM"))) == ["not-checked"]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("Paracet tab 500 mg", True), ("PARACETAMOL", True), ("Paracet/ibuprofen", False), ("Paracet koffein", False),
        ("Noe annet", False),
    ],
)  # fmt: skip
def test_words_that_say_more_than_the_code_are_not_passed_over(said: str, understood: bool) -> None:
    assert told(entry(stuff("KOD")), called(stuff("PCM"), said=said)) == ([] if understood else ["not-checked"])
    part = Part(frozenset({stuff("PCM")}), frozenset({said}))
    assert told(Allergy("1", "noe", frozenset({part})), holding(stuff("KOD"))) == (
        [] if understood else ["not-checked"]
    )


def test_a_name_beside_a_code_that_is_another_substances_is_not_passed_over() -> None:
    assert told(entry(stuff("KOD")), called(stuff("PCM"), name="Kodein og paracetamol")) == ["not-checked"]
    assert told(entry(stuff("KOD")), called(stuff("PCM"), name="Paracetamolum")) == []


def test_a_name_in_words_is_understood_where_the_ingredients_account_for_it() -> None:
    inside = frozenset({Part(frozenset({stuff("PCM")}))})
    for said, told_of in (("Paracet", []), ("Ibux", ["not-checked"])):
        named = called(said=said)._replace(active=inside)
        assert told(entry(stuff("IBU")), named) == told_of


@pytest.mark.parametrize(
    ("group", "other", "rule"),
    [
        ("M01A", Code(ATC, "C01EB16"), "same-use"), ("M01A", stuff("IBU"), "same-use"), ("M01A", stuff("KETO"), "same-use"),
        ("M01A", Code(ATC, "S01BC05"), "same-use"), ("J01G", Code(ATC, "S01AA11"), "same-use"),
        ("M01A", Code(ATC, "M01AE01"), "same-use"), ("M01A", stuff("PCM"), ""), ("M01A", Code(MEDICINES, "Paralgin"), ""),
        ("N02AJ", stuff("KODFOS"), "not-checked"), ("N02AJ", stuff("KOD"), "not-checked"),
        ("M01A", Code(ATC, "M01"), "not-checked"), ("M01A", Code(ATC, "J01XD01"), "not-checked"),
        ("P01AB", Code(ATC, "J01XD01"), "not-checked"), ("P01AB", stuff("ALONE"), "not-checked"),
        ("N02", Code(ATC, "N02BE01"), "same-use"), ("N02", stuff("IBU"), "not-checked"), ("M", stuff("PCM"), "not-checked"),
    ],
)  # fmt: skip
def test_a_group_of_atc_is_compared_by_its_substances_under_all_their_codes(group: str, other: Code, rule: str) -> None:
    medicine_ = called(other)
    assert told(entry(Code(ATC, group)), medicine_, **TERMS) == ([rule] if rule else [])
    # Without ATC only FEST's own codes are known, which need not be all.
    assert told(entry(Code(ATC, group)), medicine_) in (["not-checked"], ["same-use"])


def test_codes_of_atc_that_are_called_combinations_are_no_one_substance() -> None:
    terms = atc_of([loaded_code(one, name) for one, name in TERMS.items()])
    assert terms.with_others(["A07XX01"]) == {"A07XX01"}
    assert terms.with_others(["S01BC05"]) == {"S01BC05", "M01AB15"}


async def test_a_group_of_atc_has_the_kin_of_its_substances(loaded: Any) -> None:
    assert await rules(loaded, entry(Code(ATC, "J01C")), brand(2)) == ["cross-reactivity"]


async def test_an_entry_that_is_coded_by_a_loaded_group_warns_of_what_is_in_it(loaded: Any) -> None:
    group = entry(Code(substances.GROUPS, "betalactams"))
    assert await rules(loaded, group, brand(1)) == ["cross-reactivity"]
    assert await rules(loaded, group, brand(5)) == ["not-checked"]


async def test_the_basis_profiles_have_one_system_for_all_of_fest(loaded: Any) -> None:
    of_brand, of_stuff = Code(FEST, substances.BRANDS[0].id), Code(FEST, substances.AMOXICILLIN.id)
    assert await rules(loaded, entry(Code(MEDICINES, of_brand.code)), called(of_brand)) == ["same-medicine"]
    assert await rules(loaded, entry(AMOXICILLIN), called(of_brand)) == ["same-substance"]
    assert await rules(loaded, entry(AMOXICILLIN), holding(of_stuff)) == ["same-substance"]
    assert await rules(loaded, entry(AMOXICILLIN), called(Code(FEST, substances.BRANDS[4].id))) == []
    assert await rules(loaded, entry(AMOXICILLIN), called(Code(FEST, "none"))) == ["not-checked"]


async def test_without_files_one_id_of_fest_is_still_itself(empty: Any) -> None:
    assert await rules(empty, entry(Code(MEDICINES, "7")), called(Code(FEST, "7"))) == ["same-medicine"]
    assert await rules(empty, entry(Code(SUBSTANCES, "7")), holding(Code(SUBSTANCES, "8"))) == ["not-checked"]


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ({"code": "g", "relationship": "source-is-narrower-than-target"}, "group[0].element[0].target[0].equivalence"),
        ({"code": "g", "equivalence": "relatedto"}, "group[0].element[0].target[0].equivalence"),
        ({"equivalence": "wider"}, "group[0].element[0].target[0].code"),
        ({"code": "g", "equivalence": "disjoint"}, "group"),
    ],
)
def test_a_map_that_says_what_is_not_understood_is_refused_with_its_place(target: dict[str, str], where: str) -> None:
    group = {"source": SUBSTANCES, "target": "urn:g", "element": [{"code": "s", "target": [target]}]}
    with pytest.raises(Refusal) as refused:
        check({"group": [group]})
    assert refused.value.where.endswith(f"ConceptMap.{where}")


def test_the_map_of_the_sandbox_is_understood() -> None:
    check(substances.substance_map())
