"""Who subscribes in tests: a receiver, a deliverer beside the platform, and what is sent to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from kjerne.fhir.subscribing import FILTER, PAYLOAD
from kjerne.fhir.topics import TOPIC
from kjerne.subscribing import Deliverer, ready
from platform_fixture import Answered, Standing, Tree
from receiving import Inbox, Receiver
from services.test_standards import FHIR, create, observation

AT = "/fhir/R4/Subscription"
WHO = "pregnant"
"""In care at the health centre, and has shut nothing to anybody."""


def wish(url: str, *filters: str, content: str = "full-resource", service: str = "results", **channel: Any) -> Tree:
    """A Subscription as the backport has it."""
    said = [{"url": FILTER, "valueString": one} for one in filters]
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to see what is new",
        "criteria": TOPIC + service,
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": PAYLOAD, "valueCode": content}]},
        }
        | channel,
    } | ({"_criteria": {"extension": said}} if said else {})


OF_TASKS = {"extension": [{"url": FILTER, "valueString": "Task?status=requested"}]}
"""A filter of another type than the topic's."""


@dataclass
class World:
    """The platform with a deliverer beside it, a receiver, and a file that lets it be told."""

    platform: Standing
    inbox: Inbox
    deliverer: Deliverer
    made: list[str] = field(default_factory=list)

    def call(self, method: str, path: str = "", tree: Tree | None = None, *, as_: str = "ehr", **more: Any) -> Answered:
        body = json.dumps(tree).encode() if tree is not None else b""
        headers = {"content-type": FHIR} | more.pop("headers", {})
        about = more.pop("about", WHO)
        return Answered(
            self.platform.client.call(
                method, AT + path, as_=as_, patient=self.platform.nin(about) if about else "", body=body, headers=headers,
                **more,
            )
        )  # fmt: skip

    def subscribed(self, *filters: str, as_: str = "ehr", about: str = WHO, **more: Any) -> str:
        answer = self.call("POST", "", wish(self.inbox.url + "/hook", *filters, **more), as_=as_, about=about)
        assert answer.status == 201, answer.response.text
        self.made.append(answer.tree["id"])
        self.work()
        assert self.state(answer.tree["id"], as_=as_) == "active"
        return str(answer.tree["id"])

    def state(self, id_: str, **more: Any) -> str:
        return str(self.call("GET", f"/{id_}", **more).tree["status"])

    def work(self) -> None:
        self.platform.settled()
        self.platform.run(self.deliverer.run_due())

    def told(self) -> list[Tree]:
        """What was told since the last time."""
        self.inbox.sent.clear()
        self.work()
        return self.inbox.bundles()


@pytest.fixture
def world(platform: Standing) -> Iterator[World]:
    edge = platform.application._edge
    deliverer = Deliverer(edge.store.pool, platform.clock, edge.store.keys, edge.store.wrap.shares, edge.settings)
    with Receiver() as inbox:
        edge.settings.subscribers_file.write_text(
            "".join(
                f'[[receiver]]\nclient = "{client}"\nurl = "{inbox.url}/"\naddresses = ["127.0.0.0/8"]\n'
                for client in ("ehr", "sandbox-epj")
            )
        )
        found = World(platform, inbox, platform.run(ready(deliverer)))
        found.work()
        yield found
        for as_ in ("ehr", "gp"):
            for one in found.call("GET", as_=as_).resources():
                assert found.call("DELETE", f"/{one['id']}", as_=as_).status == 204
        deliverer.hooks.close()
        edge.settings.subscribers_file.unlink()


def result(world: World, **more: Any) -> str:
    answer = create(world.platform, observation(**more), about=WHO)
    assert answer.status == 201
    return str(answer.tree["id"])
