"""On which line of a JSON body an element stands, told from its path; looked up only once something is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from kjerne.errors import Fault

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]+')


def with_lines(faults: list[Fault], raw: bytes, type: str) -> list[Fault]:
    """The faults of a resource, each with the line of its element or of the nearest around it that is there."""
    wanted = {path for fault in faults for path in _nearest(fault.where)}
    found = _lines(raw.decode("utf-8", "replace"), type, wanted)
    return [replace(fault, line=_line(fault.where, found)) for fault in faults]


def _nearest(path: str) -> list[str]:
    """A path and those around it, from the inside out."""
    paths = [path]
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        paths.append(path)
    return paths


def _line(path: str, found: dict[str, int]) -> int:
    return next((found[one] for one in _nearest(path) if one in found), 0)


def _lines(text: str, type: str, wanted: set[str]) -> dict[str, int]:
    """The lines of the wanted paths. Iterative: depth is the sender's. The text has been parsed before, so it is JSON.

    Below what is not wanted nothing is, and no path is spelled there: a name may be as long as the body.
    """
    found: dict[str, int] = {}
    # One frame for each open object or list: its path (empty: not wanted), and its place in the list (-1: an object).
    frames: list[list[str | int]] = []
    path, line, last = type, 1, 0
    key: str | None = None  # none is open; a name may be empty
    for token in _TOKEN.finditer(text):
        sign = token[0]
        line, last = line + text.count("\n", last, token.start()), token.start()
        if sign in ("}", "]"):
            frames.pop()
        elif sign == "," and frames:
            frames[-1][1] = int(frames[-1][1]) + 1 if int(frames[-1][1]) >= 0 else -1
            key = None
        elif sign == ":":
            continue
        elif frames and frames[-1][1] == -1 and key is None:
            key = sign[1:-1]
        else:
            if frames and not frames[-1][0]:
                path = ""
            elif frames:
                path = f"{frames[-1][0]}.{key}" if frames[-1][1] == -1 else f"{frames[-1][0]}[{frames[-1][1]}]"
            if path in wanted:
                found.setdefault(path, line)
            if sign in ("{", "["):
                frames.append([path if path in wanted else "", -1 if sign == "{" else 0])
            key = None
    return found
