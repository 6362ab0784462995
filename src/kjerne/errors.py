"""The one error a caller can cause, and what it must say: what, where and what to do.

Raised where the fault is known, turned into an answer in one place (`kjerne.app`), in the shape of the API that was called.
A text in a `Refusal` may be shown to anybody: it never holds a person number, a name or any content of a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

# HTTP status -> FHIR R4 issue-type (http://hl7.org/fhir/R4/valueset-issue-type.html), where the raiser names none.
ISSUE_BY_STATUS: Final = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
    504: "timeout",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: `says` in a sentence, `where` as element path, parameter name or `line 12`.

    `rule` is the key of the rule that is broken (an invariant's in R4, or our own word), `line` where that is known.
    """

    says: str
    where: str = ""
    code: str = ""
    rule: str = ""
    line: int = 0


class Refusal(Exception):
    """The request is refused whole.

    `status` is an HTTP status (4xx, or 503/504 when a source fails), `code` a FHIR issue-type, `where` the element path,
    parameter or line, `todo` what the sender can do. `rule` names the access rule when a law refused. `faults` holds
    further things that are wrong in the same request; `fault` is the one that the refusal itself tells. `headers` go
    out with the answer (WWW-Authenticate, DPoP-Nonce). `looked_at` are the records (type, id, version) that were looked at
    before it, for the log; None where the patient's log has no row of it.
    """

    def __init__(
        self,
        status: int,
        says: str,
        *,
        where: str = "",
        todo: str = "",
        code: str = "",
        rule: str = "",
        faults: tuple[Fault, ...] = (),
        fault: Fault | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        looked_at: tuple[tuple[int, UUID, int], ...] | None = None,
    ) -> None:
        super().__init__(says)
        self.status = status
        self.says = says
        self.where = where
        self.todo = todo
        self.code = code or ISSUE_BY_STATUS.get(status, "invalid")
        self.rule = rule
        self.faults = faults
        self.fault = fault
        self.headers = headers
        self.looked_at = looked_at

    def __str__(self) -> str:
        return sentences(f"{self.says} ({self.where})" if self.where else self.says, self.todo)


def sentences(*parts: str) -> str:
    """Parts that are not empty, each ended by a full stop where another follows it."""
    *told, last = [part for part in parts if part] or [""]
    return " ".join([*(one if one.endswith((".", "!", "?")) else f"{one}." for one in told), last])
