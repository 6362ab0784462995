"""The words, in nynorsk and English, of refusals: for an attestation that does not hold, for what is restricted, and of what was
let in and came to nothing for what stood there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "login-too-weak": (
        "Innlogginga var ikkje på høgaste tryggleiksnivå. Ingenting vart vist.",
        "The login was not at the highest security level. Nothing was shown.",
    ),
    "attested-colleague": (
        "Stadfestinga frå arbeidsgivaren gjaldt ein annan enn den som var innlogga. Ingenting vart vist.",
        "The employer's confirmation was for somebody else than the one who had logged in. Nothing was shown.",
    ),
    "personnel-not-registered": (
        "Den som spurde, var ikkje registrert som helsepersonell med det nummeret som vart oppgitt. Ingenting vart vist.",
        "Who asked was not registered as a health worker under the number that was given. Nothing was shown.",
    ),
    "authorization-not-registered": (
        "Registeret over helsepersonell har ikkje den autorisasjonen som vart oppgitt. Ingenting vart vist.",
        "The register of health personnel does not hold the authorisation that was given. Nothing was shown.",
    ),
    "attested-place": (
        "Staden som vart oppgitt, høyrer ikkje til verksemda som spurde. Ingenting vart vist.",
        "The place that was given does not belong to the organisation that asked. Nothing was shown.",
    ),
    "attestation-out-of-time": (
        "Stadfestinga frå arbeidsgivaren var for gammal, eller sa ikkje når ho var laga. Ingenting vart vist.",
        "The employer's confirmation was too old, or did not say when it was made. Nothing was shown.",
    ),
    "attestation-refused": (
        "Det som skulle vise retten til opplysningane, mangla noko eller kunne ikkje brukast. Ingenting vart vist.",
        "What was to show the right to the information lacked something or could not be used. Nothing was shown.",
    ),
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
