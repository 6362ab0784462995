"""Where no choice of a patient's may be told: what is answered instead of the refusal that her choice is.

Regulation (EU) 2025/327 article 8: that a person has restricted access is not visible to healthcare providers. So who is
refused by a block, a restriction or an opt-out is answered as of a patient who has made none and of whom nothing is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kjerne.access import Denial, Grant
from kjerne.exchange import NOT_REGISTERED
from kjerne.policy.facts import WRITING
from kjerne.policy.rules import decide

LAW: Final = "forordning (EU) 2025/327 artikkel 8"
SAYS: Final = "Opplysninger om denne personen registreres ikke her."
"""What personnel hear who would register: nothing can be written under nobody's name, so there is a no, without its reason."""
SHUTTING: Final = frozenset({"block", "restriction", "opt-out"})


def without_choices(denial: Denial, *, basis: str = "", purpose: str = "", what: str = "") -> Grant | Denial:
    """What the same caller would be answered had the patient made no choice; the refusal itself where that is not its reason."""
    subject = denial.subject
    if subject is None or not denial.outcome or denial.caller.kind != "practitioner":
        return denial
    open_to_all = replace(subject, choices=tuple(one for one in subject.choices if one.kind not in SHUTTING))
    return decide(
        denial.caller, open_to_all, denial.service, denial.action, basis=basis, purpose=purpose, now=denial.at,
        correlation=denial.correlation, what=what,
    )  # fmt: skip


def unsaid(denial: Denial, *, basis: str = "", purpose: str = "", what: str = "") -> Grant | Denial:
    """A grant that opens nobody's records, or the refusal that the same caller would hear without the patient's choices.

    Of `what` she would write it is a refusal without its reason. The row in the log is that of `denial`. A refusal for
    another reason is left as it is; so is one to a system, which is not told the reason anyhow (`exchange.not_filed`).
    """
    answer = without_choices(denial, basis=basis, purpose=purpose, what=what)
    if isinstance(answer, Denial):
        return answer
    if denial.action in WRITING:
        return replace(denial, rule=NOT_REGISTERED, law=LAW, says=SAYS, outcome="")
    # Under no key lies no record, and what does not exist does not change: the statement finds nothing, and its facts stand.
    assert denial.subject is not None, "nobody's choice is told instead of another's"
    nobody = replace(denial.subject, keys=(), wrapped=(), destroyed=(), stamp=0)
    return replace(answer, subject=nobody, instead_of=denial)
