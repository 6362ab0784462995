"""`kjerne ig check`: what is stored, held against the rules of today: file by file of an export that was approved, or by type.

What was checked is kept in a file of its own, so that a run that was broken off goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from kjerne.commands.asking import connected
from kjerne.errors import Refusal

IDS_SHOWN: Final = 5
"""To a person; JSON has all that are told."""
Report = dict[str, Any]


def checked(number: int, caller: str, state: Path | None, step: Callable[[int, int], None]) -> Report:
    """Every file's report as one. `Refusal` where the platform gives none, with its status; what was done is in `state`."""
    done = _done(state, number)
    with connected() as client:

        def asked(path: str) -> Any:
            answer = client.call("GET", path, as_=caller)
            if answer.status_code != 200:
                said = "approvals are missing" if answer.status_code == 202 else _says(answer.text)
                status = 409 if answer.status_code == 202 else answer.status_code
                raise Refusal(status, f"the platform gives no report: {said}", where=path)
            return answer.json()

        files = [one["url"].rpartition("/")[2] for one in asked(f"/exports/{number}")["output"]]
        for place, file in enumerate(files):
            if file not in done:
                done[file] = asked(f"/exports/{number}/files/{file}/validation")
                _keep(state, number, done[file])
            step(place + 1, len(files))
    return {"export": number, "files": len(files)} | joined(done[file] for file in files)


def checked_by_type(types: Iterable[str], caller: str) -> Report:
    """Records about no patient, page by page."""
    reports: list[Report] = []
    with connected() as client:
        for name in types:
            after: str | None = ""
            while after is not None:
                path = f"/checks/{quote(name, safe='')}" + (f"?after={quote(after, safe='')}" if after else "")
                answer = client.call("GET", path, as_=caller)
                if answer.status_code != 200:
                    says = f"the platform gives no report: {_says(answer.text)}"
                    raise Refusal(answer.status_code, says, where=name)
                reports.append(answer.json())
                after = reports[-1].get("next")
    return {"types": list(types)} | joined(reports)


def joined(reports: Iterable[Report]) -> Report:
    """Reports of files as one: counts added up, ids one after another."""
    records = wrong = 0
    kinds: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in reports:
        records, wrong = records + one["records"], wrong + one["wrong"]
        type_ = str(one["file"]).partition("-")[0]
        for kind in one["kinds"]:
            key = (type_, *(str(kind[name]) for name in ("severity", "profile", "rule", "expression")))
            told = {"type": type_} | {name: value for name, value in kind.items() if name not in ("count", "ids")}
            known = kinds.setdefault(key, told | {"count": 0, "ids": []})
            known["count"] += kind["count"]
            known["ids"] += kind["ids"]
    return {"records": records, "wrong": wrong, "kinds": [kinds[key] for key in sorted(kinds)]}


def told(found: Report) -> str:
    """As lines for a terminal."""
    lines = [
        f"{kind['count']:>8}  {kind['severity']}  {kind['expression']}  {kind['rule']}  {kind['profile'] or 'R4'}: "
        + ", ".join(kind["ids"][:IDS_SHOWN])
        + (" ..." if kind["count"] > IDS_SHOWN else "")
        for kind in found["kinds"]
    ]
    return "\n".join([*lines, f"{found['wrong']} of {found['records']} records do not keep to the rules of today"])


def _says(text: str) -> str:
    try:
        found = json.loads(text)
        return str(found.get("error") or found["issue"][0]["diagnostics"])
    except (ValueError, LookupError, AttributeError, TypeError):
        return "no answer in its words"


def _done(state: Path | None, number: int) -> dict[str, Report]:
    """The files that an earlier run has done; a line that was cut short counts as not done."""
    found: dict[str, Report] = {}
    try:
        text = state.read_text("utf-8") if state is not None else ""
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Refusal(400, f"the state cannot be read: {type(error).__name__}", where="--state") from None
    for line in text.split("\n"):
        try:
            row = json.loads(line)
            export, report = row["export"], row["report"]
            found[report["file"]] = report
        except (ValueError, LookupError, TypeError):
            continue
        if export != number:
            raise Refusal(409, "the state is another export's", where="--state", todo="Name another file.")
    return found


def _keep(state: Path | None, number: int, report: Report) -> None:
    if state is None:
        return
    try:
        with state.open("a", encoding="utf-8") as lines:
            lines.write(f"\n{json.dumps({'export': number, 'report': report})}")
    except OSError as error:
        raise Refusal(400, f"the state cannot be written: {error.strerror}", where="--state") from None
