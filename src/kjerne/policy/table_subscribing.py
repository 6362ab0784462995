"""The law's rows on being told: a treating organisation's system hears of what is new about a patient of its own.

Nobody says who will read what a system is told, so what the patient has shut to anybody is shut to it, and she has a line in
her log for each message. Whether she has shut something is not asked when a system subscribes: the answer would tell it. Who
subscribes as a person is asked as of a search, with the attestation she had (docs/law.md, K90).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.access import SHUT_BY_PATIENT, Action, Label
from kjerne.policy import facts, services_asked
from kjerne.policy.rule import EVERY_LABEL, SYSTEM, Rule, Section
from kjerne.registries.homes import KEPT, SERVICE_BY_TYPE

SUBSCRIBE: Final[frozenset[Action]] = frozenset({"subscribe"})
NOTIFY: Final[frozenset[Action]] = frozenset({"notify"})
TELLING: Final = frozenset({"results", "critical-information", "record"})
TOLD_OF: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(of for one, of in KEPT if one == name and of in TELLING)
    for name, first in SERVICE_BY_TYPE.items()
    if first in TELLING
}
"""The types that subscribers are told of, with the services that keep each."""
_LAW: Final = "pasientjournalloven § 19; helsepersonelloven § 45"

SUBSCRIBERS: Final = Section(
    title="What a subscriber must be",
    kinds=SYSTEM,
    services=TELLING,
    actions=SUBSCRIBE | NOTIFY,
    rules=(
        Rule(
            id="subscriber-takes-no-part",
            effect="deny",
            law="pasientjournalloven § 13; registeret over deltakere",
            says="Virksomheten som ville få beskjed om nye opplysninger, deltar ikke i delingen av dem.",
            when=(facts.organisation_is_no_consumer,),
        ),
        Rule(
            id="subscriber-does-not-treat",
            effect="deny",
            law=_LAW,
            says="En virksomhet fikk ikke beskjed om nye opplysninger, fordi den ikke behandler pasienten nå.",
            when=(services_asked.has_no_care_course,),
        ),
    ),
)
SUBSCRIBING: Final = Section(
    title="Who may subscribe",
    kinds=SYSTEM,
    services=TELLING,
    actions=SUBSCRIBE,
    rules=(
        Rule(
            id="subscribed",
            effect="grant",
            law=_LAW,
            says="Et system hos dem som behandler pasienten, ba om å få beskjed når det kommer nye opplysninger.",
            hides=EVERY_LABEL,
        ),
    ),
)
TOLD: Final = Section(
    title="What a subscriber is told",
    kinds=SYSTEM,
    services=TELLING,
    actions=NOTIFY,
    rules=(
        Rule(
            id="not-told-to-subscriber",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Et system fikk ikke beskjed om nye opplysninger, fordi de er stengt for noen som kunne ha lest dem der.",
            when=(services_asked.is_shut_to_somebody,),
        ),
        Rule(
            id="told-to-subscriber",
            effect="grant",
            law=_LAW,
            says="Et system hos dem som behandler pasienten, fikk beskjed om nye opplysninger.",
            hides=SHUT_BY_PATIENT | Label.WITHDRAWN,
        ),
    ),
)
