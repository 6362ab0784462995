"""The words of the rules on records that name another, in nynorsk and English, and of rows that are no rule's but a look's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.store.audit import BROUGHT, BROUGHT_SAYS, ELSEWHERE, ELSEWHERE_SAYS, LISTED, LISTED_SAYS, SHOWN, SHOWN_SAYS

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "named-not-for-care": (
        "Noko som ligg her, nemner ein annan. Det blir berre vist for helsepersonell som behandlar den andre.",
        "Something that is here names another person. It is shown only to health workers who treat that person.",
    ),
    "named-and-shut": (
        "Noko som ligg her, nemner ein annan. Det er stengt her og vart ikkje vist.",
        "Something that is here names another person. It is shut here and was not shown.",
    ),
    "named-without-consent": (
        "Noko som ligg her, nemner ein annan. Denne yrkesgruppa treng samtykke for å sjå det, og det var ikkje gitt.",
        "Something that is here names another person. This profession needs consent to see it, and none was given.",
    ),
    "named": (
        "Noko som ligg her og nemner ein annan, vart vist for den som behandlar den andre.",
        "Something that is here and names another person was shown to the one who treats that person.",
    ),
}

OF_THE_LOG: Final[Mapping[str, tuple[str, str, str]]] = {
    # Who she is, where a choice of hers is not told (`store.audit.shown`).
    SHOWN: (
        SHOWN_SAYS,
        (
            "Den som spurde, fekk sjå namn, fødselsdato, fødselsnummer og adresse frå registeret. "
            "Ingenting av det som er registrert her, vart gitt."
        ),
        (
            "The one who asked saw name, date of birth, national identity number and address from the register. "
            "Nothing that is registered here was given."
        ),
    ),
    # What lies with another (`store.audit.elsewhere`).
    ELSEWHERE: (
        ELSEWHERE_SAYS,
        "Noko som ligg hos ein annan og nemner den det gjeld, vart også vist.",
        "Something that lies with another person and names the one it concerns was shown too.",
    ),
    # What stands in a list beside what is open (`store.audit.listed`).
    LISTED: (
        LISTED_SAYS,
        (
            "Overskrift, dato og laboratorium stod i ei liste ved sida av eit svar som var opna. "
            "Det som står i svara på lista, vart ikkje vist."
        ),
        (
            "Heading, date and laboratory stood in a list beside a result that was open. "
            "What the results on the list say was not shown."
        ),
    ),
    # A document that health personnel had at hand (`store.audit.brought`).
    BROUGHT: (
        BROUGHT_SAYS,
        (
            "Helsepersonell las eit dokument om den det gjeld, som dei sjølve hadde med. "
            "Ingenting av det som er registrert her, vart vist, og dokumentet vart ikkje lagra."
        ),
        (
            "Health personnel read a document about the one it concerns, which they had at hand themselves. "
            "Nothing that is registered here was shown, and the document was not kept."
        ),
    ),
}
"""Rule of a row -> its words in bokmål, nynorsk and English."""
