"""R4's operation `$meta` on one resource: its profiles, labels and tags, version and time, and nothing of its content.

Source: http://hl7.org/fhir/R4/resource-operation-meta.html. It is the resource's read, of which only the meta is handed on: the
same law, the same row in the log, the same answers about what is absent or hidden. `$meta-add` and `$meta-delete` are not here:
they change a resource without a new version, and a label here may withhold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.prefer import lenient

BASE: Final = "/fhir/R4"
_FORMATS: Final = frozenset({"_format", "_pretty"})


@dataclass(frozen=True)
class MetaApi:
    """The handler. `find` is the table of routes, by which the resource is read; `needs` the scopes of which any may ask."""

    find: Callable[[str, str], tuple[Route, dict[str, str]]]
    needs: str

    def routes(self) -> list[Route]:
        at = BASE + "/{type}/{id}/$meta"
        return [Route("GET", at, self.meta, self.needs, "fhir", for_citizens=True)]

    async def meta(self, call: Call) -> Answer:
        """Parameters with `return`, the meta of the current version."""
        if not lenient(call.headers) and any(name not in _FORMATS for name, _ in call.query):
            raise Refusal(400, "$meta takes no parameter but _format", where="query", code="not-supported")
        path = f"{BASE}/{call.parameters['type']}/{call.parameters['id']}"
        route, parameters = self.find("GET", path)
        assert call.caller is not None, "the route asks for a scope"
        route.check_scope(call.caller, parameters)
        answer = await route.handler(msgspec.structs.replace(call, path=path, query=(), parameters=parameters))
        if answer.status != 200:
            return answer
        tree: dict[str, Any] = decode(answer.body)
        told = {"name": "return", "valueMeta": tree.get("meta", {})}
        return Answer(200, encode({"resourceType": "Parameters", "parameter": [told]}), headers=answer.headers)
