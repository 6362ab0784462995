"""Subscriptions as the R4 backport has them, and as R4 itself: what one asks for, and the messages that tell it something.

Source: http://hl7.org/fhir/uv/subscriptions-backport (1.1.0): the topic's canonical stands in `criteria`, filters, payload and
heartbeat in extensions, and a message is a Bundle of type `history` that begins with the subscription's status. R4's own
(subscription.html) has a search in `criteria` and says nothing of its payload's content: each record is put to the endpoint as
it is, or an empty message posted; by a socket `bound` is said first, and then `ping` with the subscription's id.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.dates import interval
from kjerne.fhir.encode import encode
from kjerne.fhir.topics import Filters, about
from kjerne.fhir.topics import refused as _refused

_GUIDE: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
FILTER: Final = _GUIDE + "backport-filter-criteria"
PAYLOAD: Final = _GUIDE + "backport-payload-content"
HEARTBEAT: Final = _GUIDE + "backport-heartbeat-period"
TIMEOUT: Final = _GUIDE + "backport-timeout"
MOST: Final = _GUIDE + "backport-max-count"
STATUS_PROFILE: Final = _GUIDE + "backport-subscription-status-r4"

Channel = Literal["rest-hook", "websocket"]
CHANNELS: Final[tuple[Channel, ...]] = ("rest-hook", "websocket")
SOCKET: Final = "/subscriptions/socket"
"""Where a socket is opened that subscriptions are told over."""
Content = Literal["empty", "id-only", "full-resource"]
Told = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
HEADERS_LIMIT: Final = 5
HEARTBEAT_SECONDS: Final = (60, 86_400)
TIMEOUT_SECONDS: Final = (1, 30)
MOST_EVENTS: Final = 20
JSON: Final = ("application/fhir+json", "application/json")
_HEADER: Final = re.compile(r"(Authorization|X-[A-Za-z0-9-]{1,60}): ?([\x21-\x7e](?:[\x20-\x7e]{0,1998}[\x21-\x7e])?)")
_CONTENTS: Final[tuple[Content, ...]] = ("empty", "id-only", "full-resource")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a Subscription asks for. `filters` are types with their criteria; without any, all of the service. `whom` are the
    addresses that name its patient. `url` and `headers` are a rest-hook's. `is_plain`: it is told in R4's own way, one record
    a message, and never of a deletion."""

    service: str
    topic: str
    filters: Filters
    whom: tuple[str, ...]
    channel: Channel
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    content: Content
    heartbeat: int
    timeout: int
    most: int
    ends_at: datetime | None
    off: bool
    is_plain: bool = False


def asked(tree: Mapping[str, Any], services: Mapping[str, Sequence[str]], opened: Collection[str]) -> Asked:
    """From a valid Subscription; `services` and `opened` as in `about`. `Refusal` 422 for what is not done here, with its
    place."""
    criteria, channel = str(tree.get("criteria", "")), tree["channel"]
    texts = [
        one.get("valueString") for one in tree.get("_criteria", {}).get("extension", ()) if one.get("url") == FILTER
    ]
    found = about(criteria, texts, services, opened)
    kind = _way(channel)
    said = channel.get("extension", ())
    content = _of(channel.get("_payload", {}).get("extension", ()), PAYLOAD, "valueCode", "")
    if content not in ("", *_CONTENTS):
        raise _not("Subscription.channel.payload", f"the content of a payload is one of {', '.join(_CONTENTS)}")
    plain = found.is_search and not content
    if plain and kind == "websocket" and "payload" in channel:
        # R4 itself sends nothing of a record by a socket: who asks for it there is told as of a topic.
        plain, content = False, "full-resource"
    if plain:
        content = "full-resource" if "payload" in channel else "empty"
        if any(one.get("url") in (HEARTBEAT, MOST) for one in said):
            raise _not(
                "Subscription.channel", f"a heartbeat or a number of events goes with {PAYLOAD.rpartition('/')[2]}"
            )
    return Asked(
        found.service, criteria, found.filters, found.whom, kind, str(channel.get("endpoint", "")),
        _headers(channel.get("header", ())), content or "empty",
        _number(said, HEARTBEAT, "valueUnsignedInt", 0, HEARTBEAT_SECONDS),
        _number(said, TIMEOUT, "valueUnsignedInt", 10, TIMEOUT_SECONDS),
        1 if plain else _number(said, MOST, "valuePositiveInt", MOST_EVENTS, (1, MOST_EVENTS)), _end(tree.get("end")),
        tree.get("status") == "off", plain,
    )  # fmt: skip


def _way(channel: Mapping[str, Any]) -> Channel:
    """How its messages go; `Refusal` 422 for a channel that is none of ours, or says what its kind does not have."""
    kind = channel.get("type")
    if kind not in CHANNELS:
        raise _not("Subscription.channel.type", f"messages go by {' or '.join(CHANNELS)}")
    if channel.get("payload", JSON[0]) not in JSON:
        raise _not("Subscription.channel.payload", "messages are application/fhir+json")
    if kind == "websocket":
        for name in ("endpoint", "header"):
            if name in channel:
                raise _not(f"Subscription.channel.{name}", f"a websocket is opened by the client, and has no {name}")
        return "websocket"
    if "endpoint" not in channel:
        raise _not("Subscription.channel.endpoint", "a rest-hook has an endpoint")
    return "rest-hook"


def _not(where: str, says: str) -> Refusal:
    return _refused(says, where=where)


def _of(extensions: Sequence[Mapping[str, Any]], url: str, name: str, else_: Any) -> Any:
    found = [one.get(name) for one in extensions if one.get("url") == url]
    if len(found) > 1 or None in found:
        raise _not("Subscription.channel", f"{url.rpartition('/')[2]} stands once, with {name}")
    return found[0] if found else else_


def _number(said: Sequence[Mapping[str, Any]], url: str, name: str, else_: int, bounds: tuple[int, int]) -> int:
    found = _of(said, url, name, else_)
    if found != else_ and not (isinstance(found, int) and bounds[0] <= found <= bounds[1]):
        raise _not("Subscription.channel", f"{url.rpartition('/')[2]} is from {bounds[0]} to {bounds[1]}")
    return int(found)


def _headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    # A text that R4 lets be an extension alone is none.
    found = [_HEADER.fullmatch(text or "") for text in texts]
    if len(found) > HEADERS_LIMIT or None in found:
        says = f"a header is Authorization or begins with X-, in one line, and there are at most {HEADERS_LIMIT}"
        raise _not("Subscription.channel.header", says)
    return tuple((one[1], one[2]) for one in found if one)


def _end(text: Any) -> datetime | None:
    return interval(str(text))[0] if text is not None else None


@dataclass(frozen=True, slots=True)
class Focus:
    """What an event is about, as far as it is told: an address, the version that was written, and the resource where that is told
    too."""

    url: str
    version: int
    deleted: bool = False
    resource: bytes = b""


@dataclass(frozen=True, slots=True)
class Telling:
    """One event as it is told; without a focus it says that there was one."""

    number: int
    at: datetime
    focus: Focus | None = None


def message(
    base: str, id_: str, state: str, told: Told, topic: str, events: int | None, tellings: Sequence[Telling], at: datetime,
    fault: str = "",
) -> bytes:  # fmt: skip
    """The Bundle that tells a subscription something. `base` is the address of the FHIR API, `events` how many there were, where
    that is told."""
    url = f"{base}/Subscription/{id_}"
    rows: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": url}},
        {"name": "topic", "valueCanonical": topic},
        {"name": "status", "valueCode": state},
        {"name": "type", "valueCode": told},
        *([{"name": "events-since-subscription-start", "valueString": str(events)}] if events is not None else []),
        *map(_event, tellings),
    ]
    if fault:
        rows.append({"name": "error", "valueCodeableConcept": {"text": fault}})
    status = {
        "resourceType": "Parameters", "id": f"status-{events or 0}", "meta": {"profile": [STATUS_PROFILE]}, "parameter": rows,
    }  # fmt: skip
    head = encode({"resourceType": "Bundle", "type": "history", "timestamp": instant(at)})[:-1]
    made = {"request": {"method": "GET", "url": f"{url}/$status"}, "response": {"status": "200"}}
    first = encode({"fullUrl": f"{url}/$status", "resource": status} | made)
    return head + b',"entry":[' + b",".join([first, *_focuses(base, tellings)]) + b"]}"


def _event(one: Telling) -> dict[str, Any]:
    part: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": str(one.number)},
        {"name": "timestamp", "valueInstant": instant(one.at)},
    ]
    if one.focus is not None and one.focus.url:
        part.append({"name": "focus", "valueReference": {"reference": one.focus.url}})
    return {"name": "notification-event", "part": part}


def _focuses(base: str, tellings: Sequence[Telling]) -> list[bytes]:
    """The versions that events are about, each once, with what made it, as a history has them."""
    found: dict[Focus, bytes] = {}
    for one in tellings:
        focus = one.focus
        if focus is None or not (focus.resource or focus.deleted) or not focus.url:
            continue
        url = focus.url.removeprefix(f"{base}/")
        request, status = {"method": "PUT", "url": url}, "200"
        if focus.deleted:
            request, status = {"method": "DELETE", "url": url}, "204"
        elif focus.version == 1:
            request, status = {"method": "POST", "url": url.partition("/")[0]}, "201"
        made = {"request": request, "response": {"status": status}}
        resource = b',"resource":' + focus.resource if focus.resource else b""
        found[focus] = b'{"fullUrl":' + encode(focus.url) + resource + b"," + encode(made)[1:]
    return list(found.values())


def instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def after(failures: int) -> timedelta:
    """How long a subscription waits after so many messages that were not taken: doubling from five seconds to an hour."""
    doubled: timedelta = timedelta(seconds=5) * 2 ** min(failures - 1, 10)
    return min(timedelta(hours=1), doubled)


def content_of(url: str, content: Content, version: int, served: bytes | None, *, deleted: bool) -> Focus | None:
    """What is told of an event's record: `served` are the bytes of that version as the law lets them leave, None where it does
    not; none at all where nothing but its address is told, since it is gone."""
    if content == "empty" or (served is None and not deleted):
        return None
    if deleted:
        return Focus(url, version, deleted=True)
    return Focus(url, version, resource=served or b"" if content == "full-resource" else b"")


def token_told(token: str, ends_at: datetime, ids: Sequence[str], url: str) -> bytes:
    """What `$get-ws-binding-token` answers (OperationDefinition backport-subscription-get-ws-binding-token). `url` is the
    address of the FHIR API's host, `http` or `https`."""
    rows: list[dict[str, Any]] = [
        {"name": "token", "valueString": token},
        {"name": "expiration", "valueDateTime": instant(ends_at)},
        *({"name": "subscription", "valueString": one} for one in ids),
        {"name": "websocket-url", "valueUrl": socket_url(url)},
    ]
    return encode({"resourceType": "Parameters", "parameter": rows})


def socket_url(url: str) -> str:
    """Where a socket is opened at a host."""
    return "ws" + url.removeprefix("http") + SOCKET


_TOKEN: Final = re.compile(r"bind-with-token:? +([A-Za-z0-9_-]{20,200})\s*")


class _Payload(msgspec.Struct):
    token: str


class _Bind(msgspec.Struct):
    type: str
    payload: _Payload


def token_in(text: str) -> str | None:
    """The token of a message that binds a socket: `bind-with-token` and the token (websocket.html of R5), or both in a JSON
    object with `type` and `payload`, as some clients have it."""
    if match := _TOKEN.fullmatch(text):
        return match[1]
    try:
        said = msgspec.json.decode(text.encode(), type=_Bind)
    except (msgspec.DecodeError, RecursionError):
        return None
    return token_in(f"bind-with-token {said.payload.token}") if said.type == "bind-with-token" else None
