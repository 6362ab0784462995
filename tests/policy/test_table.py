"""The table of rules as a whole: every rule named, worded, founded in law and told by some story; the page made from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kjerne.access import PARTS, Denial, Label, part_label
from kjerne.policy import facts, representing
from kjerne.policy.facts import ROLES, SCOPES
from kjerne.policy.rule import CITIZEN, FILE, Rule
from kjerne.policy.rules import mark_of
from kjerne.policy.table import NO_RULE, RULES, SECTIONS, UNKNOWN_PERSON
from kjerne.policy.words import CHOICE_EFFECTS, RULE_WORDS, says
from kjerne.store import audit

from .cast import DOCTOR, SHUTTING, doctor, patient
from .test_rules import AT_A_PORTAL, ATTESTED, CITIZENS, EXAMINED, PERSONNEL, ask
from .test_rules_attested import BROKEN
from .test_rules_beside import BESIDE_HERS
from .test_rules_systems import EXPORTED, RECHECKED, REVIEWED, TESTED
from .test_rules_young import YOUNG_AND_THEIRS
from .test_services import STORIES

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools"))
import law_sources  # noqa: E402 - a tool of the build, beside the product


def test_every_rule_has_a_name_of_its_own_a_law_and_words() -> None:
    own = [rule.id for section in SECTIONS if len(section.services) != 1 for rule in section.rules]
    assert len(set(own)) == len(own)
    for rule in (*RULES, NO_RULE, UNKNOWN_PERSON):
        assert rule.law
        assert rule.effect in ("grant", "deny")
        assert rule.says.endswith(".")


def test_what_was_met_under_a_rule_that_opens_something_restricted_is_marked_as_that_is() -> None:
    writing = {rule.id for section in SECTIONS if section.actions >= FILE for rule in section.rules if rule.mark}
    assert writing == audit.OPENED_TO_WRITE
    assert {mark_of(rule) for rule in (*writing, audit.MET_OPENED)} == {"restriction-opened"}
    assert mark_of(audit.MET) == ""


def test_every_rule_decides_some_story() -> None:
    told = {row[4] for row in PERSONNEL} | {row[2] for row in ATTESTED} | {row[4] for row in CITIZENS}
    told |= {
        "filed",
        "filed-after-opt-out",
        "corrected-after-opt-out",
        "nothing-of-its-own",
        "refused-as-it-stands",
        "looked-up-and-not-given",
        "choice-refused",
        "citizen-purpose-unknown",
        "sender-takes-no-part",
        "scope-narrower",
    }
    told |= {rule for _, rule in EXAMINED} | {
        "readers-traced",
        "sent-opened",
        "inquiry-handled",
        "answerer-takes-no-part",
        "log-controlled",
        "disclosed-to-source",
        "subscribed",
        "told-to-subscriber",
        "not-told-to-subscriber",
        "subscriber-does-not-treat",
        "subscriber-takes-no-part",
        "persons-linked",
        *(rule for _, rule in REVIEWED),
        *(rule for _, rule in TESTED),
        "test-of-what-is-not-its-own",
        *(rule for _, rule in EXPORTED),
        *(rule for _, rule in RECHECKED),
    }
    told |= {row[4] for row in YOUNG_AND_THEIRS} | {*BROKEN.values(), "attestation-refused"}
    told |= {row[3] for row in AT_A_PORTAL} | {"basis-not-signed"} | {row[-1] for row in STORIES}
    told |= {row[-1] for row in BESIDE_HERS}
    assert {rule.id for rule in RULES} - told == set()


def test_a_refusal_carries_no_permission_and_a_grant_no_outcome() -> None:
    for rule in (*RULES, NO_RULE, UNKNOWN_PERSON):
        if rule.effect == "deny":
            assert not (rule.hides or rule.released_only or rule.mark or rule.purpose)
        else:
            assert not rule.outcome
            assert rule.released_only == (rule.purpose != "")


def test_a_refusal_tells_of_a_choice_where_a_choice_made_it_and_of_nothing_else() -> None:
    told = {rule.id: rule.outcome for rule in RULES if rule.outcome}
    assert told == {
        "blocked-by-name": "Specific",
        **dict.fromkeys(
            ("restricted", "restricted-but-for-weighty-reasons", "restricted-to-all", "objected"), "General"
        ),
        **dict.fromkeys(("opted-out", "filed-after-opt-out", "not-kept-after-opt-out"), "Reservation"),
    }


def test_what_opens_a_restriction_opens_the_parts_too_and_nothing_else_does() -> None:
    assert {rule.id for rule in RULES if rule.opens_parts} == {
        "everything-opened", "elevated", "restriction-opened", "part-opened", "registered-with-all-opened",
        "registered-behind-restriction", "registered-behind-part",
    }  # fmt: skip


SEEN_BY_HER = {"results", "critical-information", "documents", "record", "settlement", "measurements", "maternity"}
SEEN_BY = {
    **dict.fromkeys(("own", "own-youth"), SEEN_BY_HER),
    "parent": SEEN_BY_HER - {"maternity"},
    **dict.fromkeys(
        (
            "proxy", "guardian", "guardian-of-minor", "proxy-choices", "guardian-choices", "guardian-of-minor-choices",
        ),
        SEEN_BY_HER - {"maternity", "measurements", "settlement"},
    ),
    **dict.fromkeys(
        ("proxy-log", "guardian-log", "guardian-of-minor-log"), (SEEN_BY_HER - {"maternity", "measurements", "settlement"}) | {""}
    ),
    **dict.fromkeys(
        ("youth", "youth-without-consent", "permit-elsewhere", "parent-permits", "guardian-permits"),
        frozenset({"results"}),
    ),
    **dict.fromkeys(("own-download", "parent-download"), frozenset({"results"})),
}  # fmt: skip


def test_a_citizens_row_is_of_the_services_that_show_her_something_or_of_every_service() -> None:
    of = {rule.id: section.services for section in SECTIONS if section.kinds == CITIZEN for rule in section.rules}
    assert {rule: set(services) for rule, services in of.items() if services} == SEEN_BY


FOR_ANOTHER = {facts.is_parent, facts.is_proxy, facts.is_guardian, facts.either_has_protected_address} | {
    representing.power_covers_this, representing.power_covers_choosing, representing.guardian_for_health,
    representing.guards_a_minor_for_health, representing.caller_is_deceased,
}  # fmt: skip


def test_a_row_on_who_stands_in_for_another_says_so_itself_and_leans_on_none_above_it() -> None:
    rows = [rule for rule in RULES if FOR_ANOTHER.intersection(rule.when)]
    assert len(rows) > 20
    assert [rule.id for rule in rows if facts.is_another not in rule.when] == []


def test_only_what_concerns_every_request_is_asked_of_whoever_it_is() -> None:
    assert {section.title for section in SECTIONS if not section.kinds} == {
        "An attestation that does not hold", "Every request", "What was let in, and refused for what stands here",
        "What was looked up, and given to nobody",
    }  # fmt: skip


def test_every_grant_hides_what_was_filed_on_a_wrong_person_save_the_log_and_filing() -> None:
    open_to_withdrawn = {rule.id for rule in RULES if rule.effect == "grant" and Label.WITHDRAWN not in rule.hides}
    assert open_to_withdrawn == {
        "own-log", "youth-log", "parent-log", "proxy-log", "guardian-log", "guardian-of-minor-log", "log-controlled",
        "disclosed-to-source", "filed", "corrected-after-opt-out", "sent-in", "put-right-after-opt-out",
    }  # fmt: skip


EVERY_MARK = Label(sum(SHUTTING) + sum(map(part_label, range(PARTS))))
IN_WHOSE_STEAD = {"own": "PATRQT", "youth": "PATRQT", "parent": "FAMRQT", "proxy": "PWATRNY", "guardian": "PWATRNY"}
WITHHELD = {
    "own": Label.WITHHELD_FROM_CITIZEN,
    "youth": Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_YOUTH,
    "parent": Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS,
    "proxy": Label.WITHHELD_FROM_CITIZEN,
    "guardian": Label.WITHHELD_FROM_CITIZEN,
    "guardian-of-minor": Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS,
}


@pytest.mark.parametrize(
    "rule", [one for one in RULES if one.effect == "grant" and one.purpose], ids=lambda one: one.id
)
def test_who_is_let_in_as_a_citizen_is_so_in_one_role_and_sees_nothing_that_is_withheld_from_it(rule: Rule) -> None:
    role = rule.id.partition("-")[0]
    assert rule.purpose == IN_WHOSE_STEAD[role]
    if rule.id.endswith("-permits"):
        assert rule.hides == EVERY_MARK, "who consents is shown nothing of the record"
        return
    withheld = WITHHELD["guardian-of-minor" if rule.id.startswith("guardian-of-minor") else role]
    assert rule.hides == withheld | (Label(0) if rule.id.endswith("-log") else Label.WITHDRAWN)


def test_roles_and_scopes_name_only_services_that_have_rules() -> None:
    served = {service for section in SECTIONS for service in section.services}
    assert set(ROLES) <= served
    assert {service for _, service, _ in SCOPES} - {""} <= served


def test_the_words_speak_three_languages_and_plainly() -> None:
    for name, words in {**RULE_WORDS, **CHOICE_EFFECTS}.items():
        assert len({*words}) == 3, name
        for text in words:
            assert text.endswith("."), name
            assert "§" not in text, name
    assert says("gp", "nb") == "Fastlegen så opplysningene i behandlingen."
    assert says("gp", "nn") == "Fastlegen såg opplysningane i behandlinga."
    assert says("gp", "en") == "The GP saw the information as part of treatment."
    assert says("a rule of another year", "en") == ""


def test_the_law_page_says_what_the_table_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_law.py"), "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, "docs/law.md is stale: run tools/build_law.py\n" + done.stderr


def test_each_conflict_stands_once_on_the_law_page_and_in_order() -> None:
    told = re.findall(r"^\| K(\d+) \|", (ROOT / "docs" / "law.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(told) > 90
    assert list(map(int, told)) == sorted(set(map(int, told)))


SOURCES = [source for source in law_sources.SOURCES if not source.ours]
TOLD = re.compile(
    r"20\d\d-\d\d|not verified|unverified|not read in|none was read|none of these was read|no legal source|"
    r"was not found|say nothing"
)


def test_every_law_that_a_rule_leans_on_is_in_the_table_of_sources_with_its_date_or_as_not_verified() -> None:
    for rule in (*RULES, NO_RULE, UNKNOWN_PERSON):
        for part in rule.law.split("; "):
            assert law_sources.of(part) or re.match(r"§ \d", part), part
    assert [
        one.title for one in SOURCES if not any(re.search(one.named, rule.law) for rule in (*RULES, UNKNOWN_PERSON))
    ] == []
    assert law_sources.wording("pasientjournalloven § 22; Tillitsrammeverket ATT-9") == (
        "Tillitsrammeverket v1.1, 2024-04-30; the rest not verified"
    )
    assert law_sources.wording("helsepersonelloven § 45") == "not verified"
    assert law_sources.wording("Tillitsrammeverket ATT-4") == "Tillitsrammeverket v1.1, 2024-04-30"
    for one in SOURCES:
        assert re.search(r"20\d\d-\d\d|version", one.read) if one.read else not one.short


def test_each_conflict_says_when_its_sources_were_read_or_that_they_were_not_verified() -> None:
    rows = re.findall(
        r"^\| (K\d+) \|.* \| (.*) \|$", (ROOT / "docs" / "law.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    # What leans on other rows and on nothing outside is ours, and those rows say it of theirs.
    alone = re.compile(
        r"^(K\d+(, | as to [^;]*; |; )?)*(the choice|the rest|that [^;]*|[^;]*) (is|are) ours$|^K\d+[^;]*; [^;]* was not found$"
    )
    assert [name for name, sources in rows if not TOLD.search(sources) and not alone.match(sources)] == []


def test_a_grant_is_made_in_one_place_only() -> None:
    makers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "src").rglob("*.py")
        if "Grant(" in path.read_text(encoding="utf-8")
    ]
    assert makers == ["src/kjerne/policy/rules.py"]


def test_nobody_is_named_in_a_refusal() -> None:
    answer = ask(doctor(), patient())
    assert isinstance(answer, Denial)
    assert DOCTOR.decode() not in answer.says + answer.law + answer.rule
