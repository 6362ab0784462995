"""Random damage to good assertions: not one changed assertion may pass, and each is refused, never a fault of ours.

Damage is done to the text in the header, to the bytes of the document, to its tree, and by mixing two assertions. What an
issuer signs is also damaged before, as a careless one would: then it opens nothing that it does not say in full.
`KJERNE_STORM` sets the number, ten times over (a release runs 100,000), `KJERNE_STORM_SEED` replays a failure.
"""

from __future__ import annotations

import base64
import copy
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from lxml import etree

from assertions import DS, METADATA, canonical, of_a_citizen, of_staff
from attested import DOCTOR, NOW, OID, PATIENT, digest, made
from kjerne.access import Grant
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.rules import decide
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from policy.cast import CONSUMER, COURSE, patient

from .test_forged_credentials import DAMAGE, seeded

NUMBER: Final = 10 * int(os.environ.get("KJERNE_STORM", "200"))
URL: Final = "https://kjerne.example/x"
VERIFIER: Final = Assertions(trusted(METADATA), ("nhn:pps",), FixedClock(NOW))
GOOD: Final = (of_staff(NOW).document(), of_staff(NOW).document(), of_a_citizen(NOW).document())
HER: Final = patient(digests=frozenset({digest(PATIENT)}), ties=(replace(COURSE, organisation="999999902"),))
ODD: Final = (
    "",
    " ",
    "4",
    DOCTOR,
    PATIENT,
    "urn:x",
    "&amp;",
    "x" * 300,
    "LE",
    "2026-11-23T12:00:00.000Z",
    "_",
    "http://x",
)

Tree = etree._Element


def anywhere(root: Tree, chance: random.Random) -> Tree:
    return chance.choice(list(root.iter()))


def take_out(root: Tree, chance: random.Random) -> None:
    found = anywhere(root, chance)
    if (parent := found.getparent()) is not None:
        parent.remove(found)


def double(root: Tree, chance: random.Random) -> None:
    anywhere(root, chance).append(copy.deepcopy(anywhere(root, chance)))


def move(root: Tree, chance: random.Random) -> None:
    found, to = anywhere(root, chance), anywhere(root, chance)
    if found is not root and found not in to.iterancestors() and found is not to:
        to.insert(chance.randrange(len(to) + 1), found)


def rename(root: Tree, chance: random.Random) -> None:
    anywhere(root, chance).tag = chance.choice([anywhere(root, chance).tag, "x", f"{{{DS}}}Signature"])


def other_text(root: Tree, chance: random.Random) -> None:
    anywhere(root, chance).text = chance.choice([anywhere(root, chance).text, *ODD])


def other_attribute(root: Tree, chance: random.Random) -> None:
    found, donor = anywhere(root, chance), anywhere(root, chance)
    names = [*found.attrib, *donor.attrib, "ID", "Id", "Name"]
    found.set(chance.choice(names), chance.choice([*donor.attrib.values(), *ODD]))


def from_another(root: Tree, chance: random.Random) -> None:
    """A part of another good assertion in the place of one of this."""
    donor = anywhere(etree.fromstring(chance.choice(GOOD)), chance)
    found = anywhere(root, chance)
    if (parent := found.getparent()) is not None:
        parent.replace(found, copy.deepcopy(donor))


TREES: Final[tuple[Callable[[Tree, random.Random], None], ...]] = (
    take_out, double, move, rename, other_text, other_attribute, from_another,
)  # fmt: skip


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """The text of a header that is not the good one's."""
    kind = chance.randrange(10)
    if kind < 2:
        return chance.choice(DAMAGE)(base64.urlsafe_b64encode(raw).rstrip(b"="), chance)
    if kind < 5:
        changed = chance.choice(DAMAGE[:3])(raw, chance)
    else:
        root = etree.fromstring(raw)
        for _ in range(chance.randint(1, 3)):
            chance.choice(TREES)(root, chance)
        changed = etree.tostring(root)
    return base64.urlsafe_b64encode(changed).rstrip(b"=")


def meaning(raw: bytes) -> tuple[bytes, ...]:
    """Everything that is read of an assertion, as it is read: what is signed, how, and the signature's own bytes.

    The certificate beside the signature and blanks within tags are not: damage to these alone is none.
    """
    root = etree.fromstring(raw)
    (signature,) = root.findall(f"{{{DS}}}Signature")
    info, value = signature[0], base64.b64decode(signature[1].text or "")
    told = canonical(info), value, b"".join(etree.tostring(child) for child in signature[1])
    root.remove(signature)
    return canonical(root), *told


def is_damaged(text: bytes, raw: bytes) -> bool:
    try:
        return meaning(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))) != meaning(raw)
    except (ValueError, IndexError, etree.LxmlError):
        return True


def test_no_damaged_assertion_passes() -> None:
    chance = seeded()
    passed = 0
    for _ in range(NUMBER):
        raw = chance.choice(GOOD)
        while not is_damaged(text := damaged(raw, chance), raw):
            pass
        try:
            VERIFIER.check("POST", URL, [(b"authorization", b"SAML " + text)])
        except Refusal as refusal:
            assert refusal.status == 401
            assert DOCTOR not in str(refusal) and PATIENT not in str(refusal)
        else:
            passed += 1
    assert passed == 0


ID: Final = "_damaged-before"
PIECES: Final = (
    (f"<saml:NameID>{DOCTOR}<",), (f"{PATIENT}^^^",), ('extension="9001"', ">9001<"), ('code="LE"',),
    ('extension="999999901"', 'extension="999999902"'), (f'codeSystem="{OID}.1.9060"',), ('code="TREAT"',),
    ("<saml:Audience>nhn:pps<",), (">4<",),
)  # fmt: skip
"""What must still be said, in one of its words: the HPR number stands in two attributes, and the organisation, whose only
word in an assertion is the issuer's, may have become its own unit where the patient is treated."""


def other_digits(text: str, chance: random.Random) -> str:
    places = [place for place, sign in enumerate(text) if sign.isdigit()]
    changed = list(text)
    for place in chance.sample(places, k=chance.randint(1, 3)):
        changed[place] = chance.choice("0123456789")
    return "".join(changed)


def plain(text: str) -> str:
    return text.replace("&quot;", '"').replace("&amp;", "&")


async def test_an_assertion_damaged_before_it_was_signed_opens_nothing_that_it_does_not_say_in_full() -> None:
    chance = seeded()
    opened = refused = 0
    whole = of_staff(NOW, id=ID).unsigned()
    for _ in range(NUMBER // 10):
        written = other_digits(whole, chance)
        said = of_staff(NOW, before=lambda _, text=written: text, id=ID)
        try:
            text = base64.urlsafe_b64encode(said.document()).rstrip(b"=")
            claims = VERIFIER.check("POST", URL, [(b"authorization", b"SAML " + text)]).claims
            caller = replace(await made(claims), parts=(CONSUMER,))
        except (Refusal, etree.XMLSyntaxError):
            refused += 1
            continue
        answer: Any = decide(caller, HER, "results", "search", now=NOW)
        if isinstance(answer, Grant):
            opened += 1
            # Under the old name or the new: where both are known and differ it is refused.
            assert all(any(word in plain(written) for word in piece) for piece in PIECES), written
        else:
            refused += 1
    assert opened and refused > NUMBER / 40
