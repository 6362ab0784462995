"""A refusal that tells the rule that is broken, as every refusal about a foreign document does."""

from __future__ import annotations

from kjerne.errors import ISSUE_BY_STATUS, Fault, Refusal
from kjerne.exchange import Pairs


def refused(
    status: int, says: str, where: str, rule: str, *, todo: str = "", code: str = "", headers: Pairs = ()
) -> Refusal:  # fmt: skip
    """`code` is R4's issue-type; the status' own where none is said.

    >>> refused(422, "it is about nobody", "Bundle.entry", "no-subject").fault.rule
    'no-subject'
    """
    kind = code or ISSUE_BY_STATUS.get(status, "invalid")
    fault = Fault(says, where, kind, rule)
    return Refusal(status, says, where=where, todo=todo, code=kind, rule=rule, fault=fault, headers=headers)
