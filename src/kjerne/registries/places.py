"""Post towns with their municipalities, and street names that many towns have: where people who are made up live.

Postal codes, post towns and municipality numbers are public facts (municipalities as of 2024).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A post town with its municipality (number and name, code system 3402); `weight` is inhabitants in thousands."""

    postal_code: str
    city: str
    municipality: str
    name: str
    weight: int


PLACES: Final = (
    Place("0474", "OSLO", "0301", "Oslo", 160),
    Place("0663", "OSLO", "0301", "Oslo", 160),
    Place("1165", "OSLO", "0301", "Oslo", 120),
    Place("1338", "SANDVIKA", "3201", "Bærum", 60),
    Place("1605", "FREDRIKSTAD", "3107", "Fredrikstad", 42),
    Place("1706", "SARPSBORG", "3105", "Sarpsborg", 30),
    Place("2000", "LILLESTRØM", "3205", "Lillestrøm", 45),
    Place("2318", "HAMAR", "3403", "Hamar", 16),
    Place("2609", "LILLEHAMMER", "3405", "Lillehammer", 14),
    Place("3015", "DRAMMEN", "3301", "Drammen", 51),
    Place("3117", "TØNSBERG", "3905", "Tønsberg", 29),
    Place("3715", "SKIEN", "4003", "Skien", 28),
    Place("4319", "SANDNES", "1108", "Sandnes", 41),
    Place("4014", "STAVANGER", "1103", "Stavanger", 73),
    Place("4612", "KRISTIANSAND S", "4204", "Kristiansand", 58),
    Place("5006", "BERGEN", "4601", "Bergen", 110),
    Place("5143", "FYLLINGSDALEN", "4601", "Bergen", 70),
    Place("5417", "STORD", "4614", "Stord", 10),
    Place("6003", "ÅLESUND", "1508", "Ålesund", 30),
    Place("6413", "MOLDE", "1506", "Molde", 16),
    Place("6856", "SOGNDAL", "4640", "Sogndal", 6),
    Place("7030", "TRONDHEIM", "5001", "Trondheim", 110),
    Place("7600", "LEVANGER", "5037", "Levanger", 10),
    Place("8003", "BODØ", "1804", "Bodø", 27),
    Place("8614", "MO I RANA", "1833", "Rana", 13),
    Place("9008", "TROMSØ", "5501", "Tromsø", 39),
    Place("9510", "ALTA", "5601", "Alta", 11),
    Place("9730", "KARASJOK", "5610", "Karasjok", 2),
)

STREETS: Final = (
    "Storgata", "Kirkegata", "Skolegata", "Parkveien", "Bjørkeveien", "Granveien", "Furuveien", "Solveien", "Lyngveien",
    "Fjellveien", "Strandgata", "Sjøgata", "Havnegata", "Industriveien", "Idrettsveien", "Skogveien", "Elveveien",
    "Myrveien", "Bakkeveien", "Hagegata", "Nedre Torggate", "Øvre Bakklandet", "Kvernveien", "Rognveien", "Heggveien",
    "Seljeveien", "Åsveien", "Nordre gate", "Tunveien", "Gamleveien",
)  # fmt: skip
