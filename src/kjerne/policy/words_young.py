"""The words, in nynorsk and English, of the rules on the young, their guardians, and who chooses for another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "youth": (
        "Ungdom mellom 13 og 16 år såg opplysningar om seg sjølv, med samtykke frå ein forelder eller ei verje.",
        "A young person between 13 and 16 saw their own information, with the consent of a parent or guardian.",
    ),
    "youth-log": (
        "Ungdom mellom 13 og 16 år såg kven som har sett opplysningane.",
        "A young person between 13 and 16 saw who has seen the information.",
    ),
    "youth-choices": (
        "Ungdom mellom 13 og 16 år såg eller endra personverninnstillingane sine.",
        "A young person between 13 and 16 saw or changed their privacy settings.",
    ),
    "youth-without-consent": (
        "Mellom 13 og 16 år blir prøvesvar viste berre med samtykke frå ein forelder eller ei verje. Legen kan vise dei fram.",
        "Between 13 and 16, test results are shown only with the consent of a parent or guardian. The doctor can show them.",
    ),
    "youth-not-open": (
        "Mellom 13 og 16 år er ikkje dette ope digitalt. Legen kan hjelpe.",
        "Between 13 and 16 this is not open digitally. The doctor can help.",
    ),
    "permit-elsewhere": (
        "Foreldre kan samtykkje berre når minst éin av dei er registrert på same adresse som ungdommen.",
        "Parents can consent only when at least one of them is registered at the young person's address.",
    ),
    "parent-permits": (
        "Ein forelder såg, gav eller trekte tilbake samtykket til ungdomstilgang.",
        "A parent saw, gave or withdrew the consent to youth access.",
    ),
    "guardian-permits": (
        "Verja såg, gav eller trekte tilbake samtykket til ungdomstilgang.",
        "The guardian saw, gave or withdrew the consent to youth access.",
    ),
    "guardian-of-minor": (
        "Verja til barnet såg opplysningane.",
        "The child's guardian saw the information.",
    ),
    "guardian-of-minor-log": (
        "Verja til barnet såg kven som har sett opplysningane.",
        "The child's guardian saw who has seen the information.",
    ),
    "proxy-choices": (
        "Ein person med fullmakt såg eller endra personverninnstillingane.",
        "A person with power of attorney saw or changed the privacy settings.",
    ),
    "guardian-choices": (
        "Verja såg eller endra personverninnstillingane.",
        "The guardian saw or changed the privacy settings.",
    ),
    "guardian-of-minor-choices": (
        "Verja til barnet såg eller endra personverninnstillingane.",
        "The child's guardian saw or changed the privacy settings.",
    ),
    "guardian-beside-parent": (
        "Verjer for mindreårige har digital tilgang berre når ingen har foreldreansvaret.",
        "Guardians of minors have digital access only when nobody has parental responsibility.",
    ),
    "guardian-of-12-to-16": (
        "Når barnet er mellom 12 og 16 år, har ikkje verjer digitalt innsyn. Dei kan spørje legen.",
        "When the child is between 12 and 16, guardians have no digital access. They can ask the doctor.",
    ),
    "guardian-of-16-to-18": (
        "Frå 16 år bestemmer ungdommen sjølv, og innsynet til verja er slutt.",
        "From 16 young people decide for themselves, and the guardian's access has ended.",
    ),
    "own-12-to-13": (
        "Før 13 år kan ingen sjå opplysningar om seg sjølv digitalt. Legen kan vise dei fram.",
        "Before 13 nobody can see their own information digitally. The doctor can show it.",
    ),
}
