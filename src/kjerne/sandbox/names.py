"""Names that synthetic people are given.

Given names and family names are among the most used in Norway (public name statistics); combined at random they
belong to nobody in particular.
"""

from __future__ import annotations

from typing import Final

FAMILY_NAMES: Final = (
    "Hansen", "Johansen", "Olsen", "Larsen", "Andersen", "Pedersen", "Nilsen", "Kristiansen", "Jensen", "Karlsen",
    "Johnsen", "Pettersen", "Eriksen", "Berg", "Haugen", "Hagen", "Johannessen", "Andreassen", "Jacobsen", "Halvorsen",
    "Dahl", "Jørgensen", "Henriksen", "Lund", "Sørensen", "Jakobsen", "Moen", "Gundersen", "Iversen", "Strand",
    "Solberg", "Svendsen", "Eide", "Knutsen", "Martinsen", "Kristoffersen", "Bakken", "Bakke", "Lie", "Mathisen",
    "Amundsen", "Rasmussen", "Solheim", "Berge", "Moe", "Nguyen", "Fredriksen", "Lunde", "Kristensen", "Nygård",
    "Ali", "Ahmed", "Holm", "Hauge", "Antonsen", "Arnesen", "Danielsen", "Myhre", "Sandvik", "Tangen", "Thomassen",
    "Sæther", "Aas", "Viken", "Ødegård", "Rønning", "Myklebust", "Vik", "Kowalski", "Nowak", "Sara", "Eira",
)  # fmt: skip

GIVEN_BY_SEX: Final[dict[str, tuple[tuple[int, tuple[str, ...]], ...]]] = {
    "female": (
        (1945, ("Astrid", "Solveig", "Gerd", "Ingrid", "Kari", "Randi", "Turid", "Bjørg", "Liv", "Inger", "Berit")),
        (1970, ("Anne", "Marit", "Bente", "Hilde", "Grete", "Tone", "Elin", "Unni", "Sissel", "Wenche", "Torill")),
        (1995, ("Kristin", "Camilla", "Silje", "Hege", "Monica", "Lene", "Ida", "Marte", "Ingvild", "Stine", "Nina")),
        (9999, ("Nora", "Emma", "Sofie", "Ella", "Maja", "Olivia", "Frida", "Ingeborg", "Aisha", "Leah", "Tiril")),
    ),
    "male": (
        (1945, ("Arne", "Kåre", "Odd", "Kjell", "Per", "Ole", "Sverre", "Harald", "Egil", "Leif", "Gunnar")),
        (1970, ("Svein", "Terje", "Geir", "Jan", "Bjørn", "Rune", "Morten", "Trond", "Knut", "Øyvind", "Tor")),
        (1995, ("Thomas", "Anders", "Espen", "Stian", "Magnus", "Kristian", "Lars", "Eirik", "Jonas", "Mohammed")),
        (9999, ("Jakob", "Emil", "Noah", "Oskar", "Filip", "Aksel", "Henrik", "William", "Johannes", "Ibrahim")),
    ),
}  # fmt: skip
"""By the birth year before which the names were usual."""


def given_names(sex: str, year: int) -> tuple[str, ...]:
    """The names usual for those born in `year`."""
    return next(names for before, names in GIVEN_BY_SEX[sex] if year < before)
