"""The law's rows on export: what leaves in bulk on a named legal ground, and whom no export may hold.

The ground and the two approvals are asked for by the service, before any patient is (`services.exports`). Each service that is
exported is asked by itself: what she has shut in one is left out of that one's files (docs/law.md, K34, K92 and K93). What is
stored is held against the rules of today in every service, under rows of its own (K98).
"""

from __future__ import annotations

from typing import Final

from kjerne.access import SHUT_BY_PATIENT, Label
from kjerne.policy import facts
from kjerne.policy.rule import EXPORT, OPERATORS, RECHECK, Rule, Section
from kjerne.policy.services import EXPORTED, HERE

EXPORTING: Final = Section(
    title="Exported in bulk on a named legal ground, with two approvals",
    kinds=OPERATORS,
    services=EXPORTED,
    actions=EXPORT,
    rules=(
        Rule(
            id="export-after-block",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke tatt med i en eksport, fordi noen er blokkert ved navn.",
            when=(facts.has_blocked_somebody,),
        ),
        Rule(
            id="export-protected",
            effect="deny",
            law="kjernejournalforskriften (nhn.no om kode 6 og 7); i andre tjenester brukt tilsvarende",
            says="Opplysningene ble ikke tatt med i en eksport, fordi adressen er beskyttet.",
            when=(facts.has_protected_address,),
        ),
        Rule(
            id="export-after-opt-out",
            effect="deny",
            law="pasientjournalloven § 13, § 17; kjernejournalforskriften (retten til å reservere seg); "
            "pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke tatt med i en eksport, fordi det er reservert mot lagring her.",
            when=(facts.has_opted_out,),
        ),
        Rule(
            id="export-restricted",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke tatt med i en eksport, fordi de er sperret.",
            when=(facts.has_restricted_the_whole,),
        ),
        Rule(
            id="exported",
            effect="grant",
            law="pasientjournalloven § 20, § 22; personvernforordningen artikkel 6 og 9",
            says="Opplysningene ble tatt med i en eksport. Rettsgrunnlaget står ved siden av.",
            hides=SHUT_BY_PATIENT | Label.WITHDRAWN,
        ),
    ),
)

RECHECKING: Final = Section(
    title="Held against the rules of today, on a named legal ground, with two approvals: ids leave and nothing else",
    kinds=OPERATORS,
    services=HERE,
    actions=RECHECK,
    rules=(
        Rule(
            id="recheck-after-block",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke kontrollert, fordi noen er blokkert ved navn.",
            when=(facts.has_blocked_somebody,),
        ),
        Rule(
            id="recheck-protected",
            effect="deny",
            law="kjernejournalforskriften (nhn.no om kode 6 og 7); i andre tjenester brukt tilsvarende",
            says="Opplysningene ble ikke kontrollert, fordi adressen er beskyttet.",
            when=(facts.has_protected_address,),
        ),
        Rule(
            id="recheck-after-opt-out",
            effect="deny",
            law="pasientjournalloven § 13, § 17; kjernejournalforskriften (retten til å reservere seg); "
            "pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke kontrollert, fordi det er reservert mot lagring her.",
            when=(facts.has_opted_out,),
        ),
        Rule(
            id="recheck-restricted",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Opplysningene ble ikke kontrollert, fordi de er sperret.",
            when=(facts.has_restricted_the_whole,),
        ),
        Rule(
            id="rechecked",
            effect="grant",
            law="personvernforordningen artikkel 5 nr. 1 bokstav d; pasientjournalloven § 22",
            says="Formen på opplysningene ble kontrollert av et program. Ingen så innholdet. Rettsgrunnlaget står ved siden av.",
            hides=SHUT_BY_PATIENT | Label.WITHDRAWN,
        ),
    ),
)
