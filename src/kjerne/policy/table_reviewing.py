"""The law's rows on review of the log: whom a reading that stands out was about, for whoever answers for the log.

What a patient has shut does not shut this: it is about who has looked, and a breach must be told. It opens no record.
"""

from __future__ import annotations

from typing import Final

from kjerne.access import Action
from kjerne.policy import facts
from kjerne.policy.rule import EVERY_LABEL, EVERY_SERVICE, STAFF, Rule, Section

REVIEW: Final[frozenset[Action]] = frozenset({"review"})

REVIEWING: Final = Section(
    title="The log reviewed: whom a reading that stands out was about",
    kinds=STAFF,
    services=EVERY_SERVICE,
    actions=REVIEW,
    rules=(
        Rule(
            id="review-own",
            effect="deny",
            law="pasientjournalloven § 22; forvaltningsloven § 6",
            says="Et oppslag ble ikke åpnet for gjennomgang, fordi det gjaldt den som ville åpne det, eller noen hun står nær.",
            when=(facts.is_near,),
        ),
        Rule(
            id="review-by-a-blocked",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Et oppslag ble ikke åpnet for gjennomgang, fordi den som ville åpne det, er blokkert ved navn.",
            when=(facts.is_blocked_by_name,),
        ),
        Rule(
            id="review-protected",
            effect="deny",
            law="kjernejournalforskriften (nhn.no om kode 6 og 7)",
            says="Et oppslag ble ikke åpnet for gjennomgang, fordi det gjelder en person med beskyttet adresse.",
            when=(facts.has_protected_address,),
        ),
        Rule(
            id="log-line-opened",
            effect="grant",
            law="pasientjournalloven § 22; personvernforordningen artikkel 32",
            says="Den som har ansvaret for loggen, så hvem et oppslag som skilte seg ut, gjaldt, og skrev hvorfor.",
            hides=EVERY_LABEL,
        ),
    ),
)
