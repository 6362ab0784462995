"""Which sources are asked: those that may have something, and all where that is only half known.

A source that registers about whom it has documents, and has said within a day that it registers everybody, need not be asked
about whom it has not registered, unless she is or was in care with its organisation. Of any other source nobody knows, so it is
asked. So is every source in an emergency, for a citizen (that one was asked would tell her of what is withheld from her), and
where all are asked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kjerne.access import Grant
from kjerne.policy.insight import ACUTE_BASES, ACUTE_PURPOSES
from kjerne.registries.document_sources import DocumentSource
from kjerne.store.whereabouts import Whereabouts
from kjerne.xds.values import bare

STALE: Final = timedelta(hours=24)
"""So long it holds that a source registers everybody, after it last said so."""


def asks_everybody(grant: Grant) -> bool:
    """Whether all sources are asked whatever is known."""
    return grant.caller.kind != "practitioner" or grant.purpose in ACUTE_PURPOSES or grant.basis in ACUTE_BASES


def is_left_out(source: DocumentSource, known: Whereabouts, now: datetime) -> bool:
    """Whether a source is known to have nothing of hers, as far as a register can."""
    home = bare(source.home)
    whole = known.whole.get(home)
    is_current = whole is not None and timedelta(0) <= now - whole < STALE
    may_have = home in known.registered or source.organisation in known.contacts
    return is_current and not may_have
