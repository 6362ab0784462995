"""The words of the rows for what is held against the rules of today, in nynorsk and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "recheck-after-block": (
        "Opplysningane vart ikkje kontrollerte, fordi nokon er blokkert ved namn.",
        "The information was not checked, because somebody is blocked by name.",
    ),
    "recheck-protected": (
        "Opplysningane vart ikkje kontrollerte, fordi adressa er verna.",
        "The information was not checked, because the address is protected.",
    ),
    "recheck-after-opt-out": (
        "Opplysningane vart ikkje kontrollerte, fordi det er reservert mot lagring her.",
        "The information was not checked, because of an opt-out here.",
    ),
    "recheck-restricted": (
        "Opplysningane vart ikkje kontrollerte, fordi dei er sperra.",
        "The information was not checked, because it is restricted.",
    ),
    "rechecked": (
        "Forma på opplysningane vart kontrollert av eit program. Ingen såg innhaldet. Rettsgrunnlaget står ved sida av.",
        "The form of the information was checked by a program. Nobody saw what it says. The legal ground stands beside this.",
    ),
}
