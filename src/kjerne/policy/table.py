"""The law as a table: each rule with its clause, its words, when it fits and what follows.

Read from the top: the first row that fits decides, and where none fits the answer is no. What no declaration can open
(a block by name) stands above what one can, and every refusal above the grants it takes away; rows below the grants
only say why nothing was given. docs/law.md is generated from here (tools/build_law.py) and tells where the sources
disagree. A new service adds a section here, roles and scopes in `policy.facts`, words in `policy.words`; `decide` does
not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from kjerne.access import Action, CallerKind, Label
from kjerne.policy import facts
from kjerne.policy.facts import Case

NOTHING: Final = Label(0)

Condition = Callable[[Case], bool]
Outcome = Literal["", "Specific", "General", "Reservation"]
Mark = Literal["", "restriction-opened", "break-glass", "case-handling", "self-declared"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. It fits when every condition in `when` holds and purpose and basis are among those named, if any.

    Empty `purposes` or `bases` mean all. `says` is what the patient reads in her log, in bokmål. `purpose` replaces
    what was asked where the tie decides it (FAMRQT for a parent). `mark` sets the row apart in the log and has the
    patient told, whatever her notification profile.
    """

    id: str
    effect: Literal["grant", "deny"]
    law: str
    says: str
    when: tuple[Condition, ...] = ()
    purposes: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    outcome: Outcome = ""
    hides: Label = NOTHING
    released_only: bool = False
    purpose: str = ""
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rules that concern the same callers, services and actions; an empty set means all."""

    title: str
    kinds: frozenset[CallerKind]
    services: frozenset[str]
    actions: frozenset[Action]
    rules: tuple[Rule, ...]


ANYBODY: Final[frozenset[CallerKind]] = frozenset()
STAFF: Final[frozenset[CallerKind]] = frozenset({"practitioner"})
CITIZEN: Final[frozenset[CallerKind]] = frozenset({"citizen"})
PEOPLE: Final[frozenset[CallerKind]] = STAFF | CITIZEN
SYSTEM: Final[frozenset[CallerKind]] = frozenset({"system"})

EVERY_SERVICE: Final[frozenset[str]] = frozenset()
RESULTS: Final = frozenset({"results"})
EVERY_ACTION: Final[frozenset[Action]] = frozenset()
LOOK: Final[frozenset[Action]] = frozenset({"read", "search", "history"})
FILE: Final[frozenset[Action]] = frozenset({"file"})
INSIGHT: Final[frozenset[Action]] = frozenset({"insight"})
CHOOSE: Final[frozenset[Action]] = frozenset({"choose"})

TREATING: Final = frozenset({"TREAT", "ETREAT"})
NEEDING_RELATION: Final = TREATING | {"COC"}
BREAK_GLASS: Final = frozenset({"BTG"})
ELEVATED: Final = frozenset({"FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"})
ELEVATED_EMERGENCY: Final = frozenset({"FORHOYET_AKUTT"})

FROM_STAFF: Final = Label.RESTRICTED | Label.WITHDRAWN
FROM_CITIZEN: Final = Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN
FROM_PARENT: Final = FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS

NO_RULE: Final = Rule(
    id="no-rule",
    effect="deny",
    law="pasientjournalloven § 16",
    says="Ingen regel ga adgang.",
)
UNKNOWN_PERSON: Final = Rule(
    id="unknown-person",
    effect="deny",
    law="kjernejournalforskriften § 3",
    says="Personen finnes ikke her.",
)

_EVERY_PERSON_AND_SYSTEM: Final = Section(
    title="Every request",
    kinds=ANYBODY,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="scope-missing",
            effect="deny",
            law="pasientjournalloven § 22",
            says="Systemet som spurte, har ikke lov til å be om dette.",
            when=(facts.scope_is_missing,),
        ),
        Rule(
            id="basis-unknown",
            effect="deny",
            law="kjernejournalforskriften § 7",
            says="Grunnlaget for oppslaget er ikke et kjent grunnlag.",
            when=(facts.basis_is_unknown,),
        ),
    ),
)

_EVERY_PERSON: Final = Section(
    title="Every person who is logged in",
    kinds=PEOPLE,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="level-too-low",
            effect="deny",
            law="pasientjournalloven § 22; Tillitsrammeverket ATT-9",
            says="Innloggingen var ikke på høyeste sikkerhetsnivå.",
            when=(facts.level_is_below_four,),
        ),
    ),
)

_STAFF_ON_THEMSELVES: Final = Section(
    title="Results: personnel on their own record",
    kinds=STAFF,
    services=RESULTS,
    actions=LOOK,
    rules=(
        Rule(
            id="own-as-staff",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 5-1; pasientjournalloven § 18",
            says="Helsepersonell så opplysninger om seg selv, og ikke mer enn andre får se om seg selv.",
            when=(facts.is_own, facts.is_16_or_more),
            purposes=frozenset({"", "TREAT"}),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="own-not-as-staff",
            effect="deny",
            law="helsepersonelloven § 21 a",
            says="Helsepersonell ser opplysninger om seg selv bare som vanlig innbygger, ikke som behandler.",
            when=(facts.is_own,),
        ),
    ),
)

_STAFF_PROOF: Final = Section(
    title="Results: what personnel must bring",
    kinds=STAFF,
    services=RESULTS,
    actions=LOOK,
    rules=(
        Rule(
            id="attestation-missing",
            effect="deny",
            law="Tillitsrammeverket ATT-2, ATT-6",
            says="Arbeidsgiveren hadde ikke bekreftet behovet for oppslaget.",
            when=(facts.attestation_is_missing,),
        ),
        Rule(
            id="caller-not-described",
            effect="deny",
            law="Tillitsrammeverket ATT-16, ATT-29",
            says="Det manglet opplysninger om hvem som spurte, eller hvor de arbeider.",
            when=(facts.caller_is_not_described,),
        ),
        Rule(
            id="role-not-listed",
            effect="deny",
            law="kjernejournalforskriften § 7",
            says="Denne yrkesgruppen har ikke adgang til prøvesvar.",
            when=(facts.role_is_not_listed,),
        ),
        Rule(
            id="attestation-of-another-practitioner",
            effect="deny",
            law="Tillitsrammeverket ATT-11",
            says="Bekreftelsen fra arbeidsgiveren gjaldt en annen ansatt.",
            when=(facts.attestation_is_anothers,),
        ),
        Rule(
            id="attestation-of-another-patient",
            effect="deny",
            law="Tillitsrammeverket ATT-4",
            says="Bekreftelsen fra arbeidsgiveren gjaldt en annen pasient.",
            when=(facts.attestation_names_another,),
        ),
        Rule(
            id="attestation-expired",
            effect="deny",
            law="Tillitsrammeverket ATT-58",
            says="Bekreftelsen fra arbeidsgiveren var for gammel.",
            when=(facts.attestation_has_expired,),
        ),
        Rule(
            id="purpose-unknown",
            effect="deny",
            law="Tillitsrammeverket ATT-38 til ATT-41",
            says="Formålet med oppslaget er ikke et kjent formål.",
            when=(facts.staff_purpose_is_unknown,),
        ),
    ),
)

_STAFF_REFUSED: Final = Section(
    title="Results: what shuts the record for personnel",
    kinds=STAFF,
    services=RESULTS,
    actions=LOOK,
    rules=(
        Rule(
            id="blocked-by-name",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3; Tillitsrammeverket ATT-5",
            says="Denne personen er blokkert ved navn og får ikke se noe, heller ikke i en nødssituasjon.",
            when=(facts.is_blocked_by_name,),
            outcome="Specific",
        ),
        Rule(
            id="address-protected",
            effect="deny",
            law="kjernejournalforskriften (nhn.no om kode 6 og 7)",
            says="Opplysninger om en person med beskyttet adresse kan ikke åpnes her.",
            when=(facts.has_protected_address,),
        ),
        Rule(
            id="break-glass-role",
            effect="deny",
            law="Tillitsrammeverket ATT-41; helsepersonelloven § 21 a",
            says="Denne yrkesgruppen kan ikke sette de vanlige reglene til side.",
            when=(facts.role_may_not_break_glass,),
            purposes=BREAK_GLASS,
        ),
        Rule(
            id="break-glass-reason",
            effect="deny",
            law="Tillitsrammeverket ATT-41, ATT-46",
            says="De vanlige reglene kan ikke settes til side uten at det står hvorfor.",
            when=(facts.reason_is_missing,),
            purposes=BREAK_GLASS,
        ),
        Rule(
            id="elevated-emergency-role",
            effect="deny",
            law="kjernejournalforskriften § 7; ACP 2.16.578.1.12.4.1.7.2.1.7",
            says="Denne yrkesgruppen kan ikke åpne alt som er sperret i en nødssituasjon.",
            when=(facts.role_may_not_break_glass,),
            bases=ELEVATED_EMERGENCY,
        ),
        Rule(
            id="elevated-emergency-reason",
            effect="deny",
            law="kjernejournalforskriften § 7; ACP 2.16.578.1.12.4.1.7.2.1.7",
            says="Alt som er sperret, kan ikke åpnes uten at det står hvorfor.",
            when=(facts.reason_is_missing,),
            bases=ELEVATED_EMERGENCY,
        ),
        Rule(
            id="case-handling-reason",
            effect="deny",
            law="Tillitsrammeverket ATT-40, ATT-46",
            says="Oppslag for saksbehandling krever at det står hvilken sak det gjelder.",
            when=(facts.reason_is_missing,),
            purposes=frozenset({"COC"}),
        ),
        Rule(
            id="no-relation",
            effect="deny",
            law="pasientjournalloven § 16; helsepersonelloven § 21 a",
            says="Den som spurte, hadde ikke noe behandlingsforhold til pasienten.",
            when=(facts.has_no_relation,),
            purposes=NEEDING_RELATION,
        ),
        Rule(
            id="consent-missing",
            effect="deny",
            law="kjernejournalforskriften § 7",
            says="Denne yrkesgruppen trenger samtykke for å se opplysningene, og det var ikke gitt.",
            when=(facts.consent_is_needed,),
        ),
        Rule(
            id="opted-out",
            effect="deny",
            law="pasientjournalloven § 13; kjernejournalforskriften (retten til å reservere seg)",
            says="Det er reservert mot at helsepersonell ser opplysningene her.",
            when=(facts.has_opted_out,),
            outcome="Reservation",
        ),
        Rule(
            id="restricted",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene er sperret. De åpnes bare med samtykke eller i en nødssituasjon.",
            when=(facts.is_restricted, facts.basis_does_not_open),
            outcome="General",
        ),
    ),
)

_STAFF_GIVEN: Final = Section(
    title="Results: what opens the record for personnel",
    kinds=STAFF,
    services=RESULTS,
    actions=LOOK,
    rules=(
        Rule(
            id="everything-opened",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 5-3; ACP 2.16.578.1.12.4.1.7.2.1.5 og .7",
            says="Alt som var sperret, ble åpnet med uttrykkelig samtykke eller i en nødssituasjon.",
            bases=ELEVATED,
            hides=Label.WITHDRAWN,
            mark="restriction-opened",
        ),
        Rule(
            id="restriction-opened",
            effect="grant",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Sperringen ble åpnet med samtykke eller i en nødssituasjon.",
            when=(facts.is_restricted,),
            hides=FROM_STAFF,
            mark="restriction-opened",
        ),
        Rule(
            id="break-glass",
            effect="grant",
            law="Tillitsrammeverket ATT-41; helsepersonelloven § 45",
            says="De vanlige reglene ble satt til side. Den som så opplysningene, skrev hvorfor.",
            purposes=BREAK_GLASS,
            hides=FROM_STAFF,
            mark="break-glass",
        ),
        Rule(
            id="case-handling",
            effect="grant",
            law="Tillitsrammeverket ATT-40; pasientjournalloven § 19",
            says="Opplysningene ble brukt i behandlingen av en sak, for eksempel en henvisning.",
            purposes=frozenset({"COC"}),
            hides=FROM_STAFF,
            mark="case-handling",
        ),
        Rule(
            id="gp",
            effect="grant",
            law="pasientjournalloven § 19; helsepersonelloven § 45; kjernejournalforskriften § 7",
            says="Fastlegen så opplysningene i behandlingen.",
            when=(facts.is_on_practice_list,),
            purposes=TREATING,
            hides=FROM_STAFF,
        ),
        Rule(
            id="care",
            effect="grant",
            law="pasientjournalloven § 19; helsepersonelloven § 45; kjernejournalforskriften § 7",
            says="Behandlingsstedet så opplysningene i behandlingen.",
            when=(facts.has_care_course,),
            purposes=TREATING,
            hides=FROM_STAFF,
        ),
        Rule(
            id="self-declared",
            effect="grant",
            law="Tillitsrammeverket ATT-48; helsepersonelloven § 21 a og § 45",
            says="Den som så opplysningene, oppga selv at det var nødvendig for behandlingen.",
            when=(facts.is_self_declared,),
            purposes=TREATING,
            hides=FROM_STAFF,
            mark="self-declared",
        ),
    ),
)

_CITIZEN_REFUSED: Final = Section(
    title="Citizens: what shuts the record",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="citizen-unknown",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 5-1",
            says="Den som er logget inn, finnes ikke i registrene her.",
            when=(facts.caller_is_unknown,),
        ),
        Rule(
            id="age-unknown",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 4-3",
            says="Fødselsdatoen er ukjent, og da kan vi ikke vite hvem som har rett til innsyn.",
            when=(facts.age_is_unknown,),
        ),
        Rule(
            id="citizen-purpose-unknown",
            effect="deny",
            law="Tillitsrammeverket ATT-38 til ATT-41",
            says="Formålet hører til helsepersonell, ikke til innbyggere.",
            when=(facts.citizen_purpose_is_unknown,),
        ),
        Rule(
            id="deceased",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 5-1; helsepersonelloven § 24",
            says="Digitalt innsyn tar slutt når en person dør. Pårørende kan be om innsyn hos behandlingsstedet.",
            when=(facts.is_deceased,),
        ),
        Rule(
            id="own-under-12",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 4-4",
            says="Barn under 12 år har ikke digitalt innsyn selv. Foreldrene har det.",
            when=(facts.is_own, facts.is_under_12),
        ),
        Rule(
            id="own-12-to-16",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 4-3",
            says="Fra 12 til 16 år vises ikke prøvesvar digitalt. Legen kan vise dem fram.",
            when=(facts.is_own, facts.is_12_to_16),
        ),
        Rule(
            id="address-protected-representation",
            effect="deny",
            law="Helsenorge, om innsyn for andre og beskyttet adresse",
            says="Den som har beskyttet adresse, kan ikke se opplysninger for andre, og andre kan ikke se for den.",
            when=(facts.is_another, facts.either_has_protected_address),
        ),
        Rule(
            id="parent-elsewhere",
            effect="deny",
            law="Helsenorge, om innsyn for barn under 12 år",
            says="Foreldre har digitalt innsyn bare når minst én av dem er registrert på samme adresse som barnet.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12, facts.no_parent_lives_there),
        ),
    ),
)

_CITIZEN_LOOKS: Final = Section(
    title="Results: what opens the record for citizens",
    kinds=CITIZEN,
    services=RESULTS,
    actions=LOOK,
    rules=(
        Rule(
            id="own-youth",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 4-3, § 5-1",
            says="Ungdom mellom 16 og 18 år så opplysninger om seg selv.",
            when=(facts.is_own, facts.is_16_to_18),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="own",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 5-1; pasientjournalloven § 18",
            says="Innbyggeren så opplysninger om seg selv.",
            when=(facts.is_own, facts.is_18_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="parent",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 3-4, § 5-1",
            says="En forelder så opplysninger om barnet sitt.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12),
            hides=FROM_PARENT,
            released_only=True,
            purpose="FAMRQT",
        ),
        Rule(
            id="proxy",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 5-1; Helsenorge, om fullmakt",
            says="En person med fullmakt så opplysningene.",
            when=(facts.is_another, facts.is_proxy, facts.is_16_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

_CITIZEN_LOG: Final = Section(
    title="Citizens: the log of who looked",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=INSIGHT,
    rules=(
        Rule(
            id="own-log",
            effect="grant",
            law="pasientjournalloven § 18; helsepersonelloven § 45; Tillitsrammeverket ATT-8",
            says="Innbyggeren så hvem som har sett opplysningene.",
            when=(facts.is_own, facts.is_16_or_more),
            hides=Label.WITHHELD_FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="parent-log",
            effect="grant",
            law="pasientjournalloven § 18; pasient- og brukerrettighetsloven § 3-4",
            says="En forelder så hvem som har sett opplysninger om barnet.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12),
            hides=Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS,
            released_only=True,
            purpose="FAMRQT",
        ),
        Rule(
            id="proxy-log",
            effect="grant",
            law="pasientjournalloven § 18; Helsenorge, om fullmakt",
            says="En person med fullmakt så hvem som har sett opplysningene.",
            when=(facts.is_another, facts.is_proxy, facts.is_16_or_more),
            hides=Label.WITHHELD_FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

_CITIZEN_CHOICES: Final = Section(
    title="Citizens: the choices about own data",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=CHOOSE,
    rules=(
        Rule(
            id="own-choices",
            effect="grant",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Innbyggeren så eller endret personverninnstillingene sine.",
            when=(facts.is_own, facts.is_16_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="parent-choices",
            effect="grant",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 4-4",
            says="En forelder så eller endret barnets personverninnstillinger.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12),
            hides=FROM_PARENT,
            released_only=True,
            purpose="FAMRQT",
        ),
    ),
)

_CITIZEN_NOT_GIVEN: Final = Section(
    title="Citizens: why nothing was given",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="parent-of-12-to-16",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4",
            says="Når barnet er mellom 12 og 16 år, har foreldre ikke digitalt innsyn. De kan spørre legen.",
            when=(facts.is_another, facts.is_parent, facts.is_12_to_16),
        ),
        Rule(
            id="parent-of-16-to-18",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 4-3",
            says="Fra 16 år bestemmer ungdommen selv, og foreldres innsyn er slutt.",
            when=(facts.is_another, facts.is_parent, facts.is_16_to_18),
        ),
        Rule(
            id="proxy-of-under-16",
            effect="deny",
            law="Helsenorge, om fullmakt",
            says="Bare den som har fylt 16 år, kan gi fullmakt.",
            when=(facts.is_another, facts.is_proxy, facts.is_under_16),
        ),
        Rule(
            id="guardian-unscoped",
            effect="deny",
            law="vergemålsloven § 31",
            says="Vergens mandat er ikke kjent her, og da gis det ikke innsyn.",
            when=(facts.is_another, facts.is_guardian),
        ),
        Rule(
            id="no-representation",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-6; helsepersonelloven § 21",
            says="Den som er logget inn, har ikke rett til å se opplysninger om denne personen.",
            when=(facts.is_another,),
        ),
    ),
)

_FILING: Final = Section(
    title="Results: what laboratories send in",
    kinds=SYSTEM,
    services=RESULTS,
    actions=FILE,
    rules=(
        Rule(
            id="filed-after-opt-out",
            effect="deny",
            law="pasientjournalloven § 13; kjernejournalforskriften (retten til å reservere seg)",
            says="Et svar kom inn, men ble ikke lagret, fordi det er reservert mot lagring her.",
            when=(facts.has_opted_out,),
            outcome="Reservation",
        ),
        Rule(
            id="filed",
            effect="grant",
            law="pasientjournalloven § 13; kjernejournalforskriften",
            says="Et laboratorium eller en røntgenavdeling sendte inn et svar.",
        ),
    ),
)

SECTIONS: Final = (
    _EVERY_PERSON_AND_SYSTEM,
    _EVERY_PERSON,
    _STAFF_ON_THEMSELVES,
    _STAFF_PROOF,
    _STAFF_REFUSED,
    _STAFF_GIVEN,
    _CITIZEN_REFUSED,
    _CITIZEN_LOOKS,
    _CITIZEN_LOG,
    _CITIZEN_CHOICES,
    _CITIZEN_NOT_GIVEN,
    _FILING,
)
"""In order. What is not here is refused (`NO_RULE`)."""

RULES: Final = tuple(rule for section in SECTIONS for rule in section.rules)
