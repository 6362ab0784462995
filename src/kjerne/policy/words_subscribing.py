"""The words, in nynorsk and English, of the rules on systems that are told what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "subscriber-takes-no-part": (
        "Verksemda som ville få melding om nye opplysningar, deltek ikkje i delinga av dei.",
        "The organisation that wanted to be told of new information takes no part in sharing it.",
    ),
    "subscriber-does-not-treat": (
        "Ei verksemd fekk ikkje melding om nye opplysningar, fordi ho ikkje behandlar pasienten no.",
        "An organisation was not told of new information, because it is not treating the patient now.",
    ),
    "subscribed": (
        "Eit system hos dei som behandlar pasienten, bad om å få melding når det kjem nye opplysningar.",
        "A system of those who treat the patient asked to be told when there is new information.",
    ),
    "not-told-to-subscriber": (
        "Eit system fekk ikkje melding om nye opplysningar, fordi dei er stengde for nokon som kunne ha lese dei der.",
        "A system was not told of new information, because it is closed to somebody who could have read it there.",
    ),
    "told-to-subscriber": (
        "Eit system hos dei som behandlar pasienten, fekk melding om nye opplysningar.",
        "A system of those who treat the patient was told of new information.",
    ),
}
