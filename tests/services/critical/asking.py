"""What a clinician's system sends to have the clinician's pages opened at a patient."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any, NamedTuple

import httpx

from kjerne.services.critical.sessions import BASE
from platform_fixture import Standing, Tree
from services.test_standards_registered import NEED

SYSTEM = {"content-type": "application/json", "x-source-system": "Sundvika EPJ, 3.1"}
NUMBER = "urn:oid:2.16.578.1.12.4.1.4.1"
ROLES = "urn:oid:2.16.578.1.12.4.1.1.9060"


class Session(NamedTuple):
    """What a browser is sent with, and what the system keeps."""

    id: str
    code: str
    verifier: str

    @property
    def query(self) -> dict[str, str]:
        return {"code": self.code, "ehr_code_verifier": self.verifier}


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def claims(platform: Standing, about: str, basis: str = "", role: str = "LE") -> Tree:
    return {
        "patient_identifier": {"id": platform.nin(about), "system": NUMBER, "authority": "https://www.skatteetaten.no"},
        "practitioner_authorization": {"code": role, "system": ROLES},
        **(
            {"access_basis": {"code": basis, "system": "SYSTEM_GRUNNLAG", "assigner": "https://nhn.no"}}
            if basis
            else {}
        ),
    }


def sent(
    platform: Standing, what: str, body: Tree, *, as_: str = "gp", about: str = "citizen",
    headers: dict[str, str] | None = None, **more: Any,
) -> httpx.Response:  # fmt: skip
    return platform.client.call(
        "POST", f"{BASE}/{what}", as_=as_, patient=platform.nin(about) if about else "", body=json.dumps(body).encode(),
        headers=SYSTEM | (headers or {}), **more,
    )  # fmt: skip


def created(platform: Standing, about: str = "citizen", *, as_: str = "gp", basis: str = "", **more: Any) -> Session:
    verifier = secrets.token_urlsafe(32)
    body = {"ehr_code_challenge": challenge_of(verifier), "claims": claims(platform, about, basis)}
    answer = sent(platform, "create", body, as_=as_, about=about, **{**NEED, **more})
    assert answer.status_code == 200, answer.text
    return Session(answer.json()["sessionId"], answer.json()["code"], verifier)
