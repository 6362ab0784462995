"""The law's rows on proxies and guardians: what opens the record for them, and why it does not."""

from __future__ import annotations

from typing import Final

from kjerne.access import Label
from kjerne.policy import facts, representing
from kjerne.policy.rule import CITIZEN, EVERY_ACTION, EVERY_SERVICE, FROM_CITIZEN, INSIGHT, LOOK, Rule, Section
from kjerne.policy.services import seen_by

REPRESENTATIVES_REFUSED: Final = Section(
    title="Citizens: who can stand in for nobody",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="representative-deceased",
            effect="deny",
            law="vergemålsloven § 29; avtaleloven § 22",
            says="Den som er logget inn, er registrert som død og kan ikke handle for andre.",
            when=(facts.is_another, representing.caller_is_deceased),
        ),
    ),
)

REPRESENTATIVES_LOOK: Final = Section(
    title="What opens the record for proxies and guardians",
    kinds=CITIZEN,
    services=seen_by("representative"),
    actions=LOOK,
    rules=(
        Rule(
            id="proxy",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 5-1; Helsenorge, om fullmakt",
            says="En person med fullmakt så opplysningene.",
            when=(facts.is_another, representing.power_covers_this, representing.caller_is_adult, facts.is_16_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
        Rule(
            id="guardian",
            effect="grant",
            law="vergemålsloven § 31, § 32; pasient- og brukerrettighetsloven § 5-1",
            says="Vergen så opplysningene.",
            when=(facts.is_another, representing.guardian_for_health, facts.is_18_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

REPRESENTATIVES_LOG: Final = Section(
    title="Proxies and guardians: the log of who looked",
    kinds=CITIZEN,
    services=seen_by("representative") | {""},
    actions=INSIGHT,
    rules=(
        Rule(
            id="proxy-log",
            effect="grant",
            law="pasientjournalloven § 18; Helsenorge, om fullmakt",
            says="En person med fullmakt så hvem som har sett opplysningene.",
            when=(facts.is_another, representing.power_covers_this, representing.caller_is_adult, facts.is_16_or_more),
            hides=Label.WITHHELD_FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
        Rule(
            id="guardian-log",
            effect="grant",
            law="pasientjournalloven § 18; vergemålsloven § 31",
            says="Vergen så hvem som har sett opplysningene.",
            when=(facts.is_another, representing.guardian_for_health, facts.is_18_or_more),
            hides=Label.WITHHELD_FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

REPRESENTATIVES_NOT_GIVEN: Final = Section(
    title="Proxies and guardians: why nothing was given",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=EVERY_ACTION,
    rules=(
        Rule(
            id="proxy-of-under-16",
            effect="deny",
            law="Helsenorge, om fullmakt",
            says="Bare den som har fylt 16 år, kan gi fullmakt.",
            when=(facts.is_another, facts.is_proxy, facts.is_under_16),
        ),
        Rule(
            id="proxy-too-young",
            effect="deny",
            law="Helsenorge, om fullmakt",
            says="Bare den som har fylt 18 år, kan bruke en fullmakt.",
            when=(facts.is_another, representing.power_covers_this, representing.caller_is_no_adult),
        ),
        Rule(
            id="proxy-area",
            effect="deny",
            law="Helsenorge, om fullmakt; pasient- og brukerrettighetsloven § 5-3",
            says="Fullmakten omfatter ikke dette.",
            when=(facts.is_another, facts.is_proxy),
        ),
        Rule(
            id="guardian-of-a-minor",
            effect="deny",
            law="vergemålsloven § 16, § 17; pasient- og brukerrettighetsloven § 3-4",
            says="Verger for barn og unge under 18 år har ikke digitalt innsyn her.",
            when=(facts.is_another, facts.is_guardian, representing.patient_is_a_minor),
        ),
        Rule(
            id="guardian-scope",
            effect="deny",
            law="vergemålsloven § 31",
            says="Vergemålet omfatter ikke dette.",
            when=(facts.is_another, facts.is_guardian),
        ),
    ),
)
