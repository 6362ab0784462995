"""The law's rows on proxies and guardians: what opens the record for them, what they choose, and why it stays shut.

A guardian of a minor stands where a parent would, where nobody has parental responsibility; never beside one.
"""

from __future__ import annotations

from typing import Final

from kjerne.access import Label
from kjerne.policy import facts, representing
from kjerne.policy.rule import (
    CHOOSE,
    CITIZEN,
    EVERY_ACTION,
    EVERY_SERVICE,
    FROM_CITIZEN,
    FROM_PARENT,
    INSIGHT,
    LOOK,
    Condition,
    Rule,
    Section,
)
from kjerne.policy.services import seen_by

_FOR_A_CHILD: Final[tuple[Condition, ...]] = (
    facts.is_another,
    representing.guards_a_minor_for_health,
    representing.nobody_is_a_parent,
    facts.is_under_12,
)

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
        Rule(
            id="guardian-of-minor",
            effect="grant",
            law="vergemålsloven § 16, § 17; pasient- og brukerrettighetsloven § 3-4",
            says="Barnets verge så opplysningene.",
            when=_FOR_A_CHILD,
            hides=FROM_PARENT,
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
        Rule(
            id="guardian-of-minor-log",
            effect="grant",
            law="pasientjournalloven § 18; vergemålsloven § 16, § 17",
            says="Barnets verge så hvem som har sett opplysningene.",
            when=_FOR_A_CHILD,
            hides=Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

REPRESENTATIVES_CHOICES: Final = Section(
    title="Proxies and guardians: the choices about the data",
    kinds=CITIZEN,
    services=seen_by("representative"),
    actions=CHOOSE,
    rules=(
        # Which choices, and whose they may lift, says `policy.reach`.
        Rule(
            id="proxy-choices",
            effect="grant",
            law="pasientjournalloven § 17; avtaleloven kapittel 2; Helsenorge, om fullmakt",
            says="En person med fullmakt så eller endret personverninnstillingene.",
            when=(
                facts.is_another,
                representing.power_covers_choosing,
                representing.caller_is_adult,
                facts.is_16_or_more,
            ),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
        Rule(
            id="guardian-choices",
            effect="grant",
            law="pasientjournalloven § 17; vergemålsloven § 31, § 32",
            says="Vergen så eller endret personverninnstillingene.",
            when=(facts.is_another, representing.guardian_for_health, facts.is_18_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PWATRNY",
        ),
        Rule(
            id="guardian-of-minor-choices",
            effect="grant",
            law="pasientjournalloven § 17; vergemålsloven § 16, § 17; pasient- og brukerrettighetsloven § 4-4",
            says="Barnets verge så eller endret personverninnstillingene.",
            when=_FOR_A_CHILD,
            hides=FROM_PARENT,
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
            id="guardian-beside-parent",
            effect="deny",
            law="vergemålsloven § 16",
            says="Verger for mindreårige har digital tilgang bare når ingen har foreldreansvaret.",
            when=(
                facts.is_another,
                representing.guards_a_minor_for_health,
                representing.somebody_is_a_parent,
                facts.is_under_16,
            ),
        ),
        Rule(
            id="guardian-of-12-to-16",
            effect="deny",
            law="vergemålsloven § 17; pasient- og brukerrettighetsloven § 3-4",
            says="Når barnet er mellom 12 og 16 år, har verger ikke digitalt innsyn. De kan spørre legen.",
            when=(facts.is_another, facts.is_guardian, facts.is_12_to_16),
        ),
        Rule(
            id="guardian-of-16-to-18",
            effect="deny",
            law="pasient- og brukerrettighetsloven § 4-3; vergemålsloven § 17",
            says="Fra 16 år bestemmer ungdommen selv, og vergens innsyn er slutt.",
            when=(facts.is_another, facts.is_guardian, facts.is_16_to_18),
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
