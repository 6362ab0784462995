"""Documents by CDA, made here."""

from __future__ import annotations

NUMBER = "15887099918"


def cda(body: str, header: str = "", number: str = NUMBER) -> bytes:
    """A document of one `structuredBody`, or of what else `body` is."""
    whole = body if body.startswith("<nonXMLBody") else f"<structuredBody>{body}</structuredBody>"
    return f"""<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id root="1.2.3" extension="A1"/>
<code code="11488-4" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC" displayName="Consultation note"/>
<title>Poliklinisk notat</title><effectiveTime value="20260311090500+0100"/>
<recordTarget><patientRole><id root="2.16.578.1.12.4.1.4.1" extension="{number}"/><addr>Storgata 1<city>Bergen</city></addr>
<telecom use="HP" value="tel:+4755000000"/><patient><name><given>Kari</given><family>Nordvik</family></name>
<birthTime value="19870815"/></patient></patientRole></recordTarget>
<author><time value="20260311"/><assignedAuthor><id nullFlavor="UNK"/><assignedPerson><name>Ola Hagen</name></assignedPerson>
</assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><name>Solbakken</name></representedCustodianOrganization>
</assignedCustodian></custodian>{header}<component>{whole}</component></ClinicalDocument>""".encode()


def section(text: str = "", entries: str = "", title: str = "Vurdering") -> str:
    """A section with a narrative and what is coded beside it."""
    told = f"<text>{text}</text>" if text else ""
    return (
        '<component><section><code code="51848-0" codeSystem="2.16.840.1.113883.6.1" displayName="Assessment"/>'
        f"<title>{title}</title>{told}{entries}</section></component>"
    )
