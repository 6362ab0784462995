"""The names that XDS gives things: object types, schemes, associations, queries and errors (ITI TF-3, 4.2; TF-2, 3.18)."""

from __future__ import annotations

from typing import Final

RIM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
RS: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0}"
LCM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0}"
QUERY: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0}"
XDS: Final = "{urn:ihe:iti:xds-b:2007}"

_REGREP: Final = "urn:oasis:names:tc:ebxml-regrep:"
APPROVED: Final = _REGREP + "StatusType:Approved"
DEPRECATED: Final = _REGREP + "StatusType:Deprecated"
SUCCESS: Final = _REGREP + "ResponseStatusType:Success"
FAILURE: Final = _REGREP + "ResponseStatusType:Failure"
PARTIAL: Final = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
ERROR: Final = _REGREP + "ErrorSeverityType:Error"
WARNING: Final = _REGREP + "ErrorSeverityType:Warning"
IS_ASSOCIATION: Final = _REGREP + "ObjectType:RegistryObject:Association"
IS_PACKAGE: Final = _REGREP + "ObjectType:RegistryObject:RegistryPackage"

STABLE: Final = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
ON_DEMAND: Final = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
IS_SUBMISSION_SET: Final = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
IS_FOLDER: Final = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"

ENTRY_AUTHOR: Final = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS_CODE: Final = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
CONFIDENTIALITY: Final = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
EVENT: Final = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
FORMAT_CODE: Final = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
FACILITY_TYPE: Final = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
PRACTICE_SETTING: Final = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
TYPE_CODE: Final = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
ENTRY_PATIENT: Final = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
ENTRY_UNIQUE: Final = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"

SET_AUTHOR: Final = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
CONTENT_TYPE: Final = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
SET_PATIENT: Final = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_SOURCE: Final = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
SET_UNIQUE: Final = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"

HAS_MEMBER: Final = _REGREP + "AssociationType:HasMember"
REPLACES: Final = "urn:ihe:iti:2007:AssociationType:RPLC"
TRANSFORMS: Final = "urn:ihe:iti:2007:AssociationType:XFRM"
APPENDS: Final = "urn:ihe:iti:2007:AssociationType:APND"
TRANSFORMS_AND_REPLACES: Final = "urn:ihe:iti:2007:AssociationType:XFRM_RPLC"
SIGNS: Final = "urn:ihe:iti:2007:AssociationType:signs"
RELATIONS: Final = frozenset({REPLACES, TRANSFORMS, APPENDS, TRANSFORMS_AND_REPLACES, SIGNS})
"""What one document is to another; `HAS_MEMBER` is what a submission set is to what came with it."""
REPLACING: Final = frozenset({REPLACES, TRANSFORMS_AND_REPLACES})

FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_BY_REFERENCE: Final = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
FIND_SUBMISSION_SETS: Final = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
FIND_FOLDERS: Final = "urn:uuid:958f3006-baad-4929-a4de-ff1114824431"
GET_ALL: Final = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_ASSOCIATIONS: Final = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS: Final = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
GET_SUBMISSION_SETS: Final = "urn:uuid:51224314-5390-4169-9b91-b1980040715a"
GET_SUBMISSION_SET_AND_CONTENTS: Final = "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
GET_RELATED_DOCUMENTS: Final = "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6"

CROSS_QUERY: Final = "urn:ihe:iti:2007:CrossGatewayQuery"
CROSS_RETRIEVE: Final = "urn:ihe:iti:2007:CrossGatewayRetrieve"
REGISTRY_QUERY: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
RETRIEVE: Final = "urn:ihe:iti:2007:RetrieveDocumentSet"
PROVIDE: Final = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
REGISTER: Final = "urn:ihe:iti:2007:RegisterDocumentSet-b"
"""Actions of ITI-38, 39, 18, 43, 41 and 42; each is answered by the action with `Response` behind it."""
