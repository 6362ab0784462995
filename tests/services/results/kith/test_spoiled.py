"""Whatever a sender's program has done to a message, it is taken whole or refused with a place; nothing else happens."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir.validate import check
from kjerne.services.results.kith import apprec, chain, mapping

ODD = (
    "", " ", "0", "-", "N", "M", "C", "H", "A", "NULL", "2021-02-30", "9999-12-31T23:59:59", "2017", "12:00", "1e999", "1E-30",
    "5,4", "<&>", "æøå" * 20, "\u202e", "true", "1" * 40, "2021-03-28T02:30:00",
)  # fmt: skip


def rich(kith: Any) -> bytes:
    """A message with a bit of everything."""
    head = (
        "<Comment>Merk</Comment><RefDoc><MsgType V='A'/><Content><Base64Container>cGRm</Base64Container></Content></RefDoc>"
        "<ServReq><Id>Q</Id><ReasonAsText><Heading V='PROB'/><TextResultValue>Slapp</TextResultValue></ReasonAsText></ServReq>"
    )
    drug = kith.text("0,25", "RSB", f"<TextCode V='S' S='{kith.OID}8271'/>")
    items = (
        kith.item(
            value=kith.number("5", comparator="LT"), extra="<RefInterval><Descr>&lt; 5</Descr></RefInterval>", id_="1"
        )
        + kith.item("", kith.text("Funn", "FU"), inside=kith.item("ORG", kith.text("E. coli"), id_="2"))
        + kith.item("DRUG", drug, ref="2")
        + kith.person(kith.item("NPU02"), relation="<Relation V='BARN'/>")
    )
    about = kith.person(
        "<InfItem><Observation><Description>Feber</Description></Observation><Type V='ANAM'/></InfItem>"
        + kith.SAMPLE
        + items
    )
    raw: bytes = kith.message(kith.report(patient=about, head=head))
    return raw


def spoil(root: Any, random: Random) -> bytes:
    for _ in range(random.randint(1, 6)):
        elements = list(root.iter())
        chosen, other = random.choice(elements), random.choice(elements)
        parent = chosen.getparent()
        what = random.randrange(6)
        if what == 0 and parent is not None:
            parent.remove(chosen)
        elif what == 1 and parent is not None:
            parent.append(copy.deepcopy(chosen))
        elif what == 2:
            chosen.set(random.choice(("V", "S", "DN", "OT", "U")), random.choice(ODD))
        elif what == 3:
            chosen.text = random.choice(ODD)
        elif what == 4:
            chosen.tag = other.tag
        elif parent is not None:
            chosen.append(copy.deepcopy(other))
    return etree.tostring(root)


def numbering() -> Callable[[str, str], str]:
    made: dict[tuple[str, str], str] = {}
    return lambda type_, key: made.setdefault((type_, key), f"n{len(made)}")


@given(st.integers(0, 10**9))
@settings(max_examples=120, deadline=None)
def test_a_spoiled_message_is_taken_whole_or_refused_with_a_place(kith: Any, seed: int) -> None:
    raw = spoil(etree.fromstring(rich(kith)), Random(seed))
    try:
        message = kith.understood(raw)
    except Refusal as refusal:
        assert refusal.status in (400, 422)
        assert "line " in refusal.where
        assert apprec.build(apprec.heard(raw), apprec.faults_of(refusal), datetime(2026, 3, 2, tzinfo=UTC))
        return
    for version in chain.versions(message):
        state = chain.fold([version])
        assert len(state.results) == len(version.report.items)
        trees = mapping.resources(state, numbering())
        assert len({(tree["resourceType"], tree["id"]) for tree in trees}) == len(trees)
        assert [fault for tree in trees for fault in check(tree, tree["resourceType"])] == []
