"""What is made of an answer that says one document several times, and of a no."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from documents_at_hand import HOME, code, entry
from kjerne.gateway import answers
from kjerne.services.documents.model import NotGiven
from kjerne.services.documents.seeing import is_locked
from kjerne.xds import names
from kjerne.xds.errors import RegistryError
from kjerne.xds.messages import Response
from kjerne.xds.values import Association, DocumentEntry

LOCK = code("9603", "NORS")
LOGICAL = "urn:uuid:00000000-0000-4000-8000-000000000001"


def version(number: str, status: str = names.DEPRECATED, **changes: object) -> DocumentEntry:
    """What a registry says of one document since it was changed so often (ITI-57): an entry of its own."""
    said = {"logical_id": LOGICAL, "version": number, "status": status, "id": f"urn:uuid:v{number}"}
    return entry(1, home=HOME, **(said | changes))


def test_what_was_said_of_a_document_before_it_was_changed_says_nothing_any_more() -> None:
    first, second = version("1", confidentiality=(LOCK,)), version("2", title="Notat")
    last = version("10", names.APPROVED, title="Epikrise")
    held = Association(id="urn:uuid:a", kind=names.APPENDS, source="urn:uuid:other", target=first.id)
    for order in permutations((first, second, last)):
        (one,), (relation,) = answers.joined(order, (held,))
        assert (one.title, one.status, is_locked(one)) == ("Epikrise", names.APPROVED, False)
        assert relation.target == last.id, "what was said of it before is said of it"


@pytest.mark.parametrize(
    "former",
    [
        version("2", confidentiality=(LOCK,)),
        version("new", confidentiality=(LOCK,)),
        version("", confidentiality=(LOCK,)),
        version("1", names.APPROVED, confidentiality=(LOCK,)),
        version("1", logical_id="", confidentiality=(LOCK,)),
        version("1", logical_id="urn:uuid:another", confidentiality=(LOCK,)),
    ],
)
def test_what_is_not_plainly_an_earlier_saying_withholds(former: DocumentEntry) -> None:
    for order in permutations((former, version("2", names.APPROVED, id="urn:uuid:now"))):
        ((one,), _) = answers.joined(order, ())
        assert is_locked(one)


def test_a_document_has_been_replaced_where_either_of_two_sayings_says_so() -> None:
    holds, replaced = entry(1, home=HOME), replace(entry(2, home=HOME), unique_id=entry(1).unique_id)
    replaced = replace(replaced, status=names.DEPRECATED)
    for order in permutations((holds, replaced)):
        ((one,), _) = answers.joined(order, ())
        assert one.status == names.DEPRECATED


def test_a_no_is_one_with_whatever_severity_it_is_said() -> None:
    no = Response(names.FAILURE, (RegistryError("AuthorizationException", "x", severity=names.WARNING),))
    for asked in (answers.lacks, answers.given):
        with pytest.raises(NotGiven) as caught:
            asked(no)
        assert caught.value.fault == "refused"
