"""Every setting with its reason and its default; the environment overrides (`KJERNE_` + name).

A limit stands here as a number with its unit in the name, so that an operator can see and change what the program refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings. Unknown `KJERNE_` variables are left alone; a wrong value stops the program with a sentence."""

    model_config = SettingsConfigDict(env_prefix="KJERNE_", env_file=None, frozen=True, extra="ignore")

    mode: Literal["sandbox", "production"] = Field("sandbox", description="`up` runs sandbox, `serve` production")
    jurisdiction: Literal["NO", "EHDS"] = Field(
        "NO",
        description="whether personnel are told that a patient has shut something: NO as Norwegian sources have it, EHDS never "
        "(Regulation (EU) 2025/327 article 8)",
    )
    host: str = Field("127.0.0.1", description="address to listen on; a proxy with TLS stands in front in production")
    port: int = Field(8000, description="port to listen on", ge=1, le=65535)
    public_url: str = Field("", description="the address clients use, for DPoP htu and links; empty: http://host:port")
    data: Path = Field(
        Path("data"),
        description="data directory: packages of implementation guides, and of a sandbox the embedded PostgreSQL and keys",
    )
    dsn: str = Field("", description="PostgreSQL address of the program's role; empty: the embedded server")
    owner_dsn: str = Field("", description="PostgreSQL address of the owner role, for migrations only")
    postgres_bin: str = Field("", description="folder with another supplier's PostgreSQL programs (initdb, postgres)")
    pool_size: int = Field(16, description="database connections per process", ge=1, le=200)
    keys: SecretStr = Field(
        SecretStr(""), description="production: the master keys, 3 x 32 bytes as hex, comma between"
    )
    key_shares: str = Field(
        "",
        description="the file of key shares, outside the database and its backup; empty: `key-shares` in `data`. "
        "Production must name it",
    )
    issuer: str = Field("", description="the OpenID provider whose tokens are trusted; empty in the sandbox: our own")
    jwks_file: str = Field("", description="the issuer's public keys as a file, where the issuer is not reachable")
    saml_metadata: str = Field(
        "", description="SAML metadata of the issuers whose XUA assertions are trusted, a file; empty: none are taken"
    )
    saml_seconds: int = Field(
        60, description="how old a bearer assertion may be; used ones are remembered for five minutes", ge=6, le=290
    )
    pages_client: str = Field(
        "", description="production: the pages' client id at the issuer; empty: no pages are served"
    )
    pages_key_file: str = Field("", description="production: the pages' private key, a JWK on P-256 (mode 0600)")
    audit_checkpoints: str = Field(
        "",
        description="where the log's signed checkpoints go, a folder or a file.jsonl that the database cannot reach; "
        "empty: the data directory, in the sandbox alone",
    )
    audit_key_file: str = Field(
        "",
        description="the Ed25519 key that signs them, PEM (mode 0600); empty: the sandbox makes one in its data directory",
    )
    people: int = Field(40, description="synthetic people made on the first `up`", ge=15, le=1_000_000)
    seed: int = Field(20261123, description="seed of the synthetic population")
    sources: int = Field(
        3,
        description="document sources that `up` starts beside the platform, each a process of its own; 0: none",
        ge=0,
        le=3,
    )
    unknown_person: Literal["create", "refuse"] = Field(
        "create",
        description="a message about a valid number that no register knows: file it as a new person, or refuse",
    )
    month_40: Literal["help-number", "synthetic"] = Field(
        "help-number",
        description="production: what a number is whose month is raised by 40: a hospital's help number, or a made-up person's "
        "(NAV's test people), who is refused as those with 80 and 65 are",
    )
    organisation_number: str = Field(
        "",
        description="organisation number of who receives the messages, for receipts of those that come without a MsgHead, "
        "which names its receiver, and to speak for citizens to sources of documents; empty: such a receipt has a name alone",
        pattern="^([0-9]{9})?$",
    )
    body_limit_bytes: int = Field(
        10_000_000, description="largest message with attachments that a laboratory sends", ge=1_000
    )
    json_depth: int = Field(64, description="deepest nesting of a JSON body; FHIR needs about 20", ge=8, le=500)
    xml_depth: int = Field(
        200, description="deepest nesting of an XML message; results in results need the most", ge=20, le=1_000
    )
    page_size: int = Field(
        50, description="entries in a page of a search that does not ask for a number", ge=1, le=10_000
    )
    page_size_limit: int = Field(1000, description="most entries in one page", ge=1, le=10_000)
    candidate_limit: int = Field(
        20_000, description="most rows one search may look at before it is too costly (422)", ge=100
    )
    profiles: str = Field(
        "",
        description="file of profile sets: which profiles are asked of what is written; empty: packages/profiles.toml in `data`",
    )
    named_profiles: Literal["required", "warn", "off"] = Field(
        "required", description="whether a resource must keep to the profiles it names itself, where a package has them"
    )
    subscribers: str = Field(
        "",
        description="file of the addresses that each client's subscriptions may be told at; empty: subscribers.toml in `data`",
    )
    ehrs: str = Field(
        "",
        description="file of the clinicians' systems that show the health indicator or open the clinician's pages; empty: "
        "ehrs.toml in `data`",
    )
    indicator_ticket_minutes: int = Field(
        15, description="how long a ticket of the health indicator lives, if its attestation does", ge=1, le=60
    )
    journals: str = Field(
        "",
        description="file of the journals that are asked for their critical information; empty: journals.toml in `data`",
    )
    document_sources: str = Field(
        "",
        description="file of the sources of documents that are asked; empty: document-sources.toml in `data`",
    )
    gateway_key_file: str = Field(
        "",
        description="the EC key and its certificate (PEM, mode 0600) that assertions to sources of documents are signed with; "
        "empty: the sandbox makes one in its data directory",
    )
    origins: str = Field(
        "",
        description="origins (https://app.example, spaces between) of browser applications whose pages may open a socket for "
        "subscriptions; our own may",
    )
    cursor_minutes: int = Field(60, description="how long a page link lives", ge=1, le=1_440)
    attestation_minutes: int = Field(
        60, description="how old an attestation may be (Tillitsrammeverket v1.1, ATT-58)", ge=1, le=60
    )
    dpop_seconds: int = Field(10, description="how old a DPoP proof may be, clock skew of 5 s included", ge=6, le=300)
    compress_from_bytes: int = Field(
        2_000, description="shortest answer that is packed (gzip, zstd) for who takes it; 0: none is", ge=0
    )
    request_seconds: float = Field(30.0, description="longest time one request may take", gt=0, le=3_600)

    smtp_host: str = Field(
        "", description="mail server for messages to citizens; empty: none are offered and none sent"
    )
    smtp_port: int = Field(587, description="its port", ge=1, le=65535)
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="how the way to it is closed; none only to a server on this machine"
    )
    smtp_user: str = Field("", description="login at the mail server; empty: none")
    smtp_password: SecretStr = Field(SecretStr(""), description="its password")
    smtp_from: str = Field("", description="whom messages to citizens come from: an address at the operator's")
    sms_gateway: str = Field(
        "", description="domain of a gateway that takes mail to number@domain as SMS; empty: SMS is not offered"
    )

    @field_validator("public_url", "issuer")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("an address begins with https:// (or http:// on this machine) and names a host")
        return url

    @property
    def packages(self) -> Path:
        """Where packages of implementation guides lie."""
        return self.data / "packages"

    @property
    def profile_sets(self) -> Path:
        """The file of profile sets."""
        return Path(self.profiles) if self.profiles else self.packages / "profiles.toml"

    @property
    def subscribers_file(self) -> Path:
        """The file of addresses that subscriptions may be told at."""
        return Path(self.subscribers) if self.subscribers else self.data / "subscribers.toml"

    @property
    def ehrs_file(self) -> Path:
        """The file of the clinicians' systems that are registered."""
        return Path(self.ehrs) if self.ehrs else self.data / "ehrs.toml"

    @property
    def journals_file(self) -> Path:
        """The file of journals that are asked for their critical information."""
        return Path(self.journals) if self.journals else self.data / "journals.toml"

    @property
    def document_sources_file(self) -> Path:
        """The file of the sources of documents that are asked."""
        return Path(self.document_sources) if self.document_sources else self.data / "document-sources.toml"

    @property
    def gateway_key(self) -> Path:
        """The file of the key that assertions to them are signed with."""
        return Path(self.gateway_key_file) if self.gateway_key_file else self.data / "gateway-key.pem"

    @property
    def tells_choices(self) -> bool:
        """Whether personnel hear of what a patient has blocked, restricted or opted out of."""
        return self.jurisdiction == "NO"

    @property
    def channels(self) -> tuple[Literal["email", "sms"], ...]:
        """The ways there are to reach a citizen."""
        if not (self.smtp_host and self.smtp_from):
            return ()
        return ("email", "sms") if self.sms_gateway else ("email",)

    @property
    def checkpoint_file(self) -> Path:
        """The file of signed checkpoints."""
        path = Path(self.audit_checkpoints) if self.audit_checkpoints else self.data
        return path if path.suffix == ".jsonl" or path.is_file() else path / "audit-checkpoints.jsonl"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs them."""
        return Path(self.audit_key_file) if self.audit_key_file else self.data / "audit-signing-key.pem"
