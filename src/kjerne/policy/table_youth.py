"""The law's rows on youth of 13 to 15: what they see themselves, and who consents to it."""

from __future__ import annotations

from typing import Final

from kjerne.access import Label
from kjerne.policy import facts, representing
from kjerne.policy.rule import (
    CHOOSE,
    CITIZEN,
    EVERY_ACTION,
    EVERY_LABEL,
    EVERY_SERVICE,
    FROM_YOUTH,
    INSIGHT,
    LOOK,
    PERMIT,
    Rule,
    Section,
)
from kjerne.policy.services import seen_by

YOUTH_LOOKS: Final = Section(
    title="What opens the record for youth of 13 to 15",
    kinds=CITIZEN,
    services=seen_by("youth"),
    actions=LOOK,
    rules=(
        Rule(
            id="youth",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 4-3, § 4-4, § 5-1; Helsenorge, om ungdomstilgang",
            says="Ungdom mellom 13 og 16 år så opplysninger om seg selv, med samtykke fra en forelder eller verge.",
            when=(facts.is_own, facts.is_13_to_16, facts.has_youth_access),
            hides=FROM_YOUTH,
            released_only=True,
            purpose="PATRQT",
        ),
    ),
)

YOUTH_LOG: Final = Section(
    title="Youth of 13 to 15: the log of who looked",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=INSIGHT,
    rules=(
        Rule(
            id="youth-log",
            effect="grant",
            law="pasientjournalloven § 18; helsepersonelloven § 45; Tillitsrammeverket ATT-8",
            says="Ungdom mellom 13 og 16 år så hvem som har sett opplysningene.",
            when=(facts.is_own, facts.is_13_to_16),
            hides=Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_YOUTH,
            released_only=True,
            purpose="PATRQT",
        ),
    ),
)

YOUTH_CHOICES: Final = Section(
    title="Youth of 13 to 15: the choices about own data",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=CHOOSE,
    rules=(
        # What may be chosen and lifted is less than at 16 (`policy.reach`).
        Rule(
            id="youth-choices",
            effect="grant",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 4-4, § 5-3",
            says="Ungdom mellom 13 og 16 år så eller endret personverninnstillingene sine.",
            when=(facts.is_own, facts.is_13_to_16),
            hides=FROM_YOUTH,
            released_only=True,
            purpose="PATRQT",
        ),
    ),
)

PERMITTING: Final = Section(
    title="Who consents that youth of 13 to 15 see their own",
    kinds=CITIZEN,
    services=seen_by("youth"),
    actions=PERMIT,
    rules=(
        Rule(
            id="permit-elsewhere",
            effect="deny",
            law="Helsenorge, om foreldresamtykke",
            says="Foreldre kan samtykke bare når minst én av dem er registrert på samme adresse som ungdommen.",
            when=(facts.is_another, facts.is_parent, facts.is_13_to_16, facts.no_parent_lives_there),
        ),
        # Whoever consents is shown whether she has, and nothing of the record.
        Rule(
            id="parent-permits",
            effect="grant",
            law="pasient- og brukerrettighetsloven § 4-4; Helsenorge, om foreldresamtykke",
            says="En forelder så, ga eller trakk tilbake samtykket til ungdomstilgang.",
            when=(facts.is_another, facts.is_parent, facts.is_13_to_16),
            hides=EVERY_LABEL,
            released_only=True,
            purpose="FAMRQT",
        ),
        Rule(
            id="guardian-permits",
            effect="grant",
            law="vergemålsloven § 16, § 17; pasient- og brukerrettighetsloven § 4-4",
            says="Vergen så, ga eller trakk tilbake samtykket til ungdomstilgang.",
            when=(
                facts.is_another,
                representing.guards_a_minor_for_health,
                representing.nobody_is_a_parent,
                facts.is_13_to_16,
            ),
            hides=EVERY_LABEL,
            released_only=True,
            purpose="PWATRNY",
        ),
    ),
)

YOUTH_NOT_GIVEN: Final = (
    Section(
        title="Youth of 13 to 15: what waits for consent",
        kinds=CITIZEN,
        services=seen_by("youth"),
        actions=LOOK,
        rules=(
            Rule(
                id="youth-without-consent",
                effect="deny",
                law="pasient- og brukerrettighetsloven § 4-3, § 4-4; Helsenorge, om ungdomstilgang",
                says="Mellom 13 og 16 år vises prøvesvar bare med samtykke fra en forelder eller verge. "
                "Legen kan vise dem fram.",
                when=(facts.is_own, facts.is_13_to_16),
            ),
        ),
    ),
    Section(
        title="Youth of 13 to 15: what is not for them",
        kinds=CITIZEN,
        services=EVERY_SERVICE,
        actions=EVERY_ACTION,
        rules=(
            Rule(
                id="youth-not-open",
                effect="deny",
                law="pasient- og brukerrettighetsloven § 3-4, § 4-3",
                says="Mellom 13 og 16 år er dette ikke åpent digitalt. Legen kan hjelpe.",
                when=(facts.is_own, facts.is_13_to_16),
            ),
        ),
    ),
)
