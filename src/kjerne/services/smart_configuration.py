"""`/.well-known/smart-configuration`: where a SMART app gets its token, and which scopes are understood here.

SMART App Launch 2.2, conformance. The addresses are the identity provider's own, read from its discovery document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.fhir.encode import encode

PATH: Final = "/.well-known/smart-configuration"
PROVIDERS_OWN: Final = (
    "authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "jwks_uri",
    "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
    "grant_types_supported", "response_types_supported", "code_challenge_methods_supported",
    "dpop_signing_alg_values_supported", "authorization_details_types_supported",
)  # fmt: skip
"""Members of the discovery document that an app needs, told on as they are."""
CAPABILITIES: Final = (
    "client-confidential-asymmetric", "permission-patient", "permission-user", "permission-v1", "permission-v2",
)  # fmt: skip
"""There is no launch context: the attestation names the patient, or the header person-id."""

Provider = Callable[[], Awaitable[dict[str, Any]]]


async def no_provider() -> dict[str, Any]:
    """For a house that was put together without an identity provider."""
    raise Refusal(503, "no identity provider is set")


@dataclass(frozen=True)
class SmartConfiguration:
    """The handler for the APIs under `bases`. `scopes` are the SMART scopes that are understood."""

    provider: Provider
    bases: Sequence[str]
    scopes: Sequence[str]

    def routes(self) -> list[Route]:
        return [Route("GET", base + PATH, self.tell, PUBLIC, "fhir") for base in self.bases]

    async def tell(self, _: Call) -> Answer:
        """What stands in the document of SMART: ours, and the provider's."""
        found = await self.provider()
        told: dict[str, Any] = {"issuer": found.get("issuer", "")}
        told |= {name: found[name] for name in PROVIDERS_OWN if name in found}
        told |= {"scopes_supported": list(self.scopes), "capabilities": list(CAPABILITIES)}
        return Answer(200, encode(told), "application/json")


def scopes(types: Iterable[str], sent_in: Iterable[str], registered: Collection[str]) -> list[str]:
    """The SMART scopes that can take something away from a token with a national scope: letters may be left out, and
    codes demanded. Of `types`, systems send in those in `sent_in`, and personnel register those in `registered`."""
    kept, sent = sorted(types), sorted(sent_in)
    of_people = [f"patient/{type_}.rs" for type_ in kept]
    of_people += [f"user/{type_}.{'cruds' if type_ in registered else 'rs'}" for type_ in kept]
    return [*of_people, *(f"system/{type_}.cu" for type_ in sent)]
