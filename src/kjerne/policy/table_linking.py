"""The law's row on two numbers of one human: an operator's work on the register, which opens no record."""

from __future__ import annotations

from typing import Final

from kjerne.access import Action
from kjerne.policy.rule import EVERY_LABEL, EVERY_SERVICE, OPERATORS, Rule, Section

LINK: Final[frozenset[Action]] = frozenset({"link"})

LINKING: Final = Section(
    title="Two numbers of one person, linked and unlinked",
    kinds=OPERATORS,
    services=EVERY_SERVICE,
    actions=LINK,
    rules=(
        Rule(
            id="persons-linked",
            effect="grant",
            law="pasientjournalloven § 22; personvernforordningen artikkel 5 nr. 1 bokstav d",
            says="Driften av plattformen vurderte om to personnumre er samme person, knyttet dem sammen eller skilte dem.",
            hides=EVERY_LABEL,
        ),
    ),
)
