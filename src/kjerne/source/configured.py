"""What an operator says of a source, in `source.toml` of its data directory: who it is, whom it believes, who may send.

The first start writes the file with an identity of its own, with nobody believed and nobody let in.
"""

from __future__ import annotations

import hmac
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.registries.made_up import MadeUp
from kjerne.wire.saml_trust import Trusted, trusted
from kjerne.xds.values import Code

NAME: Final = "source.toml"
_OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_CODED: Final = re.compile(r"([^\s^]{1,64})\^\^([0-2](?:\.(?:0|[1-9][0-9]*))+)")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_KNOWN: Final = frozenset(
    {
        "home",
        "repository",
        "saml_metadata",
        "citizens_saml_metadata",
        "audiences",
        "clamav",
        "submitters",
        "minimal",
        "test_people",
        "month_40",
    }
)
_FIRST: Final = """\
# Who this source is: its home community and its repository. Put in the OIDs that were given to you before it is used.
home = "urn:oid:{oid}"
repository = "{oid}.1"

# Whose assertions are believed, as files of SAML metadata: about personnel (a gateway, an EHR), and about citizens (a portal).
# Who is believed about both stands in both. Then the audiences that assertions are made for.
saml_metadata = ""
citizens_saml_metadata = ""
audiences = []

# The socket of ClamAV (clamd), where documents are scanned before they are kept; empty: they are not.
clamav = ""

# Whether this is a source of tests, which takes documents of synthetic people alone (80 or 65 added to the month of a number);
# any other takes none of theirs. A month raised by 40 is a help-number, or synthetic.
test_people = false
month_40 = "help-number"

# What is said of documents that come as Minimal Metadata by ITI-65 and do not say it, each as code^^OID of its system:
# healthcareFacilityTypeCode (1303) and practiceSettingCode (8451, 8651 and others). Without them such documents are refused.
[minimal]
# facility_type = "86.101^^2.16.578.1.12.4.1.1.1303"
# practice_setting = "A04^^2.16.578.1.12.4.1.1.8651"

# Who may send documents: a name, and the SHA-256 (hex) of a key of at least 32 characters, sent as `Authorization: Bearer KEY`.
[submitters]
"""


@dataclass(frozen=True, slots=True)
class Minimal:
    """What an operator lets be said of documents whose Bundle is Minimal Metadata and leaves it out."""

    facility_type: Code | None = None
    practice_setting: Code | None = None


NOTHING_ADDED: Final = Minimal()


@dataclass(frozen=True, slots=True)
class Configured:
    """The file as it was read."""

    home: str
    repository: str
    audiences: tuple[str, ...]
    issuers: Trusted
    submitters: Mapping[str, str]
    made_up: MadeUp
    """Whether it takes people who are made up alone, or none of them."""
    clamav: str = ""
    citizens: Trusted = field(default_factory=dict)
    """Who is believed about citizens; `issuers` are believed about personnel."""
    minimal: Minimal = NOTHING_ADDED

    @property
    def believed(self) -> Trusted:
        """Whose signatures are known at all."""
        return {**self.issuers, **self.citizens}

    def submitter(self, key: str) -> str:
        """Whose key it is; empty where it is nobody's."""
        digest = sha256(key.encode()).hexdigest()
        found = [name for name, known in self.submitters.items() if hmac.compare_digest(known, digest)]
        return found[0] if found else ""


def configured(folder: Path) -> Configured:
    """What stands in a folder's file, which is made where there is none. `Refusal` 422 names what cannot be used."""
    path = folder / NAME
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(_FIRST.format(oid=f"2.25.{uuid.uuid4().int}"), encoding="utf-8")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise _wrong("the file cannot be read") from error
    if unknown := set(said) - _KNOWN:
        raise _wrong(f"{min(unknown)} is not known")
    home, repository = str(said.get("home", "")), str(said.get("repository", ""))
    if not home.startswith("urn:oid:") or not _OID.fullmatch(home[8:]) or not _OID.fullmatch(repository):
        raise _wrong("home is an OID behind urn:oid:, and repository an OID")
    submitters = said.get("submitters", {})
    if not isinstance(submitters, dict) or not all(_DIGEST.fullmatch(str(one)) for one in submitters.values()):
        raise _wrong("a submitter is a name and a SHA-256 in small hexadecimal digits")
    audiences = said.get("audiences", [])
    if not isinstance(audiences, list) or not all(isinstance(one, str) and one for one in audiences):
        raise _wrong("audiences is a list of names")
    personnel, citizens = _issuers(folder, said, "saml_metadata"), _issuers(folder, said, "citizens_saml_metadata")
    if any(personnel[one] != citizens[one] for one in personnel.keys() & citizens.keys()):
        raise _wrong("an issuer of both files of metadata has other certificates in one than in the other")
    return Configured(
        home, repository, tuple(audiences), personnel, dict(submitters), _made_up(said),
        str(said.get("clamav", "")), citizens, _minimal(said.get("minimal", {})),
    )  # fmt: skip


def _minimal(said: Any) -> Minimal:
    if not isinstance(said, dict) or set(said) - {"facility_type", "practice_setting"}:
        raise _wrong("minimal has facility_type and practice_setting")
    found = {name: _CODED.fullmatch(str(value)) for name, value in said.items()}
    if not all(found.values()):
        raise _wrong("a code of minimal has the form code^^OID of its system")
    return Minimal(**{name: Code(one[1], one[2]) for name, one in found.items() if one})


def _made_up(said: Mapping[str, Any]) -> MadeUp:
    alone, month_40 = said.get("test_people", False), said.get("month_40", "help-number")
    if not isinstance(alone, bool) or month_40 not in ("help-number", "synthetic"):
        raise _wrong("test_people is true or false, and month_40 help-number or synthetic")
    return MadeUp.told(alone=alone, month_40=month_40)


def _issuers(folder: Path, said: Mapping[str, Any], key: str) -> Trusted:
    name = said.get(key, "")
    if not name:
        return {}
    try:
        return trusted((folder / str(name)).read_bytes())
    except OSError as error:
        raise _wrong(f"the file of {key} cannot be read") from error
    except ValueError as error:
        raise _wrong(f"the file of {key} cannot be used: {error}") from error


def _wrong(says: str) -> Refusal:
    return Refusal(422, f"{NAME}: {says}", where=NAME, todo="Correct the file and start again.")
