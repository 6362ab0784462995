"""The words of a name, to see whether somebody's words say more of a medicine than its codes do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
"""No substance has a name of two letters; units, signs and numbers are no words of a name."""
_FORMS: Final = """
tab tabl tablett tabletter tbl kaps kapsel kapsler mikst mikstur dråper øyedr øyedråper øredråper nesedråper
inj injeksjon injeksjonsvæske inf infusjon infusjonsvæske oppl oppløsning væske konsentrat pulver granulat
krem salve gel liniment lotion skum plaster depotplaster supp stikkpille stikkpiller vagitorie vagitorier
spray nesespray inhalasjon inhalasjonspulver inhalator aerosol susp suspensjon emulsjon depot depottab
depottablett depottabletter depotkaps depotkapsler enterotab enterotablett enterotabletter enterokaps
enterokapsler brusetab brusetablett brusetabletter tyggetab tyggetablett tyggetabletter smeltetab
smeltetablett smeltetabletter sugetab sugetablett sugetabletter resoribletter resoriblett sublingvaltab
sublingvaltablett filmdrasjert filmdrasjerte drasjert drasjerte dosepose ampulle hetteglass sprøyte ferdigfylt
penn stk mikrog mcg mill mmol time timer dag døgn tablet tablets capsule capsules oral solution injection
cream ointment suspension drops powder
"""
FORMS: Final = frozenset(_FORMS.split())
"""Words of form, dose and use, which name nothing that somebody reacts to."""


def words(texts: Iterable[str]) -> frozenset[str]:
    """The words of some texts in small letters, without those of form.

    >>> sorted(words(["Paracet m/koffein tab 500 mg"]))
    ['koffein', 'paracet']
    """
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold())) - FORMS
