"""The words, in nynorsk and English, of refusals: for what is restricted, and of what was let in and came to nothing for what
stood there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "restricted": (
        "Opplysningane er sperra. Dei blir berre opna med samtykke eller i ein naudsituasjon.",
        "The information is restricted. It is opened only with consent or in an emergency.",
    ),
    "restricted-but-for-weighty-reasons": (
        "Opplysningane er sperra. Dei blir berre opna når tungtvegande grunnar talar for det.",
        "The information is restricted. It is opened only where weighty reasons call for it.",
    ),
    "refused-as-it-stands": (
        "Eit forsøk på å registrere, endre eller slette noko vart avvist på grunn av det som ligg her. Ingenting vart endra.",
        "An attempt to register, change or delete something was refused because of what is here. Nothing was changed.",
    ),
    "choice-refused": (
        "Nokon som ikkje kan det, freista å gjere eller oppheve eit val om innsyn. Ingenting vart endra.",
        "Somebody who may not tried to make or lift a choice about access. Nothing was changed.",
    ),
    "looked-up-and-not-given": (
        "Opplysningar vart slått opp saman med noko som vart avvist. Ingenting vart gitt ut.",
        "Information was looked up together with something that was refused. Nothing was given out.",
    ),
}
