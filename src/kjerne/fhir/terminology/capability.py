"""What the operations on codes can do (R4 terminologycapabilities.html), told by `metadata?mode=terminology`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from kjerne.fhir.terminology import core


def statement(
    loaded: Iterable[tuple[str, str]], takes: Sequence[str], *, url: str, software_version: str, made_at: datetime
) -> dict[str, Any]:
    """The TerminologyCapabilities.

    Its code systems are those of which all codes are at hand to everybody: the `loaded` ones (address and version, of one address
    the one first that a question without a version means), and R4's own. Those of packages and of records are not named: a
    search of CodeSystem lists the records. `takes` are the parameters of `$expand`.
    """
    versions: dict[str, list[str]] = {}
    for address, version in loaded:
        versions.setdefault(address, []).append(version)
    for address, version in core.code_systems():
        versions.setdefault(address, [version])
    return {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": made_at.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "kjerne", "version": software_version},
        "implementation": {"description": "kjerne", "url": url},
        "codeSystem": [_system(address, of) for address, of in sorted(versions.items())],
        "expansion": {
            "hierarchical": False,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in sorted(takes)],
            "textFilter": "Each word of the filter begins a word of a name of the code.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": False},
        "translation": {"needsMap": False},
    }


def _system(address: str, versions: Sequence[str]) -> dict[str, Any]:
    """One code system. A version without a name has none here either (tcp-3 wants one only of several)."""
    told = [
        {"code": version, "isDefault": place == 0} if version else {"isDefault": True}
        for place, version in enumerate(versions)
    ]
    return {"uri": address, "version": told, "subsumption": True}
