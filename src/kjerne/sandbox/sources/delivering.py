"""Documents of the synthetic people sent to the sources by ITI-41, as a hospital's own systems send theirs.

It begins when a source answers and is done once: a file beside it says so. What was broken off is sent again by the next start,
which a source takes as what it has.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import httpx
import structlog

from kjerne.sandbox import life, platform
from kjerne.sandbox.documents import filing
from kjerne.sandbox.documents.paper import Paper
from kjerne.sandbox.documents.telling import Told
from kjerne.sandbox.seeding import Made
from kjerne.sandbox.sources.furnishing import Furnished
from kjerne.sandbox.sources.places import Keeper
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names

DELIVERED: Final = "delivered"
PEOPLE: Final = 200
"""The first residents, who have documents: some three each, and a sandbox may have a million residents."""
ADDRESS: Final = "/Repository/services/RepositoryService"
AGAIN_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 30
_HERE: Final = frozenset({"XDSDuplicateUniqueIdInRegistry", "XDSNonIdenticalHash"})
"""A document that another version of the program made and sent, before that start was broken off."""
log = structlog.get_logger("kjerne.sandbox")


async def deliver(sources: Sequence[Furnished], data: Path) -> None:
    """Everything that is not delivered yet, a person's at a time."""
    left: Mapping[Keeper, Furnished] = {
        one.place.keeper: one for one in sources if not (one.folder / DELIVERED).exists()
    }
    known = platform.made(data)
    if not left or known is None:
        return
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as client:
        async for paper in _made(known):
            if source := left.get(paper.keeper):
                await _sent(client, source, paper)
    for source in left.values():
        (source.folder / DELIVERED).touch()


async def _made(known: Made) -> AsyncIterator[Paper]:
    """The documents, made apart from the loop that answers requests."""
    people = await asyncio.to_thread(papers, known)
    while (told := await asyncio.to_thread(next, people, None)) is not None:
        for one in told:
            yield one


def papers(known: Made) -> Iterator[list[Paper]]:
    """What each person has, in the order in which it was written."""
    population = known.population()
    parts = {key: part for part, key in population.cast.items()}
    charts = islice(life.charts(population, known.seed, known.day), PEOPLE)
    return (
        list(Told(chart, reports, known.seed, parts.get(chart.person.key, "")).papers()) for chart, reports in charts
    )


async def _sent(client: httpx.AsyncClient, source: Furnished, paper: Paper) -> None:
    """Sends one until the source has taken it; one that it refuses is told and left."""
    kind, raw = packaged(source, paper)
    headers = {"content-type": kind, "authorization": f"Bearer {source.key}"}
    while True:
        try:
            answer = await client.post(source.url + ADDRESS, content=raw, headers=headers)
        except httpx.TransportError:  # it is starting, or somebody has ended it
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        break
    codes = _refused(answer)
    if codes - _HERE:
        log.warning("a document was refused", source=source.place.name, document=paper.name, codes=sorted(codes))


def packaged(source: Furnished, paper: Paper) -> tuple[str, bytes]:
    """The Content-Type and the bytes of a submission: an envelope, and the document as a part beside it (MTOM)."""
    sent = filing.submission(paper, source.place)
    (entry,) = sent.entries
    body = messages.written_provision(sent, {entry.id: lambda element: mtom.included(element, "document")})
    to = source.url + ADDRESS
    envelope = soap.enveloped(names.PROVIDE, body, message_id=f"urn:uuid:{uuid.uuid4()}", to=to)
    boundary = uuid.uuid4().hex
    with tempfile.TemporaryFile() as file:
        file.write(paper.content)
        file.seek(0)
        part = ("document", paper.form.mime_type, os.dup(file.fileno()))
        return mtom.content_type(boundary), b"".join(mtom.packed(boundary, envelope, [part]))


def _refused(answer: httpx.Response) -> set[str]:
    """The codes of a refusal; none where all is well."""
    if answer.status_code != httpx.codes.OK:
        return {f"HTTP {answer.status_code}"}
    return {one.code for one in messages.response(soap.opened(answer.content).body).errors}
