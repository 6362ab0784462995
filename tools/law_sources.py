"""What the law page's rules lean on, and when it was read: what has no date here was not read in its current wording.

A date is that of the text that was read, or of the reading where the text has none; it stands here only where it was noted then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Source:
    """A source as the column *law* names it (`named`, a pattern). `read` is what was read of it and when; empty: not verified.

    `short` is that in a rule's row.
    """

    title: str
    named: str
    read: str = ""
    short: str = ""
    ours: bool = False


SOURCES: Final = (
    Source(
        "Tillitsrammeverket",
        r"Tillitsrammeverket",
        "v1.1 of 2024-04-30, as NorskHelsenett/Tillitsrammeverk had it at commit 8b66479 of 2024-05-14 and at f89ea07",
        "Tillitsrammeverket v1.1, 2024-04-30",
    ),
    Source(
        "ACP, the national access policies (2.16.578.1.12.4.1.7.2.1)",
        r"\bACP\b",
        "their list in XcaDocumentSource, commit 0e7611c of 2026-08-20; NHN's own text was not seen",
        "ACP by XcaDocumentSource, 2026-08-20",
    ),
    Source(
        "Regulation (EU) 2025/327",
        r"forordning \(EU\) 2025/327",
        "articles 8 and 10, recitals 17 and 18 in copies, 2026-11; not the Official Journal",
        "(EU) 2025/327 in copies, 2026-11",
    ),
    Source(
        "The trial of Digitalt helsekort for gravide",
        r"digitalt helsekort for gravide",
    ),
    Source(
        "SMART App Launch",
        r"SMART App Launch 2\.2",
        "version 2.2, which does not change",
        "SMART App Launch, version 2.2",
    ),
    Source("Avtaleloven", r"avtaleloven"),
    Source("Folketrygdloven", r"folketrygdloven"),
    Source("Forvaltningsloven", r"forvaltningsloven"),
    Source("Helsepersonelloven", r"helsepersonelloven"),
    Source("Kjernejournalforskriften (FOR-2013-05-31-563)", r"kjernejournalforskriften"),
    Source("Pasientjournalloven", r"pasientjournalloven"),
    Source("Pasient- og brukerrettighetsloven", r"pasient- og brukerrettighetsloven"),
    Source("Personvernforordningen (EU) 2016/679", r"personvernforordningen"),
    Source("Vergemålsloven", r"vergemålsloven"),
    Source("Helsenorge's pages on insight, parents, youth and powers of attorney", r"Helsenorge"),
    Source("nhn.no, questions and answers on protected addresses", r"nhn\.no"),
    Source("MyHealth@EU, its error codes", r"MyHealth@EU"),
    Source("The register of participation", r"registeret over deltakere", ours=True),
    Source("A rule of one service used in another", r"i andre tjenester brukt tilsvarende", ours=True),
)
UNREAD: Final = "not verified"


def of(law: str) -> list[Source]:
    """The sources that a rule's law names, in the order of the table."""
    return [source for source in SOURCES if re.search(source.named, law)]


def wording(law: str) -> str:
    """When what a rule leans on was read, or that its current wording was not."""
    found = [source for source in of(law) if not source.ours]
    dated = [source.short for source in found if source.read]
    if len(dated) == len(found):
        return "; ".join(dated) or "ours"
    return "; ".join([*dated, f"the rest {UNREAD}"] if dated else [UNREAD])
