"""The law's rows on what citizens ask for: that something is wrong and who answers, and a copy of their own."""

from __future__ import annotations

from typing import Final

from kjerne.policy import facts
from kjerne.policy.rule import (
    ASK,
    CITIZEN,
    DOWNLOAD,
    EVERY_LABEL,
    EVERY_SERVICE,
    FROM_CITIZEN,
    FROM_PARENT,
    HANDLE,
    OPERATORS,
    RESULTS,
    Rule,
    Section,
)

CITIZEN_ASKS: Final = Section(
    title="Citizens: saying that something is wrong",
    kinds=CITIZEN,
    services=EVERY_SERVICE,
    actions=ASK,
    rules=(
        Rule(
            id="own-inquiry",
            effect="grant",
            law="personvernforordningen artikkel 16; helsepersonelloven § 42; pasientjournalloven § 18",
            says="Innbyggeren meldte fra om noe som ikke stemmer, eller leste svaret.",
            when=(facts.is_own, facts.is_16_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="parent-inquiry",
            effect="grant",
            law="personvernforordningen artikkel 16; pasient- og brukerrettighetsloven § 4-4",
            says="En forelder meldte fra om noe som ikke stemmer for barnet, eller leste svaret.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12),
            hides=FROM_PARENT,
            released_only=True,
            purpose="FAMRQT",
        ),
    ),
)
"""Never a proxy or a guardian: they may look, and no more."""

CITIZEN_DOWNLOADS: Final = Section(
    title="Results: what citizens may take a copy of",
    kinds=CITIZEN,
    services=RESULTS,
    actions=DOWNLOAD,
    rules=(
        Rule(
            id="own-download",
            effect="grant",
            law="personvernforordningen artikkel 15 og 20; pasient- og brukerrettighetsloven § 5-1",
            says="Innbyggeren lastet ned opplysninger om seg selv.",
            when=(facts.is_own, facts.is_16_or_more),
            hides=FROM_CITIZEN,
            released_only=True,
            purpose="PATRQT",
        ),
        Rule(
            id="parent-download",
            effect="grant",
            law="personvernforordningen artikkel 15; pasient- og brukerrettighetsloven § 3-4, § 5-1",
            says="En forelder lastet ned opplysninger om barnet sitt.",
            when=(facts.is_another, facts.is_parent, facts.is_under_12),
            hides=FROM_PARENT,
            released_only=True,
            purpose="FAMRQT",
        ),
    ),
)

HANDLING: Final = Section(
    title="Results: answering what citizens say is wrong",
    kinds=OPERATORS,
    services=RESULTS,
    actions=HANDLE,
    rules=(
        # Outside the register nothing is served, not what citizens wrote either; whoever runs the platform answers then.
        Rule(
            id="answerer-takes-no-part",
            effect="deny",
            law="pasientjournalloven § 13; registeret over deltakere",
            says="Virksomheten som ville svare på en henvendelse, deltar ikke i delingen av disse opplysningene.",
            when=(facts.is_the_sender, facts.organisation_is_no_source),
        ),
        Rule(
            id="inquiry-handled",
            effect="grant",
            law="pasientjournalloven § 22; personvernforordningen artikkel 12 og 16",
            says="Den som skal svare på en henvendelse fra innbyggeren, åpnet den eller svarte på den.",
            hides=EVERY_LABEL,
        ),
    ),
)
