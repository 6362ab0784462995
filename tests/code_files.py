"""Small files of the shapes in which code systems are published: headers as they are, and codes that are nobody's."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROW: Final = ("id", "effectiveTime", "active", "moduleId")
CORE, NORWAY = "900000000000207008", "51000202101"
FSN, SYNONYM, PREFERRED, ACCEPTABLE = (
    "900000000000003001", "900000000000013009", "900000000000548007", "900000000000549004",
)  # fmt: skip
IS_A, INFERRED, SOME = "116680003", "900000000000011006", "900000000000451002"
US, NB, NN = "900000000000509007", "61000202103", "91000202106"
ROOT, FINDING, FRACTURE, OF_ARM, OF_LEG, GONE = "138875005", "404684003", "125605004", "65966004", "7200200", "1000000"
SITE, ARM = "363698007", "14975008"
SIMPLE_SET = "1991000202102"

Rows = Sequence[Sequence[str]]


def text(header: Sequence[str], rows: Rows) -> bytes:
    """A file of a release: columns parted by tabs, each line ended."""
    return "".join("\t".join(row) + "\r\n" for row in (header, *rows)).encode()


def snomed(time: str = "20260101", *, module: str = CORE, more: Rows = ()) -> dict[str, bytes]:
    """A release of a handful of concepts, by the names of its files; `more` are further concepts (code, name, parent)."""
    given = [
        (ROOT, "SNOMED CT Concept", ""), (FINDING, "Clinical finding", ROOT), (FRACTURE, "Fracture of bone", FINDING),
        (OF_ARM, "Fracture of arm", FRACTURE), (OF_LEG, "Fracture of leg", FRACTURE), (ARM, "Arm structure", ROOT),
        (SITE, "Finding site", ROOT), *more,
    ]  # fmt: skip
    concepts = [(code, time, "1", module, "900000000000074008") for code, _, _ in given]
    concepts.append((GONE, time, "0", module, "900000000000074008"))
    names, wanted = list[Sequence[str]](), list[Sequence[str]]()

    def name(code: str, term: str, language: str, kind: str, sets: Mapping[str, str]) -> None:
        id_ = str(2_000_000_000 + len(names))
        names.append((id_, time, "1", module, code, language, kind, term, "900000000000448009"))
        wanted.extend((f"0-{len(wanted)}", time, "1", module, one, id_, how) for one, how in sets.items())

    for code, term, _ in given:
        name(code, f"{term} (made)", "en", FSN, {US: PREFERRED})
        name(code, term, "en", SYNONYM, {US: PREFERRED})
    name(GONE, "Gone", "en", SYNONYM, {US: PREFERRED})
    name(FRACTURE, "Broken bone", "en", SYNONYM, {US: ACCEPTABLE})
    name(FRACTURE, "brudd", "nb", SYNONYM, {NB: PREFERRED})
    name(FRACTURE, "brot", "nn", SYNONYM, {NN: PREFERRED})
    name(OF_ARM, "armbrudd", "no", SYNONYM, {NB: PREFERRED, NN: ACCEPTABLE})
    links = [(code, parent, IS_A) for code, _, parent in given if parent]
    links.append((OF_ARM, ARM, SITE))
    related = [
        (str(3_000_000_000 + place), time, "1", module, source, target, "0", kind, INFERRED, SOME)
        for place, (source, target, kind) in enumerate(links)
    ]
    at = f"_NO1000202_{time}.txt"
    return {
        f"Snapshot/Terminology/sct2_Concept_Snapshot{at}": text((*ROW, "definitionStatusId"), concepts),
        f"Snapshot/Terminology/sct2_Description_Snapshot-en{at}": text(
            (*ROW, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId"), names
        ),
        f"Snapshot/Terminology/sct2_Relationship_Snapshot{at}": text(
            (*ROW, "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId"), related
        ),
        f"Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en{at}": text(
            (*ROW, "refsetId", "referencedComponentId", "acceptabilityId"), wanted
        ),
        f"Snapshot/Refset/Content/der2_Refset_SimpleSnapshot{at}": text(
            (*ROW, "refsetId", "referencedComponentId"),
            [(f"1-{place}", time, "1", module, SIMPLE_SET, code) for place, code in enumerate((OF_ARM, OF_LEG))],
        ),
        f"Full/Terminology/sct2_Concept_Full{at}": text((*ROW, "definitionStatusId"), concepts + concepts),
    }  # fmt: skip


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def laid(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


def csv(*rows: Sequence[str], sign: str = ",") -> bytes:
    return "".join(sign.join(f'"{one}"' for one in row) + "\n" for row in rows).encode()


LOINC_COLUMNS: Final = (
    "LOINC_NUM", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "VersionLastChanged",
    "CHNG_TYPE", "DefinitionDescription", "STATUS", "CONSUMER_NAME", "CLASSTYPE", "FORMULA", "EXMPL_ANSWERS", "SURVEY_QUEST_TEXT",
    "SURVEY_QUEST_SRC", "UNITSREQUIRED", "RELATEDNAMES2", "SHORTNAME", "ORDER_OBS", "HL7_FIELD_SUBFIELD_ID",
    "EXTERNAL_COPYRIGHT_NOTICE", "EXAMPLE_UNITS", "LONG_COMMON_NAME", "EXAMPLE_UCUM_UNITS", "STATUS_REASON", "STATUS_TEXT",
    "CHANGE_REASON_PUBLIC", "COMMON_TEST_RANK", "COMMON_ORDER_RANK", "HL7_ATTACHMENT_STRUCTURE", "EXTERNAL_COPYRIGHT_LINK",
    "PanelType", "AskAtOrderEntry", "AssociatedObservations", "VersionFirstReleased", "ValidHL7AttachmentRequest", "DisplayName",
)  # fmt: skip


def _loinc(**said: str) -> list[str]:
    return [said.get(one, "") for one in LOINC_COLUMNS]


def loinc(version: str = "2.80") -> dict[str, bytes]:
    """A release of three codes, with a linguistic variant, a hierarchy and an answer list."""
    codes = [
        _loinc(LOINC_NUM="9001-1", COMPONENT="Madeupium", PROPERTY="MCnc", TIME_ASPCT="Pt", SYSTEM="Ser", SCALE_TYP="Qn",
               CLASS="CHEM", STATUS="ACTIVE", LONG_COMMON_NAME="Madeupium [Mass/volume] in Serum", SHORTNAME="Madeup SerPl-mCnc",
               VersionLastChanged=version, VersionFirstReleased="1.0"),
        _loinc(LOINC_NUM="9002-9", COMPONENT="Madeupium", PROPERTY="PrThr", TIME_ASPCT="Pt", SYSTEM="Urine", SCALE_TYP="Ord",
               CLASS="CHEM", STATUS="ACTIVE", LONG_COMMON_NAME='Madeupium, "free", in Urine'.replace('"', '""'),
               VersionLastChanged="2.9"),
        _loinc(LOINC_NUM="9003-7", COMPONENT="Oldium", CLASS="CHEM", STATUS="DEPRECATED", LONG_COMMON_NAME="Oldium"),
    ]  # fmt: skip
    variant = ("LOINC_NUM", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "SHORTNAME",
               "LONG_COMMON_NAME", "RELATEDNAMES2", "LinguisticVariantDisplayName")  # fmt: skip
    return {
        "LoincTable/Loinc.csv": csv(LOINC_COLUMNS, *codes),
        "AccessoryFiles/LinguisticVariants/nbNO99LinguisticVariant.csv": csv(
            variant, ["9001-1", *[""] * 8, "Oppdiktium i serum", "", ""]
        ),
        "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": csv(
            ("PATH_TO_ROOT", "SEQUENCE", "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"),
            ("", "1", "", "LP900001-1", "Made up"), ("LP900001-1", "1", "LP900001-1", "9001-1", "Madeupium"),
            ("LP900001-1", "2", "LP900001-1", "9002-9", "Madeupium"),
        ),
        "AccessoryFiles/AnswerFile/AnswerList.csv": csv(
            ("AnswerListId", "AnswerListName", "AnswerStringId", "LocalAnswerCode", "SequenceNumber", "DisplayText"),
            ("LL901-1", "Yes or no", "LA901-1", "", "1", "Yes"), ("LL901-1", "Yes or no", "LA902-9", "", "2", "No"),
        ),
    }  # fmt: skip


CLAML: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0">
  <Meta name="TopLevelSort" value="I II"/>
  <Identifier authority="WHO" uid="id-to-be-added-by-who"/>
  <Title date="2026-01-01" name="ICD-10-made" version="2026">Made up classification of diseases</Title>
  <ClassKinds><ClassKind name="chapter"/><ClassKind name="block"/><ClassKind name="category"/></ClassKinds>
  <RubricKinds><RubricKind name="preferred"/><RubricKind name="inclusion"/></RubricKinds>
  <Modifier code="S90"><SubClass code=".0"/><SubClass code=".1"/></Modifier>
  <ModifierClass code=".0" modifier="S90"><SuperClass code="S90"/>
    <Rubric kind="preferred"><Label xml:lang="en">closed</Label></Rubric></ModifierClass>
  <ModifierClass code=".1" modifier="S90"><SuperClass code="S90"/>
    <Rubric kind="preferred"><Label xml:lang="en">open</Label></Rubric></ModifierClass>
  <Class code="I" kind="chapter"><SubClass code="Q00-Q09"/>
    <Rubric kind="preferred"><Label xml:lang="en">Made up diseases</Label></Rubric></Class>
  <Class code="Q00-Q09" kind="block"><SuperClass code="I"/><SubClass code="Q00"/>
    <Rubric kind="preferred"><Label xml:lang="en">Of the arm</Label></Rubric></Class>
  <Class code="Q00" kind="category"><SuperClass code="Q00-Q09"/><ModifiedBy code="S90"/>
    <Rubric kind="preferred"><Label xml:lang="en">Broken <Term class="italics">arm</Term></Label></Rubric>
    <Rubric kind="inclusion"><Label xml:lang="en">Arm, broken</Label></Rubric></Class>
</ClaML>
"""

ATC_CSV: Final = csv(
    ("ATC code", "ATC level name", "DDD", "U", "Adm.R", "Note"),
    ("Q", "MADE UP GROUP", "NA", "NA", "NA", "NA"), ("Q01", "MADE UP SUBGROUP", "", "", "", ""),
    ("Q01A", "MADE UP AGENTS", "", "", "", ""), ("Q01AA", "Made up chemicals", "", "", "", ""),
    ("Q01AA01", "madeupine", "3", "g", "O", ""), ("Q01AA01", "madeupine", "1", "g", "P", ""),
)  # fmt: skip

FEST: Final = """<?xml version="1.0" encoding="utf-8"?>
<FEST xmlns="http://www.kith.no/xmlstds/eresept/m30/2014-12-01" xmlns:fs="http://www.kith.no/xmlstds/eresept/forskrivning/2014-12-01">
  <HentetDato>2026-09-29T08:00:00</HentetDato>
  <KatLegemiddelMerkevare><OppfLegemiddelMerkevare><Id>ID_E1</Id><Tidspunkt>2026-09-01T00:00:00</Tidspunkt><Status V="A"/>
    <fs:LegemiddelMerkevare><fs:Atc V="Q01AA01" DN="madeupine"/><fs:NavnFormStyrke>Oppdikt tab 500 mg</fs:NavnFormStyrke>
      <fs:Id>ID_M1</fs:Id><fs:Varenavn>Oppdikt</fs:Varenavn>
      <fs:SortertVirkestoffMedStyrke><fs:Sortering>0</fs:Sortering><fs:RefVirkestoffMedStyrke>ID_MS1</fs:RefVirkestoffMedStyrke>
      </fs:SortertVirkestoffMedStyrke><fs:SortertVirkestoffUtenStyrke><fs:Sortering>1</fs:Sortering>
      <fs:RefVirkestoff>ID_S2</fs:RefVirkestoff></fs:SortertVirkestoffUtenStyrke></fs:LegemiddelMerkevare></OppfLegemiddelMerkevare></KatLegemiddelMerkevare>
  <KatVirkestoff>
    <OppfVirkestoff><Id>ID_E2</Id><Status V="A"/><fs:Virkestoff><fs:Id>ID_S1</fs:Id><fs:Navn>Oppdiktin</fs:Navn>
      <fs:NavnEngelsk>madeupine</fs:NavnEngelsk></fs:Virkestoff></OppfVirkestoff>
    <OppfVirkestoff><Id>ID_E3</Id><Status V="U"/><fs:Virkestoff><fs:Id>ID_S2</fs:Id><fs:Navn>Gammelin</fs:Navn>
      <fs:RefVirkestoff>ID_S1</fs:RefVirkestoff></fs:Virkestoff>
    </OppfVirkestoff>
    <OppfVirkestoff><Id>ID_E5</Id><Status V="A"/><fs:VirkestoffMedStyrke><fs:Id>ID_MS1</fs:Id>
      <fs:RefVirkestoff>ID_S1</fs:RefVirkestoff></fs:VirkestoffMedStyrke></OppfVirkestoff>
  </KatVirkestoff>
  <KatKodeverk><OppfKodeverk><Id>ID_E4</Id><Status V="A"/>
    <Info><Id>2.16.578.1.12.4.1.1.7180</Id><Betegnelse>ATC</Betegnelse></Info>
    <Element><Id>ID_1</Id><Kode>Q</Kode><Term><Sprak V="nb"/><Term>Oppdiktet gruppe</Term></Term></Element>
    <Element><Id>ID_2</Id><Kode>Q01</Kode><Term><Sprak V="nb"/><Term>Oppdiktet undergruppe</Term></Term></Element>
  </OppfKodeverk></KatKodeverk>
</FEST>
"""

NLK_CSV: Final = csv(
    ("Kode", "Norsk bruksnavn", "Komponent", "System", "Enhet", "Fagområde", "Gyldig til"),
    ("NPU90001", "P-Oppdiktium", "Oppdiktium", "P", "mmol/L", "Medisinsk biokjemi", ""),
    ("NOR90002", "U-Oppdiktium", "Oppdiktium", "U", "mmol/L", "Medisinsk biokjemi", "2025-12-31"), sign=";",
)  # fmt: skip

FSH: Final = '''// Made up.
Alias: $ANIMALS = http://animals.example/fsh

CodeSystem: Animals
Id: animals
Title: "Animals"
Description: """
Of all
kinds"""
* ^url = "http://animals.example/fsh"
* ^version = "1.0.0"
* ^property[+].code = #legs
* ^property[=].type = #integer
* #mammal "Mammal" "It gives milk."
  * #dog "Dog" // a friend
    * ^property[+].code = #legs
    * ^property[=].valueInteger = 4
    * ^designation[+].language = #nb
    * ^designation[=].value = "Hund"
    * #"great dane" "Great Dane"
  * #whale "Whale"
* #bird "Bird"

Profile: Passed
Parent: Patient
* name 1..1

ValueSet: Friends
Id: friends
Title: "Friends"
* ^url = "http://sets.example/friends"
* ^identifier.system = "urn:ietf:rfc:3986"
* ^contact.telecom.value = "http://x.example"
* ^version = "1.0.0"
* $ANIMALS#dog "Best friend"
* $ANIMALS#bird

ValueSet: Mammals
* ^url = "http://sets.example/mammals"
* include codes from system $ANIMALS where concept is-a #mammal
    and legs exists true
* exclude $ANIMALS#whale "Whale"

ValueSet: Both
* ^url = "http://sets.example/both"
* include codes from valueset http://sets.example/friends
* include codes from system $ANIMALS|1.0.0 where concept descendent-of #mammal "Mammal"
'''
