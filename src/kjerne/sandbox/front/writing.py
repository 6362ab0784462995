"""A call as a whole program, in four languages: what a developer copies, runs, and goes on from.

The texts lie in `programs/`, one a language; this platform's addresses and one call's particulars are put in. What
was pushed to the provider is read off the steps of a real login, so a program asks for what the console asked for.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

import jinja2

from kjerne.sandbox.front.wire import Step

Flow = Literal["open", "machine", "person", "portal"]
SPOILED: Final = ("no-token", "no-proof", "other-address", "other-key")
"""What can be wrong with a call on purpose, so that its refusal is seen."""


class Language(NamedTuple):
    """A language: its key, the name of a program's file."""

    key: str
    file: str


LANGUAGES: Final = (
    Language("curl", "kjerne-call.sh"),
    Language("python", "kjerne_call.py"),
    Language("csharp", "Program.cs"),
    Language("java", "Call.java"),
)
_OF_A_PROGRAM: Final = frozenset(
    {
        "host",
        "connection",
        "accept-encoding",
        "user-agent",
        "x-correlation-id",
        "content-length",
        "authorization",
        "dpop",
    }
)
"""Headers that each program makes itself, or that were the console's own."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a login asked the provider for: `details` in JSON, `login_scope` of a portal's first login."""

    flow: Flow = "open"
    client: str = ""
    scope: str = ""
    details: str = field(default="", repr=False)
    pid: str = field(default="", repr=False)
    login_scope: str = ""


OPEN: Final = Pushed()


def pushed(steps: Sequence[Step]) -> Pushed:
    """Read off the requests of a login that ended well."""
    forms = [dict(parse_qsl(step.body.decode())) for step in steps if step.status in (200, 201) and step.body]
    par = next((form for form in forms if "code_challenge" in form), {})
    last = forms[-1]
    grant = last["grant_type"].rpartition(":")[2]
    if grant == "client_credentials":
        return Pushed("machine", last["client_id"], last["scope"])
    asked = last if grant == "token-exchange" else par
    details = _timeless(asked.get("authorization_details", ""))
    flow: Flow = "portal" if grant == "token-exchange" else "person"
    return Pushed(flow, par["client_id"], asked["scope"], details, par["test_pid"], par["scope"])


def _timeless(details: str) -> str:
    """Without the moment of the attestation, which the provider puts in when the program runs."""
    if not details:
        return ""
    listed = [{name: value for name, value in one.items() if name != "toa"} for one in json.loads(details)]
    return json.dumps(listed, ensure_ascii=False)


def elsewhere(url: str) -> str:
    """An address of the platform at `url` that is not called, for a proof that does not hold."""
    return f"{url}/elsewhere"


def program(
    language: Language, url: str, login: Pushed, step: Step, spoiled: str = "", own: Collection[str] = ()
) -> str:
    """The text of a program that makes the call of this step: with what was spoiled in it on purpose, and with the headers that
    its asker wrote (`own`, in small letters) instead of those that a program makes."""
    sent = {name.lower() for name, _ in step.sent}
    headers = [(name, value) for name, value in step.sent if name.lower() not in _OF_A_PROGRAM.difference(own)]
    token, proof = (login.flow != "open" and name in sent and name not in own for name in ("authorization", "dpop"))
    said: Mapping[str, object] = {
        "url": url, "issuer": f"{url}/sts", "flow": login.flow if token or proof else "open", "client": login.client,
        "scope": login.scope, "details": login.details, "pid": login.pid, "login_scope": login.login_scope,
        "method": step.method, "address": step.url, "headers": headers, "body": step.body.decode("utf-8", "replace"),
        "token": token, "proof": proof, "other_key": proof and spoiled == "other-key",
        "proven": elsewhere(url) if spoiled == "other-address" else step.url, "untyped": "content-type" not in sent,
        "told": _told(token, proof, spoiled),
    }  # fmt: skip
    return _texts().get_template(f"{language.file}.txt").render(**said, sh=shlex.quote, py=_in_quotes, js=_in_quotes)


def _told(token: bool, proof: bool, spoiled: str) -> str:
    """What goes along with a call, in words of a comment."""
    if not proof:
        return ", with the token and without a proof" if token else ""
    wrong = ", which is for another address" if spoiled == "other-address" else ""
    return f", with {'token and ' if token else ''}a proof of its own{wrong}{'' if token else ', and without a token'}"


@cache
def _texts() -> jinja2.Environment:
    # Programs, no pages: each value is put in as a literal of its language, by `sh`, `py` or `js`.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("kjerne.sandbox.front").joinpath("programs"))),
        autoescape=False,  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _in_quotes(text: str) -> str:
    """A literal of Java, C# and Python: their escapes of a quoted text are JSON's."""
    return json.dumps(text, ensure_ascii=False)
