"""The two status tables of the public NILAR mapping, as data.

Where the table and the guide's prose differ (an addition sent as addition: the prose says appended, the table
unknown) the table holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SERVICES: Final = ("N", "M", "C", "H", "A")
"""Columns: new, change, cancellation, history, addition (7309 for a report, 8270 for a result)."""

REPORT: Final = {
    "S": ("registered", "amended", "cancelled", "unknown", "unknown"),
    "P": ("preliminary", "amended", "cancelled", "unknown", "unknown"),
    "F": ("final", "amended", "cancelled", "unknown", "unknown"),
    "A": ("unknown", "appended", "cancelled", "unknown", "unknown"),
}
"""ServReport.Status (7306) by ServReport.ServType (7309) -> DiagnosticReport.status."""

OBSERVATION: Final = {
    "": ("final", "amended", "cancelled", "final", "final"),
    "1": ("unknown", "amended", "cancelled", "amended", "unknown"),
    "2": ("preliminary", "amended", "cancelled", "preliminary", "preliminary"),
    "3": ("final", "amended", "cancelled", "final", "final"),
    "4": ("final", "amended", "cancelled", "final", "final"),
    "5": ("registered", "unknown", "cancelled", "unknown", "registered"),
    "6": ("registered", "registered", "cancelled", "unknown", "registered"),
    "7": ("registered", "registered", "cancelled", "unknown", "registered"),
    "8": ("preliminary", "unknown", "cancelled", "unknown", "preliminary"),
    "9": ("preliminary", "unknown", "cancelled", "unknown", "preliminary"),
    "10": ("preliminary", "unknown", "cancelled", "unknown", "preliminary"),
    "11": ("final", "amended", "cancelled", "unknown", "final"),
    "12": ("unknown", "amended", "cancelled", "unknown", "preliminary"),
    "13": ("final", "amended", "cancelled", "unknown", "final"),
    "14": ("unknown", "unknown", "cancelled", "unknown", "unknown"),
    "15": ("registered", "registered", "cancelled", "final", "registered"),
}
"""ResultItem.StatusInvestigation (8245) by ResultItem.ServType (8270) -> Observation.status."""

DELETED: Final = "14"
"""The laboratory deleted the examination: its status is unknown by the table, and what it had said is taken back."""

UNFINISHED: Final = frozenset({"registered", "preliminary"})

WAITING: Final = frozenset(code for code, row in OBSERVATION.items() if row[0] in UNFINISHED)
"""What is not finished by its laboratory's own word, also where it is sent as a change."""
REPORT_WAITING: Final = frozenset(code for code, row in REPORT.items() if row[0] in UNFINISHED)


def report_status(status: str, service: str) -> str:
    """DiagnosticReport.status; a code outside the tables gives `unknown`, a cancellation always `cancelled`."""
    return _cell(REPORT, status, service)


def observation_status(status: str, service: str) -> str:
    """Observation.status; a code outside the tables gives `unknown`, a cancellation always `cancelled`."""
    return _cell(OBSERVATION, status, service)


def _cell(table: Mapping[str, tuple[str, ...]], row: str, column: str) -> str:
    if column == "C":
        return "cancelled"
    if row not in table or column not in SERVICES:
        return "unknown"
    return table[row][SERVICES.index(column)]
