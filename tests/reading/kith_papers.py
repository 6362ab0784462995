"""Messages by KITH's standards, made here."""

from __future__ import annotations

from typing import Final

NUMBER = "15887099918"
BASE = "http://www.kith.no/xmlstds/"
NAMESPACES: Final = {
    "epikrise/2006-09-23": "Epikrise",
    "epikrise/2012-02-15": "Epikrise",
    "henvisning/2005-07-08": "Henvisning",
    "henvisning/2012-02-15": "Henvisning",
    "rekvisisjon/2005-05-20": "Rekvisisjon",
    "rekvisisjon/2008-12-01": "Rekvisisjon",
    "rekvisisjon/2012-02-15": "Rekvisisjon",
    "labsvar/2004-09-14": "Svarrapport",
    "labsvar/2005-03-14": "Svarrapport",
    "labsvar/2008-12-01": "Svarrapport",
    "labsvar/2012-02-15": "Svarrapport",
    "po/Pasientlogistikk/2008-02-20": "Pasientlogistikk",
    "po/MeldingFravar/2008-02-20": "Melding om fravær",
    "po/OrienteringOmTjenestetilbud/2008-02-20": "Orientering om tjenestetilbud",
    "po/OverforingMedisinskeOpplysninger/2008-02-20": "Overføring av medisinske opplysninger",
    "po/Konsultasjon/2008-02-20": "Konsultasjon",
    "po/Innleggelsesrapport/2008-02-20": "Innleggelsesrapport",
    "po/Innleggelsesrapport/2009-06-30": "Innleggelsesrapport",
    "po/TverrfagligEpikrise/2008-02-20": "Tverrfaglig epikrise",
}
"""The namespaces of messages that are read, by what each is called; they come in a message head too."""
PATIENT = f"""<Patient><Sex V="2" DN="Kvinne"/><DateOfBirth V="1987-08-15"/><Name>Nordvik, Kari</Name><OffId>{NUMBER}</OffId>
<TypeOffId V="FNR" DN="Fødselsnummer"/><Address><Type V="H" DN="Bosted"/><City>Bergen</City></Address>{{}}</Patient>"""


def message(standard: str = "labsvar/2012-02-15", told: str = "", report: str = "", type_: str = "") -> str:
    """A message about her that tells something of her (`told`) and of itself (`report`)."""
    called = f'<Type V="X" DN="{type_}"/>' if type_ else ""
    return f"""<Message xmlns="{BASE}{standard}">{called}<MIGversion>v1.4</MIGversion><GenDate V="2026-03-11T12:00:00"/>
<MsgId>m-1</MsgId><ServReport><ServType V="N" DN="Ny"/><IssueDate V="2026-03-11T09:05:00"/>{report}{PATIENT.format(told)}
<ServProvider><HCP><Inst><Name>Solbakken lab</Name><Id>59</Id><TypeId V="HER" DN="HER-id"/></Inst></HCP></ServProvider>
<Requester><HCP><HCProf><Name>Ola Hagen</Name></HCProf></HCP></Requester></ServReport></Message>"""


def headed(content: str) -> str:
    """A message head (HIS 80601) with one document in it."""
    ident = f'<Ident><Id>{NUMBER}</Id><TypeId V="FNR" DN="Fnr"/></Ident>'
    return f"""<MsgHead xmlns="{BASE}msghead/v1/2006-05-24"><MsgInfo><Type V="X" DN="Innpakket"/><GenDate V="2026-03-12"/>
<MsgId>h-1</MsgId><Sender><Organisation><OrganisationName>Sykehuset</OrganisationName></Organisation></Sender>
<Patient><FamilyName>Nordvik</FamilyName><GivenName>Kari</GivenName>{ident}</Patient></MsgInfo>
<Document><DocumentConnection V="H" DN="Hoveddokument"/><RefDoc><MsgType V="XML" DN="XML"/><Content>{content}</Content></RefDoc>
</Document></MsgHead>"""


ITEM = """<ResultItem><NumResult><ArithmeticComp V="LT" DN="Mindre enn"/><NumResultValue V="5" U="mg/L"/></NumResult>
<Investigation><Id V="NPU19748" S="2.16.578.1.12.4.1.1.7280" DN="P-CRP"/></Investigation><DevResultInd V="1" DN="Høy"/>
<RefInterval><Descr>&lt; 5</Descr></RefInterval><StatusInvestigation V="3" DN="Endelig"/></ResultItem>"""
