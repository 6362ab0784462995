"""A batch leaves what its requests leave one by one, in the records and in the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundles import FHIR, bundle, entry, send, statuses
from platform_fixture import Standing, Tree
from services.test_standards import create, read
from services.test_standards_batch import WHO, numbered
from services.test_standards_patch import STATUS
from words import fresh


class World:
    """Some records, and what is asked of them: by their place, and by identifiers that are this world's own."""

    def __init__(self, platform: Standing) -> None:
        self.platform, self.tag = platform, fresh()
        self.ids = [str(create(platform, self.numbered(place), about=WHO).tree["id"]) for place in range(2)]

    def numbered(self, place: int, **more: Any) -> Tree:
        return numbered(f"{self.tag}-{place}", **more)

    def asked(self, what: str, place: int, version: int) -> Tree:
        url, by, match = (
            f"Observation/{self.ids[place % 2]}",
            f"identifier={self.tag}-{place}",
            {"ifMatch": f'W/"{version}"'},
        )
        changed = self.numbered(place, status="amended")
        data = base64.b64encode(json.dumps([STATUS]).encode()).decode()
        binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
        return {
            "create": lambda: entry("POST", "Observation", self.numbered(place)),
            "create unless": lambda: entry("POST", "Observation", self.numbered(place), ifNoneExist=by),
            "create wrongly": lambda: entry("POST", "Observation", self.numbered(place, status="wrong")),
            "update": lambda: entry("PUT", url, changed | {"id": self.ids[place % 2]}, **match),
            "update unseen": lambda: entry("PUT", url, changed | {"id": self.ids[place % 2]}),
            "update what answers": lambda: entry("PUT", f"Observation?{by}", changed, **(match if version > 1 else {})),
            "patch": lambda: entry("PATCH", url, binary, **match),
            "delete": lambda: entry("DELETE", url),
            "delete what answers": lambda: entry("DELETE", f"Observation?{by}"),
            "read without the scope": lambda: entry("GET", url),
        }[what]()  # fmt: skip

    def alone(self, asked: Tree) -> int:
        """The status of an entry's request by itself."""
        request, resource = asked["request"], asked.get("resource", {})
        names = {"ifMatch": "if-match", "ifNoneExist": "if-none-exist"}
        headers = {"content-type": FHIR} | {names[one]: value for one, value in request.items() if one in names}
        body = json.dumps(resource).encode() if resource else b""
        if resource.get("resourceType") == "Binary":
            headers["content-type"], body = resource["contentType"], base64.b64decode(resource["data"])
        path, nin, call = f"/fhir/R4/{request['url']}", self.platform.nin(WHO), self.platform.client.call
        return call(request["method"], path, as_="lab", patient=nin, body=body, headers=headers).status_code

    def stands(self) -> list[Any]:
        """All that is left of it, without what is different between two worlds."""
        rows = self.platform.rows(
            "SELECT a.ids, a.versions, a.action, a.outcome, a.rule FROM audit a WHERE ids && $1::uuid[] ORDER BY at",
            [UUID(one) for one in self.ids],
        )
        left = [
            (place, one["status"], one["meta"]["versionId"])
            for place in range(4)
            for one in read(self.platform, f"Observation?identifier={self.tag}-{place}", about=WHO).resources()
        ]
        return [sorted(left), [self.logged(row) for row in rows]]

    def logged(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """A line of the log, with the places of those ids that both worlds know: a refusal may name what was made in between."""
        places = sorted(self.ids.index(str(one)) for one in row["ids"] if str(one) in self.ids)
        return places, sorted(row["versions"]), row["action"], row["outcome"]


ASKED: Final = st.tuples(
    st.sampled_from(
        ["create", "create unless", "create wrongly", "update", "update unseen", "update what answers", "patch", "delete",
         "delete what answers", "read without the scope"]
    ),
    st.integers(0, 3), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ASKED, min_size=1, max_size=8))
def test_a_batch_leaves_what_its_requests_leave_one_by_one(
    platform: Standing, asked: list[tuple[str, int, int]]
) -> None:
    one, other = World(platform), World(platform)
    singly = [one.alone(one.asked(*each)) for each in asked]
    together = send(platform, bundle("batch", *(other.asked(*each) for each in asked)), about=WHO)
    assert statuses(together) == singly
    assert one.stands() == other.stands()
