"""The submission sets in which documents of a source came, asked for by the documents (GetSubmissionSets, ITI TF-2, 3.18).

Asked so, a source tells of no set but those of documents that are open to the reader already, and of each by these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from lxml import etree

from kjerne.gateway import answers, xca
from kjerne.registries.document_sources import DocumentSource
from kjerne.services.documents.model import NotGiven, Sets
from kjerne.wire.asking import Connections
from kjerne.xds import messages, names, reading
from kjerne.xds.errors import Rejected
from kjerne.xds.forms import CX
from kjerne.xds.names import RIM
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, SubmissionSet, bare

AT_ONCE: Final = 500
"""Documents that one question names."""


async def of_documents(
    source: DocumentSource, assertion: bytes, patient: CX, documents: Sequence[str], kept: Connections
) -> Sets:
    """What it tells of the sets of these documents (entryUUIDs), which are this patient's; `NotGiven` where it tells nothing."""
    found = Sets(source.name)
    for first in range(0, len(documents), AT_ONCE):
        some = tuple(documents[first : first + AT_ONCE])
        query = Query(names.GET_SUBMISSION_SETS, home=source.home, said=(("$uuid", some),))
        read = partial(_told, source, patient, some)
        found = joined(source, (found, await xca.asked(source, assertion, query, kept, read)))
    return found


def joined(source: DocumentSource, told: Sequence[Sets]) -> Sets:
    """Several answers of one source; a set that two of them tell of is one."""
    sets = {one.id: one for each in told for one in each.sets}
    members = tuple(dict.fromkeys(one for each in told for one in each.members))
    return Sets(source.name, None, tuple(sets.values()), members, any(each.lacks for each in told))


def _told(
    source: DocumentSource, patient: CX, asked: Collection[str], body: etree._Element, ended: Callable[[], bool]
) -> Sets:
    """The sets that can be read and are hers and the source's; one that cannot be read takes no other with it."""
    try:
        lacks = answers.lacks(messages.outcome(body))
    except Rejected as rejected:
        raise NotGiven("broken", f"what it answered is no response: {rejected.errors[0].code}") from rejected
    listed = body.find(RIM + "RegistryObjectList")
    lacks = lacks or (listed is not None and reading.gather(listed) > 0)
    elements = list(listed) if listed is not None else []
    if len(elements) > 2 * reading.OBJECTS_LIMIT:
        raise NotGiven("long", f"it told of more than {2 * reading.OBJECTS_LIMIT} objects", of_one=True)
    sets, members, wanted = list[SubmissionSet](), list[tuple[str, str]](), set(asked)
    for one in _objects(elements, ended):
        if isinstance(one, Association):
            if one.kind == names.HAS_MEMBER and one.target in wanted:
                members.append((one.source, one.target))
        elif one.patient == patient and bare(one.home or source.home) == bare(source.home):
            sets.append(one)
        else:
            lacks = True
    return Sets(source.name, None, tuple(sets), tuple(members), lacks)


def _objects(elements: Sequence[etree._Element], ended: Callable[[], bool]) -> Iterator[SubmissionSet | Association]:
    for element in elements:
        if ended():
            return
        with suppress(Rejected):
            if element.tag == RIM + "Association":
                yield reading.association(element)
            elif element.tag == RIM + "RegistryPackage":
                yield reading.submission_set(element)
