"""What an API of MHD can do with each type, as a CapabilityStatement says it (IHE MHD 4.2.2, Document Responder)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kjerne.mhd.searching import PATIENT, STATUSES, described

_ACTOR: Final = "https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD."
RESPONDER: Final = f"{_ACTOR}DocumentResponder"
RECIPIENT: Final = f"{_ACTOR}DocumentRecipient.Comprehensive"
REFUSED: Final = (
    "Refused by name: parameters that are not listed, chains but author and source by name, _include, _revinclude, _has, "
    "_summary, _elements, _sort but what is said here, and codes of a value set, above or below one."
)
_OF_TYPE: Final = {
    "DocumentReference": "ITI-67; attachment.url is ITI-68.",
    "List": "ITI-66: submission sets, each of the documents that the caller is shown. There are no folders. A set's title and "
    "comments are told to nobody.",
}


def resource(type_: str, interactions: Sequence[str], named_by: Sequence[str] = PATIENT) -> dict[str, Any]:
    """The part about one type: what is done with it and by what it is searched; `named_by` says whose it is."""
    statuses = " or ".join(sorted(STATUSES[type_]))
    return {
        "type": type_,
        "documentation": f"{_OF_TYPE[type_]} status is {statuses}, and current where it is not said. {REFUSED}",
        "interaction": [{"code": code} for code in interactions],
        "searchParam": described(type_, named_by),
    }
