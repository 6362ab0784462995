"""The law's rows on what is put in: by personnel with the right to it, by a source's system; and what is sent abroad.

Written once for all services, as `policy.table_staff` is.
"""

from __future__ import annotations

from typing import Final

from kjerne.access import SHUT_BY_PATIENT, Action, Label
from kjerne.policy import facts, services_asked
from kjerne.policy.rule import (
    CORRECT,
    DISCLOSE,
    ELEVATED,
    EVERY_SERVICE,
    FILE,
    FROM_STAFF,
    LOOK,
    STAFF,
    SYSTEM,
    TREATING,
    Rule,
    Section,
)
from kjerne.policy.table_staff import STAFF_PROOF, STAFF_REFUSED

_NEW: Final[frozenset[Action]] = frozenset({"file"})
_OF_OTHER_PURPOSES: Final = frozenset({"break-glass-role", "break-glass-reason", "case-handling-reason"})

_AS_A_SOURCE: Final = Rule(
    id="registrar-takes-no-part",
    effect="deny",
    law="{part}",
    says="Virksomheten som ville registrere, deltar ikke som kilde til disse opplysningene.",
    when=(facts.organisation_is_no_source,),
)

_NOTHING_OF_ITS_OWN: Final = Rule(
    id="nothing-of-its-own",
    effect="deny",
    law="personvernforordningen artikkel 5 nr. 1 bokstav f; pasientjournalloven § 22",
    says="En avsender ville rette eller slette noe den ikke har sendt inn her. Ingenting ble endret.",
    when=(facts.has_filed_nothing_of_this,),
)

REGISTERING: Final = Section(
    title="What personnel register",
    kinds=STAFF,
    services=EVERY_SERVICE,
    actions=FILE,
    rules=(
        Rule(
            id="own-not-registered",
            effect="deny",
            law="{filing}",
            says="Helsepersonell registrerer ikke opplysninger om seg selv.",
            when=(facts.is_own,),
        ),
        *(_AS_A_SOURCE if rule.id == "organisation-takes-no-part" else rule for rule in STAFF_PROOF.rules),
        Rule(
            id="registering-purpose",
            effect="deny",
            law="{filing}",
            says="Opplysninger registreres bare i behandlingen av pasienten.",
            purposes=frozenset({"COC", "BTG"}),
        ),
        Rule(
            id="register-kind",
            effect="deny",
            law="{filing}",
            says="Denne yrkesgruppen kan ikke registrere dette.",
            when=(services_asked.role_may_not_register_this,),
        ),
        # She who registers must know what stands there already: what shuts a look shuts this.
        *(rule for rule in STAFF_REFUSED.rules if rule.id not in _OF_OTHER_PURPOSES),
        _NOTHING_OF_ITS_OWN,
        # As of a look: the ground opens single records too, so who may see what stands there may put it right.
        Rule(
            id="registered-with-all-opened",
            effect="grant",
            law="{filing}; pasient- og brukerrettighetsloven § 5-3; ACP 2.16.578.1.12.4.1.7.2.1.5 og .7",
            says="Helsepersonell registrerte opplysninger her. Med samtykke eller i en nødssituasjon var det sperrede åpent.",
            bases=ELEVATED,
            hides=Label.WITHDRAWN,
            mark="restriction-opened",
            opens_parts=True,
        ),
        Rule(
            id="registered-behind-restriction",
            effect="grant",
            law="{filing}; pasientjournalloven § 17",
            says="Helsepersonell registrerte opplysninger her. Sperringen ble åpnet med samtykke eller i en nødssituasjon.",
            when=(facts.is_restricted,),
            hides=FROM_STAFF,
            mark="restriction-opened",
            opens_parts=True,
        ),
        Rule(
            id="registered-behind-part",
            effect="grant",
            law="{filing}; pasientjournalloven § 17",
            says="Helsepersonell registrerte opplysninger her. En sperret del ble åpnet med samtykke eller i en nødssituasjon.",
            when=(facts.basis_opens, facts.is_partly_restricted),
            hides=FROM_STAFF,
            mark="restriction-opened",
            opens_parts=True,
        ),
        Rule(
            id="registered",
            effect="grant",
            law="{filing}",
            says="Helsepersonell registrerte opplysninger her.",
            purposes=TREATING,
            hides=FROM_STAFF,
        ),
    ),
)

SENDERS: Final = Section(
    title="What a sender must be",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=FILE | DISCLOSE,
    rules=(
        Rule(
            id="sender-takes-no-part",
            effect="deny",
            law="{part}",
            says="Virksomheten som ville sende inn, deltar ikke i delingen av disse opplysningene.",
            when=(facts.organisation_is_no_source,),
        ),
    ),
)

ITS_OWN: Final = Section(
    title="What a sender changes must be its own",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=CORRECT,
    # Said before the choices are: what there is not, nobody's opt-out keeps.
    rules=(_NOTHING_OF_ITS_OWN,),
)

TAKING_IN: Final = Section(
    title="What sources send in that is new",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=_NEW,
    rules=(
        Rule(
            id="restricted-at-source",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 5-3; pasientjournalloven § 17",
            says="Et dokument ble ikke tatt imot, fordi det er sperret der det ble skrevet.",
            when=(services_asked.is_restricted_at_source,),
        ),
        Rule(
            id="not-kept-after-opt-out",
            effect="deny",
            law="{opting_out}",
            says="Opplysninger kom inn, men ble ikke lagret, fordi det er reservert mot lagring her.",
            when=(facts.has_opted_out,),
            outcome="Reservation",
        ),
    ),
)

PUTTING_RIGHT: Final = Section(
    title="What sources correct and take back",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=CORRECT,
    rules=(
        Rule(
            id="put-right-after-opt-out",
            effect="grant",
            law="personvernforordningen artikkel 5 nr. 1 bokstav d",
            says="Opplysninger som lå her før reservasjonen, ble rettet eller trukket tilbake. De er fortsatt lukket.",
            when=(facts.has_opted_out,),
        ),
    ),
)

SENDING_IN: Final = Section(
    title="What sources send in",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=FILE,
    rules=(
        Rule(
            id="sent-in",
            effect="grant",
            law="{filing}",
            says="En virksomhet sendte inn opplysninger.",
        ),
    ),
)

CONTACT_POINT: Final = Section(
    title="What is sent to another country",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=LOOK,
    rules=(
        Rule(
            id="contact-point-takes-no-part",
            effect="deny",
            law="{part}",
            says="Kontaktpunktet som spurte, deltar ikke i delingen av disse opplysningene.",
            when=(facts.organisation_is_no_consumer,),
        ),
        # Another country's personnel are known here by no number and no profession: what is shut to anybody is shut to them.
        Rule(
            id="not-sent-abroad",
            effect="deny",
            law="forordning (EU) 2025/327 artikkel 8; pasientjournalloven § 17",
            says="Opplysningene ble ikke sendt til et annet land.",
            when=(services_asked.has_shut_anything,),
        ),
        Rule(
            id="service-not-agreed-to",
            effect="deny",
            law="{agreeing}",
            says="Pasienten har ikke samtykket til denne tjenesten.",
            when=(services_asked.has_not_agreed,),
        ),
        Rule(
            id="sent-abroad",
            effect="grant",
            law="{looking}",
            says="Opplysningene ble sendt til behandling i et annet land, slik pasienten har samtykket til.",
            hides=SHUT_BY_PATIENT | Label.WITHDRAWN,
        ),
    ),
)
