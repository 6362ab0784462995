"""Names of two common words, an adjective and a noun, as the test population of the tax administration has them.

Who reads one in a shared test environment sees that nobody bears it.
"""

from __future__ import annotations

from typing import Final

GIVEN: Final = tuple(
    """Rolig Vennlig Lystig Kvikk Klok Tapper Stille Munter Sindig Flittig Varm Frisk Modig Mild Sterk Glad Snill Stødig
    Nyttig Ivrig Ærlig Kraftig Blid Trygg Lun Rask Stolt Smidig Myk Fornøyd Nøktern Vittig Artig Påpasselig Høflig Tålmodig
    Grundig Praktisk Musikalsk Solid Rund Blank Kjapp Forsiktig Rettferdig Strålende Tenksom Våken Dyktig Gavmild Hjelpsom
    Høytidelig Kreativ Ordentlig Nysgjerrig Omtenksom Oppmerksom Romslig Spontan Villig Undrende Søvnig Storslått
    Drømmende""".split()
)
_FIRST: Final = """Bjørke Fjell Furu Gran Hav Høst Klipp Korn Lyng Måne Nord Regn Sjø Skog Sne Sol Stein Strand Sommer Vinter
    Vår Eike Elve Flint Kobber Sølv""".split()
_LAST: Final = """aks bekk blomst bord bro båt fjær glans gress kurv lampe løv mus nøtt pensel pute rose sang skål spire stjerne
    stige stol trane tråd veske vind vogn ørn øks""".split()
FAMILY: Final = tuple(first + last for first in _FIRST for last in _LAST)
