"""The law as a table: each rule with its clause, its words, when it fits and what follows.

Read from the top: the first row that fits decides, and where none fits the answer is no. What no declaration can open
(a block by name) stands above what one can, and every refusal above the grants it takes away; rows below the grants
only say why nothing was given. docs/law.md is generated from here (tools/build_law.py) and tells where the sources
disagree. A new service adds its law to `policy.services`, which the rows of each service are made from, and sections here
where its law is its own; `decide` does not change.
"""

from __future__ import annotations

from typing import Final

from kjerne.access import Label
from kjerne.policy import bounds, facts
from kjerne.policy.rule import (
    ANYBODY,
    CHOOSE,
    CITIZEN,
    CORRECT,
    DISCLOSE,
    EVERY_ACTION,
    EVERY_LABEL,
    EVERY_SERVICE,
    EXAMINE,
    FILE,
    FROM_CITIZEN,
    FROM_PARENT,
    INSIGHT,
    LOOK,
    OPERATORS,
    PEOPLE,
    RESULTS,
    SYSTEM,
    TRACE,
    Rule,
    Section,
)
from kjerne.policy.services import DISCLOSED, seen_by
from kjerne.policy.table_asking import CITIZEN_ASKS, CITIZEN_DOWNLOADS, HANDLING
from kjerne.policy.table_attested import ATTESTED
from kjerne.policy.table_beside import BESIDE
from kjerne.policy.table_everybody import EVERYBODY
from kjerne.policy.table_export import EXPORTING, RECHECKING
from kjerne.policy.table_linking import LINKING
from kjerne.policy.table_representing import (
    REPRESENTATIVES_CHOICES,
    REPRESENTATIVES_LOG,
    REPRESENTATIVES_LOOK,
    REPRESENTATIVES_NOT_GIVEN,
    REPRESENTATIVES_REFUSED,
)
from kjerne.policy.table_reviewing import REVIEWING
from kjerne.policy.table_services import of_each
from kjerne.policy.table_subscribing import SUBSCRIBERS, SUBSCRIBING, TOLD
from kjerne.policy.table_youth import PERMITTING, YOUTH_CHOICES, YOUTH_LOG, YOUTH_LOOKS, YOUTH_NOT_GIVEN

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
            id="scope-narrower",
            effect="deny",
            law="pasientjournalloven § 22; SMART App Launch 2.2",
            says="Systemet som spurte, hadde bare bedt om adgang til andre slags opplysninger.",
            when=(bounds.smart_scopes_leave_nothing,),
        ),
        Rule(
            id="basis-unknown",
            effect="deny",
            law="kjernejournalforskriften § 7",
            says="Grunnlaget for oppslaget er ikke et kjent grunnlag.",
            when=(facts.basis_is_unknown,),
        ),
        Rule(
            id="basis-not-signed",
            effect="deny",
            law="kjernejournalforskriften § 7; Tillitsrammeverket ATT-2",
            says="Grunnlaget for oppslaget er et annet enn det som ble signert.",
            when=(facts.basis_is_not_the_signed_one,),
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

_NOT_LET: Final = (
    Section(
        title="What was let in, and refused for what stands here",
        kinds=ANYBODY,
        services=EVERY_SERVICE,
        actions=FILE,
        rules=(
            Rule(
                id="refused-as-it-stands",
                effect="deny",
                law="pasientjournalloven § 22",
                says="Et forsøk på å registrere, endre eller slette noe ble avvist på grunn av det som ligger her. "
                "Ingenting ble endret.",
                when=(facts.stood_in_the_way,),
            ),
        ),
    ),
    Section(
        title="What was looked up, and given to nobody",
        kinds=ANYBODY,
        services=EVERY_SERVICE,
        actions=LOOK,
        rules=(
            Rule(
                id="looked-up-and-not-given",
                effect="deny",
                law="pasientjournalloven § 22",
                says="Opplysninger ble slått opp sammen med noe som ble avvist. Ingenting ble gitt ut.",
                when=(facts.stood_in_the_way,),
            ),
        ),
    ),
    Section(
        title="What was let in, and refused for what stands here",
        kinds=ANYBODY,
        services=EVERY_SERVICE,
        actions=CHOOSE,
        rules=(
            Rule(
                id="choice-refused",
                effect="deny",
                law="pasient- og brukerrettighetsloven § 5-3",
                says="Et valg om innsyn ble forsøkt gjort eller opphevet av en som ikke kan gjøre det. Ingenting ble endret.",
                when=(facts.stood_in_the_way,),
            ),
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
            id="errand-about-another",
            effect="deny",
            law="pasientjournalloven § 16, § 22",
            says="Innbyggerportalen spurte om en annen enn den som besøket gjaldt.",
            when=(facts.errand_is_about_another,),
        ),
        Rule(
            id="errand-without-right",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 3-6, § 5-1",
            says="Registrene sier ikke at den som er logget inn, har den rollen som innbyggerportalen oppgav.",
            when=(facts.errand_does_not_fit,),
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
            id="own-12-to-13",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-4, § 4-3; Helsenorge, om ungdom",
            says="Før 13 år kan ingen se opplysninger om seg selv digitalt. Legen kan vise dem fram.",
            when=(facts.is_own, facts.is_12_to_13),
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
    title="What opens the record for citizens",
    kinds=CITIZEN,
    services=seen_by("own"),
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
    ),
)

_PARENTS_LOOK: Final = Section(
    title="What opens a child's record for its parents",
    kinds=CITIZEN,
    services=seen_by("parent"),
    actions=LOOK,
    rules=(
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
            id="no-representation",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 3-6; helsepersonelloven § 21",
            says="Den som er logget inn, har ikke rett til å se opplysninger om denne personen.",
            when=(facts.is_another,),
        ),
    ),
)

_CORRECTING: Final = Section(
    title="Results: what laboratories correct and take back",
    kinds=SYSTEM,
    services=RESULTS,
    actions=CORRECT,
    rules=(
        # What the regret brings back must be right, and a wrong result is nobody's to keep.
        Rule(
            id="corrected-after-opt-out",
            effect="grant",
            law="personvernforordningen artikkel 5 nr. 1 bokstav d; pasientjournalloven § 13",
            says="Et svar som lå her før reservasjonen, ble rettet eller trukket tilbake. Det er fortsatt lukket.",
            when=(facts.has_opted_out,),
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

_EXAMINING: Final = Section(
    title="Results: a rejected message opened",
    kinds=OPERATORS,
    services=RESULTS,
    actions=EXAMINE,
    rules=(
        # It gets back what it sent: nothing is told, and a yes to some and a no to others would tell what they have chosen.
        Rule(
            id="sent-opened",
            effect="grant",
            law="pasientjournalloven § 22; personvernforordningen artikkel 5 nr. 1 bokstav d",
            says="Avsenderen åpnet innholdet i sin egen melding, som ikke ble tatt imot her, og skrev hvorfor.",
            when=(facts.is_the_sender,),
            hides=EVERY_LABEL,
            mark="break-glass",
        ),
        Rule(
            id="examined-by-a-blocked",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="En melding ble ikke åpnet, fordi den som ville åpne den, er blokkert ved navn.",
            when=(facts.is_blocked_by_name,),
        ),
        Rule(
            id="examined-protected",
            effect="deny",
            law="kjernejournalforskriften (nhn.no om kode 6 og 7)",
            says="En melding ble ikke åpnet, fordi den gjelder en person med beskyttet adresse.",
            when=(facts.has_protected_address,),
        ),
        Rule(
            id="examined-after-opt-out",
            effect="deny",
            law="pasientjournalloven § 13; kjernejournalforskriften (retten til å reservere seg)",
            says="En melding ble ikke åpnet, fordi det er reservert mot lagring her.",
            when=(facts.has_opted_out,),
        ),
        Rule(
            id="examined-restricted",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="En melding ble ikke åpnet, fordi opplysningene er sperret.",
            when=(facts.is_restricted,),
        ),
        # Nobody can say whether a message that was not taken in is of the part.
        Rule(
            id="examined-partly-restricted",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="En melding ble ikke åpnet, fordi en del av opplysningene er sperret.",
            when=(facts.is_partly_restricted,),
        ),
        Rule(
            id="rejected-opened",
            effect="grant",
            law="pasientjournalloven § 22; helsepersonelloven § 45",
            says="Innholdet i en melding som ikke ble tatt imot her, ble åpnet. Den som åpnet den, skrev hvorfor.",
            hides=EVERY_LABEL,
            mark="break-glass",
        ),
    ),
)

_TRACING: Final = Section(
    title="Results: who had opened what was filed on a wrong person",
    kinds=OPERATORS,
    services=RESULTS,
    actions=TRACE,
    rules=(
        Rule(
            id="readers-traced",
            effect="grant",
            law="pasientjournalloven § 18, § 22; personvernforordningen artikkel 33",
            says="Den som har ansvaret for loggen, så hvem som hadde åpnet et svar som var sendt inn på feil person.",
            hides=EVERY_LABEL,
        ),
    ),
)

_DISCLOSING: Final = Section(
    title="To a source, who was given what it sent",
    kinds=SYSTEM,
    services=DISCLOSED,
    actions=DISCLOSE,
    rules=(
        # It answers for what it sent wherever that went, also for what is withheld, withdrawn or closed since.
        Rule(
            id="disclosed-to-source",
            effect="grant",
            law="pasientjournalloven § 22; helsepersonelloven § 45",
            says="Den som sendte inn opplysningene, fikk vite hvilken virksomhet som har sett dem, når og på hvilket grunnlag.",
        ),
    ),
)

_LOG_KEPT: Final = Section(
    title="The log, to the data controller",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=INSIGHT,
    rules=(
        # Control of who looked must see all of it: what is hidden from the patient is not hidden from whoever keeps the log.
        Rule(
            id="log-controlled",
            effect="grant",
            law="pasientjournalloven § 22; personvernforordningen artikkel 32",
            says="Den som har ansvaret for loggen, hentet ut hvem som har sett opplysningene.",
        ),
    ),
)

SECTIONS: Final = (
    ATTESTED,
    BESIDE,
    _EVERY_PERSON_AND_SYSTEM,
    _EVERY_PERSON,
    *_NOT_LET,
    EVERYBODY,
    *of_each(),
    _CITIZEN_REFUSED,
    REPRESENTATIVES_REFUSED,
    _CITIZEN_LOOKS,
    YOUTH_LOOKS,
    _PARENTS_LOOK,
    REPRESENTATIVES_LOOK,
    _CITIZEN_LOG,
    YOUTH_LOG,
    REPRESENTATIVES_LOG,
    _CITIZEN_CHOICES,
    YOUTH_CHOICES,
    REPRESENTATIVES_CHOICES,
    CITIZEN_ASKS,
    CITIZEN_DOWNLOADS,
    PERMITTING,
    *YOUTH_NOT_GIVEN,
    REPRESENTATIVES_NOT_GIVEN,
    _CITIZEN_NOT_GIVEN,
    _CORRECTING,
    _FILING,
    _EXAMINING,
    _TRACING,
    _DISCLOSING,
    _LOG_KEPT,
    LINKING,
    EXPORTING,
    RECHECKING,
    HANDLING,
    REVIEWING,
    SUBSCRIBERS,
    SUBSCRIBING,
    TOLD,
)
"""In order. What is not here is refused (`NO_RULE`)."""

RULES: Final = tuple(rule for section in SECTIONS for rule in section.rules)
