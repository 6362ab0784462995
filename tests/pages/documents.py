"""Documents that somebody has at hand, for tests: our own, made by chance, and what is wrong with others."""

from __future__ import annotations

import json
from typing import Any

from kjerne.fhir.encode import encode
from kjerne.services.summary.document import document
from services.summary.records import Maker, summary

Tree = dict[str, Any]


def whole(seed: int = 1, number: str = "") -> Tree:
    """A summary with something in every section; with a number it is about whoever has that."""
    maker = Maker(seed)
    made: Tree = json.loads(encode(document(summary(maker.records(), patient=maker.patient()))))
    her = next(one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "Patient")
    her["identifier"] = [{"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}] if number else []
    return made


ALLERGY = """<AllergyIntolerance xmlns="http://hl7.org/fhir"><id value="a"/>{more}<code><coding>
<system value="http://snomed.info/sct"/><code value="91936005"/><display value="Allergy to penicillin"/></coding></code>
<patient><reference value="Patient/p"/></patient></AllergyIntolerance>"""


def in_xml(more: str = "") -> bytes:
    """A document in XML with one allergy, and `more` within it."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir"><type value="document"/>
<entry><fullUrl value="http://there.example/Composition/c"/><resource><Composition><status value="final"/>
<title value="Patientensammendrag"/><section><title value="Allergien"/><text><status value="generated"/>
<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x()">Penicillin</p></div></text>
<entry><reference value="AllergyIntolerance/a"/></entry></section></Composition></resource></entry>
<entry><fullUrl value="http://there.example/AllergyIntolerance/a"/><resource>{ALLERGY.format(more=more)}</resource></entry>
</Bundle>""".encode()
