"""The law of access a second time, written slowly, law by law, from the public sources; imports nothing of the product.

Where the product walks down a table to the first row that fits, this asks each law by itself whether it speaks against,
and gives only when none does. It counts birthdays where the product counts years, and knows summer time by its rule.
Each function names its source; what the sources leave open is settled in docs/law.md, conflicts K1 to K65. What personnel
and systems meet in the services beside results is in `services_oracle`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from .days import birthday, day_in_norway
from .situation import LOOKING, Answer, Bond, Situation, Will
from .smart_oracle import smart_scopes_leave_something


def answer(s: Situation) -> Answer:
    """What the law says to this situation."""
    known = s.basis in ("", "UNNTAK", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT")
    # An attestation that does not hold is written down, and nothing is given for it (K101).
    if s.action == "attest" or not known:
        return Answer(given=False)
    if s.smart and not smart_scopes_leave_something(s):
        return Answer(given=False)
    if s.action in ("examine", "trace", "handle", "link", "export", "recheck", "review"):
        return {"link": registrar, "export": exporter, "recheck": rechecker, "review": reviewer}.get(
            s.action, operator
        )(s)
    if s.kind == "practitioner":
        return as_told(s, personnel(s))
    if s.kind == "citizen":
        return citizen(s)
    other = subscriber if s.action in ("subscribe", "notify") else system
    return test_client(s) or other(s)


# Time and age


def has_turned(s: Situation, years: int) -> bool:
    """Whether the birthday has come, in Norway. 29 February has its day on 1 March in a common year (K2)."""
    assert s.born is not None
    return day_in_norway(s.now) >= birthday(s.born, years)


# The patient's will (kjernejournal: sperring, blokkering, reservasjon; pasientjournalloven § 17)


def wills_now(s: Situation, kind: str) -> list[Will]:
    """Those in force: from the instant they begin, and no longer at the instant they end."""
    found = []
    for will in s.wills:
        begun = will.begins is None or not will.begins > s.now
        over = will.ends is not None and not will.ends > s.now
        here = will.service in ("", s.service)
        if will.kind == kind and begun and not over and here:
            found.append(will)
    return found


def is_blocked(s: Situation) -> bool:
    """A named person, by personnel number; 007 and 7 are one number."""
    return any(s.hpr and int(will.hpr) == int(s.hpr) for will in wills_now(s, "block") if will.hpr)


GROUP_OF_ROLE = {"LE": "doctors", "SP": "nurses", "AA": "acute", "PM": "acute", "JO": "midwives", "PS": "psychologists"}


def restrictions_against_this_one(s: Situation) -> list[Will]:
    """Against everybody, against those who work at one place, or against a group of professions (pbrl § 5-3)."""
    found = []
    for will in wills_now(s, "restriction"):
        # A unit is all that lies below it, by the register of organisations, and who names a place above it may be in it (K80).
        place = will.place in ("", s.legal_entity, s.unit, *s.above, *s.below)
        group = will.group == "" or will.group == GROUP_OF_ROLE.get(s.role, "others")
        if place and group:
            found.append(will)
    return found


def is_only_a_part(will: Will) -> bool:
    """A kind of content, or what one organisation sent, where every record of it is marked; else it is the whole (K22)."""
    return (will.content != "" or will.sent_by != "") and will.marked_everywhere


def is_restricted(s: Situation) -> bool:
    """The whole service."""
    return any(not is_only_a_part(will) for will in restrictions_against_this_one(s))


def restricted_parts(s: Situation) -> frozenset[str]:
    """What stays behind the padlock while the rest is open."""
    return frozenset(f"part {will.mark}" for will in restrictions_against_this_one(s) if is_only_a_part(will))


def is_opened(s: Situation) -> bool:
    """A declared consent or an acute situation opens a restriction; an exception from consent does not."""
    return "SAMTYKKE" in s.basis or "AKUTT" in s.basis


def has_consented(s: Situation) -> bool:
    """Recorded beforehand, for a person, a place, or a person at a place; perhaps for one course of treatment (K23)."""
    for will in wills_now(s, "consent"):
        if will.treatment and (s.attest is None or will.treatment != s.attest.treatment):
            continue
        person = will.hpr == s.hpr if will.hpr else True
        place = will.place in (s.legal_entity, s.unit) if will.place else True
        if (will.hpr or will.place) and person and place:
            return True
    return False


# Participation (K20: pasientjournalloven § 13; five of seven national measures begin with some organisations)


def takes_part(s: Situation, role: str) -> bool:
    """In this service and this role, where she is, from the first instant and no longer at the last."""
    for line in s.memberships:
        too_early = line.begins is not None and s.now < line.begins
        too_late = line.ends is not None and s.now >= line.ends
        if (line.role, line.service) == (role, s.service) and line.covers_her_place and not too_early and not too_late:
            return True
    return False


# Bonds


def bonds_today(s: Situation, kind: str) -> list[Bond]:
    today = day_in_norway(s.now)
    found = []
    for bond in s.bonds:
        begun = bond.first_day is None or bond.first_day <= today
        over = bond.day_after_last is not None and bond.day_after_last <= today
        if bond.kind == kind and begun and not over:
            found.append(bond)
    return found


def treats(s: Situation) -> bool:
    """The GP by the list; a place with an open course of care; a practitioner with one where no place is named."""
    if any(bond.hpr == s.hpr and s.hpr != "" for bond in bonds_today(s, "practice-list")):
        return True
    for bond in bonds_today(s, "care"):
        if bond.place and bond.place in (s.legal_entity, s.unit):
            return True
        if not bond.place and bond.hpr and bond.hpr == s.hpr:
            return True
    return False


def stands_in_as(s: Situation, kind: str) -> bool:
    return s.is_registered and any(bond.helper for bond in bonds_today(s, kind))


# Personnel


def personnel(s: Situation) -> Answer:
    """Helsepersonell: pasientjournalloven § 16 and § 19, helsepersonelloven § 21 a and § 45, Tillitsrammeverket."""
    if s.service != "results" or s.action not in LOOKING or "nhn:pps/provesvar-read" not in s.scopes or s.level < 4:
        return Answer(given=False)
    return in_an_organisation_that_takes_part(s) if takes_part(s, "consumer") else Answer(given=False)


def as_told(s: Situation, said: Answer) -> Answer:
    """Regulation (EU) 2025/327 art. 8: no choice is visible, so it is as if she had made none and had nothing here (K37)."""
    if s.jurisdiction != "EHDS" or said.outcome == "":
        return said
    without = personnel(replace(s, wills=tuple(will for will in s.wills if will.kind == "consent")))
    return Answer(given=False, looks_empty=True) if without.given else without


def in_an_organisation_that_takes_part(s: Situation) -> Answer:
    """Own record, or a patient whom somebody vouches that she is to help."""
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    if s.is_the_patient:
        return own_record_of_personnel(s, purpose)
    if not is_vouched_for(s) or purpose not in ("TREAT", "ETREAT", "COC", "BTG"):
        return Answer(given=False)
    if is_blocked(s):
        return Answer(given=False, outcome="Specific")
    if any(law(s, purpose) for law in (breaking_glass, opening_all, case, snooping)):
        return Answer(given=False)
    return once_need_is_shown(s, purpose)


def once_need_is_shown(s: Situation, purpose: str) -> Answer:
    """What nobody else is told (K5): a protected address shuts (nhn.no), an opt-out, and a restriction not opened."""
    if is_protected(s.address):
        return Answer(given=False, tells_address=True)
    if asking_consent(s, purpose):
        return Answer(given=False)
    if wills_now(s, "opt-out"):
        return Answer(given=False, outcome="Reservation")
    if is_restricted(s) and not is_opened(s):
        return Answer(given=False, outcome="General")
    return Answer(given=True, hidden=hidden_from_personnel(s), marked=special_in_the_log(s, purpose), purpose=purpose)


def own_record_of_personnel(s: Situation, purpose: str) -> Answer:
    """XcaDocumentSource: personnel reading own record, planned care; as a citizen and no further."""
    if s.born is None or not has_turned(s, 16) or purpose not in ("", "TREAT"):
        return Answer(given=False)
    return Answer(given=True, hidden=NOT_FOR_CITIZENS, only_released=True, purpose="PATRQT")


def is_vouched_for(s: Situation) -> bool:
    """Tillitsrammeverket v1.1: ATT-4, ATT-11, ATT-16, ATT-29, ATT-58."""
    attest = s.attest
    if attest is None or not attest.of_the_one_logged_in:
        return False
    if len(attest.about) == 0 or set(attest.about) != {"this"}:
        return False
    if attest.minutes_old < -1 or attest.minutes_old >= 60:
        return False
    return s.hpr != "" and s.legal_entity != "" and s.role in ROLES_WITHOUT_CONSENT + ROLES_BY_CONSENT


ROLES_WITHOUT_CONSENT = ("LE", "SP", "AA", "PM")
"""Doctors and nurses; ambulance workers and paramedics are the acute chain."""
ROLES_BY_CONSENT = ("JO", "FA1", "FA2", "PS", "TL", "VP", "FT", "MT", "KI")


def gives_reason(s: Situation) -> bool:
    """K78: three letters or figures that are seen; what Unicode draws as nothing is neither."""
    seen = [sign for sign in (s.attest.reason if s.attest else "") if unicodedata.category(sign)[0] in "LN"]
    return len([sign for sign in seen if "FILLER" not in unicodedata.name(sign, "")]) >= 3


def breaking_glass(s: Situation, purpose: str) -> bool:
    """ATT-41: outside the normal rules; for listed roles, with a reason."""
    return purpose == "BTG" and not (s.role in ROLES_WITHOUT_CONSENT and gives_reason(s))


def opening_all(s: Situation, _purpose: str) -> bool:
    """ACP .7: documented reasons to unlock everything."""
    return s.basis == "FORHOYET_AKUTT" and not (s.role in ROLES_WITHOUT_CONSENT and gives_reason(s))


def case(s: Situation, purpose: str) -> bool:
    """ATT-40, ATT-46: the case must be findable."""
    return purpose == "COC" and not gives_reason(s)


def snooping(s: Situation, purpose: str) -> bool:
    """helsepersonelloven § 21 a, pasientjournalloven § 16; a need may be declared by oneself (ATT-48)."""
    declares = s.attest is not None and s.attest.self_authorised
    return purpose != "BTG" and not treats(s) and not declares


def asking_consent(s: Situation, purpose: str) -> bool:
    """kjernejournal: other groups need consent, or must declare an acute situation; who says that it is the acute chain says why
    in words (K7)."""
    if s.role in ROLES_WITHOUT_CONSENT or (purpose == "ETREAT" and gives_reason(s)):
        return False
    return not (is_opened(s) or has_consented(s))


def hidden_from_personnel(s: Situation) -> frozenset[str]:
    """9603 NORS is opened by elevated grounds alone; what was filed on a wrong person by nothing."""
    if s.basis.startswith("FORHOYET"):
        return frozenset({"withdrawn"})
    single = frozenset({"withdrawn", "restricted", "restricted here"})
    return single if is_opened(s) else single | restricted_parts(s)


def special_in_the_log(s: Situation, purpose: str) -> str:
    """What the patient is told of, whatever she has asked to be told."""
    opened = is_restricted(s) or (is_opened(s) and restricted_parts(s))
    if s.basis.startswith("FORHOYET") or opened:
        return "restriction-opened"
    if purpose == "BTG":
        return "break-glass"
    if purpose == "COC":
        return "case-handling"
    return "" if treats(s) else "self-declared"


# Citizens

NOT_FOR_CITIZENS = frozenset({"withheld from citizen", "withdrawn"})


def is_protected(address: str) -> bool:
    """Kode 6 and 7; klientadresse is neither (K15)."""
    return address not in ("", "ugradert", "klientadresse")


def citizen(s: Situation) -> Answer:
    """pbrl § 3-4, § 4-3, § 4-4, § 5-1, § 5-3; pasientjournalloven § 17, § 18; helsenorge.no on proxies and children."""
    if not may_ask(s) or s.level < 4 or not s.is_registered or s.born is None or s.dead:
        return Answer(given=False)
    if s.purpose not in ("", "PATRQT", "FAMRQT", "PWATRNY"):
        return Answer(given=False)
    if s.action == "permit":
        return consenting_for_a_youth(s)
    standing = in_whose_name(s)
    if not standing or (standing == "PWATRNY" and s.action in ("ask", "download")):
        return Answer(given=False)
    hidden = NOT_FOR_CITIZENS if s.action != "insight" else NOT_FOR_CITIZENS - {"withdrawn"}
    if not s.is_the_patient and not has_turned(s, 12):
        hidden |= {"withheld from parents"}
    if s.is_the_patient and not has_turned(s, 16):
        hidden |= {"withheld from youth"}
    return Answer(given=True, hidden=hidden, only_released=True, purpose=standing)


def may_ask(s: Situation) -> bool:
    """The citizen's scope covers what she sees (K47), the log of every service and the choices; the log has one of its own."""
    if s.action == "insight":
        return bool({"kjerne:citizen", "kjerne:insight"} & s.scopes)
    if s.action in ("choose", "ask"):
        return "kjerne:citizen" in s.scopes
    if s.action == "permit":
        return "kjerne:citizen" in s.scopes and s.service == "results"
    seen = s.service in (*SEEN_BY_PROXIES, "settlement", "measurements", "maternity") and s.action in LOOKING
    return "kjerne:citizen" in s.scopes and (seen or (s.service, s.action) == ("results", "download"))


SEEN_BY_PROXIES = ("results", "critical-information", "documents", "record")
"""What proxies and guardians see (K28, K47, K88)."""


def in_whose_name(s: Situation) -> str:
    """Own, as a parent, by power of attorney, or not at all."""
    if s.is_the_patient:
        return "PATRQT" if has_turned(s, 16) or may_as_a_youth(s) else ""
    if is_protected(s.address) or is_protected(s.own_address) or s.own_death:
        return ""
    hers_alone = s.service == "maternity" and s.action in LOOKING
    if stands_in_as(s, "parent") and not has_turned(s, 12) and s.a_parent_lives_with_child is True and not hers_alone:
        return "FAMRQT"
    # The log is one, whichever way it is read: without a service it is of all that they see.
    if s.service in (*SEEN_BY_PROXIES, *([""] if s.action == "insight" else [])) and s.action in (*LOOKING, "insight"):
        return "PWATRNY" if may_see_as_proxy(s) or may_see_as_guardian(s) or in_a_parents_place(s) else ""
    if s.service in SEEN_BY_PROXIES and s.action == "choose":
        return "PWATRNY" if may_choose_as_proxy(s) or may_see_as_guardian(s) or in_a_parents_place(s) else ""
    return ""


def may_as_a_youth(s: Situation) -> bool:
    """13 to 15: her log and her settings; her results with a consent that is in force; nothing else (K59 to K61)."""
    if not has_turned(s, 13) or has_turned(s, 16):
        return False
    if s.action in ("insight", "choose"):
        return True
    return s.action in LOOKING and s.service == "results" and bool(wills_now(s, "youth-access"))


def consenting_for_a_youth(s: Situation) -> Answer:
    """A parent, where one lives with the youth; else the guardian, where nobody has the responsibility. The record itself
    stays shut to whoever consents (K60, K62)."""
    nobody = s.is_the_patient or is_protected(s.address) or is_protected(s.own_address) or s.own_death
    if nobody or not has_turned(s, 13) or has_turned(s, 16):
        return Answer(given=False)
    if stands_in_as(s, "parent"):
        may, standing = s.a_parent_lives_with_child is True, "FAMRQT"
    else:
        may, standing = guards_a_minor(s) and not has_a_parent(s), "PWATRNY"
    return Answer(given=True, hidden=EVERYTHING, only_released=True, purpose=standing) if may else Answer(given=False)


def has_a_parent(s: Situation) -> bool:
    """Whoever it is."""
    return bool(bonds_today(s, "parent"))


def guards_a_minor(s: Situation) -> bool:
    """A minor's guardianship in what is personal; the asylum case's scope for an unaccompanied asylum seeker alone (K62)."""
    for bond in bonds_today(s, "guardian"):
        alone = bond.form == "ensligMindreaarigAsylsoeker"
        of_a_minor = alone or bond.form in ("mindreaarig", "midlertidigForMindreaarig", "ensligMindreaarigFlyktning")
        personal = any(scope in PERSONAL for scope in bond.covers)
        in_asylum = alone and "utlendingssakerPersonligeOgOekonomiskeInteresser" in bond.covers
        if bond.helper and of_a_minor and (personal or in_asylum):
            return True
    return False


def in_a_parents_place(s: Situation) -> bool:
    """Of a child under 12 for whom nobody has parental responsibility (K62)."""
    return not has_turned(s, 12) and guards_a_minor(s) and not has_a_parent(s)


def may_choose_as_proxy(s: Situation) -> bool:
    """To act is one area, to be shown what is registered another; a setting needs both (K64)."""
    held = {area for bond in bonds_today(s, "proxy") if bond.helper for area in bond.covers}
    return may_see_as_proxy(s) and "digitaleHelsetjenester" in held


def may_see_as_proxy(s: Situation) -> bool:
    """helsenorge.no on powers of attorney: giver 16, receiver 18; the area of insight is sight, and of no other (K27, K28)."""
    if not has_turned(s, 16) or s.own_birth is None or day_in_norway(s.now) < birthday(s.own_birth, 18):
        return False
    return any(bond.helper and "innsyn" in bond.covers for bond in bonds_today(s, "proxy"))


def may_see_as_guardian(s: Situation) -> bool:
    """Folkeregisteret's guardiantype and guardianscope: of an adult, in what is personal (K29)."""
    for bond in bonds_today(s, "guardian"):
        of_an_adult = bond.form in ("voksen", "midlertidigForVoksen", "stadfestetFremtidsfullmakt")
        with_health = [scope for scope in bond.covers if scope in PERSONAL]
        if bond.helper and of_an_adult and with_health and has_turned(s, 18):
            return True
    return False


PERSONAL = ("personligeInteresser", "personligeOgOekonomiskeInteresser")
"""Health lies in the personal scope; the economic one does not hold it."""


# Systems


def test_client(s: Situation) -> Answer | None:
    """Of the sandbox: everything of whoever is made up and has shut nothing against anybody, in every service; to register also
    what each of them asks of who sends in, to be told of what is new what every subscriber needs (K89, K94). In bulk, of the
    services that are exported at all (K93)."""
    telling = s.action in ("subscribe", "notify")
    if "kjerne:all-patients" not in s.scopes or not (telling or s.action in (*LOOKING, "file", "correct", "export")):
        return None
    if telling and s.service not in ("results", "critical-information", "record"):
        return Answer(given=False)
    if s.action == "export" and s.service not in EXPORTED:
        return Answer(given=False)
    to_send = {
        "results": "nhn:pps/provesvar-write",
        "documents": "nhn:phr/mhd/create-documents-with-reference",
        "measurements": "nhn:pmd/write",
        "record": "kjerne:record-write",
        "settlement": "kjerne:settlement-write",
    }
    needed = "kjerne:all-patients"
    if s.action in LOOKING and s.service == "cross-border":
        needed = "kjerne:contact-point"
    if telling:
        needed = "kjerne:subscriptions"
    elif s.action in ("file", "correct"):
        needed = to_send.get(s.service, needed)
    shut = is_protected(s.address) or wills_now(s, "restriction") or wills_now(s, "opt-out")
    if needed not in s.scopes or not s.made_up or shut:
        return Answer(given=False)
    return Answer(given=True, hidden=frozenset({"restricted", "restricted here", "withdrawn"}), purpose=s.purpose)


def system(s: Situation) -> Answer:
    """A laboratory files and corrects, if it is a source, and nothing else. Of somebody who has opted out nothing new is kept
    (K13); what lies there already is put right (K19). The data controller's system for logs reads the log of every service,
    whole, and nothing else (pasientjournalloven § 22). A source's own hears who was given what it sent, whatever the patient
    has chosen since: it answers for it (helsepersonelloven § 45)."""
    if s.action == "insight":
        return Answer(given="kjerne:audit" in s.scopes, purpose=s.purpose if "kjerne:audit" in s.scopes else "")
    if s.action == "disclose":
        told = (
            s.service in ("results", "record", "settlement")
            and "kjerne:disclosures" in s.scopes
            and takes_part(s, "source")
        )
        return Answer(given=told, purpose=s.purpose if told else "")
    if s.action not in ("file", "correct") or s.service != "results" or "nhn:pps/provesvar-write" not in s.scopes:
        return Answer(given=False)
    if not takes_part(s, "source"):
        return Answer(given=False)
    if s.action == "file" and wills_now(s, "opt-out"):
        return Answer(given=False, outcome="Reservation")
    return Answer(given=True, purpose=s.purpose)


def subscriber(s: Situation) -> Answer:
    """A system of an organisation that treats her and takes part hears of what is new (K90). It hears nothing while she has shut
    anything to anybody, since nobody says who reads it there; of that it is not asked when it subscribes, or it would be told."""
    here = s.service in ("results", "critical-information", "record") and "kjerne:subscriptions" in s.scopes
    treating = any(bond.place and bond.place in (s.legal_entity, s.unit) for bond in bonds_today(s, "care"))
    if not (here and treating and takes_part(s, "consumer")):
        return Answer(given=False)
    if s.action == "subscribe":
        return Answer(given=True, hidden=EVERYTHING, purpose=s.purpose)
    whole = any(not is_only_a_part(will) for will in wills_now(s, "restriction"))
    if is_protected(s.address) or wills_now(s, "opt-out") or wills_now(s, "block") or whole:
        return Answer(given=False)
    return Answer(given=True, hidden=NOT_IN_BULK, purpose=s.purpose)


# Those who run the platform

EVERYTHING = frozenset({
    "restricted", "withheld from citizen", "withheld from parents", "withheld from youth", "not the mother's",
    "withdrawn", "restricted here",
}) | {f"part {number}" for number in range(16)}  # fmt: skip


def registrar(s: Situation) -> Answer:
    """Two numbers of one human, in whatever service (K31): the operator, by machine or by a person at level 4."""
    if s.kind == "system" and (tried := test_client(s)):
        return tried
    by = s.kind == "system" or (s.kind == "practitioner" and s.level >= 4)
    if not by or "kjerne:operations" not in s.scopes:
        return Answer(given=False)
    return Answer(given=True, hidden=EVERYTHING, purpose=s.purpose or (s.attest.purpose if s.attest else ""))


def reviewer(s: Situation) -> Answer:
    """Whom a reading that stands out was about, in whatever service (K55): a person who runs the platform, at level 4.

    Not where it is herself or somebody she stands in for, who has blocked her, or who lives under kode 6 and 7 (K6).
    """
    near = s.is_the_patient or any(stands_in_as(s, kind) for kind in ("parent", "proxy", "guardian"))
    if s.kind != "practitioner" or s.level < 4 or "kjerne:operations" not in s.scopes:
        return Answer(given=False)
    if near or is_blocked(s) or is_protected(s.address):
        return Answer(given=False)
    return Answer(given=True, hidden=EVERYTHING, purpose=s.purpose or (s.attest.purpose if s.attest else ""))


NOT_IN_BULK = frozenset({"restricted", "restricted here", "withdrawn"}) | {f"part {number}" for number in range(16)}
"""What the patient has shut to anybody, in whole or in part, and what was filed on a wrong person."""
EXPORTED = ("results", "critical-information", "record")
"""The services that are in use: each by its own choices (K93)."""


def exporter(s: Situation) -> Answer:
    """In bulk (K34, K93): the operator; nobody who has shut anything, no kode 6 and 7, nothing that personnel may not see."""
    if s.kind == "system" and (tried := test_client(s)):
        return tried
    by = s.kind == "system" or (s.kind == "practitioner" and s.level >= 4)
    whole = any(not is_only_a_part(will) for will in wills_now(s, "restriction"))
    shut = bool(wills_now(s, "block")) or is_protected(s.address) or bool(wills_now(s, "opt-out")) or whole
    if not by or s.service not in EXPORTED or "kjerne:operations" not in s.scopes or shut:
        return Answer(given=False)
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    return Answer(given=True, hidden=NOT_IN_BULK, purpose=purpose)


def rechecker(s: Situation) -> Answer:
    """What is stored, held against the rules of today by a program (K98): by the operator, in every service that is in use,
    also one that does not leave in bulk; of whoever has shut nothing. The sandbox's test client is none of it."""
    by = s.kind == "system" or (s.kind == "practitioner" and s.level >= 4)
    whole = any(not is_only_a_part(will) for will in wills_now(s, "restriction"))
    shut = bool(wills_now(s, "block")) or is_protected(s.address) or bool(wills_now(s, "opt-out")) or whole
    if not by or s.service not in (*EXPORTED, "settlement") or "kjerne:operations" not in s.scopes or shut:
        return Answer(given=False)
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    return Answer(given=True, hidden=NOT_IN_BULK, purpose=purpose)


def operator(s: Situation) -> Answer:
    """Opening a message that was rejected, and tracing who opened a result on a wrong person: no record is opened by it.

    The operator, by machine or by a person at level 4. What the patient has shut stays shut to her, and she opens no kode 6
    and 7 (K6); the log is read for whoever it is about. A laboratory gets its own messages back, whoever they name (K16).
    Whoever is to answer a citizen reads what she wrote to be read, whatever else she has shut (K35); a source only while it
    takes part (K52).
    """
    allowed = {"kjerne:operations"} | (
        {"nhn:pps/provesvar-write"} if s.kind == "system" and s.action in ("examine", "handle") else set()
    )
    if s.kind == "citizen" or s.service != "results" or not (allowed & s.scopes):
        return Answer(given=False)
    if s.kind == "practitioner" and s.level < 4:
        return Answer(given=False)
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    own = s.kind == "system" and "kjerne:operations" not in s.scopes
    if s.action == "handle" and own and not takes_part(s, "source"):
        return Answer(given=False)
    if s.action in ("trace", "handle"):
        return Answer(given=True, hidden=EVERYTHING, purpose=purpose)
    its_own = s.kind == "system" and "kjerne:operations" not in s.scopes
    shut = is_blocked(s) or is_protected(s.address) or wills_now(s, "opt-out") or restrictions_against_this_one(s)
    if shut and not its_own:
        return Answer(given=False)
    return Answer(given=True, hidden=EVERYTHING, marked="break-glass", purpose=purpose)
