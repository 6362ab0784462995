"""The words of what is done with a copy of the summary that a citizen hands out: no decisions, but lines in her log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.store import summary_links as links

OF_LINKS: Final[Mapping[str, tuple[str, str, str]]] = {
    links.MADE: (
        links.MADE_SAYS,
        "Det vart laga ei lenkje til eit augneblinksbilete av samandraget, for å vise det til andre.",
        "A link was made to a snapshot of the summary, to show it to others.",
    ),
    links.LISTED: (
        links.LISTED_SAYS,
        "Lenkjene til samandraget vart sett, og kven som har opna dei.",
        "The links to the summary were seen, and who has opened them.",
    ),
    links.REVOKED: (
        links.REVOKED_SAYS,
        "Ei lenkje til samandraget vart stengd.",
        "A link to the summary was ended.",
    ),
    links.OPENED: (
        links.OPENED_SAYS,
        "Nokon som har lenkja og passordet, opna augneblinksbiletet av samandraget. Ingen har kontrollert kven det var.",
        "Somebody who has the link and the passcode opened the snapshot of the summary. Nobody has checked who it was.",
    ),
    links.REFUSED: (
        links.REFUSED_SAYS,
        "Nokon prøvde å opne ei lenkje til samandraget med feil passord. Ingenting vart vist.",
        "Somebody tried to open a link to the summary with a wrong passcode. Nothing was shown.",
    ),
}
"""Rule -> bokmål as the row has it, nynorsk, English."""
